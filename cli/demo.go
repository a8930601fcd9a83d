package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/coder/quartz"
	"github.com/spf13/cobra"
	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/tasks/ingest"
	"github.com/tidemill/tidemill/tasks/produce"
	"golang.org/x/sync/errgroup"
)

// demoFlags are the flags of demo.
type demoFlags struct {
	once     bool
	events   string
	days     int
	perDay   int
	seed     uint64
	from, to string
}

// liveRate is how many payments' records a second a demo goes on producing.
const liveRate = 5

// demoGrace is how long running tasks may go on when the demo ends.
const demoGrace = 5 * time.Second

func (c *command) demo() *cobra.Command {
	var f demoFlags
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run the whole pipeline with nothing set up",
		Long: `Starts what is not configured (PostgreSQL, a Kafka-protocol broker, dbt in a venv) under the home folder, produces payment events
(a file's, or a generated sample), ingests them, backfills daily_transactions for every day in them, and says what came of it. Without
--once it then keeps serving the UI and producing live events until Ctrl-C.`,
		Example: "  tidemill demo\n  tidemill demo --once --events testdata/payments-7d/events.ndjson.gz",
		Args:    arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("log-level") && c.getenv("TIDEMILL_LOG_LEVEL") == "" {
				c.config.LogLevel = "error" // the demo tells its story itself
			}
			return c.runDemo(cmd.Context(), f)
		},
	}
	cmd.Flags().BoolVar(&f.once, "once", false, "end when everything is done: 0 only if every run succeeded and the lake's audit is clean")
	cmd.Flags().StringVar(&f.events, "events", "", "NDJSON file of events, gzipped or not (default: a generated sample)")
	cmd.Flags().IntVar(&f.days, "days", 7, "days of the sample")
	cmd.Flags().IntVar(&f.perDay, "per-day", 700, "payments a day of the sample")
	cmd.Flags().Uint64Var(&f.seed, "seed", 1, "seed of the sample")
	cmd.Flags().StringVar(&f.from, "from", "", "first day to backfill (default: of the events)")
	cmd.Flags().StringVar(&f.to, "to", "", "last day to backfill (default: of the events)")
	return cmd
}

func (c *command) runDemo(ctx context.Context, f demoFlags) (err error) {
	if f.days < 1 || f.perDay < 1 {
		return usage("--days and --per-day must be at least 1")
	}
	story := newStory(c.out, time.Now)
	source, days, err := c.demoSource(f)
	if err != nil {
		return err
	}
	if days, err = within(days, f.from, f.to); err != nil {
		return err
	}
	if err := c.config.makeHome(); err != nil {
		return err
	}
	var listener net.Listener
	if !f.once {
		if listener, err = listen(c.config.Listen); err != nil {
			return err
		}
	}
	story.say("Tidemill in " + c.config.Home)
	a := &app{config: c.config, program: c.program, log: c.logger(), say: story.say}
	defer func() { err = errors.Join(err, a.close(ctx)) }()
	if err := a.prepare(ctx, appOptions{grace: demoGrace, flushAge: 3 * time.Second}); err != nil {
		if ctx.Err() != nil {
			return f.interrupted()
		}
		return err
	}
	return a.demo(ctx, f, story, source, days, listener)
}

// errInterrupted is how `demo --once` ends on a signal: what was asked for has not been done.
var errInterrupted = errors.New("interrupted before everything was done; the same command goes on from here")

// interrupted is what a signal makes of the demo: without --once it is the way to end it.
func (f demoFlags) interrupted() error {
	if f.once {
		return errInterrupted
	}
	return nil
}

// demo runs the engine while the demo's steps go on beside it.
func (a *app) demo(signalled context.Context, f demoFlags, story *story, source produce.Source, days []lake.Day, listener net.Listener) error {
	ctx, cancel := context.WithCancel(signalled)
	defer cancel()
	var g errgroup.Group
	run := func(do func(context.Context) error) {
		g.Go(func() error {
			err := do(ctx)
			if err != nil {
				cancel()
			}
			return err
		})
	}
	run(a.runtime.Run)
	run(func(ctx context.Context) error { return a.services.watch(ctx, a.config.Home) })
	if listener != nil {
		run(func(ctx context.Context) error { return a.serve(ctx, listener) })
		story.say("the UI is at " + address(listener))
	}
	g.Go(func() error { return a.platform.DBT.Warm(ctx) })
	steps := a.demoSteps(ctx, f, story, source, days)
	if steps == nil && listener != nil {
		story.say("live payments go on coming in; look at " + address(listener) + " · Ctrl-C ends")
		run(a.live)
		<-ctx.Done()
		story.say("ending: " + a.drains(demoGrace))
	}
	if ctx.Err() != nil && errors.Is(steps, context.Canceled) {
		steps = nil // the cause is the signal, or what g returns
		if signalled.Err() != nil {
			story.say("ending: " + a.drains(demoGrace))
			steps = f.interrupted()
		}
	}
	cancel()
	err := g.Wait()
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	return errors.Join(steps, err)
}

// demoSteps is the story: produce, ingest, backfill, audit, outcome.
func (a *app) demoSteps(ctx context.Context, f demoFlags, story *story, source produce.Source, days []lake.Day) error {
	config, err := a.produceConfig()
	if err != nil {
		return err
	}
	select {
	case <-a.runtime.Ready():
	case <-ctx.Done():
		return ctx.Err()
	}
	sent, err := produce.Once(ctx, config, source, nil)
	if err != nil {
		return fmt.Errorf("produce events: %w", err)
	}
	for _, w := range sent.Topic.Warnings(days[0].Start(), time.Now()) {
		story.say("warning: " + w)
	}
	story.say(fmt.Sprintf("%d events produced to topic %s, %d were there already", sent.Acknowledged, a.config.Topic, sent.Skipped))
	if err := a.awaitIngest(ctx, story); err != nil {
		return err
	}
	failed, err := a.backfillDays(ctx, story, days, f.once || sent.Acknowledged > 0)
	if err != nil {
		return err
	}
	report, err := a.platform.lake.Audit(ctx)
	if err != nil {
		return fmt.Errorf("audit the lake: %w", err)
	}
	if err := a.outcome(ctx, story, report, f.once); err != nil {
		return err
	}
	var problems []error
	if len(failed) > 0 {
		problems = append(problems, fmt.Errorf("%d runs failed: %v", len(failed), failed))
	}
	if !report.Clean() {
		problems = append(problems, errors.New("the lake's audit found holes: see `tidemill lake audit`"))
	}
	return errors.Join(problems...)
}

func (a *app) produceConfig() (produce.Config, error) {
	client, err := a.config.client()
	return produce.Config{Brokers: a.services.Brokers, Topic: a.config.Topic, Client: client, Log: a.log}, err
}

// awaitIngest waits until the stream has committed everything that is on the topic.
func (a *app) awaitIngest(ctx context.Context, story *story) error {
	client, err := a.config.client()
	if err != nil {
		return err
	}
	for {
		d, err := ingest.Lag(ctx, a.services.Brokers, a.config.Topic, saramaConfig(client), a.platform.lake)
		if err != nil {
			return fmt.Errorf("ask how far the stream is: %w", err)
		}
		if d.CaughtUp() {
			story.say("the stream has committed every offset to the lake")
			return nil
		}
		story.live(fmt.Sprintf("the stream has %d records to go", d.Lag))
		if !wait(ctx, 200*time.Millisecond) {
			return ctx.Err()
		}
	}
}

// live produces new payments until ctx ends.
func (a *app) live(ctx context.Context) error {
	config, err := a.produceConfig()
	if err != nil {
		return err
	}
	_, err = produce.Live(ctx, config, produce.LiveOptions{Rate: liveRate, Seed: uint64(time.Now().UnixNano())}, quartz.NewReal(), nil)
	return err
}

func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
