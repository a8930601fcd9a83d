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
	if err := l.Finish(ctx); err != nil { // files of a writer that died may be on their way
		return Report{}, err
	}
	s, err := l.State(ctx)
	if err != nil {
		return Report{}, err
	}
	v := verifier{lake: l, child: child{start: start}, sums: sums{}, report: Report{Topic: l.Topic(), Differences: []Difference{}}}
	defer func() {
		if end := v.child.end(); end != nil && err == nil {
			err = fmt.Errorf("end the reading process: %w", end)
		}
	}()
	files, err := s.FilesOf("")
	if err != nil {
		return Report{}, fmt.Errorf("list the files: %w", err)
	}
	for _, f := range files {
		r, err := v.file(ctx, f.Path, f.Rows)
		if err != nil {
			return Report{}, err
		}
		if r != nil {
			v.bounds(f, r)
			if err := v.sums.add(r); err != nil {
				return Report{}, err
			}
		}
	}
	dead, err := s.DeadFiles()
	if err != nil {
		return Report{}, fmt.Errorf("list the files of dead letters: %w", err)
	}
	for _, f := range dead {
		if _, err := v.file(ctx, f.Path, f.Rows); err != nil {
			return Report{}, err
		}
	}
	v.report.Sums = v.sums.texts()
	return v.report, nil
}

type verifier struct {
	lake   *lake.Lake
	child  child
	sums   sums
	report Report
}

func (v *verifier) differs(file, column, format string, args ...any) {
	v.report.Differences = append(v.report.Differences, Difference{file, column, fmt.Sprintf(format, args...)})
}

// file compares the two readings of a file with each other, and its rows with the log. It returns the second reading; nil if there is none.
func (v *verifier) file(ctx context.Context, name string, rows int64) (*Reading, error) {
	path := v.lake.Abs(lake.File{Path: name})
	v.report.Files++
	got, fault, err := v.child.read(ctx, path)
	if err != nil {
		return nil, err
	}
	want, err := ours(path)
	if err != nil {
		v.differs(name, "", "we cannot read it: %v", err)
	}
	if fault != "" {
		v.differs(name, "", "it cannot be read: %s", fault)
		return nil, nil
	}
	if got.Rows != rows {
		v.differs(name, "", "%d rows, the log says %d", got.Rows, rows)
	}
	v.report.Rows += got.Rows
	if err == nil {
		v.compare(name, &got, &want)
	}
	return &got, ctx.Err()
}

// compare says in what two readings differ.
func (v *verifier) compare(name string, got, want *Reading) {
	if got.Rows != want.Rows {
		v.differs(name, "", "%d rows, we read %d", got.Rows, want.Rows)
	}
	for _, w := range want.Columns {
		g := got.column(w.Name)
		switch {
		case g == nil:
			v.differs(name, w.Name, "it sees no such column")
		case g.Values != w.Values || g.Nulls != w.Nulls:
			v.differs(name, w.Name, "%d values and %d nulls, we read %d and %d", g.Values, g.Nulls, w.Values, w.Nulls)
		case g.Sum != w.Sum:
			v.differs(name, w.Name, "a sum of %s, we read %s", g.Sum, w.Sum)
		case g.Digest != w.Digest:
			v.differs(name, w.Name, "other values than we read")
		}
	}
	for _, g := range got.Columns {
		if want.column(g.Name) == nil {
			v.differs(name, g.Name, "we see no such column")
		}
	}
}

// timestampColumn holds the records' timestamps, in microseconds since 1970, of which the log has the bounds.
const timestampColumn = "kafka_timestamp"

// bounds compares the record timestamps that are read with those of the log.
func (v *verifier) bounds(f lake.File, r *Reading) {
	c := r.column(timestampColumn)
	if c == nil || f.Rows == 0 {
		return // said already, or nothing to say
	}
	first, last := time.UnixMicro(c.Min).UTC(), time.UnixMicro(c.Max).UTC()
	if !first.Equal(f.MinTimestamp) || !last.Equal(f.MaxTimestamp) {
		v.differs(f.Path, timestampColumn, "from %s to %s, the log says from %s to %s", first.Format(time.RFC3339Nano), last.Format(time.RFC3339Nano),
			f.MinTimestamp.Format(time.RFC3339Nano), f.MaxTimestamp.Format(time.RFC3339Nano))
	}
}

// errSum: a sum is no number, which a child of ours cannot say.
var errSum = errors.New("verify: a sum is no decimal")
