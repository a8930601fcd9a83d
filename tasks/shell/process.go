package shell

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// linger is how long what a command left running may still print when the command itself has exited.
	linger = time.Second
	// pipeSize is more than what a pipe holds: what may still be read of one whose writers have ended.
	pipeSize = 1 << 20
)

// A process is a command that runs, in a process group of its own. One goroutine starts and reaps it; that goroutine keeps its thread,
// because the kernel ties the child's life to the thread that started it.
type process struct {
	cmd     *exec.Cmd
	exited  chan struct{} // closed when the command has exited; until release is closed nobody else can get its number
	release chan struct{}
	reaped  chan struct{}
	read    chan struct{} // closed when both streams have been read to their end
	pipes   [2]*os.File
	ended   atomic.Bool // the group has been killed
}

// start starts cmd. The caller calls wait.
func start(cmd *exec.Cmd, stdin []byte, stdout, stderr *sink) (*process, error) {
	p := &process{cmd: cmd, exited: make(chan struct{}), release: make(chan struct{}), reaped: make(chan struct{}), read: make(chan struct{})}
	outRead, outWrite, err := os.Pipe() // pipes of our own: those of exec.Cmd are closed by Wait, with what was not read yet
	if err != nil {
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	errRead, errWrite, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make a pipe: %w", err), outRead.Close(), outWrite.Close())
	}
	p.pipes = [2]*os.File{outRead, errRead}
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = outWrite, errWrite, childAttributes()
	cmd.WaitDelay = linger // for stdin, which a process that was left running may hold
	if stdin != nil {
		cmd.Stdin = bytes.NewReader(stdin)
	}
	started := make(chan error, 1)
	go p.own(started)
	err = <-started
	_, _ = outWrite.Close(), errWrite.Close() // the child has its own
	if err != nil {
		return nil, errors.Join(err, outRead.Close(), errRead.Close())
	}
	var readers sync.WaitGroup
	readers.Go(func() { p.copy(stdout, outRead) })
	readers.Go(func() { p.copy(stderr, errRead) })
	go func() {
		readers.Wait()
		close(p.read)
	}()
	return p, nil
}

func (p *process) own(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := p.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	awaitExit(p.cmd)
	close(p.exited)
	<-p.release
	_ = p.cmd.Wait() // how it ended is in its ProcessState
	close(p.reaped)
}

// wait waits until the command has ended, and ends it and what it left running when ctx ends: SIGTERM, and SIGKILL after grace. It
// tells whether that was needed.
func (p *process) wait(ctx context.Context, grace time.Duration) (stopped bool) {
	left := linger
	select {
	case <-p.exited:
	case <-ctx.Done():
		select {
		case <-p.exited: // by itself, just now
		default:
			stopped = true
			p.signal(syscall.SIGTERM)
			left = p.within(grace, p.exited)
		}
	}
	p.within(left, p.read)
	p.signal(syscall.SIGKILL)
	if stopped {
		<-p.exited // a killed one exits
	}
	close(p.release)
	<-p.reaped
	p.ended.Store(true)
	for _, f := range p.pipes {
		_ = f.SetReadDeadline(time.Now().Add(linger)) // wakes a reader whose pipe is held by a process that left the group
	}
	<-p.read
	return stopped
}

// within waits for done, for d at most, and returns what is left of d.
func (p *process) within(d time.Duration, done <-chan struct{}) time.Duration {
	deadline := time.Now().Add(d)
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-done:
	case <-t.C:
	}
	return max(0, time.Until(deadline))
}

// signal sends sig to all of the group. It must not be called once release is closed.
func (p *process) signal(sig syscall.Signal) {
	_ = syscall.Kill(-p.cmd.Process.Pid, sig) // ESRCH: nobody is left
}

// copy reads a stream to its end: until all who can write to it have ended, or when the group was killed what is left in the pipe.
func (p *process) copy(to *sink, from *os.File) {
	defer from.Close() //nolint:errcheck // only read
	defer to.close()
	buf := make([]byte, 32<<10)
	for left := pipeSize; left > 0; {
		if p.ended.Load() {
			_ = from.SetReadDeadline(time.Now().Add(linger)) // from now on: a slow log must not lose what is in the pipe
		}
		n, err := from.Read(buf)
		_, _ = to.masked.Write(buf[:n]) // does not fail
		if p.ended.Load() {
			left -= n
			if n == 0 && errors.Is(err, os.ErrDeadlineExceeded) {
				return
			}
		}
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
	}
}
