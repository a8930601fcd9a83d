package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/engine/turns"
)

// Ready tasks of a DAG in their order, read on from one of them: those of no pool, and those of one pool. Each of the two has
// its index, so that nothing is read of a pool that is full.
const (
	readyFree = `SELECT q.run_id, q.task_id, q.map_index, 0, q.priority, q.seq FROM tidemill.task_queue q
		WHERE q.dag_id = $1 AND q.pool IS NULL AND NOT q.handed AND q.lease IS NULL AND q.queue = ANY($2) AND q.task_id <> ALL($3)
			AND q.priority <= $4 AND (q.priority < $4 OR q.seq > $5)
		ORDER BY q.priority DESC, q.seq LIMIT $6`

	readyPooled = `SELECT q.run_id, q.task_id, q.map_index, q.slots, q.priority, q.seq FROM tidemill.task_queue q
		WHERE q.dag_id = $1 AND q.pool = $7 AND q.pool IS NOT NULL AND q.lease IS NULL AND q.queue = ANY($2) AND q.task_id <> ALL($3)
			AND q.priority <= $4 AND (q.priority < $4 OR q.seq > $5) AND q.slots <= $8
		ORDER BY q.priority DESC, q.seq LIMIT $6`

	// readyByTask reads those of no pool of a DAG whose tasks have limits of their own, by a third index: the first of each task, no more
	// than it has room for ($3, $4: the tasks with limits and the room of each). The tasks are found by looking for the next name after each.
	// (A task is a range of names that begins and ends with it: for an equality the index of readyFree would do, which has all tasks.)
	readyByTask = `WITH RECURSIVE tasks AS (
			(SELECT q.task_id FROM tidemill.task_queue q WHERE q.dag_id = $1 AND q.pool IS NULL AND NOT q.handed ORDER BY q.task_id LIMIT 1)
			UNION ALL
			SELECT (SELECT q.task_id FROM tidemill.task_queue q WHERE q.dag_id = $1 AND q.pool IS NULL AND NOT q.handed AND q.task_id > t.task_id
				ORDER BY q.task_id LIMIT 1)
			FROM tasks t WHERE t.task_id IS NOT NULL)
		SELECT q.run_id, q.task_id, q.map_index, 0, q.priority, q.seq
		FROM tasks t LEFT JOIN unnest($3::text[], $4::int[]) AS l(task_id, room) ON l.task_id = t.task_id CROSS JOIN LATERAL (
			SELECT q.run_id, q.task_id, q.map_index, q.priority, q.seq FROM tidemill.task_queue q
			WHERE q.dag_id = $1 AND q.task_id >= t.task_id AND q.task_id <= t.task_id AND q.pool IS NULL AND NOT q.handed AND q.lease IS NULL
				AND q.queue = ANY($2)
			ORDER BY q.task_id, q.priority DESC, q.seq LIMIT least($5::int, coalesce(l.room, $5::int))) q
		WHERE t.task_id IS NOT NULL ORDER BY q.priority DESC, q.seq LIMIT $5`
)

// A readyTask is a ready task as the choice sees it.
type readyTask struct {
	engine.TaskKey
	slots, priority int
	seq             int64
}

func (t *readyTask) before(o *readyTask) bool {
	return t.priority > o.priority || t.priority == o.priority && t.seq < o.seq
}

// A chooser chooses which ready tasks are leased, under the locks of all limits that apply.
type chooser struct {
	ctx    context.Context
	tx     pgx.Tx
	queues []string
	page   int // how many tasks are read at once
	pools  map[string]*poolRoom
	dags   []*choosing
}

// A choosing is a DAG out of which tasks are chosen.
type choosing struct {
	contender
	tasks   map[string]int // room of each task that has a limit
	streams []*readyStream
}

// A readyStream is a DAG's ready tasks of no pool, or of one.
type readyStream struct {
	pool  string // "": of none
	tasks []readyTask
	last  readyTask // read last
	ended bool      // nothing is left to read
}

func (x *chooser) add(d contender, active activity) {
	d.Room = active.room(d.ClaimDAG, d.Room)
	g := &choosing{contender: d, tasks: active.taskRooms(d.ClaimDAG), streams: []*readyStream{{last: beforeAll}}}
	for name := range x.pools {
		g.streams = append(g.streams, &readyStream{pool: name, last: beforeAll})
	}
	x.dags = append(x.dags, g)
}

// choose returns up to n tasks, each of the DAG whose turn it is.
func (x *chooser) choose(n int) ([]readyTask, error) {
	var out []readyTask
	open := x.dags
	for len(out) < n && len(open) > 0 {
		best := 0
		for i, g := range open {
			if g.due < open[best].due {
				best = i
			}
		}
		g := open[best]
		var t *readyTask
		var err error
		if g.Room > 0 {
			if t, err = x.next(g); err != nil {
				return nil, err
			}
		}
		if t == nil {
			open = append(open[:best:best], open[best+1:]...)
			continue
		}
		out = append(out, *t)
		g.Room--
		g.due += turns.Step(g.Weight)
	}
	return out, nil
}

// next takes the first task of a DAG that its limits and pools let through; nil when there is none.
//
// A pool whose first task wants more slots than are free, but not more than there are, is kept for that task: nothing that
// comes after it in this claim gets any of them, lest small tasks starve a big one.
func (x *chooser) next(g *choosing) (*readyTask, error) {
	for {
		from, err := x.first(g)
		if err != nil || from == nil {
			return nil, err
		}
		t := &from.tasks[0]
		if from.pool != "" {
			p := x.pools[from.pool]
			if t.slots > p.free {
				p.free = 0
				continue
			}
			p.free -= t.slots
		}
		from.tasks = from.tasks[1:]
		if room, limited := g.tasks[t.Task]; limited {
			g.tasks[t.Task] = room - 1
		}
		return t, nil
	}
}

// first returns the stream whose first task comes before all others of the DAG that are not held back; nil when there is none.
func (x *chooser) first(g *choosing) (*readyStream, error) {
	var from *readyStream
	for _, s := range g.streams {
		ok, err := x.head(g, s)
		if err != nil {
			return nil, err
		}
		if ok && (from == nil || s.tasks[0].before(&from.tasks[0])) {
			from = s
		}
	}
	return from, nil
}

// head brings the first task of a stream that its own limit lets through to the front; false when there is none, or no slot.
func (x *chooser) head(g *choosing, s *readyStream) (bool, error) {
	for {
		if s.pool != "" && x.pools[s.pool].free <= 0 {
			return false, nil
		}
		for len(s.tasks) > 0 {
			t := &s.tasks[0]
			if room, limited := g.tasks[t.Task]; limited && room <= 0 {
				s.tasks = s.tasks[1:]
				continue
			}
			return true, nil
		}
		if s.ended {
			return false, nil
		}
		if err := x.read(g, s); err != nil {
			return false, err
		}
	}
}

// read reads the next page of a stream.
func (x *chooser) read(g *choosing, s *readyStream) error {
	if s.pool == "" && len(g.tasks) > 0 {
		return x.readByTask(g, s)
	}
	full := []string{}
	for task, room := range g.tasks {
		if room <= 0 {
			full = append(full, task)
		}
	}
	sql, args := readyFree, []any{g.ID, x.queues, full, s.last.priority, s.last.seq, x.page}
	if s.pool != "" {
		sql, args = readyPooled, append(args, s.pool, x.pools[s.pool].slots)
	}
	var err error
	s.tasks, err = query(x.ctx, x.tx, scanReady, sql, args...)
	if len(s.tasks) < x.page {
		s.ended = true
	} else {
		s.last = s.tasks[len(s.tasks)-1]
	}
	return err
}

// readByTask reads all at once that a claim can take of a DAG whose tasks have limits of their own.
func (x *chooser) readByTask(g *choosing, s *readyStream) error {
	limited, rooms := make([]string, 0, len(g.tasks)), make([]int32, 0, len(g.tasks))
	for task, room := range g.tasks {
		limited, rooms = append(limited, task), append(rooms, int32(min(max(room, 0), x.page))) //nolint:gosec // bounded by the slots
	}
	var err error
	s.ended = true
	s.tasks, err = query(x.ctx, x.tx, scanReady, readyByTask, g.ID, x.queues, limited, rooms, x.page)
	return err
}

func scanReady(row pgx.CollectableRow) (t readyTask, err error) {
	return t, row.Scan(&t.Run, &t.Task, &t.MapIndex, &t.slots, &t.priority, &t.seq)
}
