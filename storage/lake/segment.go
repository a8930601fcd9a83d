package lake

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"sync"
	"time"

	"github.com/tidemill/tidemill/storage/blob"
)

// A checkpoint keeps what grows with the lake, its lists of files and of
// offsets, in segments apart from itself, by day: who goes on from a checkpoint
// reads a day's list when it is asked for, and who makes one writes what is new.

// segment is a file of a list, as a checkpoint refers to it.
type segment struct {
	Name     string `json:"name"`
	Items    int    `json:"items"`
	Checksum string `json:"checksum"`
}

// The lists that are of no day.
const (
	deadList  = "dead"
	rangeList = "ranges"
)

// keptFile is a File with what else an entry says of it.
type keptFile struct {
	File
	Entry       int64     `json:"entry"`
	CommittedAt time.Time `json:"committed_at"`
}

// keptRange is what the log said of a partition's offsets.
type keptRange struct {
	TopicID string `json:"topic_id"`
	Range
}

// joined says how many of a list's last segments are written anew together with n
// new items: those that are not larger than what they are joined with. So each
// item is written some ten times in a list of any length, and a list has as many
// segments as its length has binary digits.
func joined(list []segment, n int) (last int) {
	for last < len(list) {
		s := list[len(list)-1-last]
		if s.Items > 2*n {
			break
		}
		n += s.Items
		last++
	}
	return last
}

// segments reads and writes the segments of a topic's checkpoints.
type segments struct {
	disk  blob.FS
	topic string

	mu   sync.Mutex
	days []loadedDay // read lately, the newest last
}

type loadedDay struct {
	list  []segment
	files []File
}

// maxLoadedDays bounds how many days' lists are held to be read again.
const maxLoadedDays = 4

func checkpointFolder(topic string) string { return path.Join("_checkpoints", topic) }
func segmentFolder(topic string) string    { return path.Join(checkpointFolder(topic), "segments") }

// day reads the files of a list.
func (r *segments) day(list []segment) ([]File, error) {
	if len(list) == 0 {
		return nil, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, d := range r.days {
		if slices.Equal(d.list, list) {
			return d.files, nil
		}
	}
	kept, err := readSegments[keptFile](r, list)
	if err != nil {
		return nil, err
	}
	files := make([]File, len(kept))
	for i, k := range kept {
		files[i] = k.File
		files[i].Entry, files[i].CommittedAt = k.Entry, k.CommittedAt
	}
	if len(r.days) == maxLoadedDays {
		r.days = slices.Delete(r.days, 0, 1)
	}
	r.days = append(r.days, loadedDay{list, slices.Clip(files)})
	return slices.Clip(files), nil
}

func readSegments[T any](r *segments, list []segment) (all []T, err error) {
	for _, s := range list {
		text, err := r.read(s)
		if err != nil {
			return nil, err
		}
		var items []T
		if err = json.Unmarshal(text, &items); err == nil && len(items) != s.Items {
			err = fmt.Errorf("it has %d items, the checkpoint says %d", len(items), s.Items)
		}
		if err != nil {
			return nil, r.damaged(s, err)
		}
		all = append(all, items...)
	}
	return all, nil
}

// read is a segment's text, as it was written.
func (r *segments) read(s segment) ([]byte, error) {
	text, err := r.disk.ReadFile(path.Join(segmentFolder(r.topic), s.Name))
	if err != nil {
		return nil, fmt.Errorf("read a checkpoint's list: %w", err)
	}
	if checksumOf(text) != s.Checksum {
		return nil, r.damaged(s, errors.New("it has another checksum than the checkpoint says"))
	}
	return text, nil
}

func (r *segments) damaged(s segment, err error) error {
	return fmt.Errorf("%w: %s: %w (without the folder _checkpoints the log is read from its first entry)",
		ErrCorrupt, path.Join(segmentFolder(r.topic), s.Name), err)
}

// lists says whether a file is in a day's list. It looks for the file's beginning
// in the text, as extend writes it: a start asks that of a long list, and reading
// that as JSON takes ten times as long.
func (r *segments) lists(list []segment, name string) (bool, error) {
	path, err := json.Marshal(name)
	if err != nil {
		return false, err
	}
	begins := slices.Concat([]byte(`{"path":`), path, []byte(`,"day":`))
	for _, s := range list {
		text, err := r.read(s)
		if err != nil || bytes.Contains(text, begins) {
			return err == nil, err
		}
	}
	return false, nil
}

// extend writes a list with new items at its end and returns it. The new
// segment's name is not durable yet.
func extend[T any](r *segments, key, id string, list []segment, items []T) ([]segment, error) {
	if len(items) == 0 {
		return list, nil
	}
	last := joined(list, len(items))
	old, err := readSegments[T](r, list[len(list)-last:])
	if err != nil {
		return nil, err
	}
	items = append(old, items...)
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	if err := e.Encode(items); err != nil {
		return nil, fmt.Errorf("encode a checkpoint's list: %w", err)
	}
	s := segment{Name: fmt.Sprintf("%s~%s.json", key, id), Items: len(items), Checksum: checksumOf(text.Bytes())}
	if err := r.disk.WriteFile(path.Join(segmentFolder(r.topic), s.Name), text.Bytes()); err != nil {
		return nil, err
	}
	return append(slices.Clone(list[:len(list)-last]), s), nil
}

// isGone says whether reading failed because a newer checkpoint took the place
// of the one that was gone on from.
func isGone(err error) bool { return errors.Is(err, fs.ErrNotExist) && !errors.Is(err, ErrCorrupt) }
