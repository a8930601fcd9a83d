package blob

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Dir is the FS of a folder on a local disk that has hard links. The folder
// itself need not exist yet: Mkdir(".") makes it with its parents.
type Dir string

// ReadFile implements FS.
func (d Dir) ReadFile(name string) ([]byte, error) { return os.ReadFile(d.path(name)) }

// ReadDir implements FS.
func (d Dir) ReadDir(name string) ([]fs.DirEntry, error) { return os.ReadDir(d.path(name)) }

// Stat implements FS.
func (d Dir) Stat(name string) (fs.FileInfo, error) { return os.Stat(d.path(name)) }

// Link implements FS.
func (d Dir) Link(oldname, newname string) error { return os.Link(d.path(oldname), d.path(newname)) }

// Rename implements FS. Between its look whether newname exists and the rename
// another process could make it: names that only one process makes are safe.
func (d Dir) Rename(oldname, newname string) error {
	if _, err := os.Lstat(d.path(newname)); err == nil {
		return &os.LinkError{Op: "rename", Old: d.path(oldname), New: d.path(newname), Err: fs.ErrExist}
	}
	return os.Rename(d.path(oldname), d.path(newname))
}

// Exchange implements FS.
func (d Dir) Exchange(a, b string) error {
	if err := exchange(d.path(a), d.path(b)); err != nil {
		return &os.LinkError{Op: "exchange", Old: d.path(a), New: d.path(b), Err: err}
	}
	return nil
}

// Remove implements FS.
func (d Dir) Remove(name string) error { return os.Remove(d.path(name)) }

// Open implements FS.
func (d Dir) Open(name string) (File, error) {
	f, err := os.Open(d.path(name))
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &osFile{File: f, size: info.Size()}, nil
}

// WriteFile implements FS.
func (d Dir) WriteFile(name string, data []byte) error {
	f, err := os.OpenFile(d.path(name), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644) // #nosec G304 G302: other programs read the lake
	if err != nil {
		return err
	}
	if _, err = f.Write(data); err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// Mkdir implements FS.
func (d Dir) Mkdir(name string) error {
	if name == "." {
		return d.mkdirRoot()
	}
	return os.Mkdir(d.path(name), 0o755) // #nosec G301: other programs read the lake
}

// mkdirRoot makes the root with its missing parents, each name durable.
func (d Dir) mkdirRoot() error {
	abs, err := filepath.Abs(string(d))
	if err != nil {
		return err
	}
	var missing []string
	for at := abs; ; at = filepath.Dir(at) {
		if _, err := os.Stat(at); err == nil {
			break
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		missing = append(missing, at)
	}
	if len(missing) == 0 {
		return fmt.Errorf("mkdir %s: %w", abs, fs.ErrExist)
	}
	for i := len(missing) - 1; i >= 0; i-- {
		if err := os.Mkdir(missing[i], 0o755); err != nil && !errors.Is(err, fs.ErrExist) { // #nosec G301
			return err
		}
		if err := syncDir(filepath.Dir(missing[i])); err != nil {
			return err
		}
	}
	return nil
}

// SyncDir implements FS.
func (d Dir) SyncDir(name string) error { return syncDir(d.path(name)) }

func syncDir(path string) error {
	f, err := os.Open(path) // #nosec G304: paths are made by us below the root
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func (d Dir) path(name string) string { return filepath.Join(string(d), filepath.FromSlash(name)) }

type osFile struct {
	*os.File
	size int64
}

func (f *osFile) Size() int64 { return f.size }
