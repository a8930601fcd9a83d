package lakecrash

import "github.com/tidemill/tidemill/storage/blob"

// disk is a blob.FS whose changing steps can be struck. A written file is three steps: the empty file, half of its content, all of it synced.
type disk struct {
	blob.FS
	steps *steps
}

func (d disk) WriteFile(name string, data []byte) error {
	parts := []struct {
		op   string
		data []byte
	}{{"create", nil}, {"write", data[:len(data)/2]}, {"fsync", data}}
	for _, p := range parts {
		if err := d.steps.do(p.op, name, func() error { return d.FS.WriteFile(name, p.data) }); err != nil {
			return err
		}
	}
	return nil
}

func (d disk) Mkdir(name string) error {
	return d.steps.do("mkdir", name, func() error { return d.FS.Mkdir(name) })
}

func (d disk) Link(oldname, newname string) error {
	return d.steps.do("link", newname, func() error { return d.FS.Link(oldname, newname) })
}

func (d disk) Rename(oldname, newname string) error {
	return d.steps.do("rename", newname, func() error { return d.FS.Rename(oldname, newname) })
}

func (d disk) Exchange(a, b string) error {
	return d.steps.do("exchange", a, func() error { return d.FS.Exchange(a, b) })
}

func (d disk) Remove(name string) error {
	return d.steps.do("remove", name, func() error { return d.FS.Remove(name) })
}

func (d disk) SyncDir(name string) error {
	return d.steps.do("fsync folder", name, func() error { return d.FS.SyncDir(name) })
}
