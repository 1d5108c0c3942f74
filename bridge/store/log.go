package store

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
)

// logFile is a file of batches, each appended by one write: a frame of the
// length of what follows the head, its CRC-32C, and the records, each as the
// length of its key, the key, the length of its value plus one, the value; a
// zero in place of that length deletes the key.
type logFile struct {
	f    *os.File
	path string
	size int64
	buf  []byte
}

const (
	logPrefix = "porchlight.log."
	frameHead = 8
)

// maxLog is the size above which a log takes no more: the database has not
// taken what is in it for long.
var maxLog atomic.Int64

func init() { maxLog.Store(2 << 30) }

var (
	errLogFull = errors.New("the log is full: the database does not take what is in it")
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

// newLog makes the log number n of the folder dir.
func newLog(dir string, n int) (*logFile, error) {
	path := filepath.Join(dir, logPrefix+strconv.Itoa(n))
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("making a log: %w", err)
	}
	return &logFile{f: f, path: path}, nil
}

// append writes rs as one frame, whole or not at all.
func (l *logFile) append(rs []Record) error {
	b := append(l.buf[:0], make([]byte, frameHead)...)
	for _, r := range rs {
		b = binary.AppendUvarint(b, uint64(len(r.Key)))
		b = append(b, r.Key...)
		if r.Value == nil {
			b = append(b, 0)
			continue
		}
		b = binary.AppendUvarint(b, uint64(len(r.Value))+1)
		b = append(b, r.Value...)
	}
	binary.LittleEndian.PutUint32(b, uint32(len(b)-frameHead))
	binary.LittleEndian.PutUint32(b[4:], crc32.Checksum(b[frameHead:], castagnoli))
	if cap(b) <= 1<<20 {
		l.buf = b
	}
	if l.size+int64(len(b)) > maxLog.Load() {
		return errLogFull
	}
	_, err := l.f.WriteAt(b, l.size) // over what a failed write has left
	if err != nil {
		return fmt.Errorf("writing to the log: %w", err)
	}
	l.size += int64(len(b))
	return nil
}

// remove closes the log and removes its file.
func (l *logFile) remove() error { return errors.Join(l.f.Close(), os.Remove(l.path)) }

// logsOf returns the logs of the folder dir, the oldest first, and a number
// that none of them has.
func logsOf(dir string) (paths []string, next int, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, 0, err
	}
	var numbers []int
	for _, e := range entries {
		n, err := strconv.Atoi(strings.TrimPrefix(e.Name(), logPrefix))
		if err == nil && strings.HasPrefix(e.Name(), logPrefix) {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	for _, n := range numbers {
		paths = append(paths, filepath.Join(dir, logPrefix+strconv.Itoa(n)))
		next = n + 1
	}
	return paths, next, nil
}

// readLog adds the newest records of a log to into. It ends at the first frame
// that is not whole: the process ended while it was written, and nobody was
// told that it is stored. left is how many bytes that leaves.
func readLog(path string, into map[string][]byte) (left int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, fmt.Errorf("reading a log: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, fmt.Errorf("reading a log: %w", err)
	}
	r := bufio.NewReaderSize(f, 1<<20)
	left = info.Size()
	var head [frameHead]byte
	for {
		_, err = io.ReadFull(r, head[:])
		if err != nil {
			return left, nil
		}
		n := int64(binary.LittleEndian.Uint32(head[:]))
		if n > left-frameHead {
			return left, nil
		}
		b := make([]byte, n)
		_, err = io.ReadFull(r, b)
		if err != nil || crc32.Checksum(b, castagnoli) != binary.LittleEndian.Uint32(head[4:]) {
			return left, nil
		}
		err = readFrame(b, into)
		if err != nil {
			return left, fmt.Errorf("%s: %w", path, err)
		}
		left -= frameHead + n
	}
}

// readFrame adds the records of one frame to into.
func readFrame(b []byte, into map[string][]byte) error {
	for len(b) > 0 {
		key, rest, ok := cutBytes(b, 0)
		if !ok {
			return errors.New("a record of the log is not readable")
		}
		if len(rest) > 0 && rest[0] == 0 {
			into[string(key)], b = nil, rest[1:]
			continue
		}
		value, rest, ok := cutBytes(rest, 1)
		if !ok {
			return errors.New("a record of the log is not readable")
		}
		into[string(key)], b = value, rest
	}
	return nil
}

// cutBytes takes a length, to which more was added, and so many bytes off b.
func cutBytes(b []byte, more uint64) (value, rest []byte, ok bool) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n < more || n-more > uint64(len(b)-size) {
		return nil, nil, false
	}
	b = b[size:]
	return b[: n-more : n-more], b[n-more:], true
}
