package lakecrash

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// patience bounds every wait.
const patience = 2 * time.Minute

// process is another process that ingests.
type process struct {
	cmd    *exec.Cmd
	log    bytes.Buffer  // read after ended
	struck chan string   // where it was struck, as it says
	points []point       // that it passed; read after ended
	ended  chan struct{} // closed when it has ended
	err    error         // how; read after ended
}

// start starts a process. Whoever starts it waits for its end or ends it.
func start(a assignment) (*process, error) {
	text, err := json.Marshal(a)
	if err != nil {
		return nil, err
	}
	p := &process{cmd: exec.Command(os.Args[0]), struck: make(chan string, 1), ended: make(chan struct{})} //nolint:gosec // this test binary
	p.cmd.Env = append(os.Environ(), childVar+"="+string(text), "GOMAXPROCS=2")
	p.cmd.Stderr = &p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.ended)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			switch word, text, _ := strings.Cut(lines.Text(), " "); word {
			case pointWord:
				var at point
				if err := json.Unmarshal([]byte(text), &at); err == nil { // what is torn is no point
					p.points = append(p.points, at)
				}
			case struckWord:
				p.struck <- text
			}
		}
		p.err = p.cmd.Wait()
	}()
	return p, nil
}

func (p *process) signal(s syscall.Signal) error {
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("send %v: %w", s, err)
	}
	return nil
}

// wait waits for the process's end and returns how it ended: nil, or an error with what it said.
func (p *process) wait() error {
	select {
	case <-p.ended:
	case <-time.After(patience):
		_ = p.signal(syscall.SIGQUIT) // it says where it stands
		_ = p.signal(syscall.SIGCONT)
		<-p.ended
		return fmt.Errorf("it did not end:\n%s", &p.log)
	}
	if p.err != nil {
		return fmt.Errorf("%w:\n%s", p.err, &p.log)
	}
	return nil
}

// endedBy says whether a signal was a process's end.
func endedBy(err error, by syscall.Signal) bool {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return false
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == by
}

// end ends the process, whatever it does.
func (p *process) end() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.ended
}

// frozen waits until all threads of the process stand still.
func (p *process) frozen() error {
	return eventually("it is frozen", func() (bool, error) {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
		if err != nil {
			return false, err
		}
		_, rest, _ := strings.Cut(string(text), ") ")
		return strings.HasPrefix(rest, "T"), nil
	})
}

// eventually waits until something holds.
func eventually(what string, holds func() (bool, error)) error {
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := holds()
		if ok || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			return fmt.Errorf("still not so: %s", what)
		}
	}
}
