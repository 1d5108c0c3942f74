package picture

import "encoding/binary"

func isWebP(data []byte) bool {
	return len(data) >= 12 && string(data[:4]) == "RIFF" && string(data[8:12]) == "WEBP"
}

// webpWalk is what is known while the chunks of a WebP are read.
type webpWalk struct {
	width, height int // of the canvas; 0 before it is known
	extended      bool
	images        int
}

// readWebP walks the chunks of the RIFF container. Of an animation the frames
// lie within the canvas, and what is in a frame has its size.
func readWebP(data []byte) (width, height int, err error) {
	size := int64(binary.LittleEndian.Uint32(data[4:])) + 8
	if size < 12 || size > int64(len(data)) {
		return 0, 0, damaged("the WebP is cut short")
	}
	var w webpWalk
	err = eachChunk(data[12:size], w.chunk)
	switch {
	case err != nil:
		return 0, 0, err
	case w.images == 0:
		return 0, 0, damaged("the WebP has no pixels")
	}
	return w.width, w.height, nil
}

// eachChunk calls each with the chunks of b.
func eachChunk(b []byte, each func(kind string, body []byte) error) error {
	for len(b) > 0 {
		if len(b) < 8 {
			return damaged("the WebP is cut short")
		}
		n := int64(binary.LittleEndian.Uint32(b[4:]))
		if n > int64(len(b)-8) {
			return damaged("the WebP is cut short")
		}
		err := each(string(b[:4]), b[8:8+n])
		if err != nil {
			return err
		}
		b = b[min(int64(len(b)), 8+n+n&1):] // padded to an even length
	}
	return nil
}

// chunk takes one chunk of the file.
func (w *webpWalk) chunk(kind string, b []byte) error {
	switch kind {
	case "VP8X":
		if w.width != 0 || len(b) < 10 {
			return damaged("the WebP does not begin with its one header")
		}
		w.width, w.height, w.extended = uint24(b[4:])+1, uint24(b[7:])+1, true
	case "VP8 ", "VP8L":
		width, height, err := readVP8(kind, b)
		if err != nil {
			return err
		}
		if !w.extended && w.images == 0 {
			w.width, w.height = width, height
		}
		if width != w.width || height != w.height {
			return damaged("the WebP has two sizes")
		}
		w.images++
	case "ANMF":
		if !w.extended || len(b) < 16 {
			return damaged("a frame of the WebP is none")
		}
		w.images++
		return w.frame(b)
	}
	return nil
}

// frame checks one frame of an animation.
func (w *webpWalk) frame(b []byte) error {
	width, height := uint24(b[6:])+1, uint24(b[9:])+1
	err := checkFrame(int64(2*uint24(b)), int64(2*uint24(b[3:])), int64(width), int64(height),
		int64(w.width), int64(w.height), w.images)
	if err != nil {
		return err
	}
	return eachChunk(b[16:], func(kind string, b []byte) error {
		if kind != "VP8 " && kind != "VP8L" {
			return nil
		}
		iw, ih, err := readVP8(kind, b)
		if err == nil && (iw != width || ih != height) {
			err = damaged("a frame of the WebP has two sizes")
		}
		return err
	})
}

// readVP8 reads the size of a key frame, lossy (RFC 6386) or lossless.
func readVP8(kind string, b []byte) (width, height int, err error) {
	switch {
	case kind == "VP8 " && len(b) >= 10 && b[0]&1 == 0 && string(b[3:6]) == "\x9d\x01\x2a":
		le := binary.LittleEndian
		return int(le.Uint16(b[6:]) & 0x3fff), int(le.Uint16(b[8:]) & 0x3fff), nil
	case kind == "VP8L" && len(b) >= 5 && b[0] == 0x2f && b[4]>>5 == 0:
		bits := binary.LittleEndian.Uint32(b[1:])
		return int(bits&0x3fff) + 1, int(bits>>14&0x3fff) + 1, nil
	}
	return 0, 0, damaged("the pixels of the WebP are none")
}

func uint24(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }
