package blobtest

import (
	"bytes"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/tidemill/tidemill/storage/blob"
)

// Disk is a blob.FS in memory that tells what is there from what would survive
// a power cut. A file's content survives once it is synced, a name once its
// folder is. It is stricter than real disks: names are independent of each
// other, and nothing is ever synced by chance unless AfterPowerCut is told so.
type Disk struct {
	mu    sync.Mutex
	root  *node
	now   time.Time
	moves []move // renames and exchanges that a power cut could still undo, in order
}

// NewDisk returns an empty disk.
func NewDisk() *Disk {
	return &Disk{root: newFolder(), now: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)}
}

// node is a file or a folder.
type node struct {
	names   map[string]*node // folder: as it is
	durable map[string]*node // folder: as it would be after a power cut
	data    []byte           // file: as it is
	synced  []byte           // file: as it would be
	changed time.Time
}

func newFolder() *node { return &node{names: map[string]*node{}, durable: map[string]*node{}} }

func (n *node) isDir() bool { return n.names != nil }

// AfterPowerCut is the disk as it comes up again: what was synced, and of what
// was not, that which luck kept. keep is asked once for each unsynced name and
// content; nil keeps none.
func (d *Disk) AfterPowerCut(keep func() bool) *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	if keep == nil {
		keep = func() bool { return false }
	}
	survivor := survivor{keep: keep, done: map[*node]*node{}, settled: map[place]*node{}}
	kept := true
	for _, m := range d.moves { // in order, as a journal has them: one that is lost takes those after it along
		kept = kept && keep()
		for _, c := range m {
			if kept {
				survivor.settled[c.place] = c.to
			} else if _, known := survivor.settled[c.place]; !known {
				survivor.settled[c.place] = c.folder.durable[c.name]
			}
		}
	}
	return &Disk{root: survivor.of(d.root), now: d.now}
}

// Luck is a keep function for AfterPowerCut that keeps half, by seed.
func Luck(seed uint64) func() bool {
	r := rand.New(rand.NewPCG(seed, 0)) // #nosec G404: a test's dice
	return func() bool { return r.IntN(2) == 0 }
}

// survivor makes the disk that comes up after a power cut.
type survivor struct {
	keep    func() bool
	done    map[*node]*node
	settled map[place]*node // what moves have made of names
}

func (v *survivor) of(n *node) *node {
	if s := v.done[n]; s != nil {
		return s
	}
	if !n.isDir() {
		s := &node{data: n.synced, synced: n.synced, changed: n.changed}
		if !bytes.Equal(n.data, n.synced) && v.keep() {
			s.data, s.synced = n.data, n.data
		}
		v.done[n] = s
		return s
	}
	s := newFolder()
	s.changed = n.changed
	v.done[n] = s
	names := map[string]bool{}
	for name := range n.names {
		names[name] = true
	}
	for name := range n.durable {
		names[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		was, is := n.durable[name], n.names[name]
		if moved, ok := v.settled[place{n, name}]; ok {
			was = moved
		} else if was != is && v.keep() {
			was = is
		}
		if was != nil {
			child := v.of(was)
			s.names[name], s.durable[name] = child, child
		}
	}
	return s
}

func (d *Disk) find(op, name string) (*node, error) {
	n := d.root
	if name == "." {
		return n, nil
	}
	for rest := name; rest != ""; {
		var head string
		head, rest = cutPath(rest)
		if !n.isDir() || n.names[head] == nil {
			return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
		}
		n = n.names[head]
	}
	return n, nil
}

func (d *Disk) parent(op, name string) (*node, error) {
	p, err := d.find(op, path.Dir(name))
	if err == nil && !p.isDir() {
		err = &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	return p, err
}

// ReadFile implements blob.FS.
func (d *Disk) ReadFile(name string) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, err := d.find("read", name)
	if err != nil {
		return nil, err
	}
	return bytes.Clone(n.data), nil
}

// Open implements blob.FS.
func (d *Disk) Open(name string) (blob.File, error) {
	data, err := d.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return memFile{bytes.NewReader(data)}, nil
}

type memFile struct{ *bytes.Reader }

func (memFile) Close() error { return nil }

// WriteFile implements blob.FS.
func (d *Disk) WriteFile(name string, data []byte) error {
	if err := d.write(name, data); err != nil {
		return err
	}
	return d.sync(name)
}

// write is WriteFile without its sync.
func (d *Disk) write(name string, data []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	p, err := d.parent("write", name)
	if err != nil {
		return err
	}
	n := p.names[path.Base(name)]
	if n == nil {
		n = &node{}
		p.names[path.Base(name)] = n
	}
	n.data, n.changed = bytes.Clone(data), d.now
	p.changed = d.now
	return nil
}

func (d *Disk) sync(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, err := d.find("sync", name)
	if err != nil {
		return err
	}
	n.synced = n.data
	return nil
}

// Mkdir implements blob.FS.
func (d *Disk) Mkdir(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if name == "." {
		return fs.ErrExist
	}
	p, err := d.parent("mkdir", name)
	if err != nil {
		return err
	}
	if p.names[path.Base(name)] != nil {
		return &fs.PathError{Op: "mkdir", Path: name, Err: fs.ErrExist}
	}
	folder := newFolder()
	folder.changed, p.changed = d.now, d.now
	p.names[path.Base(name)] = folder
	return nil
}

// Link implements blob.FS.
func (d *Disk) Link(oldname, newname string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, err := d.find("link", oldname)
	if err != nil {
		return err
	}
	p, err := d.parent("link", newname)
	if err != nil {
		return err
	}
	if p.names[path.Base(newname)] != nil {
		return &fs.PathError{Op: "link", Path: newname, Err: fs.ErrExist}
	}
	p.names[path.Base(newname)] = n
	p.changed = d.now
	return nil
}

// Remove implements blob.FS.
func (d *Disk) Remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, err := d.find("remove", name)
	if err != nil {
		return err
	}
	if len(n.names) > 0 {
		return &fs.PathError{Op: "remove", Path: name, Err: syscall.ENOTEMPTY}
	}
	p, err := d.parent("remove", name)
	if err != nil {
		return err
	}
	delete(p.names, path.Base(name))
	p.changed = d.now
	return nil
}

// SyncDir implements blob.FS.
func (d *Disk) SyncDir(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, err := d.find("sync", name)
	if err != nil {
		return err
	}
	d.settle(n)
	n.durable = maps.Clone(n.names)
	return nil
}
