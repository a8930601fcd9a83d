package lake

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"

	"github.com/tidemill/tidemill/storage/blob"
)

// checksumOf is the checksum of a whole file's bytes, as entries list it.
func checksumOf(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
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
