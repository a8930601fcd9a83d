package produce

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"iter"
	"os"

	"github.com/tidemill/tidemill/storage/payment/events"
)

// Source is a list of events that is always the same: a file, or a sample of a seed.
type Source struct {
	// ID tells sources apart; it holds no space. Two sources with one ID hold the same events.
	ID string
	// Events are the source's events, from the first each time.
	Events iter.Seq2[events.Event, error]
}

// FileSource returns a file of events as a source. Its ID is the hash of the file's bytes, which are read once for it.
func FileSource(path string) (Source, error) {
	file, err := os.Open(path)
	if err != nil {
		return Source{}, fmt.Errorf("open events: %w", err)
	}
	defer func() { _ = file.Close() }() // reading only: nothing can be lost
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return Source{}, fmt.Errorf("read events %s: %w", path, err)
	}
	return Source{ID: hex.EncodeToString(hash.Sum(nil)[:16]), Events: fileEvents(path)}, nil
}

// fileEvents opens the file anew each time that it is ranged over.
func fileEvents(path string) iter.Seq2[events.Event, error] {
	return func(yield func(events.Event, error) bool) {
		r, err := events.Open(path)
		if err != nil {
			yield(events.Event{}, err)
			return
		}
		defer func() { _ = r.Close() }() // reading only: nothing can be lost
		r.All()(yield)
	}
}
