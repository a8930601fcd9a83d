package testkit

import (
	"os"
	"path/filepath"
	"testing"
)

func TestTheServerLiesInMemoryWhereThereIsRoom(t *testing.T) {
	t.Parallel()
	disk, was := t.TempDir(), t.TempDir()
	if err := os.Mkdir(filepath.Join(was, ownName()), 0o700); err != nil {
		t.Fatal(err)
	}
	if got := serverParent(filepath.Join(disk, "none"), disk); got != disk {
		t.Errorf("without a disk in memory: %s", got)
	}
	if got := serverParent("/proc", disk); got != disk { // of size 0
		t.Errorf("without room: %s", got)
	}
	if got := serverParent(was, disk); got != was {
		t.Errorf("where it was before: %s", got)
	}
}
