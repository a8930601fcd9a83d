package lake

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"sync"

	"github.com/google/uuid"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"
)

// rowsPerGroup bounds what an encoder holds and what a reader must take at once.
const rowsPerGroup = 100_000

// Writer commits batches of rows of type R, a flat struct with parquet tags and
// the columns kafka_partition, kafka_offset and kafka_timestamp. A process that
// dies leaves a writer behind; the next has a new one. Begin, Commit, Finish
// and Collect are for one goroutine at a time.
type Writer[R any] struct {
	lake     *Lake
	id       string
	contract Contract // of its rows
	parquet  []parquet.WriterOption

	mu   sync.Mutex
	idle []*encoder[R]
}

// WriterOption is how a writer is to write.
type WriterOption func(*writerSettings)

type writerSettings struct{ contract int }

// OfContract has each file's footer tell which version of their contract its
// rows keep.
func OfContract(version int) WriterOption {
	return func(s *writerSettings) { s.contract = version }
}

// NewWriter makes a writer with an id of its own. It touches no disk; whether
// its rows may be put into the lake, Lake.Agree says.
func NewWriter[R any](l *Lake, opts ...WriterOption) *Writer[R] {
	var s writerSettings
	for _, o := range opts {
		o(&s)
	}
	w := &Writer[R]{lake: l, contract: ContractOf[R](s.contract), parquet: []parquet.WriterOption{
		parquet.Compression(&zstd.Codec{Level: zstd.SpeedFastest}),
		parquet.MaxRowsPerRowGroup(rowsPerGroup),
		parquet.CreatedBy("tidemill", "1", "lake"),
	}}
	if s.contract > 0 {
		w.parquet = append(w.parquet, parquet.KeyValueMetadata(contractKey, strconv.Itoa(s.contract)))
	}
	w.id = l.topic + writerSeparator + w.newID()
	return w
}

// ID names the writer in log entries and below _tmp.
func (w *Writer[R]) ID() string { return w.id }

// newID is a UUID that sorts by time, so that files and entries do.
func (w *Writer[R]) newID() string { return uuid.Must(uuid.NewV7()).String() }

// Close takes the writer's folder away, unless something waits in it that
// others are to finish.
func (w *Writer[R]) Close() error {
	folder := writerFolder(w.id)
	entries, err := w.lake.disk.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) || len(entries) > 0 {
		return nil
	}
	if err == nil {
		err = w.lake.removeIfThere(folder)
	}
	if err != nil {
		return fmt.Errorf("close writer: %w", err)
	}
	w.lake.dirs.forget(folder)
	return nil
}

func (w *Writer[R]) encoder() *encoder[R] {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := len(w.idle); n > 0 {
		e := w.idle[n-1]
		w.idle = w.idle[:n-1]
		return e
	}
	return newEncoder[R](w.parquet)
}

func (w *Writer[R]) release(e *encoder[R]) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.idle) < 4 { // a steady stream has a day or two open; a flood of days need not be kept
		w.idle = append(w.idle, e)
	}
}

func (w *Writer[R]) textName(s *Sealed) string {
	return path.Join(writerFolder(w.id), fmt.Sprintf("%s.%d.json", s.entry.CommitID, s.attempts))
}
