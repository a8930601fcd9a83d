package enginetest

import (
	"time"

	"github.com/google/uuid"

	"github.com/tidemill/tidemill/engine"
)

var streamCases = []conformanceCase{
	{"a stream shows its replicas", func(f *fixture) {
		f.stream("s", 2)
		f.ok(f.RegisterStreams(f.ctx, []engine.StreamRecord{{Name: "other", Replicas: 1, Doc: "what it does"}}))
		s := f.streamStatus("s")
		equal(f, "paused", s.Paused, false)
		equal(f, "replicas", len(s.Replicas), 2)
		for i, r := range s.Replicas {
			equal(f, "replica", r.Replica, i)
			equal(f, "state", r.State, "stopped")
			equal(f, "restarts", r.Restarts, 0)
		}
		equal(f, "doc", f.streamStatus("other").Doc, "what it does")
	}},
	{"no more replicas are claimed than there are", func(f *fixture) {
		f.stream("s", 2)
		w := f.join("w")
		a, _ := f.claimStream("s", w)
		b, _ := f.claimStream("s", w)
		equal(f, "replicas differ", a.Replica != b.Replica, true)
		_, ok := f.claimStream("s", f.join("w2"))
		equal(f, "a third is claimed", ok, false)
		_, ok = f.claimStream("nobody", w)
		equal(f, "an unknown stream is claimed", ok, false)
	}},
	{"a claim tells what it leased", func(f *fixture) {
		f.stream("s", 1)
		w, id := f.join("host:1"), uuid.New()
		l, ok, err := f.ClaimStream(f.ctx, "s", w, id)
		f.ok(err)
		equal(f, "ok", ok, true)
		equal(f, "lease", l, engine.StreamLease{Name: "s", Replica: 0, ID: id, Worker: w})
		r := f.replica("s", 0)
		equal(f, "state", r.State, "running")
		equal(f, "worker", r.Worker, "host:1")
		if r.StartedAt == nil {
			f.Error("started at: nil")
		}
	}},
	{"a worker without a row claims no replica", func(f *fixture) {
		f.stream("s", 1)
		w := f.join("w")
		f.ok(f.Leave(f.ctx, w))
		_, ok := f.claimStream("s", w)
		equal(f, "claimed", ok, false)
	}},
	{"a replica whose worker has no row can be claimed, and its old lease is lost", func(f *fixture) {
		f.stream("s", 1)
		w := f.join("w")
		old, _ := f.claimStream("s", w)
		f.ok(f.Bury(f.ctx, []int64{w}))
		renewed, ok := f.claimStream("s", f.join("w2"))
		equal(f, "claimed", ok, true)
		equal(f, "replica", renewed.Replica, old.Replica)
		f.beats(old, false, false)
		f.beats(renewed, true, false)
	}},
	{"a paused stream is not claimed, and its runner is told", func(f *fixture) {
		f.stream("s", 2)
		w := f.join("w")
		l, _ := f.claimStream("s", w)
		f.ok(f.SetStreamPaused(f.ctx, "s", true))
		_, ok := f.claimStream("s", w)
		equal(f, "claimed while paused", ok, false)
		f.beats(l, true, true)
		f.ok(f.EndStream(f.ctx, l, "", time.Time{}, nil))
		equal(f, "paused", f.streamStatus("s").Paused, true)
		equal(f, "state", f.replica("s", l.Replica).State, "paused")
		f.ok(f.SetStreamPaused(f.ctx, "s", false))
		_, ok = f.claimStream("s", w)
		equal(f, "claimed after", ok, true)
	}},
	{"registering again keeps pause and leases, and changes the number of replicas", func(f *fixture) {
		f.stream("s", 1)
		w := f.join("w")
		l, _ := f.claimStream("s", w)
		f.stream("s", 2)
		f.beats(l, true, false)
		_, ok := f.claimStream("s", w)
		equal(f, "the second replica is claimed", ok, true)
		f.ok(f.SetStreamPaused(f.ctx, "s", true))
		f.stream("s", 2)
		equal(f, "paused", f.streamStatus("s").Paused, true)
	}},
	{"a stream with fewer replicas than before gives out no more than it has", func(f *fixture) {
		f.stream("s", 3)
		f.stream("s", 1)
		w := f.join("w")
		_, ok := f.claimStream("s", w)
		equal(f, "the first is claimed", ok, true)
		_, ok = f.claimStream("s", w)
		equal(f, "a second is claimed", ok, false)
	}},
	{"a beat stores progress while the lease is held", streamProgress},
	{"a drained replica is free at once", func(f *fixture) {
		f.stream("s", 1)
		f.ok(f.RegisterReceiver(f.ctx, "r", "http://r"))
		w := f.join("w")
		l, _ := f.claimStream("s", w)
		f.ok(f.EndStream(f.ctx, l, "", f.future(), []engine.Event{event(0, engine.EventStreamFailed)}))
		equal(f, "state", f.replica("s", 0).State, "stopped")
		equal(f, "restarts", f.replica("s", 0).Restarts, 0)
		equal(f, "messages", len(f.claimReceivers(5, 0, "r")), 0)
		f.beats(l, false, false)
		_, ok := f.claimStream("s", w)
		equal(f, "claimed again", ok, true)
	}},
	{"a failed replica starts again not before its next start", streamFails},
	{"restarts are counted in a row", streamRestarts},
	{"a lost lease ends and resets nothing", streamFenced},
}

func (f *fixture) stream(name string, replicas int) {
	f.Helper()
	f.ok(f.RegisterStreams(f.ctx, []engine.StreamRecord{{Name: name, Replicas: replicas}}))
}

func (f *fixture) claimStream(name string, worker int64) (engine.StreamLease, bool) {
	f.Helper()
	l, ok, err := f.ClaimStream(f.ctx, name, worker, uuid.New())
	f.ok(err)
	return l, ok
}

func (f *fixture) streamStatus(name string) engine.StreamStatus {
	f.Helper()
	for _, s := range got[[]engine.StreamStatus](f)(f.Streams(f.ctx)) {
		if s.Name == name {
			return s
		}
	}
	f.Fatalf("stream %q has no status", name)
	return engine.StreamStatus{}
}

func (f *fixture) replica(name string, n int) engine.ReplicaStatus {
	f.Helper()
	s := f.streamStatus(name)
	if n >= len(s.Replicas) {
		f.Fatalf("stream %q has %d replicas, want replica %d", name, len(s.Replicas), n)
	}
	return s.Replicas[n]
}

func (f *fixture) beats(l engine.StreamLease, wantHeld, wantPaused bool) {
	f.Helper()
	held, paused, err := f.BeatStream(f.ctx, l, nil)
	f.ok(err)
	equal(f, "held", held, wantHeld)
	equal(f, "paused", paused, wantPaused)
}

func streamProgress(f *fixture) {
	f.stream("s", 1)
	w := f.join("w")
	l, _ := f.claimStream("s", w)
	before := f.now()
	held, _, err := f.BeatStream(f.ctx, l, []byte(`{"lag": 3}`))
	f.ok(err)
	equal(f, "held", held, true)
	r := f.replica("s", 0)
	equal(f, "progress", string(r.Progress), `{"lag": 3}`)
	if r.ProgressAt == nil || r.ProgressAt.Before(before) {
		f.Errorf("progress at %v, want from %s on", r.ProgressAt, before)
	}
	lost := l
	lost.ID = uuid.New()
	held, _, err = f.BeatStream(f.ctx, lost, []byte(`{"lag": 9}`))
	f.ok(err)
	equal(f, "held by another lease", held, false)
	equal(f, "progress", string(f.replica("s", 0).Progress), `{"lag": 3}`)
}

func streamFails(f *fixture) {
	f.stream("s", 1)
	f.ok(f.RegisterReceiver(f.ctx, "r", "http://r"))
	w := f.join("w")
	l, _ := f.claimStream("s", w)
	e, next := event(0, engine.EventStreamFailed), f.future()
	f.ok(f.EndStream(f.ctx, l, "broker gone", next, []engine.Event{e}))
	r := f.replica("s", 0)
	equal(f, "state", r.State, "restarting")
	equal(f, "error", r.Error, "broker gone")
	equal(f, "restarts", r.Restarts, 1)
	f.sameTime("next start", r.NextStart, &next)
	if msgs := f.claimReceivers(5, 0, "r"); len(msgs) != 1 || msgs[0].EventID != e.ID {
		f.Errorf("messages: %v, want that of event %s", msgs, e.ID)
	}
	_, ok := f.claimStream("s", w)
	equal(f, "claimed before its next start", ok, false)
}

func streamRestarts(f *fixture) {
	f.stream("s", 1)
	w := f.join("w")
	for i := range 3 {
		l, ok := f.claimStream("s", w)
		equal(f, "claimed", ok, true)
		equal(f, "restarts", l.Restarts, i)
		f.ok(f.EndStream(f.ctx, l, "it broke", f.past(), nil))
	}
	l, _ := f.claimStream("s", w)
	equal(f, "restarts", l.Restarts, 3)
	f.ok(f.ResetRestarts(f.ctx, l))
	equal(f, "restarts after the reset", f.replica("s", 0).Restarts, 0)
	f.beats(l, true, false)
	f.ok(f.EndStream(f.ctx, l, "it broke", f.past(), nil))
	l, _ = f.claimStream("s", w)
	equal(f, "restarts of the next lease", l.Restarts, 1)
}

func streamFenced(f *fixture) {
	f.stream("s", 1)
	f.ok(f.RegisterReceiver(f.ctx, "r", "http://r"))
	w := f.join("w")
	first, _ := f.claimStream("s", w)
	f.ok(f.EndStream(f.ctx, first, "it broke", f.past(), nil))
	held, _ := f.claimStream("s", w)
	// Whether a lost lease is an error here is not laid down; what it must not do is.
	_ = f.EndStream(f.ctx, first, "again", f.future(), []engine.Event{event(0, engine.EventStreamFailed)})
	_ = f.ResetRestarts(f.ctx, first)
	f.beats(held, true, false)
	equal(f, "state", f.replica("s", 0).State, "running")
	equal(f, "restarts", f.replica("s", 0).Restarts, 1)
	equal(f, "messages", len(f.claimReceivers(5, 0, "r")), 0)
}
