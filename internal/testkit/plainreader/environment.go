package plainreader

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidemill/tidemill/internal/embedded/filelock"
	"github.com/tidemill/tidemill/internal/embedded/pyenv"
	"github.com/tidemill/tidemill/internal/testkit"
)

// variable, set to "required", makes a test fail where there is no Reader to be had.
const variable = "TIDEMILL_PLAIN_READERS"

// fetchLimit bounds the fetching of the packages, on a slow network.
const fetchLimit = 10 * time.Minute

//go:embed requirements.lock.txt
var lock string

// python is an interpreter and the variables that lead it to the packages.
type python struct {
	python string
	vars   []string
}

func missing(t testing.TB, err error) {
	t.Helper()
	if os.Getenv(variable) == "required" {
		t.Fatalf("plainreader: there is no DuckDB and pyarrow, and %s=required: %v", variable, err)
	}
	t.Logf("not tried with readers that are not ours, DuckDB and pyarrow: %v", err)
}

// environment fetches the packages if they are not in the user's cache.
var environment = sync.OnceValues(func() (python, error) {
	ctx, cancel := context.WithTimeout(context.Background(), fetchLimit)
	defer cancel()
	p, err := pyenv.FindPython(ctx)
	if err != nil {
		return python{}, err
	}
	cache, err := testkit.CacheDir()
	if err != nil {
		return python{}, err
	}
	sum := sha256.Sum256([]byte(lock))
	dir := filepath.Join(cache, fmt.Sprintf("readers-3.%d-%s", p.Minor, hex.EncodeToString(sum[:6])))
	if err := ensure(ctx, dir); err != nil {
		return python{}, fmt.Errorf("fetch DuckDB and pyarrow: %w", err)
	}
	vars := []string{"PYTHONPATH=" + dir, "PYTHONNOUSERSITE=1", "PYTHONDONTWRITEBYTECODE=1"}
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "PYTHON") {
			vars = append(vars, kv)
		}
	}
	return python{p.Path, vars}, nil
})

// ensure puts the packages into dir unless they are there. A folder counts from when it has its name.
func ensure(ctx context.Context, dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	held, err := filelock.Acquire(ctx, dir+".lock", filelock.Exclusive)
	if err != nil {
		return err
	}
	defer held.Release() //nolint:errcheck // its file is only read
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	half := dir + ".half"
	if err := os.RemoveAll(half); err != nil {
		return fmt.Errorf("remove what was fetched by half: %w", err)
	}
	if err := pyenv.FetchTo(ctx, half, lock); err != nil {
		return err
	}
	return os.Rename(half, dir)
}
