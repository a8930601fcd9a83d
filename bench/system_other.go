//go:build !linux

package main

import "runtime"

// pin has this process use one core, whichever.
func pin(int) error {
	runtime.GOMAXPROCS(1)
	return nil
}

// dropCaches cannot be done here.
func dropCaches([]string) (bool, error) { return false, nil }
