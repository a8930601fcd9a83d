package enginetest

import (
	"slices"
	"time"

	"github.com/tidemill/tidemill/engine"
)

var workerCases = []conformanceCase{
	{"a worker's id was never used before", func(f *fixture) {
		seen := map[int64]bool{}
		for range 3 {
			w := f.join("w")
			if w == 0 || seen[w] {
				f.Errorf("worker id %d was used before", w)
			}
			seen[w] = true
			f.ok(f.Leave(f.ctx, w))
		}
		equal(f, "workers after all left", len(f.workers()), 0)
	}},
	{"a worker shows what it told of itself", workerRow},
	{"a beat raises the counter", func(f *fixture) {
		a, b := f.join("a"), f.join("b")
		for range 3 {
			f.beat(a)
		}
		f.beat(b)
		equal(f, "beats of a", f.workers()[a].Beats, 3)
		equal(f, "beats of b", f.workers()[b].Beats, 1)
		if w := f.workers()[a]; !w.BeatAt.After(w.JoinedAt) {
			f.Errorf("beat at %s, joined at %s", w.BeatAt, w.JoinedAt)
		}
	}},
	{"a beat of a worker that is gone is told so and makes no row", func(f *fixture) {
		w := f.join("w")
		f.ok(f.Bury(f.ctx, []int64{w}))
		equal(f, "alive", f.beat(w).Alive, false)
		equal(f, "workers", len(f.workers()), 0)
		equal(f, "one that joined is alive", f.beat(f.join("w")).Alive, true)
	}},
	{"a beat tells what is lost, cancelled and unknown", beatAnswers},
	{"a beat of leases in order is told nothing", func(f *fixture) {
		run, w := f.running("d"), f.join("w")
		l := f.lease(w, "d", run, "t")
		answer := f.beat(w, l)
		equal(f, "lost, cancel, unknown", len(answer.Lost)+len(answer.Cancel)+len(answer.Unknown), 0)
	}},
	{"another's leases are not unknown", func(f *fixture) {
		run, a, b := f.running("d"), f.join("a"), f.join("b")
		f.lease(a, "d", run, "t")
		equal(f, "unknown to b", len(f.beat(b).Unknown), 0)
	}},
	{"leases become orphans when their worker leaves", func(f *fixture) {
		f.orphanedBy(func(w int64) { f.ok(f.Leave(f.ctx, w)) })
	}},
	{"leases become orphans when their worker is buried", func(f *fixture) {
		f.orphanedBy(func(w int64) { f.ok(f.Bury(f.ctx, []int64{w})) })
	}},
	{"orphans are limited", func(f *fixture) {
		run, w := f.running("d"), f.join("w")
		f.enqueue("d", run, "a", "b", "c")
		f.claim(w, "d", 3)
		f.ok(f.Leave(f.ctx, w))
		equal(f, "orphans", len(got[[]engine.Lease](f)(f.Orphans(f.ctx, 2))), 2)
	}},
	{"burying and leaving twice are no errors", func(f *fixture) {
		w, other := f.join("w"), f.join("other")
		f.ok(f.Bury(f.ctx, []int64{w}))
		f.ok(f.Bury(f.ctx, []int64{w}))
		f.ok(f.Bury(f.ctx, nil))
		f.ok(f.Leave(f.ctx, w))
		equal(f, "the other is alive", f.beat(other).Alive, true)
	}},
}

func (f *fixture) workers() map[int64]engine.WorkerRow {
	f.Helper()
	rows := map[int64]engine.WorkerRow{}
	for _, w := range got[[]engine.WorkerRow](f)(f.Workers(f.ctx)) {
		rows[w.ID] = w
	}
	return rows
}

func (f *fixture) beat(worker int64, leases ...engine.Lease) engine.BeatAnswer {
	f.Helper()
	return got[engine.BeatAnswer](f)(f.Beat(f.ctx, engine.Beat{Worker: worker, Leases: leases}))
}

func workerRow(f *fixture) {
	info := engine.WorkerInfo{
		Name: "host:1", Build: "b7", Kind: "serve", Slots: 12, Queues: []string{"default", "gpu"}, DAGs: []string{"d"}, Streams: []string{"s"},
	}
	before := f.now()
	w := got[int64](f)(f.Join(f.ctx, info))
	row := f.workers()[w]
	equal(f, "info", row.WorkerInfo, info)
	equal(f, "beats", row.Beats, 0)
	equal(f, "leases", row.Leases, 0)
	if row.JoinedAt.Before(before) || row.JoinedAt.After(f.now().Add(time.Microsecond)) {
		f.Errorf("joined at %s, want from %s on", row.JoinedAt, before)
	}
	run := f.running("d")
	f.enqueue("d", run, "a", "b", "c")
	f.claim(w, "d", 2)
	equal(f, "leases after a claim of two", f.workers()[w].Leases, 2)
}

func beatAnswers(f *fixture) {
	run, w := f.running("d"), f.join("w")
	kept, ended := f.lease(w, "d", run, "kept"), f.lease(w, "d", run, "ended")
	cancelled, dropped := f.lease(w, "d", run, "cancelled"), f.lease(w, "d", run, "dropped")
	again, unknown := f.lease(w, "d", run, "again"), f.lease(w, "d", run, "unknown")
	f.end(ended)
	f.change(engine.RunChange{
		Key: run, Cancel: []engine.TaskKey{cancelled.TaskKey}, Dequeue: []engine.TaskKey{dropped.TaskKey, again.TaskKey},
	})
	renewed := f.lease(w, "d", run, "again") // the same instance under another lease
	for range 2 {                            // the answer stays the same until something is done
		answer := f.beat(w, kept, ended, cancelled, dropped, again)
		equal(f, "alive", answer.Alive, true)
		equal(f, "lost", sortedLeases(answer.Lost), []engine.Lease{again, dropped, ended})
		equal(f, "cancel", answer.Cancel, []engine.Lease{cancelled})
		equal(f, "unknown", sortedLeases(answer.Unknown), []engine.Lease{renewed, unknown})
	}
}

// orphanedBy checks that a way for a worker to go orphans its leases, and only those; and that whoever takes up an orphan can
// end it by its lease.
func (f *fixture) orphanedBy(remove func(worker int64)) {
	f.Helper()
	run, gone, stays := f.running("d"), f.join("gone"), f.join("stays")
	one, two := f.lease(gone, "d", run, "one"), f.lease(gone, "d", run, "two")
	f.lease(stays, "d", run, "other")
	f.enqueue("d", run, "ready")
	equal(f, "orphans before", len(got[[]engine.Lease](f)(f.Orphans(f.ctx, 10))), 0)
	remove(gone)
	orphans := got[[]engine.Lease](f)(f.Orphans(f.ctx, 10))
	equal(f, "orphans", sortedLeases(orphans), []engine.Lease{one, two})
	equal(f, "worker shown", f.queueRow(one.TaskKey).Worker, "")
	equal(f, "and its id", f.queueRow(one.TaskKey).WorkerID, gone)
	equal(f, "leased still", f.queueRow(one.TaskKey).Leased, true)
	equal(f, "held by its lease", f.end(one), []bool{true})
	equal(f, "orphans after one has ended", got[[]engine.Lease](f)(f.Orphans(f.ctx, 10)), []engine.Lease{two})
	equal(f, "what the other may claim", tasksOf(f.claim(stays, "d", 10)), []string{"ready"})
	equal(f, "the queue", f.inQueue(run), slices.Sorted(slices.Values([]string{"two", "other", "ready"})))
}
