package dbt

import (
	"errors"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// childAttributes: a group of its own, so that a Ctrl-C on our terminal does not reach it and a signal of ours reaches
// all of it; and death with its parent, by the kernel.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// reap waits for the child and ends what is left of its group, such as Python's resource tracker. The child stays a
// zombie until the group is ended, so that nobody else can have got its number.
func (p *process) reap(cmd *exec.Cmd) {
	for errors.Is(unix.Waitid(unix.P_PID, p.pid, nil, unix.WEXITED|unix.WNOWAIT, nil), unix.EINTR) {
		continue
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.killGroup(syscall.SIGKILL)
	_ = cmd.Wait() // how it ended is in its state
	p.reaped = true
}
