package ui

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tidemill/tidemill/engine"
)

var noon = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

func second(n int) time.Time { return noon.Add(time.Duration(n) * time.Second) }

// tried is an attempt that ran between two seconds after noon; from below 0: it never ran.
func tried(task string, try, from, to int, state engine.State) engine.Attempt {
	a := engine.Attempt{TaskKey: engine.TaskKey{Run: 1, Task: task, MapIndex: -1}, Try: try, State: state, Ending: engine.EndFailed, EndedAt: second(to)}
	if from >= 0 {
		at := second(from)
		a.StartedAt = &at
	}
	if state == engine.Success {
		a.Ending = engine.EndSuccess
	}
	return a
}

// shownAs is an instance in a state on a try, after others.
func shownAs(task string, try int, s engine.State, upstream ...string) engine.TaskView {
	t := instance(task, "", -1, s, 0)
	t.Try, t.Upstream = try, upstream
	return t
}

// tellPieces are pieces as "12-15 class", waits in brackets, what is past with a star.
func tellPieces(all []piece) string {
	var out []string
	for _, p := range all {
		text := fmt.Sprintf("%d-%d %s", int(p.from.Sub(noon).Seconds()), int(p.to.Sub(noon).Seconds()), p.class)
		if p.past {
			text += "*"
		}
		if p.wait {
			text = "(" + text + ")"
		}
		out = append(out, text)
	}
	return strings.Join(out, " ")
}

func TestWhenAnInstanceWaitedAndRan(t *testing.T) {
	begun, again := second(0), second(90)
	run := engine.RunRow{Key: 1, QueuedAt: second(-5), StartedAt: &begun}
	cleared := engine.RunRow{Key: 1, QueuedAt: second(-5), StartedAt: &again} // it starts anew
	spec := engine.Spec{Tasks: []engine.TaskSpec{{ID: "sensor", PokeEvery: 1}, {ID: "trigger", Triggers: "other"}, {ID: "ask", Answers: []string{"yes"}}}}
	for name, c := range map[string]struct {
		t        engine.TaskView
		attempts []engine.Attempt
		clears   []int
		want     string
		run      *engine.RunRow
	}{
		"a sensor before the run was cleared":     {t: shownAs("sensor", 1, engine.Success), attempts: []engine.Attempt{tried("sensor", 1, 6, 7, engine.Success)}, clears: []int{90}, want: "(-5-6 up_for_reschedule) 6-7 success", run: &cleared},
		"an answer before the run was cleared":    {t: shownAs("ask", 1, engine.Success, "a"), attempts: []engine.Attempt{tried("a", 1, 0, 2, engine.Success), tried("ask", 1, -1, 60, engine.Success)}, clears: []int{90}, want: "(2-60 awaiting_input)", run: &cleared},
		"a first task before the run was cleared": {t: shownAs("b", 1, engine.Success), attempts: []engine.Attempt{tried("b", 1, 6, 7, engine.Success)}, clears: []int{90}, want: "6-7 success", run: &cleared},
		"nothing yet":                         {t: shownAs("b", 0, engine.None), want: ""},
		"queued since the run's start":        {t: shownAs("b", 1, engine.Queued), want: "(0-100 queued)"},
		"queued, then it ran":                 {t: shownAs("b", 1, engine.Success), attempts: []engine.Attempt{tried("b", 1, 4, 9, engine.Success)}, want: "(0-4 queued) 4-9 success"},
		"ready when the last upstream ended":  {t: shownAs("b", 1, engine.Success, "a", "z"), attempts: []engine.Attempt{tried("a", 1, 0, 3, engine.Success), tried("z", 1, 0, 5, engine.Success), tried("b", 1, 7, 9, engine.Success)}, want: "(5-7 queued) 7-9 success"},
		"not by what ended after it began":    {t: shownAs("b", 1, engine.Success, "a", "z"), attempts: []engine.Attempt{tried("a", 1, 0, 3, engine.Success), tried("z", 1, 0, 50, engine.Success), tried("b", 1, 7, 9, engine.Success)}, want: "(3-7 queued) 7-9 success"},
		"every try, and the wait between":     {t: shownAs("b", 2, engine.Success), attempts: []engine.Attempt{tried("b", 1, 1, 3, engine.UpForRetry), tried("b", 2, 13, 15, engine.Success)}, want: "(0-1 queued*) 1-3 failed* (3-13 up_for_retry) 13-15 success"},
		"a retry that is to come":             {t: shownAs("b", 1, engine.UpForRetry), attempts: []engine.Attempt{tried("b", 1, 0, 3, engine.UpForRetry)}, want: "0-3 failed (3-100 up_for_retry)"},
		"cleared: what it did is past":        {t: shownAs("b", 1, engine.None), attempts: []engine.Attempt{tried("b", 1, 0, 3, engine.Success)}, clears: []int{90}, want: "0-3 success*"},
		"cleared and queued, from the clear":  {t: shownAs("b", 2, engine.Queued), attempts: []engine.Attempt{tried("b", 1, 0, 3, engine.Success)}, clears: []int{90}, want: "0-3 success* (90-100 queued)"},
		"cleared, behind what is also":        {t: shownAs("b", 2, engine.Success, "a"), attempts: []engine.Attempt{tried("a", 1, 0, 2, engine.Success), tried("a", 2, 90, 94, engine.Success), tried("b", 1, 2, 3, engine.Success), tried("b", 2, 96, 97, engine.Success)}, clears: []int{90}, want: "2-3 success* (94-96 queued) 96-97 success"},
		"cleared, and nobody knows when":      {t: shownAs("b", 2, engine.Success), attempts: []engine.Attempt{tried("b", 1, 0, 3, engine.Success), tried("b", 2, 96, 97, engine.Success)}, want: "0-3 success* 96-97 success"},
		"a sensor between its looks":          {t: shownAs("sensor", 1, engine.UpForReschedule), want: "(0-100 up_for_reschedule)"},
		"a sensor that has found it":          {t: shownAs("sensor", 1, engine.Success), attempts: []engine.Attempt{tried("sensor", 1, 60, 61, engine.Success)}, want: "(0-60 up_for_reschedule) 60-61 success"},
		"a sensor that is about to look":      {t: shownAs("sensor", 1, engine.Queued), want: "(0-100 up_for_reschedule)"},
		"deferred":                            {t: shownAs("trigger", 1, engine.Deferred), want: "(0-100 deferred)"},
		"it asks":                             {t: shownAs("ask", 1, engine.AwaitingInput), want: "(0-100 awaiting_input)"},
		"it was answered, which runs nothing": {t: shownAs("ask", 1, engine.Success), attempts: []engine.Attempt{tried("ask", 1, -1, 60, engine.Success)}, want: "(0-60 awaiting_input)"},
		"a mark of what never ran":            {t: shownAs("b", 1, engine.Success), attempts: []engine.Attempt{tried("b", 1, -1, 60, engine.Success)}, want: ""},
		"skipped without a try":               {t: shownAs("b", 0, engine.Skipped), attempts: []engine.Attempt{tried("b", 0, -1, 60, engine.Skipped)}, want: ""},
	} {
		var clears []time.Time
		for _, n := range c.clears {
			clears = append(clears, second(n))
		}
		if c.run == nil {
			c.run = &run
		}
		past := pastOf(engine.RunView{Run: *c.run, Spec: spec}, c.attempts, clears, second(100))
		if got := tellPieces(past.pieces(c.t)); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestAChartCutsWhatWasIdle(t *testing.T) {
	ran := func(from, to int) piece {
		return piece{from: second(from), to: second(to), class: "success", text: "try 1: success"}
	}
	begun, day := second(0), 24*3600
	run := engine.RunRow{QueuedAt: second(-5), StartedAt: &begun}
	for name, c := range map[string]struct {
		pieces []piece
		now    int
		want   string // places of the bars
		cuts   int
	}{
		"nothing":                         {nil, 0, "", 0},
		"one for all of it":               {[]piece{ran(0, 10)}, 10, "0+1000", 0},
		"to scale":                        {[]piece{ran(0, 5), ran(5, 10)}, 10, "0+500 500+500", 0},
		"a short gap stays":               {[]piece{ran(0, 5), ran(10, 15)}, 15, "0+333 667+333", 0},
		"a day before a clear is cut":     {[]piece{ran(0, 10), ran(day, day+10)}, day + 10, "0+487 513+487", 1},
		"nothing since":                   {[]piece{ran(0, 10)}, day, "0+974", 1},
		"over a gap of others":            {[]piece{ran(0, 10), ran(day, day+10), ran(0, day+10)}, day + 10, "0+5 995+5 0+1000", 0},
		"what is short is seen":           {[]piece{ran(0, 1000), ran(10, 10), ran(1000, 1000)}, 1000, "0+1000 10+5 995+5", 0},
		"a wait that cannot be seen goes": {[]piece{ran(0, 10000), {from: second(1), to: second(2), wait: true, class: "queued"}}, 10000, "0+1000", 0},
	} {
		ch := chartOf(run, second(c.now), c.pieces)
		var got []string
		for _, b := range ch.bars(c.pieces) {
			got = append(got, fmt.Sprintf("%.0f+%.0f", b.X, b.W))
		}
		if text := strings.Join(got, " "); text != c.want || len(ch.Cuts) != c.cuts {
			t.Errorf("%s: %q and %d cuts, want %q and %d", name, text, len(ch.Cuts), c.want, c.cuts)
		}
	}
}
