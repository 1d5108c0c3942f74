package picture

import "fmt"

// Kind is why an image was refused.
type Kind uint8

// The kinds.
const (
	Empty      Kind = iota // no bytes
	TooLarge               // more than MaxBytes
	Type                   // neither PNG, JPEG, GIF nor WebP, whatever its label says
	Dimensions             // more pixels than a reader should have to decode, or none
	Damaged                // cut short, or not built as its type demands
	kindEnd
)

var kindNames = [...]string{"empty", "too_large", "type", "dimensions", "damaged"}

// String returns the kind as in metrics and logs.
func (k Kind) String() string { return kindNames[k] }

// Error is why an image was refused. Detail may be shown to the peer; it says
// nothing of the image but its type and size.
type Error struct {
	Kind   Kind
	Detail string
}

// Error says that the picture was refused, and why.
func (e *Error) Error() string { return "picture refused: " + e.Detail }

// Is reports whether target is an *Error of the same Kind, so that
// errors.Is(err, &Error{Kind: TooLarge}) asks for the kind.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Kind == e.Kind
}

func refuse(k Kind, format string, args ...any) *Error {
	return &Error{Kind: k, Detail: fmt.Sprintf(format, args...)}
}

func damaged(format string, args ...any) error { return refuse(Damaged, format, args...) }
