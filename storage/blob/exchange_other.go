//go:build !linux && !darwin

package blob

import "errors"

// exchange would swap two names; this system has no such call.
func exchange(_, _ string) error { return errors.ErrUnsupported }
