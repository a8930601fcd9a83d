// Package dbtproject is the dbt project that makes Gold, embedded in the binary: models, macros, tests, profiles.yml and
// the lock file of the Python packages that run it.
//
// dbt is told everything by environment: see profiles.yml for the connection (TIDEMILL_DBT_HOST, _PORT, _USER,
// _PASSWORD, _DBNAME, _SSLMODE, _THREADS, _APPLICATION_NAME), and TIDEMILL_DBT_DAY (YYYY-MM-DD, the day that the run is
// for; required by run and build) and TIDEMILL_DBT_RUN_ID for the run. Set PGOPTIONS to
// "-c client_connection_check_interval=1s" too, so that the queries of a dbt that was killed end with it.
//
// How the models stay right is told in README.md beside this file.
package dbtproject

import (
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Files is the project, with dbt_project.yml at its root.
//
//go:embed dbt_project.yml profiles.yml requirements.lock.txt README.md all:macros all:models all:tests
var Files embed.FS

// Requirements is the lock file: the Python packages that dbt needs, each with its version and hashes, as pip reads them.
//
//go:embed requirements.lock.txt
var Requirements []byte

// Extract writes the project below the folder dir, which it makes when it is not there. A file whose content is right
// already is not touched, so that dbt's partial parsing holds. A file of an older version that the project no longer
// has is removed from macros, models and tests, where dbt would read it.
func Extract(dir string) error {
	wanted := map[string]bool{}
	err := fs.WalkDir(Files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := filepath.Join(dir, filepath.FromSlash(path))
		wanted[target] = true
		if d.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		text, err := Files.ReadFile(path)
		if err != nil {
			return err
		}
		if have, err := os.ReadFile(target); err == nil && string(have) == string(text) {
			return nil
		}
		return os.WriteFile(target, text, 0o644)
	})
	if err != nil {
		return fmt.Errorf("extract the dbt project to %s: %w", dir, err)
	}
	for _, folder := range []string{"macros", "models", "tests"} {
		err := filepath.WalkDir(filepath.Join(dir, folder), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || wanted[path] {
				return err
			}
			return os.Remove(path)
		})
		if err != nil {
			return fmt.Errorf("clear the dbt project in %s: %w", dir, err)
		}
	}
	return nil
}
