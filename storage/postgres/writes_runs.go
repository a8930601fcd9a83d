package postgres

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidemill/tidemill/engine"
)

// newRunColumns are runs to be made.
type newRunColumns struct {
	dags, ids, types []string
	logical          []*time.Time
	starts, ends     []*time.Time
	params           [][]byte
	versions         []string
	backfills        []int64
	positions        []int32
	by, notes        []string
	priorities       []int32
	deadlines        []int64
	ignorePast       []bool
	onlyTasks        []*string
	holds            []*string
}

func (o *newRunColumns) add(r *engine.NewRun) {
	o.dags, o.ids, o.types = append(o.dags, r.DAG), append(o.ids, r.RunID), append(o.types, string(r.Type))
	o.logical, o.starts, o.ends = append(o.logical, r.Logical), append(o.starts, r.Start), append(o.ends, r.End)
	o.params, o.versions = append(o.params, r.Params), append(o.versions, r.Version)
	o.backfills = append(o.backfills, r.Backfill)
	o.positions = append(o.positions, int32(r.Order)) //nolint:gosec // a place in a backfill
	o.by, o.notes = append(o.by, clean(r.TriggeredBy)), append(o.notes, clean(r.Note))
	o.priorities = append(o.priorities, int32(r.Priority)) //nolint:gosec // checked when it is asked for
	o.deadlines = append(o.deadlines, r.Deadline.Microseconds())
	o.ignorePast = append(o.ignorePast, r.IgnorePast)
	o.onlyTasks = append(o.onlyTasks, asJSON(r.OnlyTasks, r.OnlyTasks != nil))
	o.holds = append(o.holds, asJSON(r.Hold, r.Hold != nil))
}

// asJSON is v as JSON; nil when it is not there.
func asJSON(v any, there bool) *string {
	if !there {
		return nil
	}
	raw, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("postgres: %T does not encode: %v", v, err)) // names and times: cannot happen
	}
	text := string(raw)
	return &text
}

// queue queues the insertion, which tells made of each run that was not there yet.
func (o *newRunColumns) queue(b *pgx.Batch, made func(key int64, dag, id string)) {
	b.Queue(insertRuns, o.dags, o.ids, o.types, o.logical, o.starts, o.ends, o.params, o.versions, o.backfills, o.positions, o.by, o.notes,
		o.priorities, o.deadlines, o.ignorePast, o.onlyTasks, o.holds).Query(func(rows pgx.Rows) error {
		var key int64
		var dag, id string
		_, err := pgx.ForEachRow(rows, []any{&key, &dag, &id}, func() error { made(key, dag, id); return nil })
		return err
	})
}
