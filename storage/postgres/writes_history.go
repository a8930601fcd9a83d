package postgres

import (
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidemill/tidemill/engine"
)

const (
	insertAttempts = `INSERT INTO tidemill.attempts (run_id, task_id, map_index, try, state, ending, queued_at, started_at, ended_at,
			worker, version, build, error, marked_by, output, inputs)
		SELECT c.* FROM unnest($1::bigint[], $2::text[], $3::int[], $4::int[], $5::text[], $6::text[], $7::timestamptz[], $8::timestamptz[],
			$9::timestamptz[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::bytea[], $16::bytea[]) AS c`

	// insertSuccesses is insertAttempts for successes of one worker and version that ended now, which most are.
	// $8 to $11: end, worker, version, build.
	insertSuccesses = `INSERT INTO tidemill.attempts (run_id, task_id, map_index, try, started_at, output, inputs, ended_at, worker, version, build,
			state, ending, error, marked_by)
		SELECT c.*, $8::timestamptz, $9::text, $10::text, $11::text, 'success', 'success', '', ''
		FROM unnest($1::bigint[], $2::text[], $3::int[], $4::int[], $5::timestamptz[], $6::bytea[], $7::bytea[]) AS c`

	replacingAttempts = ` ON CONFLICT (run_id, task_id, map_index, try) DO UPDATE SET state = excluded.state, ending = excluded.ending,
		queued_at = excluded.queued_at, started_at = excluded.started_at, ended_at = excluded.ended_at, worker = excluded.worker,
		version = excluded.version, build = excluded.build, error = excluded.error, marked_by = excluded.marked_by,
		output = excluded.output, inputs = excluded.inputs, seq = DEFAULT`
)

type attemptColumns struct {
	keyColumns
	tries    []int32
	states   []string
	endings  []string
	queued   []*time.Time
	started  []*time.Time
	ended    []time.Time
	workers  []string
	versions []string
	builds   []string
	errors   []string
	by       []string
	outputs  [][]byte
	inputs   [][]byte
}

func (o *attemptColumns) add(a *engine.Attempt) {
	o.keyColumns.add(a.TaskKey)
	o.tries = append(o.tries, int32(a.Try)) //nolint:gosec // tries stay small
	o.states = append(o.states, string(a.State))
	o.endings = append(o.endings, string(a.Ending))
	o.queued = append(o.queued, a.QueuedAt)
	o.started = append(o.started, a.StartedAt)
	o.ended = append(o.ended, a.EndedAt)
	o.workers = append(o.workers, clean(a.Worker))
	o.versions = append(o.versions, a.Version)
	o.builds = append(o.builds, a.Build)
	o.errors = append(o.errors, clean(a.Error))
	o.by = append(o.by, clean(a.By))
	o.outputs = append(o.outputs, a.Output)
	o.inputs = append(o.inputs, a.Inputs)
}

// grow makes room for n more.
func (o *attemptColumns) grow(n int) {
	o.keyColumns.grow(n)
	o.tries, o.states, o.endings = slices.Grow(o.tries, n), slices.Grow(o.states, n), slices.Grow(o.endings, n)
	o.queued, o.started, o.ended = slices.Grow(o.queued, n), slices.Grow(o.started, n), slices.Grow(o.ended, n)
	o.workers, o.versions, o.builds = slices.Grow(o.workers, n), slices.Grow(o.versions, n), slices.Grow(o.builds, n)
	o.errors, o.by = slices.Grow(o.errors, n), slices.Grow(o.by, n)
	o.outputs, o.inputs = slices.Grow(o.outputs, n), slices.Grow(o.inputs, n)
}

// successes tells whether all are plain successes of one worker and version.
func (o *attemptColumns) successes() bool {
	for i := range o.runs {
		if o.endings[i] != string(engine.EndSuccess) || o.states[i] != string(engine.Success) || o.queued[i] != nil || o.errors[i] != "" || o.by[i] != "" || !o.ended[i].Equal(o.ended[0]) {
			return false
		}
	}
	return uniform(o.workers) && uniform(o.versions) && uniform(o.builds)
}

func (o *attemptColumns) queue(b *pgx.Batch, replace bool) {
	if len(o.runs) == 0 {
		return
	}
	if !replace && o.successes() {
		b.Queue(insertSuccesses, o.runs, o.tasks, o.indexes, o.tries, o.started, o.outputs, o.inputs, o.ended[0], o.workers[0], o.versions[0], o.builds[0])
		return
	}
	sql := insertAttempts
	if replace {
		sql += replacingAttempts
	}
	b.Queue(sql, o.runs, o.tasks, o.indexes, o.tries, o.states, o.endings, o.queued, o.started, o.ended,
		o.workers, o.versions, o.builds, o.errors, o.by, o.outputs, o.inputs)
}

const closeNodes = `UPDATE tidemill.virtual_nodes v SET state = c.state, message = c.why, ended_at = $6
	FROM (
		SELECT c.state, c.why, v.at FROM unnest($1::bigint[], $2::text[], $3::int[], $4::text[], $5::text[]) AS c(run_id, task_id, map_index, state, why)
			CROSS JOIN LATERAL (SELECT v.ctid AS at FROM tidemill.virtual_nodes v
				WHERE v.run_id = c.run_id AND v.task_id = c.task_id AND v.map_index = c.map_index OFFSET 0) v) c
	WHERE v.ctid = c.at AND v.state <> ALL($7)`

// terminalStates are the names of the states in which a node has ended.
var terminalStates = func() []string {
	var out []string
	for _, st := range []engine.State{engine.None, engine.Scheduled, engine.Queued, engine.Running, engine.Success, engine.Failed,
		engine.Skipped, engine.UpstreamFailed, engine.UpForRetry, engine.Restarting, engine.Removed} {
		if st.Terminal() {
			out = append(out, string(st))
		}
	}
	return out
}()

// forgetNodes deletes all nodes of runners that were cleared.
const forgetNodes = `DELETE FROM tidemill.virtual_nodes v USING (
		SELECT v.at FROM unnest($1::bigint[], $2::text[], $3::int[]) AS c(run_id, task_id, map_index)
			CROSS JOIN LATERAL (SELECT v.ctid AS at FROM tidemill.virtual_nodes v
				WHERE v.run_id = c.run_id AND v.task_id = c.task_id AND v.map_index = c.map_index OFFSET 0) v) c
	WHERE v.ctid = c.at`

// againNodes makes some nodes of runners wait for the try that is to run them.
const againNodes = `UPDATE tidemill.virtual_nodes v SET state = 'none', message = '', started_at = NULL, ended_at = NULL, try = c.try
	FROM unnest($1::bigint[], $2::text[], $3::int[], $4::text[], $5::int[]) AS c(run_id, task_id, map_index, node_id, try)
	WHERE v.run_id = c.run_id AND v.task_id = c.task_id AND v.map_index = c.map_index AND v.node_id = c.node_id`

type closeColumns struct {
	keyColumns
	states []string
	whys   []string
	forget keyColumns
	again  againColumns
}

type againColumns struct {
	keyColumns
	nodes []string
	tries []int32
}

func (o *closeColumns) add(v engine.VirtualClose) {
	if v.Forget {
		o.forget.add(v.Task)
		return
	}
	if v.Again != nil {
		for _, id := range v.Again {
			o.again.add(v.Task)
			o.again.nodes = append(o.again.nodes, id)
			o.again.tries = append(o.again.tries, int32(v.Try)) //nolint:gosec // tries stay small
		}
		return
	}
	o.keyColumns.add(v.Task)
	o.states = append(o.states, string(v.State))
	o.whys = append(o.whys, clean(v.Why))
}

func (o *closeColumns) queue(b *pgx.Batch, now time.Time) {
	if len(o.runs) > 0 {
		b.Queue(closeNodes, o.runs, o.tasks, o.indexes, o.states, o.whys, now, terminalStates)
	}
	if len(o.forget.runs) > 0 {
		b.Queue(forgetNodes, o.forget.runs, o.forget.tasks, o.forget.indexes)
	}
	if again := &o.again; len(again.runs) > 0 {
		b.Queue(againNodes, again.runs, again.tasks, again.indexes, again.nodes, again.tries)
	}
}
