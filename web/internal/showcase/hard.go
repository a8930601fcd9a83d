package showcase

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/tidemill/tidemill/engine"
)

// HardRun is the id of the runs that [FillHard] makes by hand.
const HardRun = "manual__by_hand"

// logLines is how long the log of the failed task of [States] is.
const logLines = 50_000

// FillHard writes what is hard to show into an empty store: many tasks, many elements, many runs, long ids and errors, every
// state, a long log; and no worker is alive. set moves the store's clock as for [Fill].
func FillHard(ctx context.Context, store engine.Store, set func(time.Time)) (*engine.Control, error) {
	catalog, err := HardCatalog()
	if err != nil {
		return nil, err
	}
	set(Now.AddDate(0, 0, -12))
	p := &player{ctx: ctx, store: store, set: set, control: engine.NewControl(store, catalog, "3f14f7d")}
	for _, f := range []func() error{p.register, p.often, p.wide, p.many, p.long, p.everyState} {
		if err := f(); err != nil {
			return nil, err
		}
	}
	set(Now)
	return p.control, nil
}

// byHand starts a run of a DAG.
func (p *player) byHand(dag, id string, at time.Time) (*play, error) {
	p.set(at)
	row, err := p.control.Trigger(p.ctx, engine.TriggerRequest{DAG: dag, RunID: id, By: "on-call"})
	if err != nil {
		return nil, err
	}
	return p.begin(dag, row.Key, at)
}

// ok is a step that succeeds.
func ok(task string, takes time.Duration) step {
	return step{task: task, mapIndex: -1, takes: takes, state: engine.Success, ending: engine.EndSuccess, output: 1}
}

// bad is a step that fails.
func bad(task, text string) step {
	return step{task: task, mapIndex: -1, takes: 3 * time.Second, state: engine.Failed, ending: engine.EndFailed, err: text}
}

// often runs 500 times.
func (p *player) often() error {
	for i := range 500 {
		start := Now.Truncate(30 * time.Minute).Add(time.Duration(i-502) * 30 * time.Minute)
		r, err := p.scheduled(Often, start, start.Add(30*time.Minute))
		if err != nil {
			return err
		}
		if err := r.do(ok("probe", time.Second)); err != nil {
			return err
		}
		if i%37 == 11 {
			if err := r.do(bad("record", "connection refused")); err != nil {
				return err
			}
			if err := r.end(engine.RunFailed, 1); err != nil {
				return err
			}
			continue
		}
		if err := r.do(ok("record", time.Duration(1+i%9)*time.Second)); err != nil {
			return err
		}
		if err := r.end(engine.RunSuccess, 0); err != nil {
			return err
		}
	}
	return nil
}

// wide has done half of its tasks, and some of them badly.
func (p *player) wide() error {
	r, err := p.byHand(Wide, HardRun, Now.Add(-40*time.Minute))
	if err != nil {
		return err
	}
	for i, t := range r.def.Spec.Tasks {
		if i >= len(r.def.Spec.Tasks)/2 {
			break
		}
		s := ok(t.ID, 2*time.Second)
		if i%41 == 17 {
			s = bad(t.ID, "relation \"staging.subject\" does not exist (SQLSTATE 42P01)")
		}
		if err := r.do(s); err != nil {
			return err
		}
	}
	return nil
}

// many has a thousand elements of which some fail and some have not run.
func (p *player) many() error {
	r, err := p.byHand(Many, HardRun, Now.Add(-20*time.Minute))
	if err != nil {
		return err
	}
	if err := r.do(ok("list", time.Second)); err != nil {
		return err
	}
	mapped := &r.states.Tasks[r.index("send_invoice")]
	mapped.Mapped, mapped.Instances = true, make([]engine.Instance, 1000)
	for i := range mapped.Instances {
		mapped.Instances[i].State = engine.None
	}
	for i := range 700 {
		s := ok("send_invoice", 100*time.Millisecond)
		if i%97 == 60 {
			s = bad("send_invoice", fmt.Sprintf("invoice %d: 503 Service Unavailable", i))
		}
		s.mapIndex = i
		if err := r.do(s); err != nil {
			return err
		}
		r.at = r.at.Add(-500 * time.Millisecond) // they run side by side
	}
	return nil
}

// long fails with a long error, on a task with a long id.
func (p *player) long() error {
	start := Now.Truncate(time.Hour).Add(-time.Hour)
	r, err := p.scheduled(Long, start.Add(-time.Hour), start)
	if err != nil {
		return err
	}
	s := bad(Long[:248]+".a", "panic: runtime error: index out of range [7] with length 3\n"+strings.Repeat("goroutine 71 [running]: github.com/acme/pipeline/internal/transform.(*Builder).appendTheRowThatDoesNotFit(0xc0000b2000)\n", 30)+strings.Repeat("x", 2000))
	s.log = []string{strings.Repeat("a line that never ends ", 200), strings.Repeat("0123456789", 300)}
	if err := r.do(s); err != nil {
		return err
	}
	if err := r.decide(engine.UpstreamFailed, Long[:248]+".a failed", Long[:248]+".b"); err != nil {
		return err
	}
	return r.end(engine.RunFailed, 1)
}

// everyState has an instance in each state, 200 virtual nodes and a long log.
func (p *player) everyState() error {
	r, err := p.byHand(States, HardRun, Now.Add(-3*time.Minute))
	if err != nil {
		return err
	}
	if err := r.do(ok("success", time.Second)); err != nil {
		return err
	}
	failed := bad("failed", "exit status 1\nTraceback (most recent call last):\n  File \"model.py\", line 12, in <module>\nValueError: day is out of range for month")
	if err := r.do(failed); err != nil {
		return err
	}
	if err := p.longLog(engine.TaskKey{Run: r.key, Task: "failed", MapIndex: -1}, r.at); err != nil {
		return err
	}
	for task, why := range map[engine.State]string{engine.Skipped: "nothing to do on a Sunday", engine.UpstreamFailed: "failed failed", engine.Removed: "its task left the DAG"} {
		if err := r.decide(task, why, string(task)); err != nil {
			return err
		}
	}
	retry := bad(string(engine.UpForRetry), "connection reset by peer")
	retry.state = engine.UpForRetry
	if err := r.do(retry); err != nil {
		return err
	}
	key := engine.TaskKey{Run: r.key, Task: string(engine.UpForRetry), MapIndex: -1}
	if err := r.change(engine.RunChange{Timers: []engine.Timer{{TaskKey: key, Kind: engine.TimerRetry, DueAt: Now.Add(4*time.Minute + 10*time.Second)}}}); err != nil {
		return err
	}
	for _, s := range []engine.State{engine.Running, engine.Restarting} {
		going := ok(string(s), 0)
		going.state = engine.Running
		if err := r.do(going); err != nil {
			return err
		}
	}
	for _, s := range []engine.State{engine.Scheduled, engine.Queued, engine.Restarting, engine.UpForReschedule, engine.Deferred, engine.AwaitingInput} {
		r.instance(engine.TaskKey{Run: r.key, Task: string(s), MapIndex: -1}).State = s
	}
	var names []string
	for i := range 200 {
		names = append(names, fmt.Sprintf("model_%03d_%s", i, Long[:i%90]))
	}
	dbt := ok("dbt", 0)
	dbt.state = engine.Running
	dbt.nodes = nodes("dbt", names, func(i int) engine.State {
		return []engine.State{engine.Success, engine.Success, engine.Running, engine.Failed, engine.Skipped, engine.None}[i%6]
	}, r.at)
	return r.do(dbt)
}

// longLog writes a log of many lines, some of which are warnings and errors.
func (p *player) longLog(key engine.TaskKey, at time.Time) error {
	var lines []byte
	for i := range logLines {
		level, text := "INFO", fmt.Sprintf("row %d of %d", i, logLines)
		switch {
		case i == logLines-1:
			level, text = "ERROR", "day is out of range for month"
		case i%997 == 0:
			level, text = "WARN", "slow: "+strings.Repeat("select * from a_table_with_a_long_name ", 8)
		}
		line, err := json.Marshal(map[string]any{"time": at.Add(time.Duration(i) * time.Millisecond), "level": level, "msg": text, "batch": i / 100})
		if err != nil {
			return err
		}
		lines = append(append(lines, line...), '\n')
	}
	return p.store.AppendLog(p.ctx, []engine.LogChunk{{TaskKey: key, Try: 1, Lines: lines}})
}
