//go:build unix && !linux

package shell

import (
	"os/exec"
	"syscall"
)

// childAttributes: a group of its own, so that a Ctrl-C on our terminal does not reach it and a signal of ours reaches all of it.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// awaitExit waits until the command has exited.
func awaitExit(cmd *exec.Cmd) { _ = cmd.Wait() }
