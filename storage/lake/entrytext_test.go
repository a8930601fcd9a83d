package lake

import (
	"errors"
	"strings"
	"testing"
)

// TestEntryOfVersion1: an entry that was written before entries had a checksum
// is read; one of this version that lacks it is not what was committed.
func TestEntryOfVersion1(t *testing.T) {
	const old = `{
 "kind": "append",
 "commit_id": "c1",
 "writer": "transactions~w",
 "topic": "transactions",
 "schema_version": 1,
 "committed_at": "2024-01-05T10:00:00Z",
 "duration_ms": 5
}
`
	if e, err := decodeEntry(testTopic, 7, []byte(old)); err != nil || e.N != 7 || e.CommitID != "c1" {
		t.Errorf("an entry of version 1: %+v, %v", e, err)
	}
	bare := strings.Replace(old, `"schema_version": 1`, `"schema_version": 2`, 1)
	if _, err := decodeEntry(testTopic, 7, []byte(bare)); !errors.Is(err, ErrCorrupt) {
		t.Errorf("an entry of version 2 without a checksum: %v, want ErrCorrupt", err)
	}
	if _, err := decodeEntry(testTopic, 7, withChecksum([]byte(bare))); err != nil {
		t.Errorf("an entry of version 2: %v", err)
	}
	if _, err := decodeEntry(testTopic, 7, []byte(strings.Replace(old, `"schema_version": 1`, `"schema_version": 5`, 1))); err == nil || errors.Is(err, ErrCorrupt) {
		t.Errorf("an entry of a version to come: %v, want an error that says to use a newer program", err)
	}
}

// TestEachByteOfAnEntryCounts: whatever byte of an entry is changed, it is not read.
func TestEachByteOfAnEntryCounts(t *testing.T) {
	disk, _ := sound(t)
	text, err := disk.ReadFile(entryName(testTopic, 1))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := decodeEntry(testTopic, 1, text); err != nil {
		t.Fatal(err)
	}
	for i := range text {
		for _, x := range []byte{1, 4, 32} {
			bad := append([]byte{}, text...)
			bad[i] ^= x
			if e, err := decodeEntry(testTopic, 1, bad); err == nil {
				t.Errorf("byte %d (%q) ^ %d: read as %+v", i, text[i], x, e)
			}
		}
	}
}
