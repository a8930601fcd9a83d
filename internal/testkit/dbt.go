package testkit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/tidemill/tidemill/internal/embedded/pyenv"
)

// installLimit bounds the making of the dbt environment, on a slow network.
const installLimit = 10 * time.Minute

// DBT returns the Python environment with the pinned dbt, which all tests of the user share. The first call ever makes it,
// which takes half a minute and the network.
func DBT(t testing.TB) pyenv.Env {
	t.Helper()
	env, err := dbtEnv()
	if err != nil {
		t.Fatalf("testkit: %v", err)
	}
	return env
}

var dbtEnv = sync.OnceValues(func() (pyenv.Env, error) {
	ctx, cancel := context.WithTimeout(context.Background(), installLimit)
	defer cancel()
	root, err := moduleRoot()
	if err != nil {
		return pyenv.Env{}, err
	}
	lock, err := os.ReadFile(filepath.Join(root, "dbt", "requirements.lock.txt"))
	if err != nil {
		return pyenv.Env{}, fmt.Errorf("read dbt's requirements: %w", err)
	}
	dir, err := CacheDir()
	if err != nil {
		return pyenv.Env{}, err
	}
	return pyenv.Ensure(ctx, pyenv.Options{Dir: filepath.Join(dir, "dbt"), Lock: string(lock)})
})

// moduleRoot is the folder of go.mod at or above the working directory, which is that of the package under test.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("find the module: no go.mod above the working directory")
		}
		dir = up
	}
}

// CacheDir returns the folder, which exists, of what is worth keeping for later tests of the user.
func CacheDir() (string, error) {
	if dir, err := os.UserCacheDir(); err == nil {
		dir = filepath.Join(dir, "tidemill-test")
		if err := os.MkdirAll(dir, 0o755); err == nil { //nolint:gosec // nothing secret in it
			return dir, nil
		}
	}
	return tempDir() // no home, or one that is not ours
}
