package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/quartz"
	"golang.org/x/sync/errgroup"

	"github.com/tidemill/tidemill/engine/secret"
)

// Defaults of a runtime's timing.
const (
	DefaultSlots      = 32
	DefaultHeartbeat  = 3 * time.Second
	DefaultDeadAfter  = 15 * time.Second
	DefaultPoll       = time.Second
	DefaultDrainGrace = 30 * time.Second
	// CutOff is how long a process may be without a heartbeat before it stops its streams and Exclusive tasks.
	CutOff = 10 * time.Second
)

// A Config is what a runtime is made from. Store and Catalog are required; the rest has defaults.
type Config struct {
	Store   Store
	Catalog *Catalog
	Streams []*Stream
	Clock   Clock        // default: the real one
	Log     *slog.Logger // default: slog.Default()

	Name   string   // of this process, for people; default: "worker"
	Build  string   // of the program, for history
	Queues []string // which this process serves; default: DefaultQueue
	Slots  int      // tasks at once; default: DefaultSlots

	// WorkerOnly leaves scheduling (new runs, timers, the reaper, deliveries) to other processes.
	WorkerOnly bool

	Heartbeat  time.Duration
	DeadAfter  time.Duration
	Poll       time.Duration
	DrainGrace time.Duration

	// Secrets are masked in logs, errors and what is told of them. An attempt fails that would keep one: in its output or a name, say.
	Secrets *secret.Redactor

	// Deliver sends webhooks, by the name of their receiver; those of other receivers are left to other processes.
	Deliver map[string]DeliverFunc
	// Wake tells other processes that there is something to do, and Woken is told by them. Both only shorten the wait: polling is
	// the truth. They may be nil.
	Wake  func()
	Woken <-chan struct{}
}

// A DeliverFunc sends a message to a receiver of webhooks. An error means that it is sent again later.
type DeliverFunc func(ctx context.Context, m Message) error

// A Runtime runs DAGs and streams in this process, beside any number of others on the same store. Run it once.
type Runtime struct {
	cfg      Config
	store    Store
	catalog  *Catalog
	clock    Clock
	log      *slog.Logger
	control  *Control
	versions *versionCache
	logs     *logSink

	worker  atomic.Int64 // id of this process's row; 0 before it joined
	slots   *slotPool
	held    *leaseSet
	bodies  *crew
	outputs *outputCache
	ends    []chan *attempt // one per completer
	stir    chan struct{}   // something may be claimable
	tick    chan struct{}   // something may be schedulable
	running sync.WaitGroup  // attempts until their end is stored, and what was handed over with it begun
	drain   atomic.Bool
	cut     atomic.Bool               // the grace of the drain is over
	lastOK  atomic.Pointer[time.Time] // when the last heartbeat that succeeded was sent; measured on the monotonic clock
	repairs atomic.Int64
	waiting atomic.Pointer[waitingDAGs]
	offer   claimOffer               // of the dispatcher
	current atomic.Pointer[[]string] // DAGs of which this process has the current version

	spawn func(*attempt, func()) // runs what an attempt does beside the loops: a goroutine each, but in simulations

	agenda    *agenda       // of the scheduler
	assetDAGs []string      // DAGs scheduled by assets
	pinned    []*Definition // DAGs whose runs may be pinned to this process's version
	ready     chan struct{}
}

// NewRuntime checks the configuration and makes a runtime.
func NewRuntime(cfg Config) (*Runtime, error) {
	if cfg.Store == nil || cfg.Catalog == nil {
		return nil, errors.New("engine.Config: Store and Catalog are required")
	}
	setDefaults(&cfg)
	cfg.Log = slog.New(cfg.Secrets.Handler(cfg.Log.Handler()))
	if err := checkStreams(cfg.Streams); err != nil {
		return nil, err
	}
	r := &Runtime{
		cfg: cfg, store: cfg.Store, catalog: cfg.Catalog, clock: cfg.Clock, log: cfg.Log,
		control: NewControl(cfg.Store, cfg.Catalog, cfg.Build), slots: newSlotPool(cfg.Slots), held: newLeaseSet(), bodies: newCrew(),
		outputs: newOutputCache(outputCacheSize),
		stir:    make(chan struct{}, 1), tick: make(chan struct{}, 1), ready: make(chan struct{}),
	}
	r.spawn = func(_ *attempt, run func()) { r.bodies.run(run) }
	r.versions = r.control.WithSecrets(cfg.Secrets).versions
	r.assetDAGs, r.pinned = r.catalog.byAssets(), r.catalog.pinning()
	r.agenda = newAgenda(r.catalog)
	r.control.wake = r.wakeAll
	r.logs = newLogSink(cfg.Store, cfg.Log)
	for range completers {
		r.ends = append(r.ends, make(chan *attempt, cfg.Slots+1))
	}
	return r, nil
}

func setDefaults(cfg *Config) {
	if cfg.Clock == nil {
		cfg.Clock = quartz.NewReal()
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.Name == "" {
		cfg.Name = "worker"
	}
	if len(cfg.Queues) == 0 {
		cfg.Queues = []string{DefaultQueue}
	}
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	if cfg.Slots <= 0 {
		cfg.Slots = DefaultSlots
	}
	def(&cfg.Heartbeat, DefaultHeartbeat)
	def(&cfg.DeadAfter, DefaultDeadAfter)
	def(&cfg.Poll, DefaultPoll)
	def(&cfg.DrainGrace, DefaultDrainGrace)
}

// Control is for people's actions in this process; they take effect at once.
func (r *Runtime) Control() *Control { return r.control }

// Repairs counts runs that the sweep had to push on. It is 0 as long as the engine is right.
func (r *Runtime) Repairs() int64 { return r.repairs.Load() }

// Running is how many attempts this process runs now: what a drain waits for.
func (r *Runtime) Running() int { return len(r.held.all()) }

// Ready is closed when the runtime has registered its DAGs and joined.
func (r *Runtime) Ready() <-chan struct{} { return r.ready }

// Run registers the DAGs, joins and works until ctx ends; then it drains: it claims nothing more, gives running tasks DrainGrace to
// end, cancels those that have not and gives them back, stops the streams and leaves. It returns nil after a drain.
func (r *Runtime) Run(ctx context.Context) error {
	ctx = context.WithValue(ctx, processLogKey{}, r.log)
	if err := r.register(ctx); err != nil {
		return err
	}
	if err := r.join(ctx); err != nil {
		return err
	}
	close(r.ready)
	r.log.Info("joined", "worker", r.worker.Load(), "name", r.cfg.Name, "slots", r.cfg.Slots, "dags", len(r.catalog.ids), "streams", len(r.cfg.Streams))
	// base outlives ctx: what drains still needs the store, the heartbeat and the completers.
	base, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var keep, completing errgroup.Group // until the drain is over
	keep.Go(func() error { r.heartbeats(base); return nil })
	keep.Go(func() error { r.logs.run(base, r.clock); return nil })
	for _, c := range r.ends {
		completing.Go(func() error { r.complete(base, c); return nil })
	}
	var work errgroup.Group // until ctx ends
	work.Go(func() error { r.dispatch(ctx, base); return nil })
	for _, s := range r.cfg.Streams {
		r.supervise(ctx, base, &work, s)
	}
	if !r.cfg.WorkerOnly {
		work.Go(func() error { r.schedule(ctx); return nil })
		work.Go(func() error { r.reap(ctx); return nil })
		work.Go(func() error { r.deliver(ctx); return nil })
	}
	<-ctx.Done()
	r.drain.Store(true)
	err := work.Wait()
	r.drainAttempts(stop)
	for _, c := range r.ends {
		close(c)
	}
	err = errors.Join(err, completing.Wait())
	r.bodies.dismiss()
	stop()
	err = errors.Join(err, keep.Wait())
	leave, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if lerr := r.store.Leave(leave, r.worker.Load()); lerr != nil {
		err = errors.Join(err, fmt.Errorf("leave: %w", lerr))
	}
	r.log.Info("left", "worker", r.worker.Load())
	return err
}

// register stores the DAGs and streams that this process has.
func (r *Runtime) register(ctx context.Context) error {
	records := make([]DAGRecord, 0, len(r.catalog.ids))
	for _, id := range r.catalog.ids {
		d := r.catalog.defs[id]
		records = append(records, DAGRecord{ID: id, Version: d.Version, Build: r.cfg.Build, Spec: d.Known(), MaxActiveRuns: d.Spec.MaxActiveRuns})
	}
	if err := r.checkSpecs(records, r.cfg.Streams); err != nil {
		return fmt.Errorf("register DAGs: %w", err)
	}
	if _, err := r.store.Register(ctx, records); err != nil {
		return fmt.Errorf("register DAGs: %w", err)
	}
	streams := make([]StreamRecord, 0, len(r.cfg.Streams))
	for _, s := range r.cfg.Streams {
		streams = append(streams, s.record)
	}
	if err := r.store.RegisterStreams(ctx, streams); err != nil {
		return fmt.Errorf("register streams: %w", err)
	}
	return nil
}

func (r *Runtime) join(ctx context.Context) error {
	info := WorkerInfo{Name: r.cfg.Name, Build: r.cfg.Build, Kind: "serve", Slots: r.cfg.Slots, Queues: r.cfg.Queues, DAGs: r.catalog.ids}
	if r.cfg.WorkerOnly {
		info.Kind = "worker"
	}
	for _, id := range r.catalog.ids {
		info.Versions = append(info.Versions, r.catalog.defs[id].Version)
	}
	for _, s := range r.cfg.Streams {
		info.Streams = append(info.Streams, s.record.Name)
	}
	sent := r.clock.Now()
	id, err := r.store.Join(ctx, info)
	if err != nil {
		return fmt.Errorf("join as a worker: %w", err)
	}
	r.worker.Store(id)
	r.lastOK.Store(&sent)
	return nil
}

// byAssets lists the DAGs that are scheduled by assets.
func (c *Catalog) byAssets() []string {
	var out []string
	for _, id := range c.ids {
		if c.defs[id].Spec.Assets != nil {
			out = append(out, id)
		}
	}
	return out
}

// actor is this process, for history.
func (r *Runtime) actor() actor { return actor{worker: r.cfg.Name, build: r.cfg.Build} }

// stirDispatch and stirSchedule wake this process's loops; wakeAll those of others too.
func (r *Runtime) stirDispatch() { poke(r.stir) }
func (r *Runtime) stirSchedule() { poke(r.tick) }
func (r *Runtime) wakeAll() {
	r.stirDispatch()
	r.stirSchedule()
	if r.cfg.Wake != nil {
		r.cfg.Wake()
	}
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
