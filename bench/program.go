package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tidemill/tidemill/cli"
	"github.com/tidemill/tidemill/engine"
)

// programChild is a program as a user writes it: cli.Main with DAGs of its own. args are how many DAGs of how many tasks with which schedule
// ("" for none), then the command line. It ends, as by a signal, when its parent is gone.
func programChild(args []string) error {
	if len(args) < 3 {
		return fmt.Errorf("arguments of the program: %q", args)
	}
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	tasks, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // an end is an end
		_ = syscall.Kill(os.Getpid(), syscall.SIGTERM)
	}()
	all := make([]engine.AnyDAG, n)
	for i := range all {
		all[i] = timed(fmt.Sprintf("bench_%05d", i), tasks, args[2])
	}
	os.Args = append(os.Args[:1:1], args[3:]...)
	cli.Main(cli.DAGs(all...)) // which ends the process
	return nil
}

// timed is a DAG of tasks in sequence, of which the first yields when its body began, in nanoseconds since 1970.
func timed(id string, tasks int, schedule string) engine.AnyDAG {
	var opts []engine.DAGOption
	if schedule != "" {
		opts = append(opts, engine.Schedule(schedule, "UTC"))
	}
	d := engine.New[engine.NoParams](id, opts...)
	last := engine.After(d.Run(), "begin", func(context.Context, engine.Run[engine.NoParams]) (int64, error) { return time.Now().UnixNano(), nil })
	for i := 1; i < tasks; i++ {
		last = engine.After(last, fmt.Sprintf("task_%d", i), func(_ context.Context, at int64) (int64, error) { return at, nil })
	}
	return d
}

// A served is a program that serves.
type served struct {
	*process
	base   string
	client *http.Client
}

// serveDAGs starts `serve` of a program with so many DAGs of so many tasks, on a database that somebody else runs, and waits until it is
// ready: it answers, has joined as a scheduler, and knows all DAGs. Whoever does so terminates it. took is from its start until it was ready.
func serveDAGs(ctx context.Context, l *lab, address string, dags, tasks int, schedule string) (s *served, took time.Duration, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, 0, fmt.Errorf("find this program: %w", err)
	}
	return serve(ctx, l, self, []string{roleVar + "=" + programRole, "TIDEMILL_DATABASE_URL=" + address}, dags,
		strconv.Itoa(dags), strconv.Itoa(tasks), schedule, "serve")
}

// serve is serveDAGs of any program and environment; the database knows at least so many DAGs when it is ready.
func serve(ctx context.Context, l *lab, path string, env []string, dags int, args ...string) (_ *served, took time.Duration, err error) {
	home, err := os.MkdirTemp(l.dir, "home-")
	if err != nil {
		return nil, 0, fmt.Errorf("make a folder: %w", err)
	}
	port, err := freePort()
	if err != nil {
		return nil, 0, err
	}
	env = append([]string{"TIDEMILL_HOME=" + home, "TIDEMILL_LISTEN=" + port, "TIDEMILL_LOG_LEVEL=warn"}, env...)
	began := time.Now()
	p, err := launch(ctx, path, append(environment(), env...), args...)
	if err != nil {
		return nil, 0, err
	}
	s := &served{p, "http://" + port, &http.Client{Timeout: 30 * time.Second}}
	if err := s.ready(ctx, dags); err != nil {
		return nil, 0, errors.Join(err, s.terminate())
	}
	return s, time.Since(began), nil
}

// environment is ours without what would configure Tidemill.
func environment() []string {
	var out []string
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "TIDEMILL_") {
			out = append(out, kv)
		}
	}
	return out
}

// freePort is an address of the loopback that nobody listens at.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return l.Addr().String(), l.Close()
}

// startLimit bounds the start of a program that serves.
const startLimit = 2 * time.Minute

// ready waits until the program is ready.
func (s *served) ready(ctx context.Context, dags int) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for {
		var health struct{ Scheduler struct{ Status string } }
		if err := s.get(ctx, "/api/v2/monitor/health", &health); err == nil && health.Scheduler.Status == "healthy" {
			break
		}
		if err := pause(ctx, time.Millisecond); err != nil {
			return fmt.Errorf("%s is not ready: %w", s.cmd.Path, err)
		}
	}
	var known struct {
		Total int `json:"total_entries"`
	}
	if err := s.get(ctx, "/api/v2/dags?limit=1", &known); err != nil {
		return err
	}
	if known.Total < dags {
		return fmt.Errorf("the program is ready and knows %d DAGs, not %d", known.Total, dags)
	}
	return nil
}

func (s *served) get(ctx context.Context, path string, into any) error {
	return s.do(ctx, http.MethodGet, path, nil, http.StatusOK, into)
}

// do makes a request and decodes the answer. It errs unless the answer has that status.
func (s *served) do(ctx context.Context, method, path string, body io.Reader, status int, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, s.base+path, body)
	if err != nil {
		return err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	answer, err := s.client.Do(req)
	if err != nil {
		return err
	}
	defer answer.Body.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode != status {
		return fmt.Errorf("%s %s: %s: %s", method, path, answer.Status, text)
	}
	return json.Unmarshal(text, into)
}
