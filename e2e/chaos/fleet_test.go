package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const processes = 3

// A fleet is the processes under test. Its methods are called by one goroutine, which stays on one thread: see diesWithParent.
type fleet struct {
	t       *testing.T
	tell    assignment
	logs    string
	started int
	live    [processes]*process
}

type process struct {
	name   string
	cmd    *exec.Cmd
	killed atomic.Bool
	ended  chan struct{} // closed when it has ended
	err    error         // how, then
}

func (f *fleet) start(i int) {
	f.t.Helper()
	f.started++
	a := f.tell
	a.Name = fmt.Sprintf("p%d.%d", i, f.started)
	text, err := json.Marshal(a)
	if err != nil {
		f.t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(f.logs, a.Name+".log"))
	if err != nil {
		f.t.Fatal(err)
	}
	defer log.Close() //nolint:errcheck // the process has its own handle
	p := &process{name: a.Name, ended: make(chan struct{})}
	p.cmd = exec.Command(os.Args[0]) //nolint:gosec // this test binary
	p.cmd.Env = append(os.Environ(), childEnv+"="+string(text))
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{}
	diesWithParent(p.cmd.SysProcAttr)
	if _, err := p.cmd.StdinPipe(); err != nil { // closed when we end
		f.t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	f.live[i] = p
}

func (f *fleet) signal(i int, s syscall.Signal) {
	_ = f.live[i].cmd.Process.Signal(s) // it may have ended: see check
}

// kill ends a process at once, as the kernel does when memory is short.
func (f *fleet) kill(i int) {
	f.live[i].killed.Store(true)
	f.signal(i, syscall.SIGKILL)
	<-f.live[i].ended
}

// check puts a process that has ended by itself on record, and another in its place.
func (f *fleet) check() {
	for i, p := range f.live {
		select {
		case <-p.ended:
			if !p.killed.Load() {
				f.t.Errorf("process %s ended by itself: %v", p.name, p.err)
				f.start(i)
			}
		default:
		}
	}
}

// retire asks all to end and waits until they have.
func (f *fleet) retire(ctx context.Context) {
	for i := range f.live {
		f.signal(i, syscall.SIGTERM)
	}
	limit := time.NewTimer(time.Minute)
	defer limit.Stop()
	for _, p := range f.live {
		select {
		case <-p.ended:
			if p.err != nil {
				f.t.Errorf("process %s ended: %v", p.name, p.err)
			}
		case <-limit.C:
			f.t.Errorf("process %s does not end", p.name)
			return
		case <-ctx.Done():
			return
		}
	}
}

// end leaves none behind.
func (f *fleet) end() {
	for i, p := range f.live {
		if p != nil {
			f.kill(i)
		}
	}
}
