package events

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
)

// Writer writes a file of events.
type Writer struct {
	output *bufio.Writer
	close  []func() error
}

// Create makes a file of events, or empties the one that is there; it is gzipped if its name ends in .gz. The caller
// closes the writer, and the file is whole only when Close returns nil.
func Create(path string) (*Writer, error) {
	file, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("create events: %w", err)
	}
	if !strings.HasSuffix(path, ".gz") {
		w := NewWriter(file)
		w.close = append(w.close, file.Close)
		return w, nil
	}
	zipped := gzip.NewWriter(file)
	w := NewWriter(zipped)
	w.close = append(w.close, zipped.Close, file.Close)
	return w, nil
}

// NewWriter writes events to output, not gzipped.
func NewWriter(output io.Writer) *Writer {
	buffered := bufio.NewWriterSize(output, 1<<18)
	return &Writer{output: buffered, close: []func() error{buffered.Flush}}
}

// Write adds an event. A value is written as text where it is UTF-8, else as base64.
func (w *Writer) Write(event Event) error {
	at := event.Time.UnixMilli()
	l := line{Time: &at, Partition: event.Partition}
	if event.Key != nil {
		key := string(event.Key)
		if !utf8.ValidString(key) {
			return errors.New("write event: the key is not UTF-8, which a file of events cannot hold")
		}
		l.Key = &key
	}
	switch {
	case event.Value == nil:
	case len(event.Value) > 0 && utf8.Valid(event.Value):
		text := string(event.Value)
		l.Text = &text
	default:
		l.Bytes = &event.Value
	}
	if err := json.MarshalWrite(w.output, &l); err != nil {
		return fmt.Errorf("write event: %w", err)
	}
	if err := w.output.WriteByte('\n'); err != nil {
		return fmt.Errorf("write event: %w", err)
	}
	return nil
}

// Close writes what is still held back and closes what Create opened.
func (w *Writer) Close() error {
	var errs []error
	for _, c := range w.close {
		errs = append(errs, c())
	}
	return errors.Join(errs...)
}
