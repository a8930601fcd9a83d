package blob

import (
	"errors"

	"golang.org/x/sys/unix"
)

// exchange swaps two names. A file system that cannot (NFS, some of those in
// user space) says EINVAL.
func exchange(a, b string) error {
	err := unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		return errors.Join(errors.ErrUnsupported, err)
	}
	return err
}
