package blob

import "golang.org/x/sys/unix"

// exchange swaps two names; a file system that cannot says ENOTSUP, which is
// errors.ErrUnsupported.
func exchange(a, b string) error { return unix.RenamexNp(a, b, unix.RENAME_SWAP) }
