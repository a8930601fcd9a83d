package engine_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"time"

	"github.com/coder/quartz"
	"github.com/google/uuid"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/engine/enginetest"
)

// A world is one simulation: DAGs, processes that share a store, people, and faults. All that happens follows from its seed.
type world struct {
	seed  uint64
	rnd   *rand.Rand
	now   time.Time // by the store's clock
	turn  int       // steps so far
	store *watched
	eyes  *observer
	dags  *drawn // what is run

	procs   []*process
	threads []*thread // in flight, oldest first
	idle    []*coroutine
	on      *thread // which runs just now; nil: the world itself

	slow    string // kind of turns that take long to be stored in this world; "": none
	calm    bool   // no faults any more
	serial  int    // of outputs
	made    map[int]made
	broken  *mutation // nil: the engine as it is
	wrong   error     // the first violation
	tracing bool
	trace   []string
	stream  engine.StreamLease
	mark    int // of the stream: 0 none, 1 noon, 2 the day's end
}

// made is where an output came from.
type made struct {
	lease engine.Lease
	pos   int // in a list
}

// A thread is something that a process does, up to its end, with a halt wherever it asks the store: others go on then.
type thread struct {
	*coroutine
	p     *process
	what  string
	wake  time.Time       // asleep until, by the store's clock
	until context.Context // or until this is over
	began int
	lease engine.Lease // of an attempt
	ghost bool         // its process is dead, but what it sent is on its way to the store
}

// A coroutine runs one thread after the other: making one, with the stack that it needs, takes longer than most threads.
type coroutine struct {
	do    func() // nil: it is over
	next  func() (struct{}, bool)
	stop  func()
	yield func(struct{}) bool
}

func (w *world) coroutine() *coroutine {
	if n := len(w.idle); n > 0 {
		c := w.idle[n-1]
		w.idle = w.idle[:n-1]
		return c
	}
	c := &coroutine{}
	c.next, c.stop = iter.Pull(func(yield func(struct{}) bool) {
		c.yield = yield
		for ok := true; ok; ok = yield(struct{}{}) {
			c.do()
			c.do = nil
		}
	})
	return c
}

var (
	errFault = errors.New("the connection broke")
	errDead  = errors.New("the process is dead")
)

const receiver = "ops"

func newWorld(seed uint64, broken *mutation) *world {
	w := &world{seed: seed, rnd: rand.New(rand.NewPCG(seed, 42)), now: enginetest.Epoch, made: map[int]made{}, broken: broken}
	inner := enginetest.NewStore(simClock{w: w})
	inner.Repeat = w.chance(0.3)
	inner.Fail = w.halt
	w.eyes = newObserver(w, inner)
	if w.chance(0.3) {
		w.slow = []string{"timers", "waits", "queued", "held", "complete0", "reap", "triggered", "scheduled"}[w.rnd.IntN(8)]
	}
	w.store = &watched{Store: inner, w: w}
	w.dags = w.draw()
	return w
}

func (w *world) chance(p float64) bool { return w.rnd.Float64() < p }

func (w *world) upTo(d time.Duration) time.Duration { return time.Duration(w.rnd.Int64N(int64(d) + 1)) }

func (w *world) say(format string, args ...any) {
	if w.tracing {
		w.trace = append(w.trace, fmt.Sprintf("%5d %s ", w.turn, w.now.Format("15:04:05.000"))+fmt.Sprintf(format, args...))
	}
}

// violated notes that something has happened which must never happen.
func (w *world) violated(format string, args ...any) {
	if w.wrong == nil {
		w.wrong = fmt.Errorf(format, args...)
		w.say("VIOLATION: %v", w.wrong)
	}
}

// A simClock is the store's clock, or a process's, which goes wrong by its skew. Who waits on it sleeps in the world's time.
type simClock struct {
	w *world
	p *process
}

func (c simClock) Now(...string) time.Time {
	if c.p == nil {
		return c.w.now
	}
	return c.w.now.Add(c.p.skew)
}

func (c simClock) Since(t time.Time, _ ...string) time.Duration { return c.Now().Sub(t) }

func (c simClock) Until(t time.Time, _ ...string) time.Duration { return t.Sub(c.Now()) }

func (c simClock) NewTicker(time.Duration, ...string) *quartz.Ticker { panic("not simulated") }

func (c simClock) TickerFunc(context.Context, time.Duration, func() error, ...string) quartz.Waiter {
	panic("not simulated")
}

// NewTimer sleeps until the timer fires, and so returns one that has fired; on a dead process one that never does.
func (c simClock) NewTimer(d time.Duration, _ ...string) *quartz.Timer {
	tm := quartz.NewReal().NewTimer(time.Hour)
	if c.w.sleep(c.p.ctx, d) {
		fired := make(chan time.Time, 1)
		fired <- c.Now()
		tm.C = fired
	}
	return tm
}

// AfterFunc serves the timeouts of attempts. What is to happen to bodies that do not heed their end is not simulated: they just go on.
func (c simClock) AfterFunc(d time.Duration, f func(), tags ...string) *quartz.Timer {
	if tags[0] == "timeout" {
		at := c.w.now.Add(d)
		c.w.start(c.p, "timeout", func() {
			if c.w.sleep(c.p.ctx, at.Sub(c.w.now)) {
				f()
			}
		})
	}
	return quartz.NewReal().NewTimer(time.Hour)
}

// start adds a thread.
func (w *world) start(p *process, what string, f func()) *thread {
	t := &thread{p: p, what: what, began: w.turn, coroutine: w.coroutine()}
	t.do = f
	w.threads = append(w.threads, t)
	p.doing[what] = true
	return t
}

// resume lets a thread go on until it halts or ends.
func (w *world) resume(i int) {
	t := w.threads[i]
	w.on = t
	_, kept := t.next() // not kept: it has panicked
	w.on = nil
	switch {
	case kept && t.do != nil:
		return
	case kept:
		w.idle = append(w.idle, t.coroutine)
	}
	for j := range w.threads {
		if w.threads[j] == t {
			w.threads = append(w.threads[:j], w.threads[j+1:]...)
			break
		}
	}
	delete(t.p.doing, t.what)
}

// sleep halts the running thread for a while; false when ctx ended first.
func (w *world) sleep(ctx context.Context, d time.Duration) bool {
	t := w.on
	t.wake, t.until = w.now.Add(d), ctx
	for w.now.Before(t.wake) && ctx.Err() == nil {
		t.yield(struct{}{})
	}
	t.wake, t.until = time.Time{}, nil
	return ctx.Err() == nil
}

// able tells whether a thread can go on now.
func (w *world) able(t *thread) bool {
	if t.p.dead {
		return true
	}
	if w.now.Before(t.p.frozen) {
		return false
	}
	return !w.now.Before(t.wake) || t.until != nil && t.until.Err() != nil
}

// pass lets time pass, and with it the hearts beat.
func (w *world) pass(d time.Duration) {
	until := w.now.Add(d)
	for w.now.Before(until) {
		w.now = w.now.Add(min(until.Sub(w.now), time.Second))
		for _, p := range w.alive() {
			if w.now.Before(p.nextAt) || w.chance(0.05) && !w.calm {
				continue
			}
			p.nextAt = w.now.Add(engine.DefaultHeartbeat)
			w.take(p, "beat")
			w.take(p, "reap")
		}
		w.settle(4)
	}
}

// settle lets threads that can go on do so, a few times.
func (w *world) settle(rounds int) {
	for range rounds {
		if i, ok := w.pick(); ok {
			w.resume(i)
		}
	}
}

// pick is a thread that can go on.
func (w *world) pick() (int, bool) {
	n := len(w.threads)
	if n == 0 {
		return 0, false
	}
	from := w.rnd.IntN(n)
	for j := range n {
		if i := (from + j) % n; w.able(w.threads[i]) {
			return i, true
		}
	}
	return 0, false
}

// step lets one thing happen.
func (w *world) step() {
	w.turn++
	ps := w.alive()
	switch x := w.rnd.Float64(); {
	case x < 0.45:
		w.settle(1)
	case x < 0.82:
		if len(ps) > 0 {
			p := ps[w.rnd.IntN(len(ps))]
			what := turnsOf[w.rnd.IntN(len(turnsOf))]
			if w.chance(0.3) {
				what = []string{"claim", "complete0", "complete1"}[w.rnd.IntN(3)]
			}
			w.take(p, what)
			w.settle(2)
		}
	case x < 0.90:
		w.pass(w.upTo(4 * time.Second))
	case x < 0.91:
		w.pass(w.upTo(90 * time.Second))
	case x < 0.915:
		w.now = w.now.Add(w.upTo(20 * time.Minute)) // nobody got a turn meanwhile
	case x < 0.975:
		if len(ps) > 0 {
			w.person(ps[w.rnd.IntN(len(ps))])
		}
	default:
		w.fault(ps)
	}
}

// freshID is for what people name.
func (w *world) freshID(what string) string {
	w.serial++
	return fmt.Sprint(what, w.serial)
}

// markAt is how far the stream says it is.
func (w *world) markAt() time.Time {
	return enginetest.Epoch.Add(time.Duration(w.mark) * 12 * time.Hour)
}

// setMark tells how far the stream has got.
func (w *world) setMark(to int) {
	if to <= w.mark {
		return
	}
	w.mark = to
	at := w.markAt()
	w.store.quiet++
	defer func() { w.store.quiet-- }()
	ctx := context.Background()
	s := w.store.Store
	if w.stream.ID == uuid.Nil {
		if err := s.RegisterStreams(ctx, []engine.StreamRecord{{Name: streamName, Replicas: 1}}); err != nil {
			panic(err)
		}
		id, err := s.Join(ctx, engine.WorkerInfo{Name: "stream"})
		if err != nil {
			panic(err)
		}
		l, ok, err := s.ClaimStream(ctx, streamName, id, uuid.New())
		if err != nil || !ok {
			panic(fmt.Sprint("no stream: ", err))
		}
		w.stream = l
		if err := s.Leave(ctx, id); err != nil {
			panic(err)
		}
	}
	if _, _, err := s.BeatStream(ctx, w.stream, fmt.Appendf(nil, `{"watermark":%q}`, at.Format(time.RFC3339))); err != nil {
		panic(err)
	}
	w.say("the stream is at %s", at.Format(time.RFC3339))
}
