package verify

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"

	"github.com/tidemill/tidemill/storage/lake"
)

// Report is what Lake found.
type Report struct {
	Topic       string            `json:"topic"`
	Files       int               `json:"files"`       // read, those of dead letters included
	Rows        int64             `json:"rows"`        // in them, as the second library sees them
	Sums        map[string]string `json:"sums"`        // of decimals of accepted records by column, as the second library sees them
	Differences []Difference      `json:"differences"` // empty: it agrees
}

// Agrees says that the second library sees what the log and we see.
func (r Report) Agrees() bool { return len(r.Differences) == 0 }

// Difference is something that the second library sees differently.
type Difference struct {
	File   string `json:"file"`             // relative to the lake's root
	Column string `json:"column,omitempty"` // empty: the file as a whole
	What   string `json:"what"`
}

// Lake lets the second library read every file that the log lists, and compares. start makes the command of a child that calls [Serve] on
// its standard input and output; it is called again after a child has died. What is wrong with a file is a Difference; the error is for
// a verification that could not be done.
func Lake(ctx context.Context, l *lake.Lake, start func(context.Context) *exec.Cmd) (report Report, err error) {
	v := verifier{lake: l, child: child{start: start}, read: map[string]*readFile{}}
	defer func() {
		if end := v.child.end(); end != nil && err == nil {
			err = fmt.Errorf("end the reading process: %w", end)
		}
	}()
	for more, n := true, 0; more && n < maxRounds; n++ {
		if more, err = v.round(ctx); err != nil {
			return Report{}, err
		}
	}
	return v.report()
}

// maxRounds bounds how often files that came in meanwhile are read, too.
const maxRounds = 10

type verifier struct {
	lake  *lake.Lake
	child child
	read  map[string]*readFile // by path
	live  []string             // paths of the files that the log lists now
}

// readFile is what came of a file.
type readFile struct {
	reading     *Reading // nil: the second library does not read it
	accepted    bool     // its rows are accepted records
	differences []Difference
}

// round reads what the log lists and was not read yet. It returns false when there was none: compaction may have put others in the place
// of those that were about to be read.
func (v *verifier) round(ctx context.Context) (bool, error) {
	if err := v.lake.Finish(ctx); err != nil { // files of a writer that died may be on their way
		return false, err
	}
	s, err := v.lake.State(ctx)
	if err != nil {
		return false, err
	}
	files, err := s.FilesOf("")
	if err != nil {
		return false, fmt.Errorf("list the files: %w", err)
	}
	dead, err := s.DeadFiles()
	if err != nil {
		return false, fmt.Errorf("list the files of dead letters: %w", err)
	}
	v.live = nil
	fresh := false
	for _, f := range files {
		v.live = append(v.live, f.Path)
		if v.read[f.Path] != nil {
			continue
		}
		fresh = true
		r, err := v.file(ctx, f.Path, f.Rows)
		if err != nil {
			return false, err
		}
		if r.accepted = true; r.reading != nil {
			r.bounds(f)
		}
	}
	for _, f := range dead {
		v.live = append(v.live, f.Path)
		if v.read[f.Path] != nil {
			continue
		}
		fresh = true
		if _, err := v.file(ctx, f.Path, f.Rows); err != nil {
			return false, err
		}
	}
	return fresh, nil
}

// report sums up the files that the log lists.
func (v *verifier) report() (Report, error) {
	r, all := Report{Topic: v.lake.Topic(), Files: len(v.live), Differences: []Difference{}}, sums{}
	for _, path := range v.live {
		f := v.read[path]
		if f == nil { // it came in after the last round
			r.Files--
			continue
		}
		r.Differences = append(r.Differences, f.differences...)
		if f.reading == nil {
			continue
		}
		r.Rows += f.reading.Rows
		if f.accepted {
			if err := all.add(f.reading); err != nil {
				return Report{}, err
			}
		}
	}
	r.Sums = all.texts()
	return r, nil
}

func (r *readFile) differs(file, column, format string, args ...any) {
	r.differences = append(r.differences, Difference{file, column, fmt.Sprintf(format, args...)})
}

// file compares the two readings of a file with each other, and its rows with the log.
func (v *verifier) file(ctx context.Context, name string, rows int64) (*readFile, error) {
	path := v.lake.Abs(lake.File{Path: name})
	got, fault, err := v.child.read(ctx, path)
	if err != nil {
		return nil, err
	}
	r := &readFile{}
	v.read[name] = r
	want, err := ours(path)
	if err != nil {
		r.differs(name, "", "we cannot read it: %v", err)
	}
	if fault != "" {
		r.differs(name, "", "it cannot be read: %s", fault)
		return r, ctx.Err()
	}
	if got.Rows != rows {
		r.differs(name, "", "%d rows, the log says %d", got.Rows, rows)
	}
	if r.reading = &got; err == nil {
		r.compare(name, &want)
	}
	return r, ctx.Err()
}

// compare says in what the reading differs from ours.
func (r *readFile) compare(name string, want *Reading) {
	got := r.reading
	if got.Rows != want.Rows {
		r.differs(name, "", "%d rows, we read %d", got.Rows, want.Rows)
	}
	for _, w := range want.Columns {
		g := got.column(w.Name)
		switch {
		case g == nil:
			r.differs(name, w.Name, "it sees no such column")
		case g.Values != w.Values || g.Nulls != w.Nulls:
			r.differs(name, w.Name, "%d values and %d nulls, we read %d and %d", g.Values, g.Nulls, w.Values, w.Nulls)
		case g.Sum != w.Sum:
			r.differs(name, w.Name, "a sum of %s, we read %s", g.Sum, w.Sum)
		case g.Digest != w.Digest:
			r.differs(name, w.Name, "other values than we read")
		}
	}
	for _, g := range got.Columns {
		if want.column(g.Name) == nil {
			r.differs(name, g.Name, "we see no such column")
		}
	}
}

// timestampColumn holds the records' timestamps, in microseconds since 1970, of which the log has the bounds.
const timestampColumn = "kafka_timestamp"

// bounds compares the record timestamps that are read with those of the log.
func (r *readFile) bounds(f lake.File) {
	c := r.reading.column(timestampColumn)
	if c == nil || f.Rows == 0 {
		return // said already, or nothing to say
	}
	first, last := time.UnixMicro(c.Min).UTC(), time.UnixMicro(c.Max).UTC()
	if !first.Equal(f.MinTimestamp) || !last.Equal(f.MaxTimestamp) {
		r.differs(f.Path, timestampColumn, "from %s to %s, the log says from %s to %s", first.Format(time.RFC3339Nano), last.Format(time.RFC3339Nano),
			f.MinTimestamp.Format(time.RFC3339Nano), f.MaxTimestamp.Format(time.RFC3339Nano))
	}
}

// errSum: a sum is no number, which a child of ours cannot say.
var errSum = errors.New("verify: a sum is no decimal")
