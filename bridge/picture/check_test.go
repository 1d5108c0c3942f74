package picture

import (
	"bytes"
	"errors"
	"image"
	"strings"
	"testing"
)

func open(t testing.TB, cfg Config) *Store {
	t.Helper()
	s, err := Open(cfg, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// What is an image is taken, with its type by its bytes (XEP-0153 §5) and its
// size.
func TestPut_Images(t *testing.T) {
	s := open(t, Config{})
	for _, c := range []struct {
		name      string
		data      []byte
		mediaType string
		w, h      int
	}{
		{"PNG", pngOf(64, 48, 1), "image/png", 64, 48},
		{"PNG, animated", pngSaying(8, 8, fcTL(0, 0, 8, 8), fcTL(4, 4, 4, 4)), "image/png", 8, 8},
		{"PNG, largest side", pngSaying(4096, 1024), "image/png", 4096, 1024},
		{"JPEG", jpegOf(96, 32), "image/jpeg", 96, 32},
		{"GIF", gifOf(32, 32, 1), "image/gif", 32, 32},
		{"GIF, animated", gifOf(20, 10, 3), "image/gif", 20, 10},
		{"GIF without its trailer", bytes.TrimSuffix(gifOf(9, 9, 1), []byte{0x3b}), "image/gif", 9, 9},
		{"WebP, lossy", riff(vp8(64, 63)), "image/webp", 64, 63},
		{"WebP, lossless", riff(vp8l(64, 63)), "image/webp", 64, 63},
		{"WebP, extended", riff(vp8x(64, 63), webpChunk("ALPH", 1), vp8(64, 63)), "image/webp", 64, 63},
		{"WebP, animated", riff(vp8x(64, 64), anmf(0, 0, 64, 64, vp8(64, 64)), anmf(32, 32, 32, 32, vp8l(32, 32))), "image/webp", 64, 64},
		{"PNG and more", append(pngOf(5, 5, 0), "PK\x03\x04"...), "image/png", 5, 5},
		{"JPEG and more", append(jpegOf(5, 5), svg...), "image/jpeg", 5, 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := s.Put(c.data)
			want := Picture{idOf(c.data), c.mediaType, len(c.data), c.w, c.h}
			if err != nil || p != want {
				t.Fatalf("got %+v, %v; want %+v", p, err, want)
			}
			again, err := s.Put(c.data)
			if err != nil || again != p {
				t.Errorf("the second time: %+v, %v", again, err)
			}
			got, data, ok := s.Get(p.ID)
			if !ok || got != p || !bytes.Equal(data, c.data) {
				t.Errorf("comes back as %+v, %v, %d bytes", got, ok, len(data))
			}
		})
	}
}

// What may harm whoever decodes it, or is no image, is refused with the
// reason, and nothing is kept.
func TestPut_Hostile(t *testing.T) {
	s := open(t, Config{MaxBytes: 64 << 10})
	scan := []byte{0xff, 0xda, 0, 2, 0}
	whole, eoi := jpegOf(8, 8), []byte{0xff, 0xd9}
	for _, c := range []struct {
		name string
		data []byte
		kind Kind
	}{
		{"nothing", nil, Empty},
		{"no bytes", []byte{}, Empty},
		{"one byte too many", append(pngOf(4, 4, 0), make([]byte, 64<<10)...), TooLarge},
		{"SVG with a script", []byte(svg), Type},
		{"HTML called image/png", []byte("<!doctype html><script>alert(1)</script>"), Type},
		{"HTML in a BMP's clothes", []byte("BM<html><script>alert(1)</script>"), Type},
		{"text", []byte("\x89PNG but not quite"), Type},
		{"TIFF", []byte("II*\x00\x08\x00\x00\x00"), Type},
		{"JPEG, lossless", bytes.Replace(whole, []byte{0xff, 0xc0}, []byte{0xff, 0xc3}, 1), Type},
		{"PNG bomb", pngSaying(65535, 65535), Dimensions},
		{"PNG bomb, largest", pngSaying(1<<31-1, 1<<31-1), Dimensions},
		{"PNG, too large an area", pngSaying(4096, 1025), Dimensions},
		{"PNG of no width", pngSaying(0, 5), Dimensions},
		{"PNG frame beyond the image", pngSaying(8, 8, fcTL(1, 0, 8, 8)), Dimensions},
		{"PNG frame far beyond", pngSaying(8, 8, fcTL(1<<32-1, 0, 2, 8)), Dimensions},
		{"PNG of too many frames", pngSaying(8, 8, repeated(fcTL(0, 0, 8, 8), maxFrames+1)), Dimensions},
		{"GIF bomb", gifSaying(65535, 65535, 0, 0, 1, 1), Dimensions},
		{"GIF frame larger than the image", gifSaying(16, 16, 0, 0, 65535, 65535), Dimensions},
		{"GIF of no height", gifSaying(16, 0, 0, 0, 16, 1), Dimensions},
		{"JPEG bomb", jpegSaying(65535, 65535), Dimensions},
		{"JPEG of no height", jpegSaying(8, 0), Dimensions},
		{"JPEG of too many scans", append(append(bytes.TrimSuffix(whole, eoi), repeated(scan, maxScans)...), eoi...), Dimensions},
		{"WebP bomb", riff(vp8x(16384, 16384), vp8(16383, 16383)), Damaged},
		{"WebP bomb in a frame", riff(vp8x(64, 64), anmf(0, 0, 64, 64, vp8(16383, 16383))), Damaged},
		{"WebP bomb, lossless", riff(vp8l(16384, 16384)), Dimensions},
		{"WebP frame beyond the image", riff(vp8x(64, 64), anmf(2, 0, 64, 64, vp8(64, 64))), Dimensions},
		{"PNG header alone", pngHeader(8, 8), Damaged},
		{"PNG without pixels", append(pngHeader(8, 8), pngChunk("IEND", nil)...), Damaged},
		{"PNG chunk longer than all", append(pngHeader(8, 8), "\xff\xff\xff\xffIDAT0000"...), Damaged},
		{"PNG of an impossible depth", bytes.Replace(pngOf(8, 8, 0), []byte{2, 3, 0, 0, 0}, []byte{9, 3, 0, 0, 0}, 1), Damaged},
		{"PNG with two headers", append(pngHeader(8, 8), pngSaying(8, 8)[8:]...), Damaged},
		{"PNG with a wrong checksum", bytes.Replace(pngSaying(8, 8), []byte("IDAT\x01"), []byte("IDAT\x02"), 1), Damaged},
		{"GIF without frames", append([]byte("GIF89a\x08\x00\x08\x00\x00\x00\x00"), 0x3b), Damaged},
		{"GIF with an unknown block", []byte("GIF89a\x08\x00\x08\x00\x00\x00\x00\x99"), Damaged},
		{"JPEG with two sizes", append(append(bytes.TrimSuffix(whole, eoi), jpegSaying(9999, 9999)[2:]...), eoi...), Damaged},
		{"JPEG in a JPEG", append(append([]byte{}, whole[:2]...), whole...), Damaged},
		{"WebP of nothing", riff(), Damaged},
		{"WebP with two images", riff(vp8(8, 8), vp8(9, 9)), Damaged},
		{"WebP that says more than it is", riff(vp8(8, 8))[:20], Damaged},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := s.Put(c.data)
			if !errors.Is(err, &Error{Kind: c.kind}) || p != (Picture{}) {
				t.Fatalf("got %+v, %v; want %v", p, err, c.kind)
			}
			if _, _, ok := s.Get(idOf(c.data)); ok {
				t.Error("it was kept")
			}
		})
	}
}

// The error says what the image looks like and what the limit is.
func TestPut_ErrorNamesTheReason(t *testing.T) {
	s := open(t, Config{MaxBytes: 1024})
	for data, want := range map[string]string{
		svg:                            "looks like image/svg+xml",
		"<!doctype html><html></html>": "looks like text/html",
		"BM<html>":                     "looks like image/bmp",
		string(make([]byte, 1025)):     "larger than 1024 bytes",
		string(pngSaying(70000, 2)):    "70000×2 pixels, more than 4096 a side",
	} {
		_, err := s.Put([]byte(data))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if !errors.Is(refuse(Type, ""), &Error{Kind: Type}) || errors.Is(refuse(Type, ""), &Error{Kind: Empty}) {
		t.Error("errors.Is does not ask for the kind")
	}
}

// An image that is cut short anywhere is refused; a GIF may lack its last
// byte.
func TestPut_CutShort(t *testing.T) {
	s := open(t, Config{})
	for name, whole := range map[string][]byte{
		"png": pngOf(7, 7, 0), "jpeg": jpegOf(7, 7), "gif": gifOf(7, 7, 2),
		"webp": riff(vp8x(8, 8), anmf(0, 0, 8, 8, vp8(8, 8))),
	} {
		_, err := s.Put(whole)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		frames := 0
		for n := range whole {
			_, err := s.Put(whole[:n])
			if err == nil && name == "gif" {
				frames++ // after the first frame, after the second
				continue
			}
			if err == nil {
				t.Errorf("%s: %d of %d bytes are taken", name, n, len(whole))
			}
		}
		if frames > 3 {
			t.Errorf("a GIF is whole at %d places", frames)
		}
	}
}

// Put does not fail on any bytes but with an *Error, and what it takes has
// the size that the standard library sees.
func FuzzPut(f *testing.F) {
	for _, data := range [][]byte{
		pngOf(8, 8, 0), pngSaying(8, 8, fcTL(0, 0, 8, 8)), jpegOf(9, 8), gifOf(4, 5, 2), []byte(svg),
		riff(vp8(8, 8)), riff(vp8l(8, 8)), riff(vp8x(8, 8), anmf(0, 0, 8, 8, vp8(8, 8))),
	} {
		f.Add(data)
	}
	s := open(f, Config{MaxBytes: 16 << 10, MaxTotal: 1 << 20})
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := s.Put(bytes.Clone(data))
		var e *Error
		if err != nil {
			if !errors.As(err, &e) {
				t.Fatalf("an error of no kind: %v", err)
			}
			return
		}
		if p.Width < 1 || p.Height < 1 || p.Width > 4096 || p.Height > 4096 || p.Width*p.Height > 4<<20 || extension(p.Type) == "" {
			t.Fatalf("taken: %+v", p)
		}
		c, name, err := image.DecodeConfig(bytes.NewReader(data))
		if err == nil && ("image/"+name != p.Type || c.Width != p.Width || c.Height != p.Height) {
			t.Fatalf("%+v, but a decoder sees %s %d×%d", p, name, c.Width, c.Height)
		}
	})
}
