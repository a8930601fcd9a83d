package lake

import (
	"context"
	"errors"
	"fmt"
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
	m, err := w.remake(ctx, day, ReasonReplay)
	if err != nil {
		return Replayed{}, err
	}
	r := replay[R]{remake: m, decoder: decoder}
	if err := m.stage(ctx, r.make); err != nil {
		return Replayed{}, err
	}
	if len(r.files) == 0 && r.redriven.tried == 0 {
		return Replayed{Day: day, Generation: r.stat.Generation}, w.discard(r.sealed)
	}
	e, err := w.replace(ctx, r.sealed)
	if err != nil {
		return Replayed{}, err
	}
	return Replayed{
		Day: day, Entry: e.N, Generation: r.generation, Files: len(e.Files), Rows: e.Rows(), DeadLetters: r.toDead + int64(len(r.redriven.still)),
		ToRows: r.redriven.toRows, ToDeadLetter: r.toDead, TookMS: w.lake.now().Sub(began).Milliseconds(),
	}, nil
}

// replay is one under way.
type replay[R any] struct {
	*remake[R]
	decoder  Decoder[R]
	redriven redriven[R]
	toDead   int64
}

// make makes the new files, and says in the entry what they are.
func (r *replay[R]) make(ctx context.Context) error {
	for _, f := range r.files {
		r.sealed.entry.Replaces.Files = append(r.sealed.entry.Replaces.Files, f.Path)
		out := r.file(f.TopicID)
		if err := r.again(ctx, f, out); err != nil {
			return err
		}
		if err := r.add(out, min(f.LateRows, out.rows)); err != nil {
			return err
		}
	}
	if !r.decoder.NoKeys {
		r.keyMismatches -= r.stat.KeyMismatches
	}
	var err error
	if r.redriven, err = r.redrive(ctx, r.decoder.Transform, func(d DeadLetter) bool { return d.hasDay() }); err != nil {
		return err
	}
	return r.addRedriven(r.redriven)
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
		d := deadLetter(r.w.lake.topic, topicID, rec, v)
		r.erasures.EraseLetter(&d)
		r.letters = append(r.letters, d)
		r.counts[d.Field]++
		r.moves[PartitionKey{topicID, rec.Partition}]--
		r.toDead++
		return nil
	}
	if d := DayOf(rec.Timestamp); d != r.day {
		return fmt.Errorf("%w: offset %d of partition %d has a timestamp of %s, the lake has it on %s", ErrCorrupt, rec.Offset, rec.Partition, d, r.day)
	}
	if v.KeyMismatch && !r.decoder.NoKeys {
		r.keyMismatches++
	}
	EraseRow(r.erasures, topicID, rec.Partition, rec.Offset, row)
	return out.put(rec, row, v)
}
