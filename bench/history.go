package main

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/migrations"
)

const (
	pastDAGs  = 60
	pastTasks = 25 // of each run
	pastEvery = time.Hour
)

// A past is history as the engine would have left it: of many DAGs, one of which is measured, a run of pastTasks tasks an hour. Of every
// twentieth run the last task failed at its first try and succeeded at its second, which was told to a receiver of webhooks; every tenth task wrote a log.
type past struct {
	runs  int // of all DAGs together
	began time.Time
}

func (p past) dag(i int) string {
	if d := i % pastDAGs; d > 0 {
		return fmt.Sprintf("past_%02d", d)
	}
	return "bench"
}

// at is when the i-th run's interval ended and it was queued.
func (p past) at(i int) time.Time { return p.began.Add(time.Duration(i/pastDAGs) * pastEvery) }

func (p past) failed(i int) bool { return i%20 == 7 }

// instances are the task instances that there will be.
func (p past) instances() int { return p.runs * pastTasks }

// write fills a database whose engine's tables are empty.
func (p past) write(ctx context.Context, address string) error {
	return on(ctx, address, func(conn *pgx.Conn) error {
		for _, table := range []struct {
			name    string
			columns []string
			rows    pgx.CopyFromSource
		}{
			{"dags", []string{"dag_id", "version", "build", "max_active_runs", "registered_at", "seen_at"}, p.dags()},
			{"dag_versions", []string{"dag_id", "version", "spec", "created_at"}, p.versions()},
			{"runs", []string{"id", "dag_id", "run_id", "run_type", "logical_date", "interval_start", "interval_end", "triggered_by", "note",
				"priority", "deadline", "queued_at", "version", "state", "started_at", "ended_at", "states"}, p.runRows()},
			{"attempts", []string{"run_id", "started_at", "ended_at", "map_index", "try", "task_id", "state", "ending", "worker", "version",
				"build", "error", "marked_by", "output", "inputs"}, p.attempts()},
			{"outbox", []string{"event_id", "kind", "receiver", "hook", "dag_id", "run_id", "task_id", "map_index", "type", "data", "at", "state",
				"tries", "ended_at"}, p.events()},
			{"task_logs", []string{"run_id", "map_index", "try", "task_id", "lines"}, p.logs()},
		} {
			if _, err := conn.CopyFrom(ctx, pgx.Identifier{"tidemill", table.name}, table.columns, table.rows); err != nil {
				return fmt.Errorf("fill %s: %w", table.name, err)
			}
		}
		_, err := conn.Exec(ctx, `SELECT setval(pg_get_serial_sequence('tidemill.runs', 'id'), max(id)) FROM tidemill.runs`)
		return err
	})
}

// rowsOf are n rows.
func rowsOf(n int, row func(i int) []any) pgx.CopyFromSource {
	return pgx.CopyFromSlice(n, func(i int) ([]any, error) { return row(i), nil })
}

// A version is a hash of 12 hex digits, as the engine's.
const pastVersion, pastBuild = "5bd1f0c0a9e7", "0.1.0-0123456789ab"

func (p past) dags() pgx.CopyFromSource {
	return rowsOf(pastDAGs, func(i int) []any { return []any{p.dag(i), pastVersion, pastBuild, 16, p.began, p.at(p.runs - 1)} })
}

func (p past) versions() pgx.CopyFromSource {
	return rowsOf(pastDAGs, func(i int) []any {
		return []any{p.dag(i), pastVersion, fmt.Sprintf(`{"dag": %q, "schedule": "@hourly", "zone": "UTC", "tasks": []}`, p.dag(i)), p.began}
	})
}

func (p past) runRows() pgx.CopyFromSource {
	states := [2][]byte{pastStates(1), pastStates(2)}
	return rowsOf(p.runs, func(i int) []any {
		due := p.at(i)
		from, tries := due.Add(-pastEvery), 0
		if p.failed(i) {
			tries = 1
		}
		return []any{int64(i + 1), p.dag(i), "scheduled__" + from.Format(time.RFC3339), "scheduled", from, from, due, "schedule", "",
			0, time.Duration(0), due, pastVersion, "success", due, due.Add(time.Second), states[tries]}
	})
}

// pastStates are the states of a run all of whose tasks succeeded, the last one at that try.
func pastStates(last int) []byte {
	s := engine.RunStates{Tasks: make([]engine.TaskStates, pastTasks)}
	for i := range s.Tasks {
		s.Tasks[i] = engine.TaskStates{Length: -1, Instances: []engine.Instance{{State: engine.Success, Try: 1}}}
	}
	s.Tasks[pastTasks-1].Instances[0] = engine.Instance{State: engine.Success, Try: last, Failures: last - 1}
	return s.Encode()
}

func pastTask(t int) string { return fmt.Sprintf("task_0_%d", t) }

// attempts are pastTasks of each run, in the order of their ends, and one more of each run in which one failed.
func (p past) attempts() pgx.CopyFromSource {
	i, t, try := 0, 0, 1
	return pgx.CopyFromFunc(func() ([]any, error) {
		if i == p.runs {
			return nil, nil
		}
		began := p.at(i).Add(time.Duration(t+try) * 30 * time.Millisecond)
		state, ending, why, output := "success", "success", "", []byte(`{"rows":1}`)
		if again := t == pastTasks-1 && try == 1 && p.failed(i); again {
			state, ending, why, output = "up_for_retry", "failed", "connect to the warehouse: connection refused", nil
		}
		var inputs []byte
		if t > 0 {
			inputs = fmt.Appendf(nil, `{"%s":{"try":1}}`, pastTask(t-1))
		}
		row := []any{int64(i + 1), began, began.Add(25 * time.Millisecond), -1, try, pastTask(t), state, ending, "worker-7f9c4:4711", pastVersion,
			pastBuild, why, "", output, inputs}
		switch {
		case state != "success":
			try = 2
		case t == pastTasks-1:
			i, t, try = i+1, 0, 1
		default:
			t++
		}
		return row, nil
	})
}

// events are those of the runs of which a task failed.
func (p past) events() pgx.CopyFromSource {
	return rowsOf(p.runs/20, func(n int) []any {
		i := n*20 + 7
		data := fmt.Appendf(nil, `{"type":"task.retried","dag_id":%q,"run_key":%d,"task_id":%q,"try":1,"error":"connect to the warehouse: connection refused"}`, p.dag(i), i+1, pastTask(pastTasks-1))
		return []any{[16]byte(uuid.New()), "webhook", "default", "", p.dag(i), int64(i + 1), pastTask(pastTasks - 1), -1, "task.retried", data, p.at(i), "delivered", 1, p.at(i)}
	})
}

func (p past) logs() pgx.CopyFromSource {
	return rowsOf(p.instances()/10, func(n int) []any {
		i, t := n*10/pastTasks, n*10%pastTasks
		lines := fmt.Appendf(nil, `{"time":%q,"level":"INFO","msg":"loaded a batch of rows","rows":1000,"table":"bronze.transactions"}`+"\n", p.at(i).Format(time.RFC3339Nano))
		return []any{int64(i + 1), -1, 1, pastTask(t), append(lines, lines...)}
	})
}

// history measures the engine in a database with three million task instances of history beside one without, in turn.
func history(ctx context.Context, l *lab) ([]figure, error) {
	p := past{runs: l.sizes.pastRuns}
	p.began = time.Now().Truncate(pastEvery).Add(-time.Duration(p.runs/pastDAGs+1) * pastEvery).UTC()
	full, drop, err := l.database(ctx, migrations.Engine)
	if err != nil {
		return nil, err
	}
	defer drop()
	if err := p.write(ctx, full); err != nil {
		return nil, err
	}
	if err := l.settle(ctx, full); err != nil {
		return nil, err
	}
	empty := func() (string, func(), error) { return l.database(ctx, migrations.Engine) }
	filled := func() (string, func(), error) { return full, func() {}, nil }
	var times, cpus [2][len(measures)][]float64
	for range l.sizes.pastRounds {
		for i, m := range measures {
			for side, where := range []func() (string, func(), error){empty, filled} {
				took, err := measureIn(ctx, l, m, where)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", m.name, err)
				}
				times[side][i] = append(times[side][i], took.seconds)
				cpus[side][i] = append(cpus[side][i], took.cpu)
			}
		}
	}
	if err := p.check(ctx, full); err != nil {
		return nil, err
	}
	var figures []figure
	for i, m := range measures {
		without, with := median(times[0][i]), median(times[1][i])
		figures = append(figures, figure{key: m.name + "_ratio", unit: "×", value: with / without,
			note: fmt.Sprintf("the time of %s: %s s, from %s s", m.name, number(with), number(without))})
		if without, with := median(cpus[0][i]), median(cpus[1][i]); without > 0 {
			figures = append(figures, figure{key: m.name + "_cpu_ratio", unit: "×", value: with / without, note: "its CPU"})
		}
	}
	return figures, nil
}

// check makes sure that the past is what it was.
func (p past) check(ctx context.Context, address string) error {
	return on(ctx, address, func(conn *pgx.Conn) error {
		return expect(ctx, conn, `SELECT count(*) FROM tidemill.attempts WHERE run_id <= $1 AND state = 'success'`, p.instances(), "task instances are in the past", p.runs)
	})
}

// A cost is what something took: seconds, and those of the CPU, ours and the server's; 0 where that is not measured.
type cost struct {
	seconds, cpu float64
}

// A measurement measures a cost in a database that is there.
type measurement struct {
	name string
	take func(ctx context.Context, l *lab, address string) (cost, error)
}

// measures are what is measured with and without history.
var measures = [...]measurement{
	{"fan", func(ctx context.Context, l *lab, address string) (cost, error) {
		return workIn(ctx, l, address, l.sizes.pastFan, 100, 1)
	}},
	{"chain", func(ctx context.Context, l *lab, address string) (cost, error) {
		return workIn(ctx, l, address, l.sizes.pastChain, 1, 40)
	}},
	{"seq40", func(ctx context.Context, l *lab, address string) (cost, error) {
		runs := l.sizes.oneByOne
		b := newBodies((runs + 1) * seqLength)
		m, err := openMill(ctx, l, address, b, noops(b, 1, seqLength))
		if err != nil {
			return cost{}, err
		}
		defer m.close()
		cpu := startCPU(ctx, address)
		seconds, err := m.oneByOne(ctx, runs, seqLength)
		return cost{seconds, sum(cpu.figures(ctx, 1, ""))}, err
	}},
	{"trigger", func(ctx context.Context, l *lab, address string) (cost, error) {
		took, err := triggers(ctx, l, address, l.sizes.pastTriggers, 1)
		if err != nil {
			return cost{}, err
		}
		return cost{seconds: percentile(took, 0.5) / 1000}, nil
	}},
}

// sum adds up figures in microseconds, as seconds.
func sum(figures []figure) float64 {
	s := 0.0
	for _, f := range figures {
		s += f.value / 1e6
	}
	return s
}

// workIn is what it costs to work off runs that have begun, as engine_fan and engine_chain measure it.
func workIn(ctx context.Context, l *lab, address string, runs, chains, length int) (cost, error) {
	b := newBodies(runs * chains * length)
	m, err := openMill(ctx, l, address, b, noops(b, chains, length))
	if err != nil {
		return cost{}, err
	}
	defer m.close()
	figures, err := m.throughput(ctx, runs, chains, length)
	if err != nil {
		return cost{}, err
	}
	n := float64(runs * chains * length)
	return cost{n / figures[0].value, n * sum(figures[4:])}, nil
}

func measureIn(ctx context.Context, l *lab, m measurement, where func() (string, func(), error)) (cost, error) {
	address, drop, err := where()
	if err != nil {
		return cost{}, err
	}
	defer drop()
	return m.take(ctx, l, address)
}
