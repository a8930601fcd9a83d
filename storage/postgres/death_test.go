package postgres_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/storage/postgres"
)

func startAll(now time.Time, runs []engine.RunRow, _ engine.Found) ([]engine.RunChange, error) {
	var out []engine.RunChange
	for _, r := range runs {
		out = append(out, engine.RunChange{Key: r.Key, State: engine.RunRunning, Version: r.Version, StartedAt: &now})
	}
	return out, nil
}

// An attempt whose worker was buried can neither end its task nor report for it once the task has been given to another.
func TestZombieChangesNothing(t *testing.T) {
	r := newRig(t, postgres.Options{})
	run := r.runs(1)[0]
	r.enqueue(run, "a")
	zombie := r.claim(1)[0]
	r.ok(r.Leave(t.Context(), r.worker))
	orphans, err := r.Orphans(t.Context(), 10)
	r.ok(err)
	if len(orphans) != 1 || orphans[0] != zombie {
		t.Fatalf("orphans are %v, want %v", orphans, zombie)
	}
	r.transition([]int64{run}, orphans, func(_ engine.RunRow, c *engine.RunChange) { c.Enqueue = []engine.QueueItem{item(run, "a")} })
	r.worker = r.join()
	if held := r.transition([]int64{run}, []engine.Lease{zombie}, nothing); held[0] {
		t.Error("the zombie held its lease while the task was ready again")
	}
	next := r.claim(1)
	if held := r.transition([]int64{run}, []engine.Lease{zombie}, nothing); held[0] {
		t.Error("the zombie held its lease while another ran the task")
	}
	if err := r.ReportVirtual(t.Context(), zombie, []engine.VirtualState{{ID: "n", State: engine.Running}}); !errors.Is(err, engine.ErrLostLease) {
		t.Errorf("the zombie's report: %v, want ErrLostLease", err)
	}
	if held := r.transition([]int64{run}, next, nothing); !held[0] {
		t.Error("the new attempt lost its lease to the zombie")
	}
}

// A process that froze in mid transition holds its run's lock until it is buried; then others go on, and what it wakes up
// to finds its lease gone.
func TestBuryEndsWhatAFrozenProcessHolds(t *testing.T) {
	frozen := newRig(t, postgres.Options{AppName: "frozen"})
	r := rigOn(t, openAt(t, frozen.url, postgres.Options{AppName: "alive"}), frozen.url)
	run := r.runs(1)[0]
	r.enqueue(run, "a")
	lease := frozen.claim(1)
	inside, thaw := make(chan struct{}), make(chan struct{})
	var once sync.Once
	woken := make(chan []bool, 1)
	go func() {
		held, err := frozen.tryTransition([]int64{run}, lease, func(engine.RunRow, *engine.RunChange) {
			once.Do(func() { close(inside); <-thaw })
		})
		if err != nil {
			t.Error(err)
		}
		woken <- held
	}()
	<-inside
	r.ok(r.Bury(t.Context(), []int64{frozen.worker}))
	if held := r.transition([]int64{run}, lease, nothing); !held[0] {
		t.Error("the orphan's lease was not held any more")
	}
	close(thaw)
	if held := <-woken; held[0] {
		t.Error("the frozen process ended the task too")
	}
	if s := frozen.Stats(); s.CutOff+s.Unknown == 0 {
		t.Errorf("the frozen process repeated nothing: %+v", s)
	}
}

// What PostgreSQL does not take as text or jsonb is stored all the same.
func TestHostileOutputsAreStoredAsTheyAre(t *testing.T) {
	r := newRig(t, postgres.Options{})
	run := r.runs(1)[0]
	outputs := map[string]string{
		"nul": `"a\u0000b"`, "raw nul": "\"a\x00b\"", "surrogate": `"\ud800"`, "huge": `1e400000`, "twice": `{"a":1,"a":2}`, "bytes": "\xff\xfe",
	}
	r.transition([]int64{run}, nil, func(_ engine.RunRow, c *engine.RunChange) {
		for task, out := range outputs {
			a := attempt(key(run, task), out)
			a.Error = "broke: \x00 and \xff"
			c.Attempts = append(c.Attempts, a)
		}
	})
	for task, want := range outputs {
		a, err := r.Attempt(t.Context(), key(run, task), 1)
		r.ok(err)
		if string(a.Output) != want {
			t.Errorf("%s: output is %q, want %q", task, a.Output, want)
		}
		if want := "broke: \uFFFD and \uFFFD"; a.Error != want {
			t.Errorf("%s: error is %q, want %q", task, a.Error, want)
		}
	}
	if n := value[int](t, r.url, `SELECT count(output) FROM tidemill.task_attempts`); n != len(outputs) {
		t.Errorf("the view shows %d outputs, want %d", n, len(outputs))
	}
}

// The view of history can be read however PostgreSQL plans it: with so many rows that it works in parallel, too.
func TestHistoryIsReadableInParallel(t *testing.T) {
	r := newRig(t, postgres.Options{})
	run := r.runs(1)[0]
	r.transition([]int64{run}, nil, func(_ engine.RunRow, c *engine.RunChange) {
		for i := range 500 {
			c.Attempts = append(c.Attempts, attempt(engine.TaskKey{Run: run, Task: "a", MapIndex: i}, "\"\xff\""))
		}
	})
	conn, err := pgx.Connect(t.Context(), r.url)
	r.ok(err)
	defer conn.Close(context.Background())
	_, err = conn.Exec(t.Context(), `SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET enable_indexscan = off`)
	r.ok(err)
	var n int
	r.ok(conn.QueryRow(t.Context(), `SELECT count(*) FROM tidemill.task_attempts WHERE output <> ''`).Scan(&n))
	if n != 500 {
		t.Errorf("%d outputs, want 500", n)
	}
}

// What is written twice, in one transition or in two, is there once, as it was written last.
func TestWhatIsThereAlreadyIsReplaced(t *testing.T) {
	r := newRig(t, postgres.Options{})
	run := r.runs(1)[0]
	k := key(run, "a")
	at := time.Now().Add(time.Hour)
	for i, pair := range [][2]string{{`1`, `2`}, {`3`, `4`}} {
		r.transition([]int64{run}, nil, func(_ engine.RunRow, c *engine.RunChange) {
			for n, output := range pair {
				it := item(run, "a")
				it.Try = 10*i + n
				c.Enqueue = append(c.Enqueue, it)
				c.Attempts = append(c.Attempts, attempt(k, output))
				c.Timers = append(c.Timers, engine.Timer{TaskKey: k, Kind: engine.TimerRetry, DueAt: at.Add(time.Duration(n) * time.Minute)})
			}
		})
		if try := r.queueRow(run).Try; try != 10*i+1 {
			t.Errorf("try in the queue is %d, want %d", try, 10*i+1)
		}
		a, err := r.Attempt(t.Context(), k, 1)
		r.ok(err)
		if string(a.Output) != pair[1] {
			t.Errorf("output is %s, want %s", a.Output, pair[1])
		}
	}
	timers, err := r.Timers(t.Context(), []int64{run})
	r.ok(err)
	if len(timers) != 1 || !timers[0].DueAt.Equal(at.Add(time.Minute).Truncate(time.Microsecond)) {
		t.Errorf("timers are %v, want one, a minute after %s", timers, at)
	}
}

// A proxy stands between a store and its database and can cut connections at a chosen moment.
type proxy struct {
	net.Listener
	target string
	cut    atomic.Pointer[func(fromServer bool, data []byte) bool]
	wg     sync.WaitGroup
}

func newProxy(t *testing.T, target string) (*proxy, string) {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{Listener: l, target: u.Host}
	p.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.wg.Go(func() { p.serve(c) })
		}
	})
	t.Cleanup(func() {
		l.Close() //nolint:errcheck,gosec // ends the loop
		p.wg.Wait()
	})
	u.Host = l.Addr().String()
	return p, u.String()
}

func (p *proxy) serve(client net.Conn) {
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		client.Close() //nolint:errcheck,gosec // nothing to tell
		return
	}
	var both sync.WaitGroup
	pump := func(dst, src net.Conn, fromServer bool) {
		defer dst.Close() //nolint:errcheck // the other end is gone
		defer src.Close() //nolint:errcheck // so is this
		buf := make([]byte, 1<<16)
		for {
			n, err := src.Read(buf)
			if cut := p.cut.Load(); n > 0 && cut != nil && (*cut)(fromServer, buf[:n]) {
				return
			}
			if _, werr := dst.Write(buf[:n]); err != nil || werr != nil {
				return
			}
		}
	}
	both.Go(func() { pump(server, client, false) })
	both.Go(func() { pump(client, server, true) })
	both.Wait()
}

// once returns a cut that happens a single time.
func (p *proxy) once(when func(fromServer bool, data []byte) bool) {
	var done atomic.Bool
	f := func(fromServer bool, data []byte) bool {
		return !done.Load() && when(fromServer, data) && done.CompareAndSwap(false, true)
	}
	p.cut.Store(&f)
}

// A connection that is lost in mid transition is repeated if it was not committed, and is not if it was: the task ends
// exactly once, whatever the moment.
func TestConnectionLostInMidTransition(t *testing.T) {
	for _, c := range []struct {
		name     string
		arm      func(p *proxy, decided *atomic.Bool)
		decides  int64 // how often the engine is asked
		settled  int64
		repeated int64
	}{
		{"while it begins", func(p *proxy, _ *atomic.Bool) {
			p.once(func(fromServer bool, _ []byte) bool { return fromServer })
		}, 1, 0, 1},
		{"before the writes reach the server", func(p *proxy, decided *atomic.Bool) {
			p.once(func(fromServer bool, _ []byte) bool { return !fromServer && decided.Load() })
		}, 2, 1, 1},
		{"when the answer of the commit is on its way", func(p *proxy, decided *atomic.Bool) {
			p.once(func(fromServer bool, data []byte) bool {
				return fromServer && decided.Load() && bytes.Contains(data, []byte("COMMIT\x00"))
			})
		}, 1, 1, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			direct := newRig(t, postgres.Options{})
			p, through := newProxy(t, direct.url)
			r := &rig{TB: t, Store: openAt(t, through, postgres.Options{MaxConns: 1}), url: through, worker: direct.worker}
			runs := r.runs(1)
			for range 2 { // the second finds all statements prepared
				r.enqueue(runs[0], "warm")
				r.transition(runs, r.claim(1), func(_ engine.RunRow, c *engine.RunChange) { c.Callbacks = nil })
			}
			r.enqueue(runs[0], "a")
			lease := r.claim(1)
			before := r.Stats()
			var decided atomic.Bool
			var decides atomic.Int64
			c.arm(p, &decided)
			held := r.transition(runs, lease, func(row engine.RunRow, c *engine.RunChange) {
				decides.Add(1)
				decided.Store(true)
				c.States = append(row.States, 'x')
				c.Attempts = []engine.Attempt{attempt(lease[0].TaskKey, `1`)}
			})
			after := r.Stats()
			if !held[0] {
				t.Error("the transition that counted did not hold its lease")
			}
			if n := decides.Load(); n != c.decides {
				t.Errorf("decided %d times, want %d", n, c.decides)
			}
			if n := after.Unknown - before.Unknown; n != c.settled {
				t.Errorf("settled %d commits, want %d", n, c.settled)
			}
			if n := after.CutOff - before.CutOff; n != c.repeated {
				t.Errorf("repeated %d times, want %d", n, c.repeated)
			}
			rows, err := direct.RunsByKey(t.Context(), runs)
			r.ok(err)
			if string(rows[0].States) != "x" {
				t.Errorf("the change was stored as %q, want exactly once", rows[0].States)
			}
		})
	}
}

func TestWakeReachesOtherProcesses(t *testing.T) {
	s, url := open(t, postgres.Options{})
	other := openAt(t, url, postgres.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	woken, err := other.Woken(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for range 100 { // become few
		if err := s.Wake(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-woken:
	case <-time.After(20 * time.Second):
		t.Fatal("not woken")
	}
	cancel()
	for range woken { // closed when its context ends
	}
}

// A command triggers something and ends: its word still reaches those who wait.
func TestWakeJustBeforeCloseReachesOthers(t *testing.T) {
	other, url := open(t, postgres.Options{})
	woken, err := other.Woken(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		s, err := postgres.Open(t.Context(), url, postgres.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Wake(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.Close()
		select {
		case <-woken:
		case <-time.After(20 * time.Second):
			t.Fatal("not woken")
		}
	}
}
