package lake

import (
	"context"
	"maps"
	"slices"
)

// redriven is what became of a day's dead letters that were asked about again.
type redriven[R any] struct {
	tried     int64
	toRows    int64
	newReason int64        // of those that stay
	still     []DeadLetter // those that stay, with what is wrong with them now

	accepted map[string]*remade[R] // the rows, by topic id
	out      []string              // files in which one changes
	stay     []DeadLetter          // all of those files that stay dead letters, of any day
}

// hasDay says whether the dead letter's timestamp is of a day.
func (d *DeadLetter) hasDay() bool { return hasDay(microTime(d.Timestamp)) }

// countsOn is the day on which the dead letter is counted.
func (d *DeadLetter) countsOn() Day { return countingDay(d.record()) }

// redrive asks a transform about those of the day's dead letters that of names.
// It takes the outcome into account, and puts nothing on disk.
func (m *remake[R]) redrive(ctx context.Context, transform Transform[R], of func(DeadLetter) bool) (redriven[R], error) {
	r := redriven[R]{accepted: map[string]*remade[R]{}}
	for _, f := range m.dead {
		var letters []DeadLetter
		if err := m.w.lake.DeadRows(ctx, f, func(all []DeadLetter) error {
			letters = append(letters, all...)
			return nil
		}); err != nil {
			return redriven[R]{}, err
		}
		changed, stay := false, make([]DeadLetter, 0, len(letters))
		for _, d := range letters {
			if d.countsOn() != m.day || !of(d) {
				stay = append(stay, d)
				continue
			}
			r.tried++
			if d.hasDay() {
				accepted, other, err := m.ask(&r, &d, transform)
				if err != nil {
					return redriven[R]{}, err
				}
				changed = changed || accepted || other
				if accepted {
					continue
				}
			}
			stay = append(stay, d)
			r.still = append(r.still, d)
		}
		if changed {
			r.out = append(r.out, f.Path)
			r.stay = append(r.stay, stay...)
		}
	}
	return r, nil
}

// ask asks the transform about one dead letter: it is a row now, or stays for
// another reason, or for the same one.
func (m *remake[R]) ask(r *redriven[R], d *DeadLetter, transform Transform[R]) (accepted, other bool, err error) {
	if d.Erased != nil {
		return false, false, nil
	}
	rec := d.record()
	var row R
	v := transform(rec, &row)
	if v.Broken {
		if v.Field == d.Field && v.Reason == d.Reason {
			return false, false, nil
		}
		m.counts[d.Field]--
		m.counts[v.Field]++
		r.newReason++
		d.Field, d.Reason = v.Field, v.Reason
		return false, true, nil
	}
	if r.accepted[d.TopicID] == nil {
		r.accepted[d.TopicID] = m.file(d.TopicID)
	}
	if v.KeyMismatch {
		m.keyMismatches++
	}
	EraseRow(m.erasures, d.TopicID, d.Partition, d.Offset, &row)
	m.counts[d.Field]--
	m.moves[PartitionKey{d.TopicID, d.Partition}]++
	r.toRows++
	return true, false, r.accepted[d.TopicID].put(rec, &row, v)
}

// addRedriven writes the rows that came of it, and has the files of dead letters
// in which one changed made anew.
func (m *remake[R]) addRedriven(r redriven[R]) error {
	m.sealed.entry.Replaces.DeadFiles = r.out
	m.letters = append(r.stay, m.letters...)
	for _, id := range slices.Sorted(maps.Keys(r.accepted)) {
		if err := m.add(r.accepted[id], 0); err != nil {
			return err
		}
	}
	return nil
}

// record is the record that the dead letter was, as it came.
func (d *DeadLetter) record() *Record {
	return &Record{
		Key: d.Key, Value: d.Value, Partition: d.Partition, Offset: d.Offset,
		Timestamp: microTime(d.Timestamp), IngestedAt: microTime(d.IngestedAt),
	}
}
