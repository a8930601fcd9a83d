package postgres_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/coder/quartz"
	"github.com/google/uuid"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/storage/postgres"
)

// Of two runs of one DAG one may have been written before the DAG was paused and the other after: what is known of both is proved.
func TestWhatIsKnownOfEachRunIsProved(t *testing.T) {
	r := newRig(t, postgres.Options{})
	runs := r.runs(3)
	r.enqueue(runs[0], "side")
	got, err := r.Claim(t.Context(), engine.ClaimRequest{Worker: r.worker, Lease: uuid.New(), Slots: 1, Queues: []string{"default"}, DAGs: []engine.ClaimDAG{{ID: testDAG, Room: 1}}})
	r.ok(err)
	side := link{Leased: got[0]}
	a, b, c := r.begin(runs[0]), r.begin(runs[1]), r.begin(runs[2])
	hop := func(l link) (link, bool) {
		after, _, _, err := r.next(l)
		r.ok(err)
		if len(after) == 0 {
			return l, false
		}
		return after[0], true
	}
	for range 2 {
		a, _ = hop(a)
		b, _ = hop(b)
		c, _ = hop(c)
	}
	r.ok(r.SetPaused(t.Context(), testDAG, true))
	if _, handed := hop(a); handed {
		t.Fatal("a task of a paused DAG was handed over")
	}
	hop(c) // the rest after that wrong guess
	after, _, rows, err := r.next(side, b)
	r.ok(err)
	if len(after) > 0 || len(rows) != 2 || !rows[0].DAGPaused || !rows[1].DAGPaused {
		t.Errorf("%d tasks of a paused DAG were handed over, the runs are %+v", len(after), rows)
	}
}

// A process that was frozen takes its own sample of the database's clock for good: what it writes must not be of the past.
func TestATimeOfThePastIsNotWritten(t *testing.T) {
	r := newRig(t, postgres.Options{Clock: quartz.NewMock(t)}) // a clock that stands still, as for one who is frozen
	l := r.begin(r.runs(1)[0])
	for range 2 {
		links, _, _, err := r.next(l)
		r.ok(err)
		l = links[0]
	}
	then := value[time.Time](t, r.url, `SELECT clock_timestamp() + interval '3 s'`)
	eventually(t, "three seconds have passed", func() bool { return value[bool](t, r.url, `SELECT clock_timestamp() > $1`, then) })
	_, _, _, err := r.next(l)
	r.ok(err)
	if at := value[time.Time](t, r.url, `SELECT max(ended_at) FROM tidemill.attempts`); at.Before(then) {
		t.Errorf("an attempt that ended after %v is said to have ended at %v", then, at)
	}
	if s := r.Stats(); s.InOne == 0 || s.WrongGuess != 1 {
		t.Errorf("%d transitions were made in one round trip, %d guesses were wrong; want some, and the last", s.InOne, s.WrongGuess)
	}
}

// A connection that is lost in a transition that goes in one round trip loses neither it nor what it hands over.
func TestConnectionLostInOneRoundTrip(t *testing.T) {
	for name, when := range map[string]func(fromServer bool, data []byte) bool{
		"before it reaches the server": func(fromServer bool, _ []byte) bool { return !fromServer },
		"when all of its answer is on its way": func(fromServer bool, data []byte) bool {
			return fromServer && bytes.Contains(data, []byte("COMMIT\x00"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			direct := newRig(t, postgres.Options{})
			p, through := newProxy(t, direct.url)
			r := &rig{TB: t, Store: openAt(t, through, postgres.Options{MaxConns: 1}), url: through, worker: direct.worker}
			run := r.runs(1)[0]
			l := r.begin(run)
			hop := func() {
				links, found, _, err := r.next(l)
				r.ok(err)
				if len(links) != 1 || !found.Held[0] {
					t.Fatalf("%d tasks were handed over, found %+v", len(links), found)
				}
				l = links[0]
			}
			for range 4 {
				hop()
			}
			p.once(when)
			hop()
			b, err := direct.Beat(t.Context(), engine.Beat{Worker: r.worker, Leases: []engine.Lease{l.Lease}})
			r.ok(err)
			if len(b.Lost)+len(b.Unknown) > 0 {
				t.Errorf("the store has other leases than the process: %+v", b)
			}
			hop()
			hop()
			if n := direct.count(run); n != 7 {
				t.Errorf("the run counts %d transitions, want 7", n)
			}
			if n := value[int](t, direct.url, `SELECT count(*) FROM tidemill.attempts`); n != 7 {
				t.Errorf("%d attempts are in history, want 7", n)
			}
		})
	}
}
