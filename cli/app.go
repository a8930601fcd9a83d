package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"github.com/coder/quartz"
	"github.com/tidemill/tidemill/dags"
	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/internal/embedded/pyenv"
	"github.com/tidemill/tidemill/migrations"
	"github.com/tidemill/tidemill/storage/postgres"
	"github.com/tidemill/tidemill/tasks/dbt"
	"github.com/tidemill/tidemill/tasks/webhook"
	"github.com/tidemill/tidemill/web"
	"github.com/tidemill/tidemill/web/ui"
)

// drainGrace is how long running tasks may go on after the first signal.
const drainGrace = 30 * time.Second

// An app is a process that runs DAGs: what serve, worker and demo have in common.
type app struct {
	config   *Config
	program  *program
	log      *slog.Logger
	say      func(string)
	services *services
	platform *platform
	runners  []*dbt.Runner // of the program's own dbt projects
	store    *postgres.Store
	runtime  *engine.Runtime
	catalog  *engine.Catalog
	streams  []*engine.Stream
}

// appOptions are what the commands differ in.
type appOptions struct {
	workerOnly bool
	slots      int
	queues     []string
	grace      time.Duration
	flushAge   time.Duration // of the stream; 0: its default
}

// prepare makes everything that the configuration does not name, migrates and compiles the DAGs. Brokers, dbt and the warehouse's
// schemas are the pipeline's: a program without it needs the database only. The caller closes the app, after an error too.
func (a *app) prepare(ctx context.Context, o appOptions) error {
	ground := dags.Platform{Log: a.log, BronzeMonths: a.config.bronzeMonths()}
	var err error
	if a.program.reference {
		if err = a.preparePipeline(ctx, o); err != nil {
			return err
		}
		ground = a.platform.Platform
	} else {
		if a.services, err = startServices(ctx, a.config, needs{}, a.say, a.log); err != nil {
			return err
		}
		if err = a.migrate(ctx, migrations.Engine, a.services.DatabaseURL); err != nil {
			return err
		}
	}
	if a.runners, err = a.program.runners(ctx, a.config, a.services.WarehouseURL, a.say, a.log); err != nil {
		return err
	}
	if a.catalog, a.streams, err = a.program.compile(ground, a.runners...); err != nil {
		return err
	}
	if a.store, err = postgres.Open(ctx, a.services.DatabaseURL, postgres.Options{AppName: "tidemill", MaxConns: connections(o.slots), Log: a.log}); err != nil {
		return err
	}
	return a.newRuntime(ctx, o)
}

// preparePipeline makes the ground of the reference pipeline.
func (a *app) preparePipeline(ctx context.Context, o appOptions) error {
	python := make(chan pyResult, 1)
	go func() {
		env, err := pyenv.Ensure(ctx, withProgress(a.config.venv(), a.say))
		python <- pyResult{env, err}
	}()
	var err error
	a.services, err = startServices(ctx, a.config, needs{broker: true}, a.say, a.log)
	if err == nil {
		err = a.migrate(ctx, migrations.Engine, a.services.DatabaseURL)
	}
	if err == nil {
		err = a.migrate(ctx, migrations.Warehouse, a.services.WarehouseURL)
	}
	env := <-python
	if err = errors.Join(err, env.err); err != nil {
		return err
	}
	if a.platform, err = newPlatform(ctx, a.config, a.services, env.env, a.log); err != nil {
		return err
	}
	if o.flushAge > 0 {
		a.platform.Ingest.FlushAge = o.flushAge
	}
	return nil
}

type pyResult struct {
	env pyenv.Env
	err error
}

func withProgress(o pyenv.Options, say func(string)) pyenv.Options {
	o.Progress = say
	return o
}

// connections is what the store may use for transitions and claims, so that all that it makes of it (half as many for reading, a quarter
// for transactions of task bodies, one that listens) stays within a process's budget of slots/10 + 5 connections.
func connections(slots int) int {
	if slots <= 0 {
		slots = engine.DefaultSlots
	}
	return max(4, (slots/10+4)*4/7)
}

func (a *app) migrate(ctx context.Context, set migrations.Set, url string) error {
	n, err := migrations.Up(ctx, url, set)
	if err != nil {
		return fmt.Errorf("database %s: %w", redact(url), err)
	}
	if n > 0 {
		a.say(fmt.Sprintf("%d migrations of %s applied", n, set))
	}
	return nil
}

func (a *app) newRuntime(ctx context.Context, o appOptions) error {
	woken, err := a.store.Woken(ctx)
	if err != nil {
		return err
	}
	config := engine.Config{
		Store: a.store, Catalog: a.catalog, Streams: a.streams, Log: a.log, Name: processName(), Build: build(), Queues: o.queues, Slots: o.slots,
		WorkerOnly: o.workerOnly, Secrets: a.program.secrets(), DrainGrace: o.grace, Woken: woken,
		Wake: func() {
			if err := a.store.Wake(ctx); err != nil && ctx.Err() == nil {
				a.log.Debug("wake others", "error", err)
			}
		},
	}
	if a.config.WebhookURL != "" {
		r, err := webhook.New(a.config.WebhookURL, a.config.WebhookSecret, time.Now)
		if err != nil {
			return usage("TIDEMILL_WEBHOOK_URL: %w", err)
		}
		if err := a.store.RegisterReceiver(ctx, "default", r.Place()); err != nil {
			return err
		}
		config.Deliver = map[string]engine.DeliverFunc{"default": r.Deliver}
	}
	a.runtime, err = engine.NewRuntime(config)
	return err
}

// processName names this process for people: host and pid.
func processName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	return fmt.Sprintf("%s:%d", host, os.Getpid())
}

// close stops what prepare started.
func (a *app) close(ctx context.Context) error {
	var errs []error
	errs = append(errs, closeRunners(a.runners))
	if a.platform != nil {
		errs = append(errs, a.platform.close())
	}
	if a.store != nil {
		a.store.Close()
	}
	if a.services != nil {
		errs = append(errs, a.services.stop(context.WithoutCancel(ctx)))
	}
	return errors.Join(errs...)
}

// serve answers HTTP on l until ctx ends.
func (a *app) serve(ctx context.Context, l net.Listener) error {
	config := web.Config{
		Control: a.runtime.Control(), Store: a.store, Version: version(), Build: build(), Log: a.log, Clock: quartz.NewReal(),
		Ready: a.ready, Docs: projectDocs(a.catalog, a.runners),
	}
	if a.platform != nil {
		if len(a.runners) == 0 {
			config.Docs = &ui.ProjectDocs{Path: a.platform.DBT.DocsPath(), DAG: "dbt_docs"}
		}
		config.Lake = func(ctx context.Context) (any, error) { return a.platform.lake.Status(ctx) }
	}
	handler, err := web.New(config)
	if err != nil {
		return err
	}
	return web.Serve(ctx, l, handler, a.log)
}

// ready errs until the DAGs are registered and this process has joined, and when the database does not answer.
func (a *app) ready(ctx context.Context) error {
	select {
	case <-a.runtime.Ready():
	default:
		return errors.New("the DAGs are not registered yet")
	}
	_, err := a.store.Now(ctx)
	return err
}

// address is where people find a listener.
func address(l net.Listener) string {
	return "http://" + strings.Replace(l.Addr().String(), "[::]", "localhost", 1)
}
