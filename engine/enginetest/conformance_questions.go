package enginetest

import (
	"slices"
	"time"

	"github.com/tidemill/tidemill/engine"
)

var questionCases = []conformanceCase{
	{"a question is stored, closed and asked anew", questionStored},
	{"the questions that an instance asked before its latest are kept, with the run", func(f *fixture) {
		f.dag("d", 0)
		run := f.queued("d", 1)[0]
		old := func(task string) []string {
			f.Helper()
			texts := []string{}
			for _, q := range got[[]engine.QuestionRow](f)(f.OldQuestions(f.ctx, plain(run, task))) {
				if !q.Closed || q.Default != "no" || len(q.Answers) != 2 || q.DueAt == nil || q.TaskKey != plain(run, task) {
					f.Errorf("an old question is %+v", q)
				}
				texts = append(texts, q.Text)
			}
			return texts
		}
		for i, text := range []string{"first", "second", "third"} {
			at := Epoch.Add(time.Duration(i) * time.Hour)
			due := at.Add(time.Minute)
			f.change(engine.RunChange{Key: run, State: engine.RunRunning, Unask: []engine.TaskKey{plain(run, "t")}, Ask: []engine.QuestionRow{
				{TaskKey: plain(run, "t"), Text: text, Answers: []string{"yes", "no"}, Default: "no", AskedAt: at, DueAt: &due}}})
		}
		f.change(engine.RunChange{Key: run, Ask: []engine.QuestionRow{{TaskKey: plain(run, "u"), Text: "other", AskedAt: Epoch}}})
		equal(f, "old", old("t"), []string{"first", "second"})
		equal(f, "of another", old("u"), []string{})
		equal(f, "open", f.asked(9), []string{"other", "third"})
		f.change(engine.RunChange{Key: run, Unask: []engine.TaskKey{plain(run, "t"), plain(run, "u")}})
		f.endRun(run)
		f.ended("d", 1) // the newest stays
		equal(f, "pruned", got[int](f)(f.PruneRuns(f.ctx, f.future(), 9)), 1)
		equal(f, "after the run has gone", old("t"), []string{})
	}},
	{"without runs the open ones of all are found, oldest first", func(f *fixture) {
		f.twoDAGs()
		d, e := f.run("d"), f.run("e")
		ask := func(run int64, task string, at time.Time) {
			f.change(engine.RunChange{Key: run, Ask: []engine.QuestionRow{{TaskKey: plain(run, task), Text: task, AskedAt: at}}})
		}
		ask(d, "third", Epoch.Add(3*time.Hour))
		ask(e, "first", Epoch.Add(1*time.Hour))
		ask(d, "closed", Epoch)
		ask(d, "second", Epoch.Add(2*time.Hour))
		f.change(engine.RunChange{Key: d, Unask: []engine.TaskKey{plain(d, "closed")}})
		equal(f, "open", f.asked(9), []string{"first", "second", "third"})
		equal(f, "two of them", f.asked(2), []string{"first", "second"})
		equal(f, "of d, closed ones too", f.asked(9, d), []string{"closed", "second", "third"})
		equal(f, "of d, two", f.asked(2, d), []string{"closed", "second"})
		equal(f, "of another run", f.asked(9, f.run("d")), []string{})
	}},
}

func (f *fixture) asked(limit int, runs ...int64) []string {
	f.Helper()
	names := []string{}
	for _, q := range got[[]engine.QuestionRow](f)(f.Questions(f.ctx, runs, limit)) {
		names = append(names, q.Text)
	}
	return names
}

func questionStored(f *fixture) {
	run := f.running("d")
	due := Epoch.Add(time.Hour)
	q := engine.QuestionRow{
		TaskKey: engine.TaskKey{Run: run, Task: "t", MapIndex: 2}, Text: "Ship?", Answers: []string{"yes", "no"}, Default: "no", AskedAt: Epoch, DueAt: &due,
	}
	read := func() engine.QuestionRow {
		f.Helper()
		have := got[[]engine.QuestionRow](f)(f.Questions(f.ctx, []int64{run}, 9))
		if len(have) != 1 {
			f.Fatalf("found %v, want one question", have)
		}
		have[0].AskedAt = have[0].AskedAt.UTC()
		if have[0].DueAt != nil {
			have[0].DueAt = copyOf(have[0].DueAt)
			*have[0].DueAt = have[0].DueAt.UTC()
		}
		return have[0]
	}
	f.change(engine.RunChange{Key: run, Ask: []engine.QuestionRow{q}})
	equal(f, "open", read(), q)
	f.change(engine.RunChange{Key: run, Unask: []engine.TaskKey{q.TaskKey, plain(run, "none")}})
	closed := q
	closed.Closed = true
	equal(f, "closed", read(), closed)
	anew := engine.QuestionRow{TaskKey: q.TaskKey, Text: "Now?", Answers: slices.Clone(q.Answers[:1]), AskedAt: Epoch.Add(time.Minute)}
	f.change(engine.RunChange{Key: run, Unask: []engine.TaskKey{q.TaskKey}, Ask: []engine.QuestionRow{anew}})
	equal(f, "asked anew", read(), anew)
}
