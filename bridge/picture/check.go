package picture

import (
	"bytes"
	"net/http"
	"strings"
)

const (
	// maxFrames is how many frames of an animation are let through.
	maxFrames = 256
	// maxScans is how many passes over all pixels a progressive JPEG may ask
	// of its reader; encoders write about ten.
	maxScans = 100
)

// format is one type of image that is let through.
type format struct {
	mediaType, ext string
	magic          func(data []byte) bool
	// read walks the whole structure of data without decoding pixels.
	// Bytes after the end of the image are let pass: cameras write them, and
	// a picture is only ever served under its own type, never sniffed.
	read func(data []byte) (width, height int, err error)
}

var formats = []format{
	{"image/png", "png", isPNG, readPNG},
	{"image/jpeg", "jpg", isJPEG, readJPEG},
	{"image/gif", "gif", isGIF, readGIF},
	{"image/webp", "webp", isWebP, readWebP},
}

// extension returns how the file name of a media type ends; "" when it is
// none of ours.
func extension(mediaType string) string {
	for _, f := range formats {
		if f.mediaType == mediaType {
			return f.ext
		}
	}
	return ""
}

// check returns what data is, or an *Error: it is at most maxBytes long, of a
// type that we know by its bytes, whole, and at most maxSide pixels wide and
// high, with at most a quarter of the square of that in all.
func check(data []byte, maxBytes, maxSide int) (Picture, error) {
	switch {
	case len(data) == 0:
		return Picture{}, refuse(Empty, "it has no bytes")
	case len(data) > maxBytes:
		return Picture{}, refuse(TooLarge, "it is larger than %d bytes", maxBytes)
	}
	// XEP-0153 §5: the type is what the data is, not what is said of it.
	for _, f := range formats {
		if !f.magic(data) {
			continue
		}
		w, h, err := f.read(data)
		if err != nil {
			return Picture{}, err
		}
		if w < 1 || h < 1 || w > maxSide || h > maxSide || w*h > maxSide*maxSide/4 {
			return Picture{}, refuse(Dimensions, "it has %d×%d pixels, more than %d a side or %d in all, or none",
				w, h, maxSide, maxSide*maxSide/4)
		}
		return Picture{ID: idOf(data), Type: f.mediaType, Bytes: len(data), Width: w, Height: h}, nil
	}
	return Picture{}, refuse(Type, "it is neither PNG, JPEG, GIF nor WebP but looks like %s", looksLike(data))
}

// looksLike guesses a media type, for the error only.
func looksLike(data []byte) string {
	if bytes.Contains(data[:min(len(data), 1024)], []byte("<svg")) {
		return "image/svg+xml"
	}
	mediaType, _, _ := strings.Cut(http.DetectContentType(data), ";")
	return mediaType
}
