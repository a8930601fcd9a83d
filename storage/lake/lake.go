package lake

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/tidemill/tidemill/storage/blob"
)

// Lake is one topic's lake. It reads; NewWriter writes through it. It is safe
// for concurrent use, holds no file open between calls and needs no closing.
type Lake struct {
	root  string
	topic string
	disk  blob.FS
	now   func() time.Time
	log   *slog.Logger

	mu    sync.Mutex
	state *State // folded so far; nil before the first read

	checkpointEvery int64

	dirs     durableDirs
	segments *segments
	verified verifiedFiles
	dates    checkpointDates
}

// Option changes how a Lake is opened.
type Option func(*Lake)

// WithFS puts the lake on another file system than the local disk below root.
func WithFS(disk blob.FS) Option { return func(l *Lake) { l.disk = disk } }

// WithClock sets the clock that dates commits. The default is time.Now.
func WithClock(now func() time.Time) Option { return func(l *Lake) { l.now = now } }

// WithLog sets the logger, which is told when a commit is finished for a writer
// that died. The default is slog.Default().
func WithLog(log *slog.Logger) Option { return func(l *Lake) { l.log = log } }

// Open opens the lake of a topic below the folder root, which need not exist
// yet: an absent lake is an empty one. It reads nothing and makes nothing.
func Open(root, topic string, opts ...Option) (*Lake, error) {
	if root == "" {
		return nil, errors.New("open lake: root is empty: name a folder")
	}
	if err := checkTopic(topic); err != nil {
		return nil, fmt.Errorf("open lake: %w", err)
	}
	l := &Lake{root: root, topic: topic, disk: blob.Dir(root), now: time.Now, log: slog.Default(), checkpointEvery: checkpointEvery}
	for _, opt := range opts {
		opt(l)
	}
	l.dirs.disk = l.disk
	l.segments = &segments{disk: l.disk, topic: topic}
	return l, nil
}

// Topic is the topic's name.
func (l *Lake) Topic() string { return l.topic }

// Root is the folder that File.Path is relative to.
func (l *Lake) Root() string { return l.root }

// Abs is the file's path on this machine.
func (l *Lake) Abs(f File) string { return filepath.Join(l.root, filepath.FromSlash(f.Path)) }

// State reads the log to its end and returns it folded. Only what is new since
// the last call is read; the first reads the newest checkpoint and the entries
// after it.
func (l *Lake) State(ctx context.Context) (*State, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("read the log of %s: %w", l.topic, err)
		}
		if l.state == nil {
			if err := l.start(); err != nil {
				return nil, err
			}
		}
		e, err := l.readEntry(l.state.Head + 1)
		if errors.Is(err, fs.ErrNotExist) {
			// The end; or entries that are in a checkpoint and were removed since.
			newer, err := l.newest(l.state.Head, anyEntry)
			if err != nil {
				return nil, err
			}
			if newer == nil {
				return l.state.clone(), nil
			}
			l.state = newer
			continue
		}
		if err != nil {
			return nil, err
		}
		if err := l.state.take(e); isGone(err) { // a list of an old checkpoint
			l.state = nil
		} else if err != nil {
			return nil, err
		}
	}
}

// start begins at the newest checkpoint; if none can be read, at the log's
// beginning.
func (l *Lake) start() (err error) {
	if l.state, err = l.newest(0, anyEntry); err != nil && !errors.Is(err, ErrCorrupt) {
		return err
	}
	if l.state == nil {
		l.state = newState(l.topic)
	}
	return nil
}

// take folds the next entry in.
func (s *State) take(e Entry) error {
	if e.Kind == KindReplace {
		if err := s.load(e.Replaces.Day); err != nil {
			return err
		}
		if e.Replaces.Reason != ReasonCompact {
			if err := s.loadDead(); err != nil {
				return err
			}
		}
	}
	s.fold(e)
	return nil
}

// StateAt is the log folded up to entry n: the lake as it was at that commit.
// The error wraps fs.ErrNotExist if the log does not go so far, and ErrNotKept
// if it begins later.
func (l *Lake) StateAt(ctx context.Context, n int64) (*State, error) {
	s, err := l.newest(0, n)
	if err != nil && !errors.Is(err, ErrCorrupt) {
		return nil, err
	}
	if s == nil {
		s = newState(l.topic)
	}
	for s.Head < n {
		e, err := l.Entry(ctx, s.Head+1)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrNotKept) {
			return nil, l.whyNot(ctx, s.Head, err)
		}
		if err != nil {
			return nil, err
		}
		if err := s.take(e); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// whyNot says why the entry after one cannot be read.
func (l *Lake) whyNot(ctx context.Context, head int64, err error) error {
	now, serr := l.State(ctx)
	if serr != nil {
		return serr
	}
	if now.Head <= head {
		return fmt.Errorf("the log ends at entry %d: %w", now.Head, err)
	}
	oldest, serr := l.Oldest(ctx)
	if serr != nil {
		return serr
	}
	return fmt.Errorf("%w: the log is kept from entry %d on; entries are kept for %s", ErrNotKept, oldest.Head, KeepEntries)
}

// Where is the path at which a file that was listed before lies now, relative to
// the root: its own, or that of a folder of files that were replaced and are
// kept for a while. The error wraps ErrNotKept if it is gone.
func (l *Lake) Where(ctx context.Context, f File) (string, error) {
	h, err := l.openCommitted(ctx, f.Path)
	if err == nil {
		return f.Path, h.Close()
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	name, err := l.keptAt(f)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%w: %s was replaced: such files are kept for %s at most", ErrNotKept, f.Path, KeepReplaced)
	}
	return name, err
}

// view calls read with the state, and once more with a fresh one if a list that
// it needs was in an old checkpoint only.
func (l *Lake) view(ctx context.Context, read func(s *State) error) error {
	s, err := l.State(ctx)
	if err != nil {
		return err
	}
	if err = read(s); !isGone(err) {
		return err
	}
	l.forget()
	if s, err = l.State(ctx); err != nil {
		return err
	}
	return read(s)
}

// Entry reads entry n of the log. The error wraps fs.ErrNotExist if there is
// none.
func (l *Lake) Entry(ctx context.Context, n int64) (Entry, error) {
	if err := ctx.Err(); err != nil {
		return Entry{}, err
	}
	return l.readEntry(n)
}

func (l *Lake) readEntry(n int64) (Entry, error) {
	text, err := l.disk.ReadFile(entryName(l.topic, n))
	if err != nil {
		return Entry{}, fmt.Errorf("read entry %d of %s: %w", n, l.topic, err)
	}
	e, err := decodeEntry(l.topic, n, text)
	if err == nil && e.Kind == kindForgotten {
		err = fmt.Errorf("%w: entry %d: what it said is in a checkpoint", ErrNotKept, n)
	}
	return e, err
}

// Files lists the live committed files of days up to and including upTo (""
// for all), sorted by day, then path. A file may still be on its way into its
// day's folder if its writer died; Rows finds it, and Finish, which every
// running writer calls, ends that.
func (l *Lake) Files(ctx context.Context, upTo Day) ([]File, error) {
	var files []File
	err := l.view(ctx, func(s *State) (err error) {
		files, err = s.sortedFiles(upTo)
		return err
	})
	return files, err
}

// Watermark is the record time up to which the whole topic is in the lake; the
// zero time if that is not known of each partition. A backfill of day D may
// start once it is not before D's end.
func (l *Lake) Watermark(ctx context.Context) (time.Time, error) {
	s, err := l.State(ctx)
	if err != nil {
		return time.Time{}, err
	}
	return s.Watermark(), nil
}

// LastCommit is when the newest file of rows was committed; the zero time if
// there is none.
func (l *Lake) LastCommit(ctx context.Context) (time.Time, error) {
	s, err := l.State(ctx)
	if err != nil {
		return time.Time{}, err
	}
	return s.LastFileAt, nil
}

// Days sums up each day that has rows, dead letters or tombstones, ascending.
func (l *Lake) Days(ctx context.Context) ([]DayStat, error) {
	s, err := l.State(ctx)
	if err != nil {
		return nil, err
	}
	return s.sortedDays(), nil
}
