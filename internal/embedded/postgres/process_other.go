//go:build !linux

package postgres

import "syscall"

// processAttr gives the server a process group of its own, so that Ctrl-C on our terminal does not end it before us.
// When we are killed it runs on and the next Start stops it.
func processAttr(who account) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Credential: who.credential()}
}
