package chaos

import (
	"context"
	"fmt"
	"time"

	"github.com/tidemill/tidemill/engine"
)

type (
	noParams = engine.NoParams
	run      = engine.Run[noParams]
	answer   string
)

const (
	pool      = "narrow" // that tasks of several DAGs share
	poolSlots = 4
	beatEvery = 3 * time.Second // of the scheduled DAG
)

// dags are the DAGs that all processes have. A task's name begins with what it does: tx_ writes through the transaction of its success,
// out_ beside it, list_ too and yields a list; others have no body of ours. lastBeat is the end date of the scheduled one.
func dags(l *ledger, lastBeat time.Time) []engine.AnyDAG {
	callee := callee(l)
	return []engine.AnyDAG{chain(l), fan(l), mapped(l), branches(l), scheduled(l, lastBeat), callee, caller(l, callee)}
}

func newDAG(l *ledger, id string, more ...engine.DAGOption) *engine.DAG[noParams] {
	often := engine.Retry{Max: 10_000, Initial: 20 * time.Millisecond, Multiplier: 2, MaxDelay: 400 * time.Millisecond, Jitter: 0.3}
	return engine.New[noParams](id, append([]engine.DAGOption{
		engine.MaxActiveRuns(50),
		engine.DefaultTask(often, engine.OnSuccess(l.call), engine.OnFailure(l.call), engine.OnRetry(l.call), engine.OnSkipped(l.call)),
		engine.OnSuccess(l.call), engine.OnFailure(l.call), engine.OnDeadline(l.call),
	}, more...)...)
}

// first and next make a task of a kind that reads nothing but its run, or one proof.
func first(d *engine.DAG[noParams], l *ledger, id string, opts ...engine.TaskOption) engine.Node[proof] {
	return engine.After(d.Run(), id, func(ctx context.Context, _ run) (proof, error) { return l.work(ctx) }, opts...)
}

func next(from engine.In[proof], l *ledger, id string, opts ...engine.TaskOption) engine.Node[proof] {
	return engine.After(from, id, func(ctx context.Context, p proof) (proof, error) { return l.work(ctx, p) }, opts...)
}

func chain(l *ledger) *engine.DAG[noParams] {
	d := newDAG(l, "chain", engine.Deadline(2*time.Second))
	n := first(d, l, "tx_0")
	for i := 1; i < 8; i++ {
		n = next(n, l, fmt.Sprint([]string{"tx_", "out_"}[i%2], i))
	}
	return d
}

func fan(l *ledger) *engine.DAG[noParams] {
	d := newDAG(l, "fan", engine.MaxActiveTasks(engine.Unlimited))
	n := first(d, l, "out_first")
	var all []engine.Node[proof]
	var edges []engine.Edge
	for i := range 10 {
		w := next(n, l, fmt.Sprint([]string{"tx_", "out_"}[i%2], i), engine.InPool(pool, 1+i%2))
		all, edges = append(all, w), append(edges, w)
	}
	engine.After(engine.Collect(all...), "tx_join", func(ctx context.Context, ps []proof) (proof, error) { return l.work(ctx, ps...) })
	first(d, l, "out_always", engine.Waits(edges...), engine.Rule(engine.AllDone))
	first(d, l, "tx_one_failed", engine.Waits(edges...), engine.Rule(engine.OneFailed))
	return d
}

func mapped(l *ledger) *engine.DAG[noParams] {
	d := newDAG(l, "mapped", engine.MaxActiveTasks(12))
	list := engine.After(d.Run(), "list_made", func(ctx context.Context, _ run) ([]proof, error) {
		p, err := l.work(ctx)
		ps := make([]proof, 1+l.chance(ctx, "length", 7))
		for i := range ps {
			ps[i] = p
		}
		return ps, err
	})
	each := engine.Map(list, "tx_each", func(ctx context.Context, p proof) (proof, error) { return l.work(ctx, p) })
	again := engine.Map(each, "out_again", func(ctx context.Context, p proof) (proof, error) { return l.work(ctx, p) })
	engine.After(again, "tx_sum", func(ctx context.Context, ps []proof) (proof, error) { return l.work(ctx, ps...) })
	engine.After(engine.SettledEach(each), "out_settled", func(ctx context.Context, rs []engine.Result[proof]) (proof, error) {
		var ps []proof
		for _, r := range rs {
			if r.State == engine.Success {
				ps = append(ps, r.Value)
			}
		}
		return l.work(ctx, ps...)
	})
	return d
}

func branches(l *ledger) *engine.DAG[noParams] {
	d := newDAG(l, "branches")
	setup := engine.Setup(d.Run(), "out_setup", func(ctx context.Context, _ run) (proof, error) { return l.work(ctx) })
	n := next(setup, l, "tx_a")
	yes, no := engine.If(n, "which", func(p proof) bool { return (p.Run+int64(p.Try))%2 == 0 })
	left, right := next(yes, l, "tx_left"), next(no, l, "out_right")
	joined := engine.First("either", left, right)
	seen := engine.Sensor(joined, "sensor", engine.Poke{Every: 150 * time.Millisecond, Timeout: time.Hour}, func(ctx context.Context, p proof) (proof, bool, error) {
		return p, time.Now().UnixMilli()%3 == 0, nil
	})
	asked := engine.Approve(seen, "ask", engine.Question[proof, answer]{Text: func(proof) string { return "go on?" }, Answers: []answer{"yes", "no"}, Timeout: 800 * time.Millisecond, Default: "yes"})
	last := engine.After2(asked, engine.Optional(left), "tx_last", func(ctx context.Context, _ engine.Answer[answer], p engine.Opt[proof]) (proof, error) {
		if p, ok := p.Get(); ok {
			return l.work(ctx, p)
		}
		return l.work(ctx)
	})
	engine.Teardown(setup, "out_teardown", func(ctx context.Context, p proof) error {
		_, err := l.work(ctx, p)
		return err
	}, engine.Covers(n, last))
	return d
}

// scheduled runs every few seconds, each day after the one before, and must not leave one out.
func scheduled(l *ledger, last time.Time) *engine.DAG[noParams] {
	d := newDAG(l, "scheduled", engine.Schedule("@every "+beatEvery.String(), "UTC"), engine.Catchup(), engine.EndDate(last))
	n := engine.After(d.Run(), "tx_first", func(ctx context.Context, _ run) (proof, error) { return l.surely(ctx) }, engine.DependsOnPast())
	engine.After(n, "out_second", func(ctx context.Context, p proof) (proof, error) { return l.surely(ctx, p) })
	return d
}

func callee(l *ledger) *engine.DAG[noParams] {
	d := newDAG(l, "callee")
	next(first(d, l, "tx_first"), l, "out_second")
	return d
}

func caller(l *ledger, callee *engine.DAG[noParams]) *engine.DAG[noParams] {
	d := newDAG(l, "caller")
	n := first(d, l, "out_first")
	called := engine.TriggerDAG(n, "call", callee, func(proof) noParams { return noParams{} }, engine.AwaitRun(0))
	engine.After(called, "tx_after", func(ctx context.Context, _ run) (proof, error) { return l.work(ctx) })
	return d
}
