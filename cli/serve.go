package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/web"
	"golang.org/x/sync/errgroup"
)

func (c *command) serve() *cobra.Command {
	var slots int
	var queues string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run scheduler, workers, streams and web in one process; any number of them on one database",
		Long: "Run scheduler, workers, streams and web in one process; any number of them on one database. Ctrl-C (or SIGTERM) lets running tasks end,\n" +
			"for 30 seconds at most, and gives back those that have not; a second one ends at once.",
		Example: "  tidemill serve\n  TIDEMILL_DATABASE_URL=postgres://… tidemill serve --slots 64",
		Args:    arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := listen(c.config.Listen)
			if err != nil {
				return err
			}
			return c.process(cmd.Context(), appOptions{slots: slots, queues: splitList(queues), grace: drainGrace}, l)
		},
	}
	workerFlags(cmd, &slots, &queues)
	return cmd
}

// listen opens the address of the UI and the API.
func listen(address string) (net.Listener, error) {
	l, err := web.Listen(address)
	if errors.Is(err, syscall.EADDRINUSE) {
		err = fmt.Errorf("%w: end what listens there, or set TIDEMILL_LISTEN to another port, such as 127.0.0.1:8081", err)
	}
	if err != nil {
		return nil, &UsageError{err}
	}
	return l, nil
}

func (c *command) worker() *cobra.Command {
	var slots int
	var queues string
	cmd := &cobra.Command{
		Use:     "worker",
		Short:   "Only run tasks and streams",
		Example: "  tidemill worker --queues default,heavy --slots 8",
		Args:    arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.process(cmd.Context(), appOptions{workerOnly: true, slots: slots, queues: splitList(queues), grace: drainGrace}, nil)
		},
	}
	workerFlags(cmd, &slots, &queues)
	return cmd
}

func workerFlags(cmd *cobra.Command, slots *int, queues *string) {
	cmd.Flags().IntVar(slots, "slots", engine.DefaultSlots, "tasks at once")
	cmd.Flags().StringVar(queues, "queues", engine.DefaultQueue, "queues to serve, a,b")
}

// drains says what the end of the process waits for, and how it is had at once.
func (a *app) drains(grace time.Duration) string { return draining(a.runtime.Running(), grace) }

func draining(running int, grace time.Duration) string {
	if running == 0 {
		return "no task runs"
	}
	return fmt.Sprintf("at most %s for %s; a second Ctrl-C ends at once", grace, count(running, "running task"))
}

// process runs the engine, and the web where there is a listener, until the context ends; then it drains.
func (c *command) process(ctx context.Context, o appOptions, l net.Listener) (err error) {
	if o.slots < 1 {
		return usage("--slots %d: give at least 1", o.slots)
	}
	if len(o.queues) == 0 {
		return usage("--queues: name at least one")
	}
	if err := c.config.makeHome(); err != nil {
		return err
	}
	log := c.logger()
	if err := c.program.checkSettings(ctx); err != nil {
		return err
	}
	a := &app{config: c.config, program: c.program, log: log, say: func(s string) { log.Info(s) }}
	defer func() { err = errors.Join(err, a.close(ctx)) }()
	if err := a.prepare(ctx, o); err != nil {
		if ctx.Err() != nil {
			return nil // ended by a signal before it began
		}
		return err
	}
	work, cancel := context.WithCancel(ctx)
	defer cancel()
	var g errgroup.Group
	g.Go(func() error {
		defer cancel()
		return a.runtime.Run(work)
	})
	g.Go(func() error {
		err := a.services.watch(work, a.config.Home)
		if err != nil {
			cancel()
		}
		return err
	})
	if l != nil {
		log.Info("serving", "address", address(l))
		g.Go(func() error {
			defer cancel()
			return a.serve(work, l)
		})
	}
	<-work.Done()
	log.Info("draining", "waits", a.drains(o.grace))
	started := time.Now()
	err = g.Wait()
	log.Info("ended", "after", time.Since(started).Round(time.Millisecond).String())
	if err != nil && ctx.Err() != nil && strings.Contains(err.Error(), context.Canceled.Error()) {
		return nil
	}
	return err
}
