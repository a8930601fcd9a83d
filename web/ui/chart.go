package ui

import (
	"time"

	"github.com/tidemill/tidemill/engine"
)

// chartWidth is how wide a run's whole time is drawn.
const chartWidth = 1000

// A bar is a piece of a chart: when something waited or ran.
type bar struct {
	X, W  float64
	Class string
	Text  string
}

// A chart turns times of a run into places.
type chart struct {
	start, end time.Time
	now        time.Time
	earlier    map[engine.TaskKey][]engine.Attempt
}

// chartOf spans a run from its start to its end, or to now while it runs.
func chartOf(r engine.RunRow, now time.Time) *chart {
	c := &chart{start: r.QueuedAt, end: now, now: now, earlier: map[engine.TaskKey][]engine.Attempt{}}
	if r.StartedAt != nil {
		c.start = *r.StartedAt
	}
	if r.EndedAt != nil {
		c.end = *r.EndedAt
	}
	if !c.end.After(c.start) {
		c.end = c.start.Add(time.Second)
	}
	return c
}

func (c *chart) attempts(all []engine.Attempt) {
	for _, a := range all {
		if a.StartedAt != nil {
			c.earlier[a.TaskKey] = append(c.earlier[a.TaskKey], a)
		}
		if a.EndedAt.After(c.end) && a.Try > 0 {
			c.end = a.EndedAt
		}
	}
}

// bars are the tries of an instance, the latest last.
func (c *chart) bars(t engine.TaskView) []bar {
	var out []bar
	if t.Runner == "" {
		for _, a := range c.earlier[t.TaskKey] {
			if a.Try < t.Try {
				class := "failed"
				if a.Ending == engine.EndSuccess {
					class = "success"
				}
				out = append(out, c.bar(*a.StartedAt, a.EndedAt, "past "+class, "try "+count(a.Try)+": "+string(a.Ending)))
			}
		}
	}
	if t.StartedAt == nil {
		return out
	}
	end := c.now
	if t.EndedAt != nil {
		end = *t.EndedAt
	}
	return append(out, c.bar(*t.StartedAt, end, string(t.State), word(t.State)))
}

func (c *chart) bar(from, to time.Time, class, text string) bar {
	whole := c.end.Sub(c.start).Seconds()
	x := max(0, from.Sub(c.start).Seconds()/whole*chartWidth)
	w := max(5, to.Sub(from).Seconds()/whole*chartWidth)
	if x > chartWidth-5 {
		x = chartWidth - 5
	}
	return bar{x, min(w, chartWidth-x), class, text}
}
