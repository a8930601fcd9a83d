package blobtest

import (
	"io/fs"
	"path"
)

// place is a name in a folder.
type place struct {
	folder *node
	name   string
}

// change is what a move made of a name; nil: it is gone.
type change struct {
	place
	to *node
}

// move is a rename or an exchange: its changes survive a power cut together.
type move []change

// Rename implements blob.FS.
func (d *Disk) Rename(oldname, newname string) error {
	return d.move("rename", oldname, newname, func(from, to place) (move, error) {
		if to.folder.names[to.name] != nil {
			return nil, fs.ErrExist
		}
		return move{{from, nil}, {to, from.folder.names[from.name]}}, nil
	})
}

// Exchange implements blob.FS.
func (d *Disk) Exchange(a, b string) error {
	return d.move("exchange", a, b, func(from, to place) (move, error) {
		if to.folder.names[to.name] == nil {
			return nil, fs.ErrNotExist
		}
		return move{{from, to.folder.names[to.name]}, {to, from.folder.names[from.name]}}, nil
	})
}

func (d *Disk) move(op, oldname, newname string, plan func(from, to place) (move, error)) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := d.find(op, oldname); err != nil {
		return err
	}
	from, err := d.parent(op, oldname)
	if err != nil {
		return err
	}
	to, err := d.parent(op, newname)
	if err != nil {
		return err
	}
	m, err := plan(place{from, path.Base(oldname)}, place{to, path.Base(newname)})
	if err != nil {
		return &fs.PathError{Op: op, Path: newname, Err: err}
	}
	for _, c := range m {
		if c.to == nil {
			delete(c.folder.names, c.name)
		} else {
			c.folder.names[c.name] = c.to
		}
		c.folder.changed = d.now
	}
	d.moves = append(d.moves, m)
	return nil
}

// settle makes durable what syncing a folder does of moves: all up to the last
// that touched the folder.
func (d *Disk) settle(synced *node) {
	last := -1
	for i, m := range d.moves {
		for _, c := range m {
			if c.folder == synced {
				last = i
			}
		}
	}
	for _, m := range d.moves[:last+1] {
		for _, c := range m {
			if c.to == nil {
				delete(c.folder.durable, c.name)
			} else {
				c.folder.durable[c.name] = c.to
			}
		}
	}
	d.moves = d.moves[last+1:]
}
