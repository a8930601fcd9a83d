package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// pin has this process run on one core, the given one or, of a machine with fewer, the last. Threads that begin later are as their makers.
func pin(core int) error {
	var cores unix.CPUSet
	cores.Set(min(core, runtime.NumCPU()-1))
	runtime.GOMAXPROCS(1)
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return fmt.Errorf("list this process's threads: %w", err)
	}
	for _, t := range threads {
		id, err := strconv.Atoi(t.Name())
		if err != nil {
			return fmt.Errorf("a thread is called %q", t.Name())
		}
		if err := unix.SchedSetaffinity(id, &cores); err != nil {
			return fmt.Errorf("pin this process to core %d: %w", core, err)
		}
	}
	return nil
}

// dropCaches has the kernel forget what it holds of files. It says whether it can.
func dropCaches(files []string) (bool, error) {
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return false, err
		}
		err = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
		if err = errors.Join(err, f.Close()); err != nil {
			return false, fmt.Errorf("drop %s from memory: %w", name, err)
		}
	}
	return true, nil
}
