package lake

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/tidemill/tidemill/storage/blob"
)

// checksumOf is the checksum of a whole file's bytes, as entries list it.
func checksumOf(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// verifiedFiles are merged files that were verified lately: each of their parts
// is read by itself, and the whole is read once.
type verifiedFiles struct {
	mu    sync.Mutex
	files []string // path and checksum, the newest last
}

// maxVerified bounds how many are remembered: readers go through one at a time.
const maxVerified = 16

// verify is verify of a merged file, unless it was done lately.
func (v *verifiedFiles) verify(h blob.File, f File) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	id := f.Path + f.Checksum
	if slices.Contains(v.files, id) {
		return nil
	}
	if err := verify(h, f.Path, f.Bytes, f.Checksum); err != nil {
		return err
	}
	if len(v.files) == maxVerified {
		v.files = v.files[1:]
	}
	v.files = append(v.files, id)
	return nil
}

// verify compares a file on disk with what the log says of it.
func verify(f blob.File, name string, size int64, checksum string) error {
	if f.Size() != size {
		return fmt.Errorf("%w: %s has %d bytes, the log says %d", ErrCorrupt, name, f.Size(), size)
	}
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(f, 0, f.Size())); err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	if got := "sha256:" + hex.EncodeToString(h.Sum(nil)); got != checksum {
		return fmt.Errorf("%w: %s has checksum %s, the log says %s", ErrCorrupt, name, got, checksum)
	}
	return nil
}
