package picture

import (
	"bytes"
	"encoding/binary"
)

func isJPEG(data []byte) bool {
	return len(data) > 2 && data[0] == 0xff && data[1] == 0xd8 && data[2] == 0xff
}

// Markers of JPEG (ITU-T T.81, Table B.1).
const (
	jpegSOF0, jpegSOF2 = 0xc0, 0xc2 // baseline to progressive; browsers show no others
	jpegDHT            = 0xc4
	jpegJPG            = 0xc8
	jpegDAC            = 0xcc
	jpegSOF15          = 0xcf
	jpegRST0, jpegRST7 = 0xd0, 0xd7
	jpegSOI, jpegEOI   = 0xd8, 0xd9
	jpegSOS            = 0xda
	jpegTEM            = 0x01
)

// readJPEG walks the segments and over the scans up to the end of image.
func readJPEG(data []byte) (width, height int, err error) {
	rest := data[2:]
	scans := 0
	for {
		var marker byte
		marker, rest = nextMarker(rest)
		switch {
		case marker == 0:
			return 0, 0, damaged("the JPEG is cut short")
		case marker == jpegEOI && scans == 0:
			return 0, 0, damaged("the JPEG has no pixels")
		case marker == jpegEOI:
			return width, height, nil
		case marker == jpegSOI:
			return 0, 0, damaged("the JPEG begins twice")
		case marker == jpegTEM || marker >= jpegRST0 && marker <= jpegRST7:
			continue // stands alone
		}
		if len(rest) < 2 || int(binary.BigEndian.Uint16(rest)) > len(rest) {
			return 0, 0, damaged("the JPEG is cut short")
		}
		n := int(binary.BigEndian.Uint16(rest))
		if n < 2 {
			return 0, 0, damaged("a segment of the JPEG is none")
		}
		body := rest[2:n]
		rest = rest[n:]
		switch {
		case marker == jpegSOS && width == 0:
			return 0, 0, damaged("the JPEG has pixels before its header")
		case marker == jpegSOS:
			scans++
			if scans > maxScans {
				return 0, 0, refuse(Dimensions, "the JPEG has more than %d scans", maxScans)
			}
			rest = afterScan(rest)
		case isSOF(marker) && width != 0:
			return 0, 0, damaged("the JPEG has two headers")
		case isSOF(marker):
			width, height, err = readSOF(marker, body)
			if err != nil {
				return 0, 0, err
			}
		}
	}
}

func isSOF(marker byte) bool {
	return marker >= jpegSOF0 && marker <= jpegSOF15 && marker != jpegDHT && marker != jpegJPG && marker != jpegDAC
}

// readSOF reads the frame header: precision, height, width, components.
func readSOF(marker byte, b []byte) (width, height int, err error) {
	if marker > jpegSOF2 {
		return 0, 0, refuse(Type, "it is a JPEG of a kind that no browser shows")
	}
	if len(b) < 6 || len(b) != 6+3*int(b[5]) || b[0] != 8 || b[5] == 0 || b[5] > 4 {
		return 0, 0, damaged("the header of the JPEG is none")
	}
	height, width = int(binary.BigEndian.Uint16(b[1:])), int(binary.BigEndian.Uint16(b[3:]))
	if width == 0 || height == 0 {
		return 0, 0, refuse(Dimensions, "the JPEG does not say how large it is")
	}
	return width, height, nil
}

// nextMarker returns the marker at the start of b, after fill bytes, and what
// follows it; 0 when there is none.
func nextMarker(b []byte) (marker byte, rest []byte) {
	if len(b) == 0 || b[0] != 0xff {
		return 0, nil
	}
	for len(b) > 0 && b[0] == 0xff {
		b = b[1:]
	}
	if len(b) == 0 {
		return 0, nil
	}
	return b[0], b[1:]
}

// afterScan skips coded pixels: it returns b from the first marker that is
// neither a stuffed zero nor a restart.
func afterScan(b []byte) []byte {
	for {
		i := bytes.IndexByte(b, 0xff)
		if i < 0 || i+1 >= len(b) {
			return nil
		}
		b = b[i:]
		switch m := b[1]; {
		case m == 0xff:
			b = b[1:] // fill
		case m == 0 || m >= jpegRST0 && m <= jpegRST7:
			b = b[2:]
		default:
			return b
		}
	}
}
