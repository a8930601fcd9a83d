package blobtest

import (
	"errors"
	"sync"

	"github.com/tidemill/tidemill/storage/blob"
)

// ErrCut is the error of each step at and after a Cut's.
var ErrCut = errors.New("blobtest: the power is cut")

// Intercept is a blob.FS that asks before each step that changes something.
// WriteFile is three steps: the empty file, half of the content, all of it
// synced. If Before errs the step is not done, and its error returned; it is
// called by one goroutine at a time.
type Intercept struct {
	blob.FS
	Before func(op, name string) error

	mu sync.Mutex
}

// Cut stops an FS at its n-th changing step, counted from 0, and fails that and
// all later ones with ErrCut. Steps says how many there were.
type Cut struct {
	*Intercept
	steps int
}

// NewCut wraps an FS; a negative n never cuts.
func NewCut(under blob.FS, n int) *Cut {
	c := &Cut{}
	c.Intercept = &Intercept{FS: under, Before: func(string, string) error {
		if n >= 0 && c.steps >= n {
			return ErrCut
		}
		c.steps++
		return nil
	}}
	return c
}

// Steps is the number of steps done.
func (c *Cut) Steps() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.steps
}

func (i *Intercept) step(op, name string) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.Before(op, name)
}

// WriteFile implements blob.FS.
func (i *Intercept) WriteFile(name string, data []byte) error {
	if err := i.step("create", name); err != nil {
		return err
	}
	if err := i.part(name, nil); err != nil {
		return err
	}
	if err := i.step("write", name); err != nil {
		return err
	}
	if err := i.part(name, data[:len(data)/2]); err != nil {
		return err
	}
	if err := i.step("sync", name); err != nil {
		return err
	}
	return i.FS.WriteFile(name, data)
}

// part leaves the file as a write that was interrupted would: not synced where
// the FS below can tell the difference.
func (i *Intercept) part(name string, data []byte) error {
	if d, ok := i.FS.(*Disk); ok {
		return d.write(name, data)
	}
	return i.FS.WriteFile(name, data)
}

// Mkdir implements blob.FS.
func (i *Intercept) Mkdir(name string) error {
	if err := i.step("mkdir", name); err != nil {
		return err
	}
	return i.FS.Mkdir(name)
}

// Link implements blob.FS.
func (i *Intercept) Link(oldname, newname string) error {
	if err := i.step("link", newname); err != nil {
		return err
	}
	return i.FS.Link(oldname, newname)
}

// Rename implements blob.FS.
func (i *Intercept) Rename(oldname, newname string) error {
	if err := i.step("rename", newname); err != nil {
		return err
	}
	return i.FS.Rename(oldname, newname)
}

// Exchange implements blob.FS.
func (i *Intercept) Exchange(a, b string) error {
	if err := i.step("exchange", a); err != nil {
		return err
	}
	return i.FS.Exchange(a, b)
}

// Remove implements blob.FS.
func (i *Intercept) Remove(name string) error {
	if err := i.step("remove", name); err != nil {
		return err
	}
	return i.FS.Remove(name)
}

// SyncDir implements blob.FS.
func (i *Intercept) SyncDir(name string) error {
	if err := i.step("syncdir", name); err != nil {
		return err
	}
	return i.FS.SyncDir(name)
}
