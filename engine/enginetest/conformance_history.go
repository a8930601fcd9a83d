package enginetest

import (
	"errors"
	"fmt"
	"time"

	"github.com/tidemill/tidemill/engine"
)

var historyCases = []conformanceCase{
	{"an attempt is stored as given, its output byte for byte", attemptStoresAll},
	{"an attempt of the same try replaces, of another try joins", attemptReplaces},
	{"history is told oldest first, without outputs and inputs, of all tasks or one", attemptsList},
	{"try −1 is the latest attempt", func(f *fixture) {
		run := f.running("d")
		for i, try := range []int{1, 2, 0} { // a decision not to run (try 0) can follow attempts, after a clear
			f.attempt(run, "t", try, engine.Failed, "", i)
			equal(f, "latest", got[engine.Attempt](f)(f.Attempt(f.ctx, plain(run, "t"), -1)).Try, try)
		}
	}},
	{"an unknown attempt is ErrNotFound", func(f *fixture) {
		run := f.running("d")
		f.attempt(run, "t", 1, engine.Success, "1", 0)
		for _, a := range []struct {
			key engine.TaskKey
			try int
		}{{plain(run, "t"), 2}, {plain(run, "u"), -1}, {engine.TaskKey{Run: run, Task: "t", MapIndex: 0}, 1}, {plain(run+1, "t"), 1}} {
			if _, err := f.Attempt(f.ctx, a.key, a.try); !errors.Is(err, engine.ErrNotFound) {
				f.Errorf("attempt %d of %v: %v, want ErrNotFound", a.try, a.key, err)
			}
		}
	}},
	{"an input is the latest successful attempt's output", func(f *fixture) {
		run := f.running("d")
		f.attempt(run, "t", 1, engine.Success, `"old"`, 0)
		f.attempt(run, "t", 2, engine.Success, `"new"`, 1)
		f.attempt(run, "t", 3, engine.Failed, "", 2)
		f.attempt(run, "t", 0, engine.UpstreamFailed, "", 3)
		in := f.input(engine.InputKey{Run: run, Task: "t", MapIndex: -1})
		equal(f, "inputs", in, []string{`-1 try 2 success "new" `})
	}},
	{"a settled input is the latest end, whatever it was", func(f *fixture) {
		run := f.running("d")
		f.attempt(run, "t", 1, engine.Success, `1`, 0)
		settled := engine.InputKey{Run: run, Task: "t", MapIndex: -1, Settled: true}
		equal(f, "after a success", f.input(settled), []string{`-1 try 1 success 1 `})
		f.attempt(run, "t", 2, engine.Failed, "", 1)
		equal(f, "after a failure", f.input(settled), []string{`-1 try 2 failed  failed of t`})
		f.attempt(run, "t", 0, engine.Skipped, "", 2)
		equal(f, "after a decision not to run", f.input(settled), []string{`-1 try 0 skipped  skipped of t`})
	}},
	{"inputs of all elements come in their order, the latest of each", allElements},
	{"an output that the asker has seen is left out as long as it is the newest", seenInputs},
	{"inputs are told in the order of their keys, empty where there is none", inputsOrder},
}

// attempt stores an attempt that ended n minutes after the epoch.
func (f *fixture) attempt(run int64, task string, try int, state engine.State, output string, n int) {
	f.Helper()
	f.element(run, task, -1, try, state, output, n)
}

func (f *fixture) element(run int64, task string, index, try int, state engine.State, output string, n int) {
	f.Helper()
	a := engine.Attempt{
		TaskKey: engine.TaskKey{Run: run, Task: task, MapIndex: index}, Try: try, State: state, Ending: engine.EndSuccess,
		EndedAt: Epoch.Add(time.Duration(n) * time.Minute), Output: []byte(output),
	}
	if state != engine.Success {
		a.Output, a.Ending, a.Error = nil, "", string(state)+" of "+task
	}
	f.change(engine.RunChange{Key: run, Attempts: []engine.Attempt{a}})
}

// input tells what is found for a key, element by element.
func (f *fixture) input(key engine.InputKey) []string {
	f.Helper()
	ins := got[[]engine.Input](f)(f.Inputs(f.ctx, []engine.InputKey{key}))
	if len(ins) != 1 {
		f.Fatalf("%d answers for one key", len(ins))
	}
	return inputText(ins[0])
}

func inputText(in engine.Input) []string {
	out := []string{}
	for _, a := range in.Attempts {
		out = append(out, fmt.Sprintf("%d try %d %s %s %s", a.MapIndex, a.Try, a.State, a.Output, a.Error))
	}
	return out
}

func attemptStoresAll(f *fixture) {
	run := f.running("d")
	queued, started := Epoch, Epoch.Add(time.Second)
	want := engine.Attempt{
		TaskKey: engine.TaskKey{Run: run, Task: "t", MapIndex: 3}, Try: 2, State: engine.UpForRetry, Ending: engine.EndTimedOut,
		QueuedAt: &queued, StartedAt: &started, EndedAt: Epoch.Add(time.Minute), Worker: "host:1", Version: "v1", Build: "b1",
		Output: []byte(`{"a": "\u0000", "b":1e400000, "a":"\ud800"}`), Error: "it took 1 m", Inputs: []byte(`{"s": {"try": 1}}`), By: "somebody",
	}
	f.change(engine.RunChange{Key: run, Attempts: []engine.Attempt{want}})
	have := got[engine.Attempt](f)(f.Attempt(f.ctx, want.TaskKey, 2))
	f.sameTime("queued at", have.QueuedAt, want.QueuedAt)
	f.sameTime("started at", have.StartedAt, want.StartedAt)
	f.sameTime("ended at", &have.EndedAt, &want.EndedAt)
	equal(f, "output", string(have.Output), string(want.Output))
	equal(f, "inputs", string(have.Inputs), string(want.Inputs))
	have.QueuedAt, have.StartedAt, have.EndedAt, have.Output, have.Inputs = want.QueuedAt, want.StartedAt, want.EndedAt, want.Output, want.Inputs
	equal(f, "attempt", have, want)

	bare := engine.Attempt{TaskKey: plain(run, "u"), State: engine.Skipped, EndedAt: Epoch}
	f.change(engine.RunChange{Key: run, Attempts: []engine.Attempt{bare}})
	have = got[engine.Attempt](f)(f.Attempt(f.ctx, bare.TaskKey, 0))
	if have.QueuedAt != nil || have.StartedAt != nil || have.Output != nil || have.Inputs != nil {
		f.Errorf("a decision without times, output and inputs comes back as %+v", have)
	}
}

func attemptReplaces(f *fixture) {
	run := f.running("d")
	f.attempt(run, "t", 1, engine.Failed, "", 0)
	f.attempt(run, "t", 2, engine.Failed, "", 1)
	f.attempt(run, "t", 1, engine.Success, "7", 2)
	equal(f, "attempts", len(got[[]engine.Attempt](f)(f.Attempts(f.ctx, []int64{run}, "t"))), 2)
	first := got[engine.Attempt](f)(f.Attempt(f.ctx, plain(run, "t"), 1))
	equal(f, "state", first.State, engine.Success)
	equal(f, "output", string(first.Output), "7")
	equal(f, "error", first.Error, "")
	equal(f, "the other", got[engine.Attempt](f)(f.Attempt(f.ctx, plain(run, "t"), 2)).State, engine.Failed)
}

func attemptsList(f *fixture) {
	run := f.running("d")
	other := f.run("d")
	f.attempt(run, "z", 1, engine.Success, "1", 0)
	f.attempt(run, "a", 1, engine.Failed, "", 1)
	f.attempt(other, "a", 1, engine.Success, "2", 2)
	f.attempt(run, "a", 2, engine.Success, "3", 3)
	list := func(task string, runs ...int64) []string {
		out := []string{}
		for _, a := range got[[]engine.Attempt](f)(f.Attempts(f.ctx, runs, task)) {
			if a.Output != nil || a.Inputs != nil {
				f.Errorf("attempt %d of %q carries %q and %q", a.Try, a.Task, a.Output, a.Inputs)
			}
			out = append(out, fmt.Sprint(a.Task, a.Try))
		}
		return out
	}
	equal(f, "all", list("", run), []string{"z1", "a1", "a2"})
	equal(f, "of one task", list("a", run), []string{"a1", "a2"})
	equal(f, "of two runs", len(list("", run, other)), 4)
	equal(f, "of none", list("", other+1000), []string{})
}

func allElements(f *fixture) {
	run := f.running("d")
	for n, index := range []int{10, 2, 0} {
		f.element(run, "t", index, 1, engine.Success, fmt.Sprint(index), n)
	}
	f.element(run, "t", 2, 2, engine.Success, `"again"`, 5)
	f.element(run, "t", 10, 2, engine.Failed, "", 6)
	f.element(run, "t", 11, 1, engine.Failed, "", 7)
	all := engine.InputKey{Run: run, Task: "t", MapIndex: engine.AllElements}
	equal(f, "successes", f.input(all), []string{`0 try 1 success 0 `, `2 try 2 success "again" `, `10 try 1 success 10 `})
	all.Settled = true
	equal(f, "settled", f.input(all), []string{`0 try 1 success 0 `, `2 try 2 success "again" `, `10 try 2 failed  failed of t`, `11 try 1 failed  failed of t`})
	equal(f, "one of them", f.input(engine.InputKey{Run: run, Task: "t", MapIndex: 2}), []string{`2 try 2 success "again" `})
}

func seenInputs(f *fixture) {
	run := f.running("d")
	f.attempt(run, "a", 1, engine.Success, "1", 0)
	key := engine.InputKey{Run: run, Task: "a", MapIndex: -1}
	ask := func() engine.Input {
		return got[[]engine.Input](f)(f.Inputs(f.ctx, []engine.InputKey{key}))[0]
	}
	first := ask()
	equal(f, "nothing seen", first.Same, false)
	a := first.Attempts[0]
	key.Seen = engine.SeenAttempt{Try: a.Try, EndedAt: a.EndedAt}
	equal(f, "the newest is the one seen", ask(), engine.Input{Same: true})
	key.Seen.EndedAt = a.EndedAt.Add(-time.Second)
	equal(f, "the same try of an earlier time", inputText(ask()), inputText(first))
	key.Seen.EndedAt = a.EndedAt
	f.attempt(run, "a", 2, engine.Success, "2", 1)
	equal(f, "a newer one", inputText(ask()), []string{"-1 try 2 success 2 "})
}

func inputsOrder(f *fixture) {
	run := f.running("d")
	other := f.run("d")
	f.attempt(run, "a", 1, engine.Success, "1", 0)
	f.attempt(run, "b", 1, engine.Failed, "", 1)
	f.attempt(other, "a", 1, engine.Success, "2", 2)
	var have [][]string
	for _, in := range got[[]engine.Input](f)(f.Inputs(f.ctx, []engine.InputKey{
		{Run: other, Task: "a", MapIndex: -1},
		{Run: run, Task: "b", MapIndex: -1},
		{Run: run, Task: "b", MapIndex: -1, Settled: true},
		{Run: run, Task: "nobody", MapIndex: engine.AllElements},
		{Run: run, Task: "a", MapIndex: -1},
		{Run: run, Task: "a", MapIndex: -1},
	})) {
		have = append(have, inputText(in))
	}
	one := []string{"-1 try 1 success 1 "}
	equal(f, "inputs", have, [][]string{{"-1 try 1 success 2 "}, {}, {"-1 try 1 failed  failed of b"}, {}, one, one})
}
