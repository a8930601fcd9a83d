package dbt

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// ignoredDirs hold what dbt and others write; they are no part of what a project means.
var ignoredDirs = map[string]bool{"target": true, "logs": true, "__pycache__": true, "node_modules": true, "venv": true}

// fingerprint is the hash of all files that decide what the parsed project is: the project's folder, profiles.yml, and
// the settings that choose the profile. Packages that were installed into the folder count.
func (p Project) fingerprint() (string, error) {
	sum := sha256.New()
	add := func(name, path string) error {
		f, err := os.Open(path) //nolint:gosec // a file of the project
		if err != nil {
			return err
		}
		defer f.Close() //nolint:errcheck // only read
		one := sha256.New()
		if _, err := io.Copy(one, f); err != nil {
			return err
		}
		_, err = fmt.Fprintf(sum, "%q %x\n", name, one.Sum(nil))
		return err
	}
	_, _ = fmt.Fprintf(sum, "%q %q %q\n", p.Profile, p.Target, p.Python)
	err := filepath.WalkDir(p.Dir, func(path string, d fs.DirEntry, err error) error { // in lexical order
		if err != nil {
			return err
		}
		hidden := strings.HasPrefix(d.Name(), ".") && path != p.Dir
		if d.IsDir() {
			if hidden || path == p.TargetPath || ignoredDirs[d.Name()] {
				return filepath.SkipDir
			}
			return nil
		}
		if hidden {
			return nil
		}
		if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() { // a link to a file counts as the file
			return err
		}
		name, err := filepath.Rel(p.Dir, path)
		if err != nil {
			return err
		}
		return add(name, path)
	})
	if err == nil {
		err = add("profiles.yml", filepath.Join(p.ProfilesDir, "profiles.yml"))
	}
	if err != nil {
		return "", fmt.Errorf("read the dbt project %s: %w", p.Dir, err)
	}
	return hex.EncodeToString(sum.Sum(nil))[:16], nil
}
