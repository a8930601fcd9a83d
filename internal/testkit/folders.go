package testkit

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

const (
	// memoryDisk is where Linux has a file system in memory. A database is made there in a tenth of the time that it takes on a disk.
	memoryDisk = "/dev/shm"
	// memoryNeeded is what must be free there: containers often have 64 MB.
	memoryNeeded = 4 << 30
)

// serverParent is where the shared server's folder is to be: in memory, where there is such a folder from before or
// enough room, or else on the disk.
func serverParent(memory, disk string) string {
	if _, err := os.Stat(filepath.Join(memory, ownName())); err == nil { // all processes come to the same server, whatever room is left
		return memory
	}
	var fs syscall.Statfs_t
	if err := syscall.Statfs(memory, &fs); err != nil || fs.Bavail*uint64(fs.Bsize) < memoryNeeded { //nolint:gosec // a size
		return disk
	}
	return memory
}

// tempDir is the folder of what may vanish at a reboot, of this user alone.
func tempDir() (string, error) { return ownDir(os.TempDir()) }

func ownName() string { return "tidemill-test-" + strconv.Itoa(os.Getuid()) }

// ownDir makes a folder of this user alone.
func ownDir(parent string) (string, error) {
	dir := filepath.Join(parent, ownName())
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) { //nolint:gosec // the server's user must enter it when we are root
		return "", fmt.Errorf("make folder of the tests: %w", err)
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return "", fmt.Errorf("look at folder of the tests: %w", err)
	}
	if st := info.Sys().(*syscall.Stat_t); !info.IsDir() || int(st.Uid) != os.Getuid() || info.Mode().Perm()&0o022 != 0 {
		return "", fmt.Errorf("%s is not a folder of ours alone: remove it", dir)
	}
	return dir, nil
}
