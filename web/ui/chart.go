package ui

import (
	"slices"
	"time"

	"github.com/tidemill/tidemill/engine"
)

// How wide a run's whole time is drawn, how wide a stretch in which nothing of it was under way, and how wide at least what ran and what waited.
const (
	chartWidth = 1000
	cutWidth   = 26
	leastRun   = 5
	leastWait  = 2
)

// cutFrom is how long nothing of a run is under way at least before that is drawn as a cut.
const cutFrom = 10 * time.Second

// A bar is a piece of a chart: when something waited or ran.
type bar struct {
	X, W  float64
	Class string
	Wait  bool // drawn thin
	Text  string
}

// A chart is a run's time from left to right. Stretches in which nothing of the run was under way, as before a clear, are cut short, so
// that what ran can be told apart.
type chart struct {
	start, end time.Time
	parts      []chartPart // without a gap from start to end
	Cuts       []bar
	Legend     []chartMark
}

// A chartPart is a stretch of time that is drawn to scale, or cut short.
type chartPart struct {
	from, to time.Time
	x, w     float64
	cut      bool
}

// A chartMark explains how a chart draws something.
type chartMark struct {
	Class string
	Wait  bool
	Text  string
}

// chartOf is the chart of a run whose instances did what pieces say, now for its end while it runs.
func chartOf(r engine.RunRow, now time.Time, pieces []piece) *chart {
	c := &chart{start: r.QueuedAt, end: now}
	if r.StartedAt != nil {
		c.start = *r.StartedAt
	}
	if r.EndedAt != nil {
		c.end = *r.EndedAt
	}
	for _, p := range pieces {
		if p.from.Before(c.start) {
			c.start = p.from
		}
		if p.to.After(c.end) {
			c.end = p.to
		}
	}
	if !c.end.After(c.start) {
		c.end = c.start.Add(time.Second)
	}
	c.divide(pieces)
	c.explain(pieces)
	return c
}

// divide makes the parts: to scale where something was under way, cut where long nothing was.
func (c *chart) divide(pieces []piece) {
	pieces = slices.Clone(pieces)
	slices.SortFunc(pieces, func(a, b piece) int { return a.from.Compare(b.from) })
	var gaps []chartPart
	at, busy := c.start, time.Duration(0)
	for _, p := range append(pieces, piece{from: c.end, to: c.end}) {
		if p.from.After(at) {
			gaps = append(gaps, chartPart{from: at, to: p.from, cut: true})
			at = p.from
		}
		if p.to.After(at) {
			busy += p.to.Sub(at)
			at = p.to
		}
	}
	gaps = slices.DeleteFunc(gaps, func(g chartPart) bool { return g.to.Sub(g.from) <= max(cutFrom, busy/3) })
	at = c.start
	for _, g := range gaps {
		if g.from.After(at) {
			c.parts = append(c.parts, chartPart{from: at, to: g.from})
		}
		c.parts = append(c.parts, g)
		at = g.to
	}
	if c.end.After(at) {
		c.parts = append(c.parts, chartPart{from: at, to: c.end})
	}
	whole := c.end.Sub(c.start)
	for _, g := range gaps {
		whole -= g.to.Sub(g.from)
	}
	x := 0.0
	for i := range c.parts {
		p := &c.parts[i]
		if p.x, p.w = x, cutWidth; !p.cut {
			p.w = p.to.Sub(p.from).Seconds() / whole.Seconds() * (chartWidth - cutWidth*float64(len(gaps)))
		}
		x += p.w
		if p.cut {
			c.Cuts = append(c.Cuts, bar{X: p.x, W: p.w, Class: "cut", Text: "nothing was under way, " + c.times(p.from, p.to)})
		}
	}
}

// place is where a time is drawn.
func (c *chart) place(t time.Time) float64 {
	for _, p := range c.parts {
		if t.Before(p.to) {
			return p.x + max(0, t.Sub(p.from).Seconds()/p.to.Sub(p.from).Seconds())*p.w
		}
	}
	return chartWidth
}

// bars draws pieces. What waited too shortly to be seen is left out; what ran is always seen.
func (c *chart) bars(pieces []piece) []bar {
	var out []bar
	for _, p := range pieces {
		x, to := c.place(p.from), c.place(p.to)
		if p.wait && to-x < leastWait {
			continue
		}
		w := to - x
		if !p.wait {
			w = max(w, leastRun)
		}
		class := p.class
		if p.past {
			class = "past " + class
		}
		out = append(out, bar{X: min(x, chartWidth-w), W: w, Class: class, Wait: p.wait, Text: p.text + ", " + c.times(p.from, p.to)})
	}
	return out
}

// Scale is how long the whole chart is, and when it starts and ends.
func (c *chart) Scale() string { return c.times(c.start, c.end) }

// times are a stretch of time and how long it is, with days where the chart has several.
func (c *chart) times(from, to time.Time) string {
	layout := "15:04:05"
	if c.start.UTC().YearDay() != c.end.UTC().YearDay() || c.end.Sub(c.start) > 24*time.Hour {
		layout = "Jan 2 15:04:05"
	}
	return from.UTC().Format(layout) + " – " + to.UTC().Format(layout) + " (" + span(to.Sub(from)) + ")"
}

// explain is the legend of what the chart has besides what ran.
func (c *chart) explain(pieces []piece) {
	waits, past := map[string]bool{}, false
	for _, p := range pieces {
		if p.wait && c.place(p.to)-c.place(p.from) >= leastWait {
			waits[p.class] = true
		}
		past = past || p.past && !p.wait
	}
	for _, m := range []chartMark{
		{string(engine.Queued), true, "queued"}, {string(engine.Scheduled), true, "waits for the run before"}, {string(engine.UpForReschedule), true, "sensor, between looks"},
		{string(engine.Deferred), true, "deferred: waits without a slot"}, {string(engine.AwaitingInput), true, "waits for a person"}, {string(engine.UpForRetry), true, "until the next try"},
	} {
		if waits[m.Class] {
			c.Legend = append(c.Legend, m)
		}
	}
	if past {
		c.Legend = append(c.Legend, chartMark{"past success", false, "earlier try"})
	}
	if len(c.Cuts) > 0 {
		c.Legend = append(c.Legend, chartMark{"cut", false, "cut: nothing was under way"})
	}
}
