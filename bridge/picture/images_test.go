package picture

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"strings"
)

// drawn is a picture of w×h pixels that has no other picture's bytes: seed
// tells them apart.
func drawn(w, h, seed int) *image.Paletted {
	m := image.NewPaletted(image.Rect(0, 0, w, h), color.Palette{color.Black, color.White, color.RGBA{byte(seed), byte(seed >> 8), byte(seed >> 16), 255}})
	for i := range m.Pix {
		m.Pix[i] = byte(i+seed) % 3
	}
	return m
}

func pngOf(w, h, seed int) []byte {
	var b bytes.Buffer
	must(png.Encode(&b, drawn(w, h, seed)))
	return b.Bytes()
}

func jpegOf(w, h int) []byte {
	var b bytes.Buffer
	must(jpeg.Encode(&b, drawn(w, h, 0), nil))
	return b.Bytes()
}

func gifOf(w, h, frames int) []byte {
	var b bytes.Buffer
	var g gif.GIF
	for i := range frames {
		g.Image = append(g.Image, drawn(w, h, i))
		g.Delay = append(g.Delay, 10)
	}
	must(gif.EncodeAll(&b, &g))
	return b.Bytes()
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// pngChunk is one chunk with its checksum.
func pngChunk(kind string, body []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	b = append(append(b, kind...), body...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
}

// pngHeader is a PNG up to its header, which says w×h.
func pngHeader(w, h uint32) []byte {
	b := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, w), h)
	return append([]byte(pngMagic), pngChunk("IHDR", append(b, 8, 6, 0, 0, 0))...)
}

// pngSaying is a whole PNG of w×h by its header, with one chunk besides.
func pngSaying(w, h uint32, more ...[]byte) []byte {
	b := pngHeader(w, h)
	for _, m := range more {
		b = append(b, m...)
	}
	return append(append(b, pngChunk("IDAT", []byte{1})...), pngChunk("IEND", nil)...)
}

// fcTL is the frame control of an animated PNG.
func fcTL(x, y, w, h uint32) []byte {
	b := binary.BigEndian.AppendUint32(nil, 0)
	for _, n := range []uint32{w, h, x, y} {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	return pngChunk("fcTL", append(b, make([]byte, 6)...))
}

// gifSaying is a GIF of w×h by its header, with one frame at x, y of fw×fh.
func gifSaying(w, h, x, y, fw, fh uint16) []byte {
	le := binary.LittleEndian
	b := le.AppendUint16(le.AppendUint16([]byte("GIF89a"), w), h)
	b = append(b, 0, 0, 0, 0x2c)
	for _, n := range []uint16{x, y, fw, fh} {
		b = le.AppendUint16(b, n)
	}
	return append(b, 0, 2, 2, 0x4c, 0x01, 0, 0x3b)
}

// jpegSaying is jpegOf(8, 8) with another size in its header.
func jpegSaying(w, h uint16) []byte {
	b := jpegOf(8, 8)
	i := bytes.Index(b, []byte{0xff, 0xc0})
	binary.BigEndian.PutUint16(b[i+5:], h)
	binary.BigEndian.PutUint16(b[i+7:], w)
	return b
}

// riff is a WebP of the chunks.
func riff(chunks ...[]byte) []byte {
	body := append([]byte("WEBP"), bytes.Join(chunks, nil)...)
	return append(binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(len(body))), body...)
}

func webpChunk(kind string, body ...byte) []byte {
	b := append(binary.LittleEndian.AppendUint32([]byte(kind), uint32(len(body))), body...)
	return append(b, make([]byte, len(body)&1)...)
}

func le24(n int) []byte { return []byte{byte(n), byte(n >> 8), byte(n >> 16)} }

// vp8 and vp8l are the pixels of w×h, lossy and lossless, by their headers.
func vp8(w, h uint16) []byte {
	b := []byte{0x10, 0, 0, 0x9d, 0x01, 0x2a}
	return webpChunk("VP8 ", binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint16(b, w), h)...)
}

func vp8l(w, h uint32) []byte {
	return webpChunk("VP8L", binary.LittleEndian.AppendUint32([]byte{0x2f}, (w-1)|(h-1)<<14)...)
}

func vp8x(w, h int) []byte {
	return webpChunk("VP8X", append(append([]byte{2, 0, 0, 0}, le24(w-1)...), le24(h-1)...)...)
}

// anmf is one frame of an animation.
func anmf(x, y, w, h int, pixels []byte) []byte {
	var b []byte
	for _, n := range []int{x / 2, y / 2, w - 1, h - 1, 100} {
		b = append(b, le24(n)...)
	}
	return webpChunk("ANMF", append(append(b, 0), pixels...)...)
}

const svg = `<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`

// repeated is b n times.
func repeated(b []byte, n int) []byte { return []byte(strings.Repeat(string(b), n)) }
