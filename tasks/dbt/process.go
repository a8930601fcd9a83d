package dbt

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"sync"
	"syscall"
)

// process is a child in a process group of its own. One goroutine starts it, waits for it and ends what is left of its
// group; that goroutine keeps its thread, because the kernel ties the child's life to the thread that started it.
type process struct {
	stdin  io.WriteCloser
	stdout *bufio.Reader
	stderr *tail
	done   chan struct{} // closed when the child is reaped and its stderr read to the end
	state  *os.ProcessState

	mu     sync.Mutex
	pid    int
	reaped bool
	output *os.File
}

// startProcess starts the program. onStderr is told of each line of stderr, by a goroutine that ends before done closes.
// The caller reads stdout to its end or kills, waits for done, and then calls close.
func startProcess(program string, args []string, dir string, env []string, onStderr func(string)) (*process, error) {
	cmd := exec.Command(program, args...) //nolint:gosec // the caller's dbt
	cmd.Dir, cmd.Env, cmd.SysProcAttr = dir, env, childAttributes()
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", program, err)
	}
	// Pipes of our own: those of exec.Cmd are closed by Wait, with what was not read yet.
	outRead, outWrite, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", program, err)
	}
	errRead, errWrite, err := os.Pipe()
	if err != nil {
		_, _ = outRead.Close(), outWrite.Close()
		return nil, fmt.Errorf("start %s: %w", program, err)
	}
	cmd.Stdout, cmd.Stderr = outWrite, errWrite
	p := &process{stdin: stdin, stdout: bufio.NewReaderSize(outRead, 64<<10), stderr: &tail{}, done: make(chan struct{}), output: outRead}

	started := make(chan error, 1)
	go p.own(cmd, started, errRead, onStderr)
	err = <-started
	_, _ = outWrite.Close(), errWrite.Close()
	if err != nil {
		_, _ = outRead.Close(), errRead.Close()
		return nil, fmt.Errorf("start %s: %w", program, err)
	}
	return p, nil
}

func (p *process) own(cmd *exec.Cmd, started chan<- error, stderr *os.File, onStderr func(string)) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	undo := heedInterrupt()
	err := cmd.Start()
	undo()
	if err == nil {
		p.pid = cmd.Process.Pid
	}
	started <- err
	if err != nil {
		return
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		_ = readLines(bufio.NewReader(stderr), func(line []byte) bool { // ends with the pipe
			text := strings.ToValidUTF8(stripColour(string(line)), "�")
			p.stderr.add(text)
			onStderr(text)
			return true
		})
	}()
	p.reap(cmd)
	p.state = cmd.ProcessState
	<-read
	_ = stderr.Close()
	close(p.done)
}

// signal sends sig to the whole group; nothing when the child has ended.
func (p *process) signal(sig syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.reaped {
		p.killGroup(sig)
	}
}

// killGroup needs p.mu, and a child that is not reaped: until then nobody else can have its number.
func (p *process) killGroup(sig syscall.Signal) { _ = syscall.Kill(-p.pid, sig) }

// close ends the process, by force if it is still there, and frees what was opened for it.
func (p *process) close() {
	p.signal(syscall.SIGKILL)
	<-p.done
	_, _ = p.stdin.Close(), p.output.Close()
}

// describe says how the process ended, with the end of what it wrote to stderr. It waits for that end.
func (p *process) describe() string {
	<-p.done
	text := "the dbt process ended: " + p.state.String()
	if last := p.stderr.String(); last != "" {
		text += ": " + last
	}
	return text
}

// heedInterrupt makes a child that is started before undo is called heed SIGINT even where we ignore it: ignoring is
// inherited, handling is not.
func heedInterrupt() (undo func()) {
	if !signal.Ignored(syscall.SIGINT) {
		return func() {}
	}
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGINT)
	return func() { signal.Ignore(syscall.SIGINT) }
}

// tail keeps the last lines of a text.
type tail struct {
	mu    sync.Mutex
	lines []string
}

const tailLines = 20

func (t *tail) add(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = append(t.lines, line[:min(len(line), 4<<10)])
	if len(t.lines) > tailLines {
		t.lines = t.lines[1:]
	}
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(t.lines, "\n")
}
