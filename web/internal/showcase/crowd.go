package showcase

import (
	"context"
	"fmt"
	"time"

	"github.com/tidemill/tidemill/engine"
)

// Crowded is how many DAGs [FillCrowd] makes, and Rollout one of them, whose running run is behind its newest version.
const (
	Crowded = 500
	Rollout = "ledger_export_000"
)

// CrowdID is the id of the i-th of the many DAGs.
func CrowdID(i int) string { return fmt.Sprintf("%s_%03d", crowdNames[i%len(crowdNames)], i) }

var (
	crowdNames  = []string{"ledger_export", "fraud_scores", "merchant_report", "fx_rates", "chargebacks", "settlement", "customer_360"}
	crowdTags   = []string{"gold", "bronze", "payments", "risk", "finance", "europe"}
	crowdOwners = []string{"data-platform", "finance", "risk", "growth"}
)

// CrowdCatalog compiles the many DAGs.
func CrowdCatalog() (*engine.Catalog, error) {
	var all []engine.AnyDAG
	for i := range Crowded {
		options := []engine.DAGOption{engine.Doc(fmt.Sprintf("Exports area %d of the ledger for those who report on it.", i)), engine.Owners(crowdOwners[i%len(crowdOwners)]),
			engine.Tags(crowdTags[i%len(crowdTags)], crowdTags[(i+1)%len(crowdTags)])}
		if i%3 > 0 {
			options = append(options, engine.Schedule("0 2 * * *", "UTC"))
		}
		d := engine.New[engine.NoParams](CrowdID(i), options...)
		engine.After(engine.After(d.Run(), "extract", nothing), "load", next)
		all = append(all, d)
	}
	return engine.Compile(all...)
}

// FillCrowd writes many DAGs into an empty store: one in ten is paused, the last run of one in 20 has failed, that of one in 50 is running.
// set moves the store's clock as for [Fill].
func FillCrowd(ctx context.Context, store engine.Store, set func(time.Time)) (*engine.Control, error) {
	catalog, err := CrowdCatalog()
	if err != nil {
		return nil, err
	}
	set(Now.AddDate(0, 0, -12))
	p := &player{ctx: ctx, store: store, set: set, control: engine.NewControl(store, catalog, "3f14f7d")}
	for _, f := range []func() error{p.register, p.crowd, p.rollout} {
		if err := f(); err != nil {
			return nil, err
		}
	}
	set(Now)
	return p.control, p.beat()
}

func (p *player) crowd() error {
	for back := 3; back >= 1; back-- {
		for i := range Crowded {
			if err := p.crowdRun(i, back); err != nil {
				return err
			}
		}
	}
	for i := 9; i < Crowded; i += 10 {
		if err := p.control.SetPaused(p.ctx, CrowdID(i), true, "ops"); err != nil {
			return err
		}
	}
	return nil
}

func (p *player) crowdRun(i, back int) error {
	r, err := p.byHand(CrowdID(i), fmt.Sprintf("%s_%d", HardRun, back), day(back, 2).Add(time.Duration(i)*time.Second))
	if err != nil {
		return err
	}
	if err := r.do(ok("extract", time.Second)); err != nil {
		return err
	}
	switch {
	case back == 1 && i%50 == 0:
		return nil
	case back == 1 && i%20 == 1:
		if err := r.do(bad("load", "connection refused")); err != nil {
			return err
		}
		return r.end(engine.RunFailed, 1)
	}
	if err := r.do(ok("load", 2*time.Second)); err != nil {
		return err
	}
	return r.end(engine.RunSuccess, 0)
}

// rollout registers a newer version of a DAG that is running.
func (p *player) rollout() error {
	d, _ := p.control.Catalog().DAG(Rollout)
	p.set(Now.Add(-time.Minute))
	_, err := p.store.Register(p.ctx, []engine.DAGRecord{{ID: Rollout, Version: "c07e1fbb92d4a680", Build: "81be7a0", Spec: d.Known(), MaxActiveRuns: d.Spec.MaxActiveRuns}})
	return err
}
