//go:build !linux

package chaos

import "syscall"

// diesWithParent does nothing here: the process ends when its standard input does.
func diesWithParent(*syscall.SysProcAttr) {}
