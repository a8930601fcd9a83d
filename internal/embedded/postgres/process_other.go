//go:build !linux

package postgres

import "syscall"

// endWithParent does nothing here: the server of a killed owner runs on until the next Start stops it.
func endWithParent(*syscall.SysProcAttr) {}
