package ui

import (
	"slices"
	"strconv"
	"time"

	"github.com/tidemill/tidemill/engine"
)

// A piece is a stretch of time in which an instance waited or ran.
type piece struct {
	from, to time.Time
	class    string
	wait     bool
	past     bool // of a try before the latest
	text     string
}

// pastTries are what is known of a run's past that tells when its instances waited and ran.
type pastTries struct {
	start  time.Time // of the run, since it was last cleared
	queued time.Time // the run
	now    time.Time
	tries  map[engine.TaskKey][]engine.Attempt // first to last
	ends   map[string][]time.Time              // by task, earliest first
	clears []time.Time                         // earliest first
	waits  map[string]engine.State             // what tasks wait in that suspend themselves
}

func pastOf(v engine.RunView, attempts []engine.Attempt, clears []time.Time, now time.Time) *pastTries {
	p := &pastTries{start: v.Run.QueuedAt, queued: v.Run.QueuedAt, now: now, tries: map[engine.TaskKey][]engine.Attempt{}, ends: map[string][]time.Time{}, clears: slices.SortedFunc(slices.Values(clears), time.Time.Compare), waits: map[string]engine.State{}}
	if v.Run.StartedAt != nil {
		p.start = *v.Run.StartedAt
	}
	for _, a := range attempts {
		p.ends[a.Task] = append(p.ends[a.Task], a.EndedAt)
		if a.Try > 0 {
			p.tries[a.TaskKey] = append(p.tries[a.TaskKey], a)
		}
	}
	for _, ends := range p.ends {
		slices.SortFunc(ends, time.Time.Compare)
	}
	for _, tries := range p.tries {
		slices.SortFunc(tries, func(a, b engine.Attempt) int { return a.Try - b.Try })
	}
	for _, t := range v.Spec.Tasks {
		switch {
		case t.PokeEvery > 0:
			p.waits[t.ID] = engine.UpForReschedule
		case t.Triggers != "":
			p.waits[t.ID] = engine.Deferred
		case len(t.Answers) > 0:
			p.waits[t.ID] = engine.AwaitingInput
		}
	}
	return p
}

// pieces are when an instance waited and ran, in all of its tries. Stores keep no time at which a try became ready: it follows from what had
// to end before, and is left out where that does not tell it.
func (p *pastTries) pieces(t engine.TaskView) []piece {
	if t.Runner != "" {
		return p.node(t)
	}
	var out []piece
	var before *engine.Attempt
	told := false // the try that the instance shows is among those that ended
	for i, a := range p.tries[t.TaskKey] {
		past := a.Try < t.Try || t.State == engine.None
		told = told || a.Try == t.Try
		until := a.EndedAt
		if a.StartedAt != nil {
			until = *a.StartedAt
		}
		if a.StartedAt != nil || p.waits[t.Task] != "" {
			out = append(out, p.waited(t, before, until, "", past)...)
		}
		if a.StartedAt != nil {
			text := "try " + strconv.Itoa(a.Try) + ": " + word(a.Ending)
			out = append(out, piece{from: *a.StartedAt, to: a.EndedAt, class: endClass(a.Ending), past: past, text: text})
		}
		before = &p.tries[t.TaskKey][i]
	}
	text := "try " + strconv.Itoa(t.Try) + ": " + word(t.State)
	switch {
	case t.State == engine.UpForRetry && before != nil:
		out = append(out, piece{from: before.EndedAt, to: p.now, class: string(t.State), wait: true, text: word(t.State)})
	case told || t.State == engine.None:
	case t.StartedAt != nil:
		end := p.now
		if t.EndedAt != nil {
			end = *t.EndedAt
		}
		out = append(out, p.waited(t, before, *t.StartedAt, "", false)...)
		out = append(out, piece{from: *t.StartedAt, to: end, class: string(t.State), text: text})
	case !t.State.Terminal():
		out = append(out, p.waited(t, before, p.now, t.State, false)...)
	}
	return slices.DeleteFunc(out, func(p piece) bool { return p.to.Before(p.from) })
}

// node is when a virtual node ran: only its latest time is known.
func (p *pastTries) node(t engine.TaskView) []piece {
	if t.StartedAt == nil {
		return nil
	}
	end := p.now
	if t.EndedAt != nil {
		end = *t.EndedAt
	}
	if end.Before(*t.StartedAt) {
		return nil
	}
	return []piece{{from: *t.StartedAt, to: end, class: string(t.State), text: word(t.State)}}
}

// waited is the wait of a try, until it started or now, after the try before it (nil: none). In which state, where that is known.
func (p *pastTries) waited(t engine.TaskView, before *engine.Attempt, until time.Time, in engine.State, past bool) []piece {
	ready := p.start
	state := engine.Queued
	if w := p.waits[t.Task]; w != "" {
		state = w
	}
	if before == nil && p.start.After(until) { // the run was cleared since, and with that started anew
		if ready = p.queued; len(t.Upstream) == 0 && state == engine.Queued {
			return nil // it was the run that was queued, nobody knows how long
		}
	}
	if before != nil {
		ready = before.EndedAt
		if before.State == engine.UpForRetry {
			state = engine.UpForRetry
		}
		if cleared, ok := latest(p.clears, until); ok && !cleared.Before(ready) {
			ready = cleared
		} else if before.State.Terminal() {
			return nil // it was cleared, and nobody knows when
		}
	}
	for _, up := range t.Upstream {
		if end, ok := latest(p.ends[up], until); ok && end.After(ready) {
			ready = end
		}
	}
	if in != "" && (in != engine.Queued || state == engine.UpForRetry) {
		state = in
	}
	if !until.After(ready) {
		return nil
	}
	return []piece{{from: ready, to: until, class: string(state), wait: true, past: past, text: waitText(state)}}
}

// latest is the last of several times, earliest first, that is not after another.
func latest(times []time.Time, until time.Time) (time.Time, bool) {
	i, found := slices.BinarySearchFunc(times, until, time.Time.Compare)
	if found {
		return times[i], true
	}
	if i == 0 {
		return time.Time{}, false
	}
	return times[i-1], true
}

func waitText(s engine.State) string {
	switch s {
	case engine.UpForReschedule:
		return "waited, looking now and then"
	case engine.Deferred:
		return "deferred"
	case engine.AwaitingInput:
		return "waited for an answer"
	case engine.UpForRetry:
		return "waited for the next try"
	case engine.Scheduled:
		return "waited for the run before"
	}
	return "queued"
}
