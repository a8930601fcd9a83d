package testkit

import (
	"os"
	"testing"
)

// Home returns an empty folder to be a TIDEMILL_HOME, removed when the test ends. Unlike t.TempDir it can be reached by
// the user that an embedded PostgreSQL runs as when the tests run as root, so that its data lies in it too.
func Home(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "tidemill-home-")
	if err != nil {
		t.Fatalf("testkit: %v", err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("testkit: remove home: %v", err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // see above
		t.Fatalf("testkit: %v", err)
	}
	return dir
}
