package dbtproject_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	dbtproject "github.com/tidemill/tidemill/dbt"
)

func TestExtract(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "project")
	if err := dbtproject.Extract(dir); err != nil {
		t.Fatal(err)
	}
	// Every file of the project beside this test is there, but for Go's.
	for _, root := range []string{"dbt_project.yml", "profiles.yml", "macros", "models", "tests"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			want, err := os.ReadFile(path) //nolint:gosec // our own files
			if err != nil {
				return err
			}
			got, err := os.ReadFile(filepath.Join(dir, path)) //nolint:gosec // the test's folder
			if !bytes.Equal(got, want) {
				t.Errorf("%s: extracted %q, %v", path, got, err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if !strings.Contains(string(dbtproject.Requirements), "dbt-core==") {
		t.Error("the requirements do not name dbt-core")
	}

	// Again, over an older version: what is right is not touched, what is wrong is mended, what is gone goes.
	model, profile, stale := filepath.Join(dir, "models/gold/fct_transactions.sql"), filepath.Join(dir, "profiles.yml"), filepath.Join(dir, "models/gold/gone.sql")
	target := filepath.Join(dir, "target/manifest.json")
	old := time.Now().Add(-time.Hour)
	for _, err := range []error{os.Chtimes(model, old, old), os.WriteFile(profile, []byte("old"), 0o600), os.WriteFile(stale, nil, 0o600),
		os.MkdirAll(filepath.Dir(target), 0o750), os.WriteFile(target, nil, 0o600)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := dbtproject.Extract(dir); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(model); err != nil || info.ModTime().After(old.Add(time.Second)) {
		t.Errorf("a file that was right was written again: %v", err)
	}
	if text, err := os.ReadFile(profile); err != nil || string(text) == "old" { //nolint:gosec // the test's folder
		t.Errorf("a file that was wrong stayed: %v", err)
	}
	if _, err := os.Stat(stale); !os.IsNotExist(err) {
		t.Errorf("a model that the project no longer has is there: %v", err)
	}
	if _, err := os.Stat(target); err != nil {
		t.Errorf("what dbt keeps between runs is gone: %v", err)
	}
}
