package lake

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"time"
)

// Place is where the record of a row lay in its topic, and when it was read
// first.
type Place struct {
	Partition  int32 `parquet:"kafka_partition"`
	Offset     int64 `parquet:"kafka_offset"`
	IngestedAt int64 `parquet:"ingestion_timestamp"` // microseconds since 1970 UTC
}

// Decoder makes rows anew in a replay.
type Decoder[R any] struct {
	// Rows gives take, for each of the rows was in their order, what becomes of
	// its record: a row, or with a Broken verdict the record that breaks the
	// contract. places are those of was. It errs if a record is not to be had.
	Rows func(ctx context.Context, topicID string, was []R, places []Place, take func(rec *Record, row *R, v Verdict) error) error
	// Transform is what makes rows of records: it is asked about dead letters.
	Transform Transform[R]
	// NoKeys says that the records that Rows gives have no keys: how many did not
	// match stays as it was counted.
	NoKeys bool
}

// Replayed is what a replay of a day did.
type Replayed struct {
	Day          Day   `json:"day"`
	Entry        int64 `json:"entry"`      // of the log; 0: the day has no records
	Generation   int   `json:"generation"` // of the day, now
	Files        int   `json:"files"`
	Rows         int64 `json:"rows"`
	DeadLetters  int64 `json:"dead_letters"`   // of the day, now
	ToRows       int64 `json:"to_rows"`        // records that were dead letters and are rows
	ToDeadLetter int64 `json:"to_dead_letter"` // records that were rows and are dead letters
	TookMS       int64 `json:"took_ms"`
}

// replayWindow is how many rows are made anew at a time.
const replayWindow = 16_384

// Replay makes the rows and dead letters of a day anew, by a decoder, in place
// of those that there are, and raises the day's generation. Readers and the
// stream go on meanwhile; what the stream puts in meanwhile stays as it is. A
// record counts as it did: it becomes a row or a dead letter, none is lost or
// added. Each file becomes one file, its rows in the same order; records that
// were dead letters and are rows now are a file of their own.
//
// It errs as Compact does, and with what the decoder errs with; then nothing has
// changed.
func (w *Writer[R]) Replay(ctx context.Context, day Day, decoder Decoder[R]) (Replayed, error) {
	for try := 1; ; try++ {
		done, err := w.replayOnce(ctx, day, decoder)
		if errors.Is(err, ErrStale) && try < maxPlans {
			continue
		}
		if err != nil {
			return Replayed{}, fmt.Errorf("replay %s: %w", day, err)
		}
		return done, nil
	}
}

func (w *Writer[R]) replayOnce(ctx context.Context, day Day, decoder Decoder[R]) (_ Replayed, err error) {
	began := w.lake.now()
	if err := w.lake.Finish(ctx); err != nil {
		return Replayed{}, err
	}
	r := replay[R]{w: w, day: day, decoder: decoder, moves: map[PartitionKey]int64{}, counts: map[string]int64{}}
	if err := w.lake.view(ctx, r.look); err != nil {
		return Replayed{}, err
	}
	if err := w.canExchange(); err != nil {
		return Replayed{}, err
	}
	r.sealed = w.newReplacement(day, ReasonReplay)
	if err := r.make(ctx); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w: %w", ErrStale, err)
		}
		return Replayed{}, errors.Join(err, w.discard(r.sealed))
	}
	if len(r.files) == 0 && r.ofDay == 0 {
		return Replayed{Day: day, Generation: r.generation - 1}, w.discard(r.sealed)
	}
	e, err := w.replace(ctx, r.sealed)
	if err != nil {
		return Replayed{}, err
	}
	return Replayed{
		Day: day, Entry: e.N, Generation: r.generation, Files: len(e.Files), Rows: e.Rows(), DeadLetters: r.lettersOfDay,
		ToRows: r.toRows, ToDeadLetter: r.toDead, TookMS: w.lake.now().Sub(began).Milliseconds(),
	}, nil
}

// replay is one under way.
type replay[R any] struct {
	w       *Writer[R]
	day     Day
	decoder Decoder[R]
	sealed  *Sealed

	files      []File // that there are
	dead       []DeadFile
	stat       DayStat
	generation int // that the day will have

	letters       []DeadLetter // of the new file of dead letters
	ofDay         int64        // dead letters of the day that there were
	lettersOfDay  int64
	toRows        int64
	toDead        int64
	keyMismatches int64
	moves         map[PartitionKey]int64
	counts        map[string]int64 // change of the day's dead letters, by field
}

func (r *replay[R]) look(s *State) (err error) {
	if r.files, err = s.day(r.day); err != nil {
		return err
	}
	r.dead, err = s.DeadFiles()
	r.stat = s.Days[r.day]
	r.generation = r.stat.Generation + 1
	return err
}

// make makes the new files, where no reader looks, and says in the entry what
// they are.
func (r *replay[R]) make(ctx context.Context) error {
	l, s := r.w.lake, r.sealed
	if err := l.dirs.ensure(s.folder); err != nil {
		return err
	}
	for _, f := range r.files {
		s.entry.Replaces.Files = append(s.entry.Replaces.Files, f.Path)
		out := r.file(f.TopicID)
		if err := r.again(ctx, f, out); err != nil {
			return err
		}
		if err := r.add(out, min(f.LateRows, out.rows)); err != nil {
			return err
		}
	}
	if err := r.redrive(ctx); err != nil {
		return err
	}
	if err := l.disk.SyncDir(s.folder); err != nil {
		return fmt.Errorf("sync %s: %w", s.folder, err)
	}
	r.account()
	if len(s.entry.Replaces.DeadFiles)+len(r.letters) == 0 {
		return nil
	}
	if err := s.addDead(r.letters, r.w.parquet); err != nil {
		return err
	}
	if s.entry.DeadLetters != nil {
		s.entry.DeadLetters.Remade = true
	}
	s.staged = false // the file of dead letters goes the way of a batch's
	return r.w.stage(s)
}

// remade is a file that a replay makes.
type remade[R any] struct {
	topicID            string
	enc                *encoder[R]
	buf                []R // of a fixed size, so that the same rows are the same bytes
	rows               int64
	parts              map[int32]FilePart
	minTime, maxTime   time.Time
	minEvent, maxEvent time.Time
}

const remadeRows = 1024

func (r *replay[R]) file(topicID string) *remade[R] {
	return &remade[R]{topicID: topicID, enc: newEncoder[R](r.w.parquet), buf: make([]R, 0, remadeRows), parts: map[int32]FilePart{}}
}

// put appends a row.
func (f *remade[R]) put(rec *Record, row *R, v Verdict) error {
	p, ok := f.parts[rec.Partition]
	if !ok {
		p = FilePart{Partition: rec.Partition, Start: rec.Offset}
	}
	p.Start, p.End, p.Rows = min(p.Start, rec.Offset), max(p.End, rec.Offset+1), p.Rows+1
	f.parts[rec.Partition] = p
	f.rows++
	f.minTime, f.maxTime = minTime(f.minTime, rec.Timestamp), maxTime(f.maxTime, rec.Timestamp)
	f.minEvent, f.maxEvent = minTime(f.minEvent, v.EventTime), maxTime(f.maxEvent, v.EventTime)
	if f.buf = append(f.buf, *row); len(f.buf) < remadeRows {
		return nil
	}
	return f.flush()
}

func (f *remade[R]) flush() error {
	_, err := f.enc.parquet.Write(f.buf)
	clear(f.buf)
	f.buf = f.buf[:0]
	if err != nil {
		return fmt.Errorf("encode rows: %w", err)
	}
	return nil
}

// add ends a file that has rows and takes it in.
func (r *replay[R]) add(f *remade[R], late int64) error {
	if f.rows == 0 {
		return nil
	}
	if err := f.flush(); err != nil {
		return err
	}
	s := r.sealed
	// Nothing in the file tells of the replay that made it: the same rows are the same bytes.
	if err := f.enc.close(map[string]string{"tidemill.topic": s.entry.Topic, "tidemill.topic_id": f.topicID}); err != nil {
		return err
	}
	data := f.enc.out.Bytes()
	base := fmt.Sprintf("%s-%d", s.entry.CommitID, len(s.entry.Files)+1)
	if err := r.w.lake.disk.WriteFile(path.Join(s.folder, base+extension), data); err != nil {
		return err
	}
	s.entry.Files = append(s.entry.Files, File{
		Path: fileName{string(r.day), base}.final(s.entry.Topic), Day: r.day, Parts: sortedParts(f.parts), Rows: f.rows, LateRows: late,
		Bytes: int64(len(data)), Checksum: checksumOf(data), Generation: r.generation, TopicID: f.topicID,
		MinTimestamp: f.minTime.UTC(), MaxTimestamp: f.maxTime.UTC(), MinEventTime: f.minEvent.UTC(), MaxEventTime: f.maxEvent.UTC(),
	})
	return nil
}

// again makes the rows of a file anew.
func (r *replay[R]) again(ctx context.Context, f File, out *remade[R]) error {
	found, err := r.w.lake.contractIn(ctx, f)
	if err != nil {
		return err
	}
	if diff := r.w.contract.Differences(found); len(diff) > 0 { // a younger program's: it would lose what this one does not know
		return &ContractError{f.Path, diff}
	}
	places := make([]Place, 0, f.Rows)
	if err := Rows(ctx, r.w.lake, f, func(p []Place) error {
		places = append(places, p...)
		return nil
	}); err != nil {
		return err
	}
	var was []R
	decode := func() error {
		at := places[:len(was)]
		places = places[len(was):]
		n := 0
		err := r.decoder.Rows(ctx, f.TopicID, was, at, func(rec *Record, row *R, v Verdict) error {
			if n == len(at) || rec.Partition != at[n].Partition || rec.Offset != at[n].Offset {
				return fmt.Errorf("the decoder gave offset %d of partition %d out of turn", rec.Offset, rec.Partition)
			}
			n++
			return r.take(f.TopicID, rec, row, v, out)
		})
		if err == nil && n < len(at) {
			err = fmt.Errorf("the decoder gave %d of %d rows", n, len(at))
		}
		was = was[:0]
		return err
	}
	if err := Rows(ctx, r.w.lake, f, func(rows []R) error {
		was = append(was, rows...)
		if len(was) < replayWindow {
			return nil
		}
		return decode()
	}); err != nil {
		return err
	}
	if len(was) == 0 {
		return nil
	}
	return decode()
}

// take takes in what became of a record that was a row.
func (r *replay[R]) take(topicID string, rec *Record, row *R, v Verdict, out *remade[R]) error {
	if v.Broken {
		r.letters = append(r.letters, deadLetter(r.w.lake.topic, topicID, rec, v))
		r.counts[v.Field]++
		r.moves[PartitionKey{topicID, rec.Partition}]--
		r.toDead++
		r.lettersOfDay++
		return nil
	}
	if d := DayOf(rec.Timestamp); d != r.day {
		return fmt.Errorf("%w: offset %d of partition %d has a timestamp of %s, the lake has it on %s", ErrCorrupt, rec.Offset, rec.Partition, d, r.day)
	}
	if v.KeyMismatch && !r.decoder.NoKeys {
		r.keyMismatches++
	}
	return out.put(rec, row, v)
}

// redrive asks the decoder about the day's dead letters. Files of dead letters
// in which one changes are made anew.
func (r *replay[R]) redrive(ctx context.Context) error {
	accepted := map[string]*remade[R]{} // by topic id
	changed := r.toDead > 0
	var kept []DeadLetter
	for _, f := range r.dead {
		var letters []DeadLetter
		some := false
		if err := r.w.lake.DeadRows(ctx, f, func(all []DeadLetter) error {
			letters = append(letters, all...)
			return nil
		}); err != nil {
			return err
		}
		var stay []DeadLetter
		for _, d := range letters {
			at := microTime(d.Timestamp)
			if !hasDay(at) || DayOf(at) != r.day {
				stay = append(stay, d)
				continue
			}
			some = true
			r.ofDay++
			rec := &Record{Key: d.Key, Value: d.Value, Partition: d.Partition, Offset: d.Offset, Timestamp: at, IngestedAt: microTime(d.IngestedAt)}
			var row R
			v := r.decoder.Transform(rec, &row)
			if v.Broken {
				changed = changed || v.Field != d.Field || v.Reason != d.Reason
				r.counts[d.Field]--
				r.counts[v.Field]++
				r.lettersOfDay++
				d.Field, d.Reason = v.Field, v.Reason
				stay = append(stay, d)
				continue
			}
			changed = true
			if _, ok := accepted[d.TopicID]; !ok {
				accepted[d.TopicID] = r.file(d.TopicID)
			}
			if v.KeyMismatch {
				r.keyMismatches++
			}
			r.counts[d.Field]--
			r.moves[PartitionKey{d.TopicID, d.Partition}]++
			r.toRows++
			if err := accepted[d.TopicID].put(rec, &row, v); err != nil {
				return err
			}
		}
		if some {
			r.sealed.entry.Replaces.DeadFiles = append(r.sealed.entry.Replaces.DeadFiles, f.Path)
			kept = append(kept, stay...)
		}
	}
	if !changed {
		r.sealed.entry.Replaces.DeadFiles = nil
		return nil
	}
	r.letters = append(kept, r.letters...)
	for _, id := range slices.Sorted(maps.Keys(accepted)) {
		if err := r.add(accepted[id], 0); err != nil {
			return err
		}
	}
	return nil
}

// account says in the entry what the replay changes of the sums.
func (r *replay[R]) account() {
	e := &r.sealed.entry
	for _, k := range slices.SortedFunc(maps.Keys(r.moves), comparePartitions) {
		if r.moves[k] != 0 {
			e.Replaces.Moves = append(e.Replaces.Moves, Move{k.TopicID, k.Partition, r.moves[k]})
		}
	}
	maps.DeleteFunc(r.counts, func(_ string, n int64) bool { return n == 0 })
	c := DayCounts{Day: r.day, DeadLetters: r.counts, KeyMismatches: r.keyMismatches}
	if !r.decoder.NoKeys {
		c.KeyMismatches -= r.stat.KeyMismatches
	}
	if len(c.DeadLetters) > 0 || c.KeyMismatches != 0 {
		e.Days = []DayCounts{c}
	}
}
