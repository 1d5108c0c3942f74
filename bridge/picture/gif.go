package picture

import (
	"encoding/binary"
	"strings"
)

func isGIF(data []byte) bool {
	head := string(data[:min(len(data), 6)])
	return strings.HasPrefix(head, "GIF87a") || strings.HasPrefix(head, "GIF89a")
}

// readGIF walks the blocks up to the trailer, which may be missing after a
// whole frame: some encoders forget it.
func readGIF(data []byte) (width, height int, err error) {
	short := func() (int, int, error) { return 0, 0, damaged("the GIF is cut short") }
	if len(data) < 13 {
		return short()
	}
	width, height = int(binary.LittleEndian.Uint16(data[6:])), int(binary.LittleEndian.Uint16(data[8:]))
	rest, ok := after(data, 13+colours(data[10]))
	frames := 0
	for ok {
		if len(rest) == 0 && frames > 0 || len(rest) > 0 && rest[0] == 0x3b {
			break
		}
		if len(rest) == 0 {
			return short()
		}
		switch rest[0] {
		case 0x21: // extension: label, blocks
			rest, ok = afterBlocks(rest, 2)
		case 0x2c: // image: descriptor, colours, code size, blocks
			if len(rest) < 11 {
				return short()
			}
			frames++
			le := func(i int) int64 { return int64(binary.LittleEndian.Uint16(rest[i:])) }
			err = checkFrame(le(1), le(3), le(5), le(7), int64(width), int64(height), frames)
			if err != nil {
				return 0, 0, err
			}
			rest, ok = afterBlocks(rest, 10+colours(rest[9])+1)
		default:
			return 0, 0, damaged("the GIF has an unknown block")
		}
	}
	if !ok {
		return short()
	}
	if frames == 0 {
		return 0, 0, damaged("the GIF has no pixels")
	}
	return width, height, nil
}

// colours is the length of the colour table that flags announce.
func colours(flags byte) int {
	if flags&0x80 == 0 {
		return 0
	}
	return 3 << (flags&7 + 1)
}

func after(b []byte, n int) ([]byte, bool) {
	if n > len(b) {
		return nil, false
	}
	return b[n:], true
}

// afterBlocks skips n bytes and the data blocks that follow, with their end.
func afterBlocks(b []byte, n int) (rest []byte, ok bool) {
	rest, ok = after(b, n)
	for ok && len(rest) > 0 {
		size := int(rest[0])
		rest, ok = after(rest, 1+size)
		if size == 0 {
			return rest, true
		}
	}
	return nil, false
}
