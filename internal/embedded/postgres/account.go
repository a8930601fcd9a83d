package postgres

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
)

// An account is the user that the server runs as.
type account struct {
	name     string
	uid      uint32
	gids     []uint32
	switches bool // we are root and become this user
}

// serverUsers are whom root becomes, in this order.
var serverUsers = []string{"postgres", "nobody"}

// chooseAccount returns the user for the cluster in data (which need not exist yet): ourselves, unless we are root.
func chooseAccount(data string) (account, error) {
	euid := uint32(os.Geteuid()) //nolint:gosec // a uid fits
	info, err := os.Stat(data)
	switch {
	case err == nil:
		owner := info.Sys().(*syscall.Stat_t).Uid
		if euid != 0 && owner != euid {
			return account{}, fmt.Errorf("the data folder %s belongs to user %s: run as that user or as root, or take another TIDEMILL_HOME", data, userName(owner))
		}
		if euid == 0 && owner != 0 {
			return lookupAccount(strconv.Itoa(int(owner)))
		}
	case !errors.Is(err, fs.ErrNotExist):
		return account{}, fmt.Errorf("look at data folder: %w", err)
	}
	if euid != 0 {
		return account{name: userName(euid), uid: euid}, nil
	}
	for _, name := range serverUsers {
		if u, err := user.Lookup(name); err == nil {
			return lookupAccount(u.Uid)
		}
	}
	return account{}, fmt.Errorf("PostgreSQL does not run as root and there is no user %v to run it as: add one (useradd --system postgres) or run as another user", serverUsers)
}

func lookupAccount(uid string) (account, error) {
	u, err := user.LookupId(uid)
	if err != nil {
		return account{}, fmt.Errorf("look up the user that PostgreSQL runs as: %w", err)
	}
	groups, err := u.GroupIds()
	if err != nil {
		groups = nil // its own group is enough
	}
	a := account{name: u.Username, switches: true}
	for i, s := range append([]string{u.Uid, u.Gid}, groups...) {
		n, err := strconv.ParseUint(s, 10, 32)
		if err != nil {
			return account{}, fmt.Errorf("look up the user that PostgreSQL runs as: id %q: %w", s, err)
		}
		if i == 0 {
			a.uid = uint32(n)
		} else if !slices.Contains(a.gids, uint32(n)) {
			a.gids = append(a.gids, uint32(n))
		}
	}
	return a, nil
}

func userName(uid uint32) string {
	s := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(s); err == nil {
		return u.Username
	}
	return s
}

// processAttr starts a process as the account, in a process group of its own, so that Ctrl-C on our terminal does not
// end it before us.
func (a account) processAttr() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true}
	if a.switches {
		attr.Credential = &syscall.Credential{Uid: a.uid, Gid: a.gids[0], Groups: a.gids}
	}
	return attr
}

// own gives path to the account.
func (a account) own(path string) error {
	if !a.switches {
		return nil
	}
	return os.Chown(path, int(a.uid), int(a.gids[0]))
}

// reaches tells whether the account may enter dir: every folder on the way has the x bit for it.
func (a account) reaches(dir string) bool {
	if !a.switches {
		return true
	}
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return false
	}
	for {
		info, err := os.Stat(dir)
		if err != nil || !a.mayEnter(info) {
			return false
		}
		up := filepath.Dir(dir)
		if up == dir {
			return true
		}
		dir = up
	}
}

func (a account) mayEnter(info fs.FileInfo) bool {
	st := info.Sys().(*syscall.Stat_t)
	mode := info.Mode().Perm()
	switch {
	case st.Uid == a.uid:
		return mode&0o100 != 0
	case slices.Contains(a.gids, st.Gid):
		return mode&0o010 != 0
	default:
		return mode&0o001 != 0
	}
}
