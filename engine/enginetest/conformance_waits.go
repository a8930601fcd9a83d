package enginetest

import (
	"time"

	"github.com/tidemill/tidemill/engine"
)

var waitCases = []conformanceCase{
	{"a wait is stored, replaced and taken out", waitStored},
	{"a wait for a run is found once that run is over, with how it ended", waitForRun},
	{"a wait for a run that there is not is found", func(f *fixture) {
		run := f.running("d")
		f.change(engine.RunChange{Key: run, Waits: []engine.Wait{waitOn(run, "t", "d", "none"), waitOn(run, "u", "nobody", "none")}})
		equal(f, "found", f.waits(engine.WaitRun, "d"), []string{"t ", "u "})
	}},
	{"waits for the past are found at once, of the DAGs given only", func(f *fixture) {
		f.twoDAGs()
		d, e := f.run("d"), f.run("e")
		for _, run := range []int64{d, e} {
			f.change(engine.RunChange{Key: run, Waits: []engine.Wait{{TaskKey: plain(run, "t"), Kind: engine.WaitPast, DAG: "d", Since: Epoch}}})
		}
		equal(f, "of d", f.waits(engine.WaitPast, "d"), []string{"t "})
		equal(f, "of both", f.waits(engine.WaitPast, "d", "e"), []string{"t ", "t "})
		equal(f, "of none", f.waits(engine.WaitPast, "nobody"), []string{})
		equal(f, "for runs", f.waits(engine.WaitRun, "d", "e"), []string{})
	}},
	{"waits are read on from a key, in the order of keys", waitPages},
	{"a transition tells which waits still stand as they were read", waitsFound},
	{"a wait of another run is refused", func(f *fixture) {
		run, other := f.running("d"), f.run("d")
		f.refused(engine.RunChange{Key: run, Waits: []engine.Wait{waitOn(other, "t", "d", "x")}})
		f.refused(engine.RunChange{Key: run, Unwaits: []engine.TaskKey{plain(other, "t")}})
		f.refused(engine.RunChange{Key: run, Ask: []engine.QuestionRow{{TaskKey: plain(other, "t")}}})
		f.refused(engine.RunChange{Key: run, Unask: []engine.TaskKey{plain(other, "t")}})
		equal(f, "waits", len(got[[]engine.Wait](f)(f.RunWaits(f.ctx, []int64{run, other}))), 0)
	}},
	{"a run with a wait or an open question is not idle", func(f *fixture) {
		f.dag("d", 0)
		waits, asks, closed := f.run("d"), f.run("d"), f.run("d")
		f.change(engine.RunChange{Key: waits, Waits: []engine.Wait{waitOn(waits, "t", "d", "x")}})
		f.change(engine.RunChange{Key: asks, Ask: []engine.QuestionRow{{TaskKey: plain(asks, "t"), AskedAt: Epoch}}})
		f.change(engine.RunChange{Key: closed, Ask: []engine.QuestionRow{{TaskKey: plain(closed, "t"), AskedAt: Epoch}}})
		f.change(engine.RunChange{Key: closed, Unask: []engine.TaskKey{plain(closed, "t")}})
		equal(f, "idle", got[[]int64](f)(f.Idle(f.ctx, []string{"d"}, 9)), []int64{closed})
		f.change(engine.RunChange{Key: waits, Unwaits: []engine.TaskKey{plain(waits, "t")}})
		f.change(engine.RunChange{Key: asks, Unask: []engine.TaskKey{plain(asks, "t")}})
		equal(f, "idle after both", got[[]int64](f)(f.Idle(f.ctx, []string{"d"}, 9)), []int64{waits, asks, closed})
	}},
}

func waitOn(run int64, task, dag, target string) engine.Wait {
	return engine.Wait{TaskKey: plain(run, task), Kind: engine.WaitRun, DAG: dag, RunID: target, Reason: "waits for " + target, Since: Epoch}
}

func waitsFound(f *fixture) {
	run := f.running("d")
	tasks := []string{"again", "gone", "kind", "other", "same"}
	var set []engine.Wait
	for _, t := range tasks {
		set = append(set, waitOn(run, t, "d", "none"))
	}
	f.change(engine.RunChange{Key: run, Waits: set})
	var read []engine.Wait
	for _, w := range got[[]engine.DueWait](f)(f.Waits(f.ctx, []string{"d"}, engine.WaitRun, engine.TaskKey{}, 9)) {
		read = append(read, w.Wait)
	}
	again, kind, other := set[0], set[2], set[3]
	again.Since, kind.Kind, other.RunID = Epoch.Add(time.Second), engine.WaitPast, "another"
	f.change(engine.RunChange{Key: run, Unwaits: []engine.TaskKey{set[1].TaskKey}, Waits: []engine.Wait{again, kind, other}})
	var found []bool
	f.ok(f.Transition(f.ctx, engine.Transition{Runs: []int64{run}, Waits: read, Decide: func(_ time.Time, _ []engine.RunRow, is engine.Found) ([]engine.RunChange, error) {
		found = is.Wait
		return nil, nil
	}}))
	equal(f, "again, gone, kind, other, same", found, []bool{false, false, false, false, true})
}

// waits names the tasks whose waits are found, each with how its run ended.
func (f *fixture) waits(kind engine.WaitKind, dags ...string) []string {
	f.Helper()
	names := []string{}
	for _, w := range got[[]engine.DueWait](f)(f.Waits(f.ctx, dags, kind, engine.TaskKey{}, 99)) {
		names = append(names, w.Task+" "+string(w.Target))
	}
	return names
}

// refused checks that a change of its run is an error.
func (f *fixture) refused(c engine.RunChange) {
	f.Helper()
	err := f.Transition(f.ctx, engine.Transition{Runs: []int64{c.Key}, Decide: func(_ time.Time, runs []engine.RunRow, _ engine.Found) ([]engine.RunChange, error) {
		c.State = runs[0].State
		return []engine.RunChange{c}, nil
	}})
	if err == nil {
		f.Errorf("the change %+v was taken", c)
	}
}

func waitStored(f *fixture) {
	run := f.running("d")
	first, element := waitOn(run, "t", "e", "r1"), waitOn(run, "t", "e", "r2")
	element.MapIndex = 3
	f.change(engine.RunChange{Key: run, Waits: []engine.Wait{first, element}})
	second := engine.Wait{TaskKey: plain(run, "t"), Kind: engine.WaitPast, DAG: "d", Reason: "waits for the past", Since: Epoch.Add(time.Hour)}
	f.change(engine.RunChange{Key: run, Waits: []engine.Wait{second}})
	have := got[[]engine.Wait](f)(f.RunWaits(f.ctx, []int64{run, f.run("d")}))
	for i := range have {
		have[i].Since = have[i].Since.UTC()
	}
	equal(f, "waits", have, []engine.Wait{second, element})
	f.change(engine.RunChange{Key: run, Unwaits: []engine.TaskKey{plain(run, "t"), plain(run, "none")}})
	equal(f, "left", len(got[[]engine.Wait](f)(f.RunWaits(f.ctx, []int64{run}))), 1)
	f.change(engine.RunChange{Key: run, Unwaits: []engine.TaskKey{element.TaskKey}, Waits: []engine.Wait{element}})
	equal(f, "taken out before it is set", len(got[[]engine.Wait](f)(f.RunWaits(f.ctx, []int64{run}))), 1)
}

func waitForRun(f *fixture) {
	f.twoDAGs()
	run, good, bad, open := f.run("d"), f.run("e"), f.run("e"), f.run("e")
	f.change(engine.RunChange{Key: run, Waits: []engine.Wait{
		waitOn(run, "good", "e", f.row(good).RunID), waitOn(run, "bad", "e", f.row(bad).RunID), waitOn(run, "open", "e", f.row(open).RunID),
	}})
	equal(f, "while they run", f.waits(engine.WaitRun, "d"), []string{})
	f.change(engine.RunChange{Key: good, State: engine.RunSuccess})
	f.change(engine.RunChange{Key: bad, State: engine.RunFailed})
	equal(f, "once they are over", f.waits(engine.WaitRun, "d"), []string{"bad failed", "good success"})
	f.change(engine.RunChange{Key: good, State: engine.RunQueued, Reopened: true})
	equal(f, "one is queued anew", f.waits(engine.WaitRun, "d"), []string{"bad failed"})
}

func waitPages(f *fixture) {
	f.dag("d", 0)
	a, b := f.run("d"), f.run("d")
	want := []engine.TaskKey{plain(a, "B"), plain(a, "a"), plain(a, "a-b"), {Run: a, Task: "ab", MapIndex: 2}, {Run: a, Task: "ab", MapIndex: 10}, plain(b, "A")}
	for _, i := range []int{5, 2, 4, 0, 3, 1} {
		f.change(engine.RunChange{Key: want[i].Run, Waits: []engine.Wait{{TaskKey: want[i], Kind: engine.WaitPast, Since: Epoch}}})
	}
	var have []engine.TaskKey
	for after := (engine.TaskKey{}); ; {
		page := got[[]engine.DueWait](f)(f.Waits(f.ctx, []string{"d"}, engine.WaitPast, after, 2))
		if len(page) == 0 {
			break
		}
		for _, w := range page {
			have = append(have, w.TaskKey)
		}
		after = page[len(page)-1].TaskKey
	}
	equal(f, "in pages of two", have, want)
}
