package dbt

import (
	"bufio"
	"errors"
	"io"
)

// maxLine is the longest line that is kept. dbt writes a model's whole SQL in one line; beyond this it is no event that
// anything here depends on, and is cut.
const maxLine = 16 << 20

// readLines calls line for each line of r, without its end, until r ends or fails or line returns false. The bytes are
// the callee's only during the call.
func readLines(r *bufio.Reader, line func([]byte) bool) error {
	var long []byte
	for {
		part, err := r.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			if room := maxLine - len(long); room > 0 {
				long = append(long, part[:min(len(part), room)]...)
			}
			continue
		}
		if len(long) > 0 {
			part = append(long, part[:min(len(part), max(0, maxLine-len(long)))]...)
			long = long[:0]
		}
		for len(part) > 0 && (part[len(part)-1] == '\n' || part[len(part)-1] == '\r') {
			part = part[:len(part)-1]
		}
		if len(part) > 0 && !line(part) {
			return nil
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
