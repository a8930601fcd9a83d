package postgres

import "syscall"

// processAttr gives the server a process group of its own, so that Ctrl-C on our terminal does not end it before us,
// and lets the kernel shut it down when we die.
func processAttr(who account) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Credential: who.credential(), Pdeathsig: syscall.SIGINT}
}
