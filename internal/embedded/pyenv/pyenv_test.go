package pyenv

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

func lock(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../../dbt/requirements.lock.txt")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// recorder keeps what Progress was told.
type recorder struct {
	sync.Mutex
	told []string
}

func (r *recorder) tell(s string) {
	r.Lock()
	defer r.Unlock()
	r.told = append(r.told, s)
}

func (r *recorder) count(part string) int {
	r.Lock()
	defer r.Unlock()
	n := 0
	for _, s := range r.told {
		if strings.Contains(s, part) {
			n++
		}
	}
	return n
}

func TestEnsure(t *testing.T) {
	var rec recorder
	o := Options{Dir: t.TempDir(), Lock: lock(t), Progress: rec.tell}
	if _, err := Check(t.Context(), o); !errors.Is(err, ErrMissing) {
		t.Errorf("Check before: %v, want ErrMissing", err)
	}
	// One was interrupted here before: all of it but the marker.
	half := o.env()
	if err := os.MkdirAll(filepath.Join(half.dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{half.Python(), half.DBT()} {
		if err := os.WriteFile(path, []byte("#!/bin/sh\nexit 1\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}

	envs := make([]Env, 3)
	errs := make([]error, len(envs))
	var wg sync.WaitGroup
	for i := range envs {
		wg.Go(func() { envs[i], errs[i] = Ensure(t.Context(), o) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if n := rec.count("installing dbt into"); n != 1 {
		t.Errorf("installed %d times: %q", n, rec.told)
	}
	if envs[0] != envs[1] || envs[0] != envs[2] {
		t.Errorf("different environments: %v", envs)
	}
	out, err := exec.Command(envs[0].Python(), "-c", "import dbt.cli.main, dbt.adapters.postgres, psycopg2").CombinedOutput()
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
	frozen, err := exec.Command(envs[0].Python(), "-c", "import importlib.metadata as m; print(*(d.metadata['Name'] + '==' + d.version for d in m.distributions()), sep='\\n')").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"dbt-core==1.11.16", "dbt-postgres==1.10.0"} {
		if !slices.Contains(strings.Fields(string(frozen)), want) {
			t.Errorf("%s is not among\n%s", want, frozen)
		}
	}
	if env, err := Check(t.Context(), o); err != nil || env != envs[0] {
		t.Errorf("Check after: %v, %v", env, err)
	}
}

func TestNoNetwork(t *testing.T) {
	for key, value := range map[string]string{
		"PIP_INDEX_URL": "http://127.0.0.1:1/", "PIP_FIND_LINKS": "", "PIP_RETRIES": "0", "PIP_NO_CACHE_DIR": "1",
		"UV_INDEX_URL": "http://127.0.0.1:1/", "UV_HTTP_RETRIES": "0", "UV_NO_CACHE": "1",
	} {
		t.Setenv(key, value)
	}
	dir := t.TempDir()
	_, err := Ensure(t.Context(), Options{Dir: dir, Lock: lock(t)})
	if err == nil || !strings.Contains(err.Error(), "cannot be reached") || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v, want one line that says that the index cannot be reached", err)
	}
	if _, err := Check(t.Context(), Options{Dir: dir, Lock: lock(t)}); !errors.Is(err, ErrMissing) {
		t.Errorf("Check after the failure: %v, want ErrMissing", err)
	}
}
