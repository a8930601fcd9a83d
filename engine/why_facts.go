package engine

import (
	"context"
	"fmt"
	"time"
)

// whyFacts is what is known of why task instances do not run. Reasons are put together from it without asking further, for people: what
// holds an instance back is decided elsewhere.
type whyFacts struct {
	dags      map[string]DAGStatus
	workers   []WorkerRow // those that are heard of
	silent    []WorkerRow // those that are not: dead, or on the point of being declared so
	pools     map[string]PoolRow
	timers    map[timerOf]time.Time
	waits     map[TaskKey]Wait
	questions map[TaskKey]QuestionRow
	leases    map[string]leases // by DAG
	inPool    map[string]leases // by pool
	backfills map[int64]BackfillRow
	running   map[runGroupKey]int
	marks     map[string]time.Time
	pasts     map[int64]map[string]string // run → task → how it stands in the run before
}

type timerOf struct {
	TaskKey
	kind TimerKind
}

// A runGroupKey names the runs that share a limit.
type runGroupKey struct {
	dag      string
	backfill int64
}

// leases are instances that run now; rows may be fewer than total.
type leases struct {
	rows  []QueueRow
	total int
}

// namedLeases bounds how many of those that hold a limit are named.
const namedLeases = 3

func newWhyFacts() whyFacts {
	return whyFacts{
		dags: map[string]DAGStatus{}, pools: map[string]PoolRow{}, timers: map[timerOf]time.Time{}, waits: map[TaskKey]Wait{}, questions: map[TaskKey]QuestionRow{},
		leases: map[string]leases{}, inPool: map[string]leases{}, backfills: map[int64]BackfillRow{}, running: map[runGroupKey]int{}, pasts: map[int64]map[string]string{},
	}
}

// read reads the facts about runs that are not over.
func (f *whyFacts) read(ctx context.Context, s Store, runs []RunRow, queue map[TaskKey]QueueRow) error {
	var open []RunRow
	var keys []int64
	for _, r := range runs {
		if !r.State.Terminal() {
			open, keys = append(open, r), append(keys, r.Key)
		}
	}
	if len(open) == 0 {
		return nil
	}
	var err error
	if err = f.readWorkers(ctx, s); err != nil {
		return err
	}
	timers, err := s.Timers(ctx, keys)
	if err != nil {
		return err
	}
	for _, t := range timers {
		f.timers[timerOf{t.TaskKey, t.Kind}] = t.DueAt
	}
	waits, err := s.RunWaits(ctx, keys)
	if err != nil {
		return err
	}
	for _, w := range waits {
		f.waits[w.TaskKey] = w
	}
	questions, err := s.Questions(ctx, keys, len(keys)*MaxQuestions)
	if err != nil {
		return err
	}
	for _, q := range questions {
		f.questions[q.TaskKey] = q
	}
	if err := f.readQueued(ctx, s, open); err != nil {
		return err
	}
	return f.readLimits(ctx, s, open, queue)
}

// readWorkers reads which processes are alive. Both times are by the store's clock.
func (f *whyFacts) readWorkers(ctx context.Context, s Store) error {
	workers, err := s.Workers(ctx)
	if err != nil {
		return err
	}
	now, err := s.Now(ctx)
	if err != nil {
		return err
	}
	for _, w := range workers {
		if now.Sub(w.BeatAt) > DefaultDeadAfter {
			f.silent = append(f.silent, w)
		} else {
			f.workers = append(f.workers, w)
		}
	}
	return nil
}

// lastHeard says since when those that are silent have been, "" when none is.
func (f *whyFacts) lastHeard() string {
	if len(f.silent) == 0 {
		return ""
	}
	last := f.silent[0]
	for _, w := range f.silent {
		if w.BeatAt.After(last.BeatAt) {
			last = w
		}
	}
	return fmt.Sprintf("; %s was heard of last, at %s", last.Name, stamp(last.BeatAt))
}

// readPast reads how the tasks of the run before stand, for those that depend on their past. spec finds the definition of a run.
func (f *whyFacts) readPast(ctx context.Context, s Store, r RunRow, catchup bool, spec func(RunRow) (Spec, error)) error {
	held := false
	for k, w := range f.waits {
		held = held || k.Run == r.Key && w.Kind == WaitPast
	}
	if !held {
		return nil
	}
	before, err := runBefore(ctx, s, r, catchup)
	if err != nil || before == nil {
		return err
	}
	sp, err := spec(*before)
	if err != nil {
		return err
	}
	states, err := DecodeRunStates(before.States)
	if err != nil && len(before.States) > 0 {
		return fmt.Errorf("run %s of %s: %w", before.RunID, before.DAG, err)
	}
	f.pasts[r.Key] = map[string]string{}
	for i, t := range sp.Tasks {
		state := None
		if i < len(states.Tasks) {
			state = states.Tasks[i].summary()
		}
		f.pasts[r.Key][t.ID] = fmt.Sprintf(" (in run %s it is %s)", before.RunID, state)
	}
	return nil
}

// MaxQuestions bounds how many questions of one run are shown.
const MaxQuestions = 1000

// readQueued reads what keeps queued runs from starting.
func (f *whyFacts) readQueued(ctx context.Context, s Store, open []RunRow) error {
	for _, r := range open {
		if r.State != RunQueued {
			continue
		}
		if r.Hold != nil && f.marks == nil {
			streams, err := s.Streams(ctx)
			if err != nil {
				return err
			}
			f.marks = Watermarks(streams)
		}
		if r.Backfill != 0 {
			if _, ok := f.backfills[r.Backfill]; !ok {
				b, err := s.Backfill(ctx, r.Backfill)
				if err != nil {
					return err
				}
				f.backfills[r.Backfill] = b
			}
		}
		g := runGroupKey{r.DAG, r.Backfill}
		if _, ok := f.running[g]; ok {
			continue
		}
		rows, n, err := s.Runs(ctx, RunFilter{DAGs: []string{r.DAG}, States: []RunState{RunRunning}, Backfill: r.Backfill, Limit: 1000})
		if err != nil {
			return err
		}
		if r.Backfill == 0 {
			n = len(rows) - countBackfill(rows)
		}
		f.running[g] = n
	}
	return nil
}

func countBackfill(rows []RunRow) int {
	n := 0
	for _, r := range rows {
		if r.Backfill != 0 {
			n++
		}
	}
	return n
}

// readLimits reads who holds the limits that ready instances may wait for.
func (f *whyFacts) readLimits(ctx context.Context, s Store, open []RunRow, queue map[TaskKey]QueueRow) error {
	ready := false
	for _, q := range queue {
		ready = ready || !q.Leased
	}
	if !ready {
		return nil
	}
	pools, err := s.Pools(ctx)
	if err != nil {
		return err
	}
	for _, p := range pools {
		f.pools[p.Name] = p
	}
	for _, r := range open {
		if _, ok := f.leases[r.DAG]; ok {
			continue
		}
		rows, n, err := s.Leases(ctx, r.DAG, "", 1000)
		if err != nil {
			return err
		}
		f.leases[r.DAG] = leases{rows, n}
	}
	for _, q := range queue {
		if _, ok := f.inPool[q.Pool]; ok || q.Pool == "" || q.Leased {
			continue
		}
		rows, n, err := s.Leases(ctx, "", q.Pool, namedLeases)
		if err != nil {
			return err
		}
		f.inPool[q.Pool] = leases{rows, n}
	}
	return nil
}
