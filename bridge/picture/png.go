package picture

import (
	"encoding/binary"
	"hash/crc32"
	"strings"
)

const pngMagic = "\x89PNG\r\n\x1a\n"

func isPNG(data []byte) bool { return strings.HasPrefix(string(data[:min(len(data), 8)]), pngMagic) }

// pngDepths are the bit depths of each colour type (PNG, Table 11.1).
var pngDepths = map[byte]string{0: "\x01\x02\x04\x08\x10", 2: "\x08\x10", 3: "\x01\x02\x04\x08", 4: "\x08\x10", 6: "\x08\x10"}

// readPNG walks the chunks up to IEND. Of an animation the frames lie within
// the image.
func readPNG(data []byte) (width, height int, err error) {
	rest := data[len(pngMagic):]
	pixels, frames := false, 0
	for first := true; ; first = false {
		if len(rest) < 12 {
			return 0, 0, damaged("the PNG is cut short")
		}
		n, kind := binary.BigEndian.Uint32(rest), string(rest[4:8])
		if uint64(n) > uint64(len(rest)-12) {
			return 0, 0, damaged("the PNG is cut short")
		}
		body := rest[8 : 8+n]
		critical := kind[0]&0x20 == 0
		if critical && binary.BigEndian.Uint32(rest[8+n:]) != crc32.ChecksumIEEE(rest[4:8+n]) {
			return 0, 0, damaged("a checksum of the PNG is wrong")
		}
		rest = rest[12+n:]
		if first != (kind == "IHDR") {
			return 0, 0, damaged("the PNG does not begin with its one header")
		}
		switch kind {
		case "IHDR":
			width, height, err = readIHDR(body)
		case "IDAT":
			pixels = true
		case "fcTL":
			frames++
			err = checkFCTL(body, width, height, frames)
		case "IEND":
			if !pixels {
				return 0, 0, damaged("the PNG has no pixels")
			}
			return width, height, nil
		}
		if err != nil {
			return 0, 0, err
		}
	}
}

func readIHDR(b []byte) (width, height int, err error) {
	if len(b) != 13 || !strings.Contains(pngDepths[b[9]], string(b[8:9])) || b[10] != 0 || b[11] != 0 || b[12] > 1 {
		return 0, 0, damaged("the header of the PNG is none")
	}
	w, h := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
	if w > 1<<31-1 || h > 1<<31-1 {
		return 0, 0, damaged("the header of the PNG is none")
	}
	return int(w), int(h), nil
}

// checkFCTL checks the frame control of an animated PNG.
func checkFCTL(b []byte, width, height, frames int) error {
	if len(b) != 26 {
		return damaged("a frame of the PNG is none")
	}
	w, h := int64(binary.BigEndian.Uint32(b[4:])), int64(binary.BigEndian.Uint32(b[8:]))
	x, y := int64(binary.BigEndian.Uint32(b[12:])), int64(binary.BigEndian.Uint32(b[16:]))
	return checkFrame(x, y, w, h, int64(width), int64(height), frames)
}

// checkFrame refuses an animation's frame that is not within the image, and
// one too many.
func checkFrame(x, y, w, h, width, height int64, frames int) error {
	switch {
	case frames > maxFrames:
		return refuse(Dimensions, "it has more than %d frames", maxFrames)
	case w < 1 || h < 1 || x+w > width || y+h > height:
		return refuse(Dimensions, "a frame is not within the image")
	}
	return nil
}
