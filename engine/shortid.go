package engine

import (
	"crypto/sha256"
	"encoding/hex"
)

// maxRunID is the longest run id.
const maxRunID = 250

// shortID keeps an id that is made of others within bounds: what is too long ends with a hash of it all.
func shortID(id string) string {
	if len(id) <= maxRunID {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	hash := hex.EncodeToString(sum[:8])
	return id[:maxRunID-len(hash)-2] + "__" + hash
}
