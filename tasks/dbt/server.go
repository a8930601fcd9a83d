package dbt

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	"github.com/coder/quartz"
)

//go:embed server.py
var serverScript string

// startTimeout is how long the import of dbt may take: 2 s where nothing else runs, many times that on a busy machine
// with a cold disk.
const startTimeout = 2 * time.Minute

// errNotBegun: the process ended before it took the request; nothing of it happened.
var errNotBegun = errors.New("the dbt process ended before it took the request")

// server is the long-lived Python process that runs one request at a time.
type server struct {
	process *process
	last    int // the id of the last request
}

type serverRequest struct {
	ID   int               `json:"id"`
	Args []string          `json:"args"`
	Env  map[string]string `json:"env"`
	Dir  string            `json:"dir"`
}

type serverMessage struct {
	Tidemill *struct {
		Ready string `json:"ready"`
		Begun int    `json:"begun"`
		Done  int    `json:"done"`
		Code  int    `json:"code"`
		Usage bool   `json:"usage"`
		Error string `json:"error"`
	} `json:"tidemill"`
}

var serverMark = []byte(`{"tidemill"`) // no event of dbt begins so

// startServer starts the process and waits until dbt is imported. It errs when that fails, takes too long, or ctx ends.
func startServer(ctx context.Context, p Project, env map[string]string, clock quartz.Clock, onStderr func(string)) (*server, error) {
	// -I would hide the venv's own settings; -u is in the environment.
	child, err := startProcess(p.Python, []string{"-c", serverScript}, p.Dir, environList(env), onStderr)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	late := clock.AfterFunc(startTimeout, func() { cancel(fmt.Errorf("dbt was not imported within %s", startTimeout)) })
	defer late.Stop()
	stop := context.AfterFunc(ctx, func() { child.signal(syscall.SIGKILL) })
	defer stop()

	ready := false
	_ = readLines(child.stdout, func(line []byte) bool { // an error is the end of the process, seen below
		var m serverMessage
		ready = bytes.HasPrefix(line, serverMark) && json.Unmarshal(line, &m) == nil && m.Tidemill.Ready != ""
		return !ready
	})
	if ctx.Err() == nil && ready {
		return &server{process: child}, nil
	}
	child.close()
	if cause := context.Cause(ctx); cause != nil {
		return nil, fmt.Errorf("start the dbt process: %w", cause)
	}
	return nil, fmt.Errorf("start the dbt process: %s", child.describe())
}

// invoke runs one dbt command, tells onLine of every line of its JSON log, and returns how it ended. When ctx ends it
// interrupts dbt, and kills it after the grace period. Once ctx has ended, or the code is -1, the server is not to be
// used again. The error is errNotBegun or nil.
func (s *server) invoke(ctx context.Context, args []string, env map[string]string, dir string, stopper stopper, onLine func([]byte)) (ending, error) {
	s.last++
	request, err := json.Marshal(serverRequest{ID: s.last, Args: args, Env: env, Dir: dir})
	if err != nil {
		return ending{}, fmt.Errorf("encode the request to dbt: %w", err)
	}
	if _, err := s.process.stdin.Write(append(request, '\n')); err != nil {
		return ending{}, errNotBegun
	}
	stop := stopper.watch(ctx, s.process)
	defer stop()

	end, begun := ending{code: -1}, false
	_ = readLines(s.process.stdout, func(line []byte) bool { // an error is the end of the process, seen below
		if !bytes.HasPrefix(line, serverMark) {
			onLine(line)
			return true
		}
		var m serverMessage
		if json.Unmarshal(line, &m) != nil || m.Tidemill == nil {
			return true
		}
		begun = begun || m.Tidemill.Begun == s.last
		if m.Tidemill.Done != s.last {
			return true
		}
		end = ending{code: m.Tidemill.Code, why: stripColour(m.Tidemill.Error), usage: m.Tidemill.Usage}
		return false
	})
	stop()
	if end.code == -1 {
		if !begun && ctx.Err() == nil {
			return ending{}, errNotBegun
		}
		end.why = s.process.describe()
	}
	end.noteCut(ctx)
	return end, nil
}

// alive tells whether the process is still there.
func (s *server) alive() bool {
	select {
	case <-s.process.done:
		return false
	default:
		return true
	}
}

func (s *server) close() { s.process.close() }

// stopper ends a dbt that has to stop: an interrupt first, on which dbt cancels its queries and says what it did; after
// the grace period force.
type stopper struct {
	grace time.Duration
	clock quartz.Clock
}

// watch stops the process when ctx ends. The function that it returns ends the watch and waits for it; it may be called
// more than once.
func (s stopper) watch(ctx context.Context, p *process) (stop func()) {
	done := make(chan struct{})
	var wait sync.WaitGroup
	wait.Go(func() {
		select {
		case <-done:
			return
		case <-ctx.Done():
		}
		p.signal(syscall.SIGINT)
		grace := s.clock.NewTimer(s.grace)
		defer grace.Stop()
		select {
		case <-done:
		case <-grace.C:
			p.signal(syscall.SIGKILL)
		}
	})
	return sync.OnceFunc(func() { close(done); wait.Wait() })
}
