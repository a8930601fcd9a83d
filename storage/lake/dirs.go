package lake

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"sync"

	"github.com/tidemill/tidemill/storage/blob"
)

// durableDirs makes folders whose names survive a power cut. It syncs the
// parent even of a folder that exists already, once per process: whoever made
// it may have died before syncing.
type durableDirs struct {
	disk blob.FS

	mu   sync.Mutex
	done map[string]bool
}

// ensure makes the folder and its parents.
func (d *durableDirs) ensure(dir string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.make(dir)
}

func (d *durableDirs) make(dir string) error {
	if d.done[dir] {
		return nil
	}
	parent := path.Dir(dir)
	if dir != "." {
		if err := d.make(parent); err != nil {
			return err
		}
	}
	if err := d.disk.Mkdir(dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make folder %s: %w", dir, err)
	}
	if dir != "." {
		if err := d.disk.SyncDir(parent); err != nil {
			return fmt.Errorf("sync folder %s: %w", parent, err)
		}
	}
	if d.done == nil {
		d.done = map[string]bool{}
	}
	d.done[dir] = true
	return nil
}

// forget makes ensure look again: the folder was seen to be gone.
func (d *durableDirs) forget(dir string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for ; dir != "." && dir != "/"; dir = path.Dir(dir) {
		delete(d.done, dir)
	}
}
