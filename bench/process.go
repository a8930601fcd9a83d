package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

// A child is this program in another role, so that its CPU time and memory are its own. It works until its standard input ends,
// which it does when its parent is gone, however that ended.
const roleVar = "TIDEMILL_BENCH_ROLE"

// profileVar names the file to which a child writes a CPU profile of itself, with its role and process id after it.
const profileVar = "TIDEMILL_BENCH_CPUPROFILE"

const (
	brokerRole  = "broker"
	ingestRole  = "ingest"
	memberRole  = "member"
	peerRole    = "peer"
	programRole = "program"
)

func child(role string) (err error) {
	if name := os.Getenv(profileVar); name != "" {
		stop, err := profileCPU(fmt.Sprintf("%s.%s.%d", name, role, os.Getpid()))
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, stop()) }()
	}
	switch role {
	case brokerRole:
		return brokerChild(os.Args[1:])
	case ingestRole:
		return ingestChild(os.Args[1:])
	case memberRole:
		return memberChild(os.Args[1:])
	case peerRole:
		return peerChild(os.Args[1:])
	case programRole:
		return programChild(os.Args[1:])
	}
	return fmt.Errorf("there is no role %q", role)
}

// A process is a running child.
type process struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines *bufio.Reader
}

// spawn starts a child. Whoever does so stops it.
func spawn(ctx context.Context, role string, args ...string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	return launch(ctx, self, append(os.Environ(), roleVar+"="+role), args...)
}

// launch starts a program. Whoever does so stops it.
func launch(ctx context.Context, path string, env []string, args ...string) (*process, error) {
	cmd := exec.CommandContext(ctx, path, args...) //nolint:gosec // ourselves, or what we have built
	cmd.Env = env
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for the parent
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", path, err)
	}
	return &process{cmd, stdin, bufio.NewReader(stdout)}, nil
}

// line reads the child's next line.
func (p *process) line() (string, error) {
	text, err := p.lines.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("the child process ended early: %w", err)
	}
	return text[:len(text)-1], nil
}

// say sends the child a line.
func (p *process) say(text string) error {
	if _, err := io.WriteString(p.stdin, text+"\n"); err != nil {
		return fmt.Errorf("speak to the child process: %w", err)
	}
	return nil
}

// terminate asks the child to end, as a shell or a supervisor does, and waits for that.
func (p *process) terminate() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return p.stop()
}

// farewell lets the child end, returns what it says then, and waits for its end.
func (p *process) farewell() (string, error) {
	_ = p.stdin.Close() // that is the sign
	text, err := p.line()
	return text, errors.Join(err, p.stop())
}

// stop lets the child end and waits for that.
func (p *process) stop() error {
	_ = p.stdin.Close() // that is the sign
	err := p.cmd.Wait()
	if ended := (*exec.ExitError)(nil); errors.As(err, &ended) && !ended.Exited() {
		return nil // by our own signal
	}
	return err
}

// untilParentEnds returns a context that ends with standard input.
func untilParentEnds() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // an end is an end
		cancel()
	}()
	return ctx, cancel
}

// cpuTime is what this process has used so far, user and system.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // of a constant argument: it cannot fail
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// peakMemory is the most that this process has held at once, in bytes. Linux tells it of this program alone; getrusage, there, of
// what was before exec too.
func peakMemory() (float64, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err == nil {
		for line := range bytes.Lines(status) {
			fields := bytes.Fields(line)
			if len(fields) == 3 && string(fields[0]) == "VmHWM:" {
				kb, err := strconv.ParseFloat(string(fields[1]), 64)
				return kb * 1024, err
			}
		}
	}
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, fmt.Errorf("read this process's peak memory: %w", err)
	}
	return float64(u.Maxrss), nil // in bytes on macOS
}

// A memory is what a process holds, in bytes: its share of what it shares with others counted in pss, all of it in rss.
type memory struct {
	pss, rss float64
}

// residentMemory reads what a process holds; Linux alone tells it.
func residentMemory(pid int) (m memory, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return m, fmt.Errorf("read the memory of process %d: %w", pid, err)
	}
	for line := range bytes.Lines(text) {
		fields := bytes.Fields(line)
		if len(fields) != 3 {
			continue
		}
		into := map[string]*float64{"Pss:": &m.pss, "Rss:": &m.rss}[string(fields[0])]
		if into == nil {
			continue
		}
		kb, err := strconv.ParseFloat(string(fields[1]), 64)
		if err != nil {
			return m, fmt.Errorf("read the memory of process %d: %w", pid, err)
		}
		*into = kb * 1024
	}
	return m, nil
}
