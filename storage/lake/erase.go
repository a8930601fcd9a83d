package lake

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"reflect"
	"slices"

	"github.com/parquet-go/parquet-go"
)

// Erasure asks for a person's data to be taken out.
type Erasure struct {
	Person string          // as Personal names them
	DryRun bool            // change nothing, and say what would be done
	Tell   func(ErasedDay) // told of each day that has something of the person; nil: nobody
}

// Erased is what an erasure did.
type Erased struct {
	Entry int64       `json:"entry"` // of the log, that records it; 0: it was recorded before, or a dry run
	Days  []ErasedDay `json:"days"`  // those that had something of the person
}

// ErasedDay is what an erasure did to a day.
type ErasedDay struct {
	Day         Day   `json:"day"`
	Entry       int64 `json:"entry"`        // of the log; 0: a dry run
	Generation  int   `json:"generation"`   // of the day, now
	Files       int   `json:"files"`        // of rows, that were made anew
	Rows        int64 `json:"rows"`         // from which the person was erased
	DeadLetters int64 `json:"dead_letters"` // whose bytes were
	TookMS      int64 `json:"took_ms"`
}

// Erase takes what is personal of a person out of all rows and dead letters that
// there are, by replacing the files that have some. The records stay, with all
// that [Personal] leaves; a dead letter that names the person loses its bytes.
// The generation of days whose rows change is raised. Readers and the stream go
// on meanwhile.
//
// That it was asked for is recorded first, by a hash of the name: what makes
// rows anew later, of whatever source, takes the person out again. Records that
// come to the lake after that are not covered. What fails halfway is finished by
// another Erase, which does nothing where nothing is left to do.
//
// It errs as Replay does, and if rows of type R are not Personal.
func (w *Writer[R]) Erase(ctx context.Context, ask Erasure) (done Erased, err error) {
	if err := canErase[R](ask.Person); err != nil {
		return Erased{}, fmt.Errorf("erase: %w", err)
	}
	done = Erased{Days: []ErasedDay{}}
	if err := w.lake.Agree(ctx, w.contract); err != nil {
		return done, fmt.Errorf("erase: %w", err)
	}
	planned, err := w.recordErasure(ctx, ask, &done)
	if err != nil {
		return done, fmt.Errorf("record an erasure: %w", err)
	}
	letters, err := w.lettersToErase(ctx, planned)
	if err != nil {
		return done, fmt.Errorf("look for dead letters to erase: %w", err)
	}
	for _, d := range planned.sortedDays() {
		for try := 1; ; try++ {
			day, err := w.eraseDay(ctx, d.Day, letters[d.Day], ask.DryRun, planned)
			if errors.Is(err, ErrStale) && try < maxPlans {
				continue
			}
			if err != nil {
				return done, fmt.Errorf("erase a person from %s: %w", d.Day, err)
			}
			if day.Rows+day.DeadLetters > 0 {
				done.Days = append(done.Days, day)
				if ask.Tell != nil {
					ask.Tell(day)
				}
			}
			break
		}
	}
	return done, nil
}

// canErase errs if nothing can be erased of a person.
func canErase[R any](person string) error {
	var row R
	p, ok := any(&row).(Personal)
	if !ok {
		return fmt.Errorf("rows of type %T are of nobody: implement lake.Personal", row)
	}
	if p.Erase(); person == "" || p.Person() == person {
		return fmt.Errorf("%q names nobody", person)
	}
	return nil
}

// recordErasure puts the erasure into the log, unless it is there and covers all
// that the log has. It returns a state that has it.
func (w *Writer[R]) recordErasure(ctx context.Context, ask Erasure, done *Erased) (*State, error) {
	state, err := w.lake.State(ctx)
	if err != nil {
		return nil, err
	}
	erases := &Erases{}
	if len(state.erasures) > 0 {
		erases.Salt = state.erasures[0].Salt
	} else {
		salt := make([]byte, 16)
		_, _ = rand.Read(salt) // never errs
		erases.Salt = hex.EncodeToString(salt)
	}
	erases.Person = personHash(erases.Salt, ask.Person)
	with := state.clone()
	with.foldErase(Entry{Erases: erases})
	known := slices.ContainsFunc(state.erasures, func(e erasure) bool {
		return slices.ContainsFunc(with.erasures, func(n erasure) bool {
			return e.Erases == n.Erases && n.Erases == *erases && maps.Equal(e.before, n.before)
		})
	})
	if ask.DryRun || known {
		return with, nil
	}
	e, err := w.Commit(ctx, &Sealed{opened: w.lake.now(), entry: Entry{
		Kind: KindErase, CommitID: w.newID(), Writer: w.id, Topic: w.lake.topic, SchemaVersion: SchemaVersion, Erases: erases,
	}})
	if err != nil {
		return nil, err
	}
	done.Entry = e.N
	return w.lake.State(ctx)
}

// lettersToErase are the days that count a dead letter which tells of somebody
// who was erased.
func (w *Writer[R]) lettersToErase(ctx context.Context, s *State) (map[Day]bool, error) {
	days := map[Day]bool{}
	if err := w.lake.Finish(ctx); err != nil {
		return nil, err
	}
	files, err := s.DeadFiles()
	if err != nil {
		return nil, err
	}
	erasures := s.Erasures()
	for _, f := range files {
		if err := w.lake.DeadRows(ctx, f, func(all []DeadLetter) error {
			for _, d := range all {
				if erasures.EraseLetter(&d) {
					days[d.countsOn()] = true
				}
			}
			return nil
		}); err != nil {
			return nil, err
		}
	}
	return days, nil
}

// eraseDay erases whoever was erased from a day, of its dead letters too if it
// has some to erase.
func (w *Writer[R]) eraseDay(ctx context.Context, day Day, letters, dryRun bool, planned *State) (ErasedDay, error) {
	began := w.lake.now()
	m, err := w.remake(ctx, day, ReasonErase)
	if err != nil {
		return ErasedDay{}, err
	}
	if dryRun {
		m.erasures = planned.Erasures()
	}
	done := ErasedDay{Day: day, Generation: m.stat.Generation}
	var concerned []File
	for _, f := range m.files {
		n, err := m.countToErase(ctx, f)
		if err != nil {
			return ErasedDay{}, staleIfGone(err)
		}
		if n > 0 {
			concerned, done.Rows = append(concerned, f), done.Rows+n
		}
	}
	if letters {
		if done.DeadLetters, err = m.eraseLetters(ctx); err != nil {
			return ErasedDay{}, staleIfGone(err)
		}
	}
	done.Files = len(concerned)
	if dryRun || done.Rows+done.DeadLetters == 0 {
		return done, nil
	}
	if err := m.stage(ctx, func(ctx context.Context) error { return m.eraseRows(ctx, concerned) }); err != nil {
		return ErasedDay{}, err
	}
	e, err := w.replace(ctx, m.sealed)
	if err != nil {
		return ErasedDay{}, err
	}
	if len(concerned) > 0 {
		done.Generation = m.generation
	}
	done.Entry, done.TookMS = e.N, w.lake.now().Sub(began).Milliseconds()
	return done, nil
}

func staleIfGone(err error) error {
	if isGone(err) {
		return fmt.Errorf("%w: %w", ErrStale, err)
	}
	return err
}

// countToErase is how many rows of a file tell of somebody who was erased.
func (m *remake[R]) countToErase(ctx context.Context, f File) (n int64, err error) {
	var persons []string // of each row
	some := false
	if err := eachPerson[R](ctx, m.w.lake, f, func(person string) {
		persons = append(persons, person)
		some = some || m.erasures.person(person) != nil
	}); err != nil || !some {
		return 0, err
	}
	at := 0
	err = Rows(ctx, m.w.lake, f, func(places []Place) error {
		for _, p := range places {
			if m.erasures.Covers(f.TopicID, p.Partition, p.Offset, persons[at]) {
				n++
			}
			at++
		}
		return nil
	})
	return n, err
}

// eachPerson reads no more of a file than whom each row is of.
func eachPerson[R any](ctx context.Context, l *Lake, f File, visit func(person string)) error {
	cols, err := columnsOf(reflect.TypeFor[R]())
	if err != nil {
		return fmt.Errorf("read %s: %w", f.Path, err)
	}
	name := any(new(R)).(Personal).PersonColumn()
	cols = slices.DeleteFunc(cols, func(c column) bool { return c.name != name })
	if len(cols) == 0 {
		return fmt.Errorf("read %s: rows have no column %s", f.Path, name)
	}
	disk, in, _, err := l.open(ctx, f)
	if err != nil {
		return fmt.Errorf("read rows: %w", err)
	}
	defer func() { _ = disk.Close() }() // opened for reading: nothing can be lost
	if in.Path != f.Path {
		return fmt.Errorf("%s was merged: %w", f.Path, fs.ErrNotExist)
	}
	if err := verify(disk, in.Path, in.Bytes, in.Checksum); err != nil {
		return err
	}
	return guard(func() error {
		file, err := parquet.OpenFile(disk, disk.Size(), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
		if err != nil {
			return err
		}
		return readParquet(ctx, disk, cols, file.NumRows(), slice{0, file.NumRows()}, func(rows []R) error {
			for i := range rows {
				visit(any(&rows[i]).(Personal).Person())
			}
			return nil
		})
	})
}

// eraseRows makes files anew without the persons that were erased.
func (m *remake[R]) eraseRows(ctx context.Context, files []File) error {
	for _, f := range files {
		found, err := m.w.lake.contractIn(ctx, f)
		if err != nil {
			return err
		}
		if diff := m.w.contract.Differences(found); len(diff) > 0 { // a younger program's: it would lose what this one does not know
			return &ContractError{f.Path, diff}
		}
		var places []Place
		if err := Rows(ctx, m.w.lake, f, func(p []Place) error {
			places = append(places, p...)
			return nil
		}); err != nil {
			return err
		}
		out := m.file(f.TopicID)
		out.like(f)
		at := 0
		if err := Rows(ctx, m.w.lake, f, func(rows []R) error {
			for i := range rows {
				EraseRow(m.erasures, f.TopicID, places[at].Partition, places[at].Offset, &rows[i])
				at++
				if err := out.append(&rows[i]); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return err
		}
		m.sealed.entry.Replaces.Files = append(m.sealed.entry.Replaces.Files, f.Path)
		if err := m.add(out, f.LateRows); err != nil {
			return err
		}
	}
	return nil
}

// eraseLetters has the files of dead letters made anew in which one of the day's
// tells of somebody who was erased. It says how many do.
func (m *remake[R]) eraseLetters(ctx context.Context) (n int64, err error) {
	for _, f := range m.dead {
		var letters []DeadLetter
		changed := false
		if err := m.w.lake.DeadRows(ctx, f, func(all []DeadLetter) error {
			for _, d := range all {
				if was := d.Field; d.countsOn() == m.day && m.erasures.EraseLetter(&d) {
					m.counts[was]--
					m.counts[d.Field]++
					changed, n = true, n+1
				}
				letters = append(letters, d)
			}
			return nil
		}); err != nil {
			return 0, err
		}
		if changed {
			m.sealed.entry.Replaces.DeadFiles = append(m.sealed.entry.Replaces.DeadFiles, f.Path)
			m.letters = append(m.letters, letters...)
		}
	}
	return n, nil
}
