package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/tidemill/tidemill/storage/blob"
	"github.com/tidemill/tidemill/storage/lake"
	row "github.com/tidemill/tidemill/storage/payment"
)

const (
	// restartDays is over how many days the log's entries are spread: with a million of them, one a second.
	restartDays = 12
	// restartRound is how many entries are written at a time, before they are in a checkpoint and forgotten.
	restartRound = 10_000
	// restartForget is after how many entries old ones are removed: each time all checkpoints' lists are read.
	restartForget = 100_000
	// restartRest is how many entries follow the last checkpoint: the most that there can be.
	restartRest = 99
)

// restart measures how long a process takes from opening a lake with a long log to its first commit, whose writer was killed between a
// commit and the move of its file.
func restart(ctx context.Context, l *lab) (_ []figure, err error) {
	root, err := os.MkdirTemp(l.dir, "restart-")
	if err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(root)) }()
	if err := writeLog(ctx, root, l.sizes.entries); err != nil {
		return nil, fmt.Errorf("write a log of %d entries: %w", l.sizes.entries, err)
	}
	disk := &openCounter{FS: blob.Dir(root)}
	cpu, began := cpuTime(), time.Now()
	again, err := lake.Open(root, topic, lake.WithFS(disk), lake.WithLog(l.log))
	if err != nil {
		return nil, err
	}
	if err := again.Finish(ctx); err != nil {
		return nil, err
	}
	state, err := again.State(ctx)
	if err != nil {
		return nil, err
	}
	w := lake.NewWriter[row.Row](again)
	batch := w.Begin("bench", state)
	var c lake.Chunk[row.Row]
	c.Reset(topic, "bench", 0, state.Next("bench", 0))
	for _, p := range payments(1, false) {
		if _, err := c.Take(&lake.Record{Offset: c.End(), Value: p.value, Key: p.key, Timestamp: p.at, IngestedAt: p.at}, takePayment); err != nil {
			return nil, err
		}
	}
	if err := batch.Add(&c); err != nil {
		return nil, err
	}
	sealed, err := batch.Seal(lake.Topic{})
	if err != nil {
		return nil, err
	}
	e, err := w.Commit(ctx, sealed)
	if err != nil {
		return nil, err
	}
	took, used := time.Since(began), cpuTime()-cpu
	if e.N != int64(l.sizes.entries)+1 {
		return nil, fmt.Errorf("the first commit is entry %d of a log of %d", e.N, l.sizes.entries)
	}
	return []figure{
		{key: "s", unit: "s to the first commit", value: took.Seconds()},
		{key: "opens", unit: "files opened", value: float64(disk.opens.Load())},
		{key: "cpu_s", unit: "CPU s", value: used.Seconds()},
		{unit: "entries", value: float64(l.sizes.entries), note: "in the log"},
	}, nil
}

// openCounter counts the files that are opened to be read.
type openCounter struct {
	blob.FS
	opens atomic.Int64
}

func (c *openCounter) ReadFile(name string) ([]byte, error) {
	c.opens.Add(1)
	return c.FS.ReadFile(name)
}

func (c *openCounter) Open(name string) (blob.File, error) {
	c.opens.Add(1)
	return c.FS.Open(name)
}

// writeLog makes a log of so many entries, with a checkpoint restartRest entries before its end, as the commits of a stream leave it. The
// files of rows are not there but for the last, which waits to be moved.
func writeLog(ctx context.Context, root string, entries int) error {
	folder := filepath.Join(root, "_log", topic)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	l, err := lake.Open(root, topic)
	if err != nil {
		return err
	}
	for n := 1; n <= entries; {
		to := min(n+restartRound-1, entries-restartRest)
		if n > entries-restartRest {
			to = entries
		}
		for ; n <= to; n++ {
			if err := writeEntry(root, n, entries); err != nil {
				return err
			}
		}
		if n > entries {
			break
		}
		if _, err := l.Checkpoint(ctx); err != nil {
			return err
		}
		if n%restartForget <= restartRound {
			if _, err := l.ForgetEntries(ctx, 0); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeEntry writes entry n of so many as a stream of six partitions would have committed it.
func writeEntry(root string, n, entries int) error {
	start := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	at := start.Add(time.Duration(float64(n-1) / float64(entries) * float64(restartDays*24*time.Hour)))
	day, id := lake.DayOf(at), uuid.Must(uuid.NewV7()).String()
	const perEntry = 50 // rows of a partition
	e := lake.Entry{
		Kind: lake.KindAppend, CommitID: id, Writer: topic + "~bench", Topic: topic, TopicID: "bench", SchemaVersion: 1, CommittedAt: at,
		PartitionsNow: partitions,
	}
	content := []byte("rows of " + id)
	f := lake.File{
		Path: fmt.Sprintf("bronze/%s/year=%s/month=%s/day=%s/%s.parquet", topic, day[:4], day[5:7], day[8:], id), Day: day, Bytes: int64(len(content)),
		Checksum: "sha256:" + strings.Repeat("0", 64), MinTimestamp: at, MaxTimestamp: at, MinEventTime: at, MaxEventTime: at,
	}
	for p := range int32(partitions) {
		first := int64(n-1) * perEntry
		f.Parts = append(f.Parts, lake.FilePart{Partition: p, Start: first, End: first + perEntry, Rows: perEntry})
		f.Rows += perEntry
		e.Partitions = append(e.Partitions, lake.Range{Partition: p, Start: first, End: first + perEntry, Rows: perEntry, MaxTimestamp: at, Watermark: at})
	}
	e.Files = []lake.File{f}
	text, err := json.Marshal(e)
	if err != nil {
		return err
	}
	if n == entries { // killed before it moved its file
		tmp := filepath.Join(root, "_tmp", e.Writer, fmt.Sprintf("%s~%s.parquet", day, id))
		if err := os.MkdirAll(filepath.Dir(tmp), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(tmp, content, 0o644); err != nil {
			return err
		}
	}
	name := filepath.Join(root, "_log", topic, fmt.Sprintf("%d.json", n))
	if _, err := os.Stat(name); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is there already (%w)", name, err)
	}
	return os.WriteFile(name, text, 0o644)
}

func takePayment(rec *lake.Record, into *row.Row) lake.Verdict {
	if err := row.Decode(rec.Value, into); err != nil {
		return lake.Verdict{Broken: true, Field: "value", Reason: err.Error()}
	}
	return lake.Verdict{}
}
