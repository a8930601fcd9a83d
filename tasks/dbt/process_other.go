//go:build !linux

package dbt

import (
	"os/exec"
	"syscall"
)

// childAttributes: a group of its own. The child notices our death by the end of its stdin.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// reap waits for the child and ends what is left of its group, such as Python's resource tracker.
func (p *process) reap(cmd *exec.Cmd) {
	_ = cmd.Wait() // how it ended is in its state
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reaped = true
	p.killGroup(syscall.SIGKILL)
}
