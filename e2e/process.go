package e2e

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// process is a running program.
type process struct {
	t           *testing.T
	cmd         *exec.Cmd
	out, errOut output
	ended       chan struct{}
}

// output gathers what a process says while others look at it.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// start starts the program in the home, as a shell does: in a process group of its own. It is killed at the test's end if it runs
// still.
func (h *home) start(args ...string) *process {
	h.t.Helper()
	p := &process{t: h.t, ended: make(chan struct{})}
	p.cmd = exec.Command(program, args...) //nolint:gosec // our own
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "TIDEMILL_") {
			p.cmd.Env = append(p.cmd.Env, kv)
		}
	}
	p.cmd.Env = append(append(p.cmd.Env, "TIDEMILL_HOME="+h.dir, "TIDEMILL_LISTEN=127.0.0.1:0"), h.env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.errOut
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // how it ended is in its state
		close(p.ended)
	}()
	h.t.Cleanup(func() {
		select {
		case <-p.ended:
		default:
			p.kill()
		}
		if h.t.Failed() {
			h.t.Logf("tidemill %s ended %v\n%s\n%s", strings.Join(args, " "), p.cmd.ProcessState, p.out.String(), p.errOut.String())
		}
	})
	return p
}

// wait waits for the process to end by itself and returns its exit code, -1 when a signal ended it.
func (p *process) wait() int {
	p.t.Helper()
	return p.endsWithin(patience)
}

func (p *process) endsWithin(d time.Duration) int {
	p.t.Helper()
	late := time.NewTimer(d)
	defer late.Stop()
	select {
	case <-p.ended:
	case <-late.C:
		p.t.Fatalf("the program still runs after %s", d)
	}
	return p.cmd.ProcessState.ExitCode()
}

func (p *process) running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// interrupt is Ctrl-C: the terminal signals the whole process group.
func (p *process) interrupt() {
	p.t.Helper()
	if err := syscall.Kill(-p.cmd.Process.Pid, syscall.SIGINT); err != nil {
		p.t.Fatal(err)
	}
}

// kill is SIGKILL to the process alone, and waits until it is gone.
func (p *process) kill() {
	p.t.Helper()
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Error(err)
	}
	<-p.ended
}

// run runs the program to its end, which is to be with the exit code given.
func (h *home) run(want int, args ...string) *process {
	h.t.Helper()
	p := h.start(args...)
	if code := p.wait(); code != want {
		h.t.Fatalf("tidemill %s: exit code %d, want %d", strings.Join(args, " "), code, want)
	}
	return p
}

// demo runs `demo --once` for a file of events, which is to succeed.
func (h *home) demo(file string, more ...string) *process {
	h.t.Helper()
	return h.run(0, append([]string{"demo", "--once", "--events", file}, more...)...)
}

// leftovers lists the processes that belong to the home: those that have its path in their command line, environment or working
// directory.
func (h *home) leftovers() []string {
	h.t.Helper()
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		h.t.Fatal(err)
	}
	var left []string
	for _, dir := range processes {
		cmdline, _ := os.ReadFile(filepath.Join(dir, "cmdline")) //nolint:errcheck // it may have ended since
		environ, _ := os.ReadFile(filepath.Join(dir, "environ")) //nolint:errcheck // it may be another user's
		cwd, _ := os.Readlink(filepath.Join(dir, "cwd"))         //nolint:errcheck // as above
		if all := string(cmdline) + string(environ) + cwd; strings.Contains(all, h.dir) {
			left = append(left, filepath.Base(dir)+" "+strings.ReplaceAll(string(cmdline), "\x00", " "))
		}
	}
	return left
}
