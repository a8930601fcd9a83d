package blob

import (
	"io"
	"io/fs"
)

// FS is a tree of files below one root. Names are slash-separated and relative
// to that root; "." is the root itself. Errors wrap fs.ErrNotExist and
// fs.ErrExist where those are meant. All methods are safe for concurrent use.
type FS interface {
	// ReadFile returns the whole content of a file.
	ReadFile(name string) ([]byte, error)
	// Open opens a file for reading at offsets. The caller closes it.
	Open(name string) (File, error)
	// ReadDir lists a folder, sorted by name.
	ReadDir(name string) ([]fs.DirEntry, error)
	// Stat describes a file or folder.
	Stat(name string) (fs.FileInfo, error)

	// WriteFile creates a file, or replaces the content of an existing one, and
	// syncs it: when it returns nil the content survives a power cut. The name
	// does only after SyncDir of its folder. On error a part may be there.
	WriteFile(name string, data []byte) error
	// Mkdir creates one folder whose parent exists. Its name survives a power
	// cut only after SyncDir of the parent.
	Mkdir(name string) error
	// Link gives the file oldname a second name. It never overwrites: an
	// existing newname is fs.ErrExist.
	Link(oldname, newname string) error
	// Rename gives a file or folder another name, which is not there yet; an
	// existing newname is fs.ErrExist. It is atomic: after a power cut either
	// both folders know of it or neither does, and it survives one after SyncDir
	// of either.
	Rename(oldname, newname string) error
	// Exchange swaps the names of two files or folders, in one step for any
	// reader, and as durably as Rename. It wraps errors.ErrUnsupported where the
	// disk cannot.
	Exchange(a, b string) error
	// Remove takes away a file or an empty folder. Of a folder that is not empty
	// it wraps fs.ErrExist.
	Remove(name string) error
	// SyncDir makes the names in a folder survive a power cut.
	SyncDir(name string) error
}

// File is an open file, for reading.
type File interface {
	io.ReaderAt
	io.Closer
	// Size is the length in bytes at the time of opening.
	Size() int64
}
