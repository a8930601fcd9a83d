package events

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"time"

	"github.com/go-json-experiment/json"
)

// maxLine bounds a line: a record of Kafka's default limit of 1 MB, written as escaped text, fits many times.
const maxLine = 64 << 20

// Reader reads one file of events from its beginning to its end, once.
type Reader struct {
	name  string
	input *bufio.Reader
	close []io.Closer
	line  int
}

// Open opens a file of events, gzipped or not (its first bytes tell). The caller closes the reader.
func Open(path string) (*Reader, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open events: %w", err)
	}
	r, err := NewReader(path, file)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	r.close = append(r.close, file)
	return r, nil
}

// NewReader reads events, gzipped or not, from input. name stands in errors.
func NewReader(name string, input io.Reader) (*Reader, error) {
	buffered := bufio.NewReaderSize(input, 1<<18)
	r := &Reader{name: name, input: buffered}
	magic, err := buffered.Peek(2)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read events %s: %w", name, err)
	}
	if bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		unzipped, err := gzip.NewReader(buffered)
		if err != nil {
			return nil, fmt.Errorf("read events %s: %w", name, err)
		}
		r.input = bufio.NewReaderSize(unzipped, 1<<18)
		r.close = append(r.close, unzipped)
	}
	return r, nil
}

// Close closes what Open opened.
func (r *Reader) Close() error {
	var errs []error
	for _, c := range r.close {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// Line returns the number of the line read last, from 1; 0 before the first.
func (r *Reader) Line() int { return r.line }

// Next returns the next event, or io.EOF after the last. Any other error names the file and the line; the reader is then
// of no further use. Lines of white space are passed over. The event's bytes are its own.
func (r *Reader) Next() (Event, error) {
	for {
		text, err := r.readLine()
		if errors.Is(err, io.EOF) {
			return Event{}, io.EOF
		}
		if err != nil {
			return Event{}, r.errorf("%w", err)
		}
		if text = bytes.TrimSpace(text); len(text) == 0 {
			continue
		}
		event, err := parse(text)
		if err != nil {
			return Event{}, r.errorf("%w", err)
		}
		return event, nil
	}
}

// All yields the events that are left. After an error, which comes with a zero event, it ends.
func (r *Reader) All() iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for {
			event, err := r.Next()
			if errors.Is(err, io.EOF) {
				return
			}
			if !yield(event, err) || err != nil {
				return
			}
		}
	}
}

func (r *Reader) errorf(format string, args ...any) error {
	return fmt.Errorf("events %s, line %d: %w", r.name, r.line, fmt.Errorf(format, args...))
}

// readLine returns the next line, which is valid until the next call. A last line without a line feed counts.
func (r *Reader) readLine() ([]byte, error) {
	text, err := r.input.ReadSlice('\n')
	if len(text) == 0 && err == io.EOF {
		return nil, io.EOF
	}
	r.line++
	var long []byte
	for errors.Is(err, bufio.ErrBufferFull) {
		if long = append(long, text...); len(long) > maxLine {
			return nil, fmt.Errorf("is longer than %d MB", maxLine>>20)
		}
		text, err = r.input.ReadSlice('\n')
	}
	if err != nil && err != io.EOF {
		return nil, err
	}
	if long != nil {
		return append(long, text...), nil
	}
	return text, nil
}

func parse(text []byte) (Event, error) {
	var l line
	if err := json.Unmarshal(text, &l, json.RejectUnknownMembers(true)); err != nil {
		return Event{}, fmt.Errorf(`not an event such as {"k": "key", "t": 1704067411400, "v": "value"}: %w`, err)
	}
	if l.Time == nil {
		return Event{}, errors.New("t, the record's timestamp in milliseconds, is missing")
	}
	if l.Text != nil && l.Bytes != nil {
		return Event{}, errors.New("v and vb are both there: a record has one value")
	}
	if l.Partition != nil && *l.Partition < 0 {
		return Event{}, fmt.Errorf("p, the partition, is %d", *l.Partition)
	}
	event := Event{Time: time.UnixMilli(*l.Time).UTC(), Partition: l.Partition}
	if l.Key != nil {
		event.Key = []byte(*l.Key)
	}
	switch {
	case l.Text != nil:
		event.Value = []byte(*l.Text)
	case l.Bytes != nil:
		event.Value = append([]byte{}, *l.Bytes...)
	}
	return event, nil
}
