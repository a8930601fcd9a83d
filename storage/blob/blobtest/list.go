package blobtest

import (
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
)

// Advance moves the clock that dates changes.
func (d *Disk) Advance(by time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now = d.now.Add(by)
}

// Now is the clock that dates changes.
func (d *Disk) Now() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.now
}

// Tree lists the names of all files, sorted.
func (d *Disk) Tree() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var names []string
	d.root.walk("", func(name string) { names = append(names, name) })
	slices.Sort(names)
	return names
}

func (n *node) walk(prefix string, visit func(string)) {
	for name, child := range n.names {
		if at := path.Join(prefix, name); child.isDir() {
			child.walk(at, visit)
		} else {
			visit(at)
		}
	}
}

// ReadDir implements blob.FS.
func (d *Disk) ReadDir(name string) ([]fs.DirEntry, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, err := d.find("readdir", name)
	if err != nil {
		return nil, err
	}
	entries := make([]fs.DirEntry, 0, len(n.names))
	for base, child := range n.names {
		entries = append(entries, fs.FileInfoToDirEntry(info{base, child, int64(len(child.data)), child.changed}))
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, nil
}

// Stat implements blob.FS.
func (d *Disk) Stat(name string) (fs.FileInfo, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, err := d.find("stat", name)
	if err != nil {
		return nil, err
	}
	return info{path.Base(name), n, int64(len(n.data)), n.changed}, nil
}

type info struct {
	name    string
	node    *node
	size    int64
	changed time.Time
}

func (i info) Name() string       { return i.name }
func (i info) Size() int64        { return i.size }
func (i info) ModTime() time.Time { return i.changed }
func (i info) IsDir() bool        { return i.node.isDir() }
func (i info) Sys() any           { return nil }
func (i info) Mode() fs.FileMode {
	if i.node.isDir() {
		return fs.ModeDir | 0o755
	}
	return 0o644
}

func cutPath(name string) (head, rest string) {
	head, rest, _ = strings.Cut(name, "/")
	return head, rest
}
