package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"time"

	"github.com/tidemill/tidemill/engine"
)

// A peerReport is what a second process says of itself at its end.
type peerReport struct {
	Bodies    int64
	Repairs   int64
	Deadlocks int64
	Repeated  int64 // transactions, those after deadlocks included
}

// twoProcesses is the fan with a second process on the same database.
func twoProcesses(ctx context.Context, l *lab) (_ []figure, err error) {
	const chains = 100
	runs := l.sizes.fanRuns
	m, err := newMill(ctx, l, runs, chains, 1)
	if err != nil {
		return nil, err
	}
	defer m.close()
	if _, err := m.create(ctx, 0, runs, runs*chains); err != nil {
		return nil, err
	}
	if err := l.settle(ctx, m.url); err != nil {
		return nil, err
	}
	peer, err := spawn(ctx, peerRole, m.url, strconv.Itoa(chains))
	if err != nil {
		return nil, err
	}
	stop := func() (string, error) { text, err := peer.farewell(); peer = nil; return text, err }
	defer func() {
		if peer != nil {
			_, serr := stop()
			err = errors.Join(err, serr)
		}
	}()
	if _, err := peer.line(); err != nil { // it is connected
		return nil, err
	}
	cpu := startCPU(ctx, m.url)
	began := time.Now()
	if err := peer.say("go"); err != nil {
		return nil, err
	}
	var took time.Duration
	err = m.running(ctx, nil, func(ctx context.Context, _ *engine.Runtime) error {
		err := m.awaitEvery(ctx, 5*time.Millisecond, allEnded)
		took = time.Since(began)
		return err
	})
	if err != nil {
		return nil, err
	}
	tasks := runs * chains
	used := cpu.figures(ctx, tasks, "task")
	text, err := stop()
	if err != nil {
		return nil, err
	}
	var other peerReport
	if err := json.Unmarshal([]byte(text), &other); err != nil {
		return nil, fmt.Errorf("the second process said %q: %w", text, err)
	}
	m.bodies.n.Add(other.Bodies)
	m.repairs += other.Repairs
	if err := m.check(ctx, runs, tasks); err != nil {
		return nil, err
	}
	s := m.store.Stats()
	return append([]figure{
		{key: "per_s", unit: "tasks/s", value: float64(tasks) / took.Seconds()},
		{key: "deadlocks", unit: "deadlocks", value: float64(s.Deadlocks + other.Deadlocks)},
		{key: "repeated", unit: "transactions repeated", value: float64(repeated(s) + other.Repeated)},
		{unit: "%", value: 100 * float64(other.Bodies) / float64(tasks), note: "of the tasks in the second process"},
	}, used...), nil
}

// peerChild is the second process: args are the database and how many tasks a run has. It says that it is connected, waits for a line, and
// works until its standard input ends; then it reports.
func peerChild(args []string) error {
	chains, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	l := &lab{log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))}
	b := newBodies(0) // of which some are the other's: nobody waits for them here
	m, err := openMill(ctx, l, args[0], b, noops(b, chains, 1))
	if err != nil {
		return err
	}
	defer m.close()
	fmt.Println("connected")
	in := bufio.NewReader(os.Stdin)
	if _, err := in.ReadString('\n'); err != nil {
		return nil //nolint:nilerr // the parent is gone
	}
	go func() {
		_, _ = io.Copy(io.Discard, in) // an end is an end
		cancel()
	}()
	if err := m.running(ctx, nil, func(ctx context.Context, _ *engine.Runtime) error {
		<-ctx.Done()
		return nil
	}); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	s := m.store.Stats()
	return json.NewEncoder(os.Stdout).Encode(peerReport{Bodies: b.n.Load(), Repairs: m.repairs, Deadlocks: s.Deadlocks, Repeated: repeated(s)})
}
