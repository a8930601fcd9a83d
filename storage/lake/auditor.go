package lake

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
)

// offsetColumns is what the audit reads of a file.
type offsetColumns struct {
	Partition int32 `parquet:"kafka_partition"`
	Offset    int64 `parquet:"kafka_offset"`
	Timestamp int64 `parquet:"kafka_timestamp"`
}

// maxNamed bounds how many offsets one problem names.
const maxNamed = 10

// maxAstray bounds how far a range's sum may be off for its offsets to be
// ticked off one by one: an edited number may say anything.
const maxAstray = 1 << 20

type auditor struct {
	lake    *Lake
	report  AuditReport
	offsets map[PartitionKey]*offsetSet
	// compares are the checkpoints that are compared with the log, by entry.
	compares map[int64]bool
}

func (a *auditor) run(ctx context.Context) (AuditReport, error) {
	s, err := a.lake.Oldest(ctx)
	if err != nil {
		return AuditReport{}, err
	}
	a.report = AuditReport{Topic: s.Topic, Problems: []string{}, Partitions: []PartitionAudit{}}
	checkpoints, err := a.lake.checkpoints()
	if err != nil {
		return AuditReport{}, err
	}
	a.compares = map[int64]bool{}
	for _, n := range checkpoints {
		a.compares[n] = true
	}
	if err := a.fold(ctx, s); err != nil {
		return AuditReport{}, err
	}
	a.report.Entries = s.Head
	a.report.Problems = append(a.report.Problems, s.Problems...)
	if err := a.files(ctx, s); err != nil {
		return AuditReport{}, err
	}
	for _, k := range slices.SortedFunc(maps.Keys(s.Partitions), comparePartitions) {
		p := s.Partitions[k]
		a.report.Partitions = append(a.report.Partitions, PartitionAudit{
			TopicID: k.TopicID, Partition: k.Partition, End: p.Next, Rows: p.Rows, DeadLetters: p.DeadLetters,
			Tombstones: p.Tombstones, GapOffsets: p.GapOffsets,
		})
		a.report.DeadLetters += p.DeadLetters
		a.report.Tombstones += p.Tombstones
		a.report.GapOffsets += p.GapOffsets
	}
	if err := a.strangers(ctx, s); err != nil {
		return AuditReport{}, err
	}
	return a.report, a.beyond(s)
}

// fold takes the log into the state from its head to its end, as State does;
// but it goes on after an entry that is not what was committed, so that all
// that is wrong is named at once.
func (a *auditor) fold(ctx context.Context, s *State) error {
	for ctx.Err() == nil {
		n := s.Head + 1
		e, err := a.parse(n)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case errors.Is(err, ErrCorrupt):
			a.problem("%s", err)
			s.Head = n
			continue
		case err != nil:
			return err
		}
		if err := a.unchanged(e); err != nil {
			return err
		}
		if err := s.take(e); err != nil {
			return err
		}
		if a.compares[s.Head] {
			if err := a.agrees(s); err != nil {
				return err
			}
		}
	}
	return fmt.Errorf("audit: %w", ctx.Err())
}

// parse reads entry n without a look at its checksum.
func (a *auditor) parse(n int64) (Entry, error) {
	text, err := a.lake.disk.ReadFile(entryName(a.lake.topic, n))
	if err != nil {
		return Entry{}, fmt.Errorf("audit: read entry %d of %s: %w", n, a.lake.topic, err)
	}
	e, err := parseEntry(a.lake.topic, n, text)
	if err == nil && e.Kind == kindForgotten {
		err = fmt.Errorf("%w: entry %d of %s", ErrNotKept, n, a.lake.topic)
	}
	return e, err
}

func (a *auditor) unchanged(e Entry) error {
	_, err := a.lake.readEntry(e.N)
	if errors.Is(err, ErrCorrupt) {
		a.problem("%s", err)
		return nil
	}
	return err
}

func (a *auditor) problem(format string, args ...any) {
	a.report.Problems = append(a.report.Problems, fmt.Sprintf(format, args...))
}

func (a *auditor) of(k PartitionKey) *offsetSet {
	if a.offsets[k] == nil {
		a.offsets[k] = newOffsetSet()
	}
	return a.offsets[k]
}

// files checks that the offsets in the live files are those of the log's
// ranges, each once.
func (a *auditor) files(ctx context.Context, s *State) error {
	ranges, err := s.allRanges()
	if err != nil {
		return err
	}
	for _, r := range ranges {
		a.of(PartitionKey{r.TopicID, r.Partition}).expect(r.Range)
	}
	for _, set := range a.offsets {
		set.tidy()
	}
	var live []File
	for _, day := range s.days() {
		files, err := s.day(day)
		if err != nil {
			return err
		}
		live = append(live, files...)
	}
	if err := a.rows(ctx, live); err != nil {
		return err
	}
	dead, err := s.DeadFiles()
	if err != nil {
		return err
	}
	for _, d := range dead {
		err := a.lake.DeadRows(ctx, d, func(rows []DeadLetter) error {
			for _, r := range rows {
				a.take(d.Path, PartitionKey{r.TopicID, r.Partition}, r.Offset)
			}
			return nil
		})
		if _, err := a.readable(ctx, err); err != nil {
			return err
		}
	}
	for _, k := range slices.SortedFunc(maps.Keys(a.offsets), comparePartitions) {
		a.offsets[k].problems(func(what string) {
			a.problem("partition %d of topic id %s: %s", k.Partition, k.TopicID, what)
		})
	}
	return nil
}

func (a *auditor) take(name string, k PartitionKey, offset int64) {
	set := a.offsets[k]
	if set == nil {
		a.problem("%s: a row of partition %d of topic id %s, which the log does not cover", name, k.Partition, k.TopicID)
		return
	}
	set.add(offset)
}

// readable says whether a file was read without error. It notes the error as a
// problem, and passes on only what ended the audit itself.
func (a *auditor) readable(ctx context.Context, err error) (bool, error) {
	if err != nil && ctx.Err() == nil {
		a.problem("%s", err)
	}
	return err == nil, ctx.Err()
}

// strangers looks for files in the day folders and among the dead letters that
// the log does not list.
func (a *auditor) strangers(ctx context.Context, s *State) error {
	if err := a.lake.Finish(ctx); err != nil {
		return err
	}
	var there []string
	for _, root := range []string{bronzeFolder(s.Topic), deadFolder(s.Topic)} {
		if err := a.walk(root, func(name string) { there = append(there, name) }); err != nil {
			return err
		}
	}
	// A file is listed before it is there, and gone after it was taken out: what came or went meanwhile is in the log by now.
	head := s.clone()
	if err := a.fold(ctx, head); err != nil {
		return err
	}
	listed, err := s.listed()
	if err != nil {
		return err
	}
	now, err := head.listed()
	if err != nil {
		return err
	}
	for _, name := range there {
		if listed[name] || now[name] {
			continue
		}
		if swapped, err := a.ofSwapped(head, name); err != nil || !swapped {
			if err != nil {
				return err
			}
			continue
		}
		a.problem("%s: lies in the lake, the log does not list it", name)
	}
	return nil
}

// ofSwapped says whether a file is not of a day whose folder another process is
// about to swap; one of dead letters may be of any.
func (a *auditor) ofSwapped(s *State, name string) (bool, error) {
	for day := range s.replaced {
		if path.Dir(name) != dayFolder(s.Topic, day) && path.Dir(name) != deadFolder(s.Topic) {
			continue
		}
		if swapped, err := a.lake.isSwapped(s, day); err != nil || !swapped {
			return swapped, err
		}
	}
	return true, nil
}

func (a *auditor) walk(dir string, visit func(name string)) error {
	entries, err := a.lake.disk.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("audit: list %s: %w", dir, err)
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		if !e.IsDir() {
			visit(name)
		} else if err := a.walk(name, visit); err != nil {
			return err
		}
	}
	return nil
}

// beyond looks for entries that the fold did not reach: the log has a hole. A
// commit that came in since the fold is none.
func (a *auditor) beyond(s *State) error {
	names, err := a.lake.disk.ReadDir(logFolder(s.Topic))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("audit: list the log: %w", err)
	}
	listed := map[int64]bool{}
	for _, e := range names {
		n, err := strconv.ParseInt(strings.TrimSuffix(e.Name(), ".json"), 10, 64)
		if err != nil || n < 1 || entryName(s.Topic, n) != path.Join(logFolder(s.Topic), e.Name()) {
			a.problem("%s: lies in the log, and is no entry", path.Join(logFolder(s.Topic), e.Name()))
			continue
		}
		listed[n] = true
	}
	for _, n := range slices.Sorted(maps.Keys(listed)) {
		if n > s.Head+1 && !listed[n-1] {
			a.problem("%s: entry %d is missing before it", entryName(s.Topic, n), n-1)
		}
	}
	return nil
}
