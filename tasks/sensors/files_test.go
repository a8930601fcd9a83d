package sensors_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/tasks/sensors"
)

func write(t *testing.T, path, text string, changed time.Time) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, changed, changed); err != nil {
		t.Fatal(err)
	}
}

func isPermanent(err error) bool {
	_, ok := errors.AsType[*engine.PermanentError](err)
	return ok
}

var noon = time.Date(2024, 1, 5, 12, 0, 0, 0, time.UTC)

func TestFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	poke := sensors.File(func(name string) string { return filepath.Join(dir, name) })
	if _, ready, err := poke(t.Context(), "day=[5]/a.csv"); ready || err != nil {
		t.Errorf("a file that is not there: %v, %v", ready, err)
	}
	write(t, filepath.Join(dir, "day=[5]", "a.csv"), "1,2", noon)
	f, ready, err := poke(t.Context(), "day=[5]/a.csv")
	if err != nil || !ready || f != (sensors.FoundFile{Path: filepath.Join(dir, "day=[5]", "a.csv"), Size: 3, Changed: noon}) {
		t.Errorf("%+v, %v, %v", f, ready, err)
	}
	if err := os.Symlink("nowhere", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if _, ready, err := poke(t.Context(), "link"); ready || err != nil {
		t.Errorf("a link to nothing: %v, %v", ready, err)
	}
	if _, ready, err := poke(t.Context(), "day=[5]"); ready || !isPermanent(err) || !strings.Contains(err.Error(), "is a folder: name a file in it") {
		t.Errorf("a folder: %v, %v", ready, err)
	}
	if _, ready, err := poke(t.Context(), "day=[5]/a.csv/b"); ready || err == nil {
		t.Errorf("what can never be: %v, %v", ready, err)
	}
	if _, ready, err := sensors.File(func(string) string { return "" })(t.Context(), ""); ready || !isPermanent(err) {
		t.Errorf("no path: %v, %v", ready, err)
	}
}

func TestGlob(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, f := range []struct {
		name, text string
		age        time.Duration
	}{
		{"old/a.csv", "aaa", time.Hour}, {"old/b.csv", "b", time.Hour}, {"old/.c.csv.tmp1", "c", time.Hour}, {"old/.d.csv", "d", time.Hour}, {".trash/e.csv", "e", time.Hour},
		{"new/a.csv", "a", time.Minute}, {"new/b.csv", "b", time.Hour}, {"new/folder.csv/x", "", time.Hour},
	} {
		write(t, filepath.Join(dir, f.name), f.text, noon.Add(-f.age))
	}
	for _, c := range []struct {
		name  string
		files sensors.Files
		want  string // names of what is found; "": not ready
		err   string
		final bool
	}{
		{"some", sensors.Files{Pattern: "old/*.csv"}, "old/a.csv old/b.csv", "", false},
		{"none", sensors.Files{Pattern: "old/*.parquet"}, "", "", false},
		{"no folder yet", sensors.Files{Pattern: "later/*.csv"}, "", "", false},
		{"folders by a wildcard, not hidden ones", sensors.Files{Pattern: "*/b*.csv"}, "new/b.csv old/b.csv", "", false},
		{"hidden ones by name", sensors.Files{Pattern: ".trash/*.csv"}, ".trash/e.csv", "", false},
		{"hidden ones by a pattern", sensors.Files{Pattern: "old/.*.csv"}, "old/.d.csv", "", false},
		{"folders do not count", sensors.Files{Pattern: "new/*.csv"}, "new/a.csv new/b.csv", "", false},
		{"as many", sensors.Files{Pattern: "old/*.csv", AtLeast: 2}, "old/a.csv old/b.csv", "", false},
		{"not as many", sensors.Files{Pattern: "old/*.csv", AtLeast: 3}, "", "", false},
		{"large ones", sensors.Files{Pattern: "old/*.csv", MinSize: 2}, "old/a.csv", "", false},
		{"quiet ones", sensors.Files{Pattern: "new/*.csv", Quiet: 5 * time.Minute}, "new/b.csv", "", false},
		{"not quiet yet", sensors.Files{Pattern: "new/a.csv", Quiet: time.Minute + 1}, "", "", false},
		{"just quiet", sensors.Files{Pattern: "new/a.csv", Quiet: time.Minute}, "new/a.csv", "", false},
		{"in a file", sensors.Files{Pattern: "old/a.csv/*"}, "", "not a directory", false},
		{"no pattern", sensors.Files{}, "", "Pattern must name files", true},
		{"below 0", sensors.Files{Pattern: "x", Quiet: -1}, "", "no number may be below 0", true},
		{"malformed", sensors.Files{Pattern: "old/[.csv"}, "", "close each [", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			found, ready, err := sensors.Glob(func() time.Time { return noon }, func(f sensors.Files) sensors.Files {
				if f.Pattern != "" {
					f.Pattern = filepath.Join(dir, f.Pattern)
				}
				return f
			})(t.Context(), c.files)
			var names []string
			for _, f := range found {
				names = append(names, strings.TrimPrefix(f.Path, dir+"/"))
			}
			if got := strings.Join(names, " "); got != c.want || ready != (c.want != "") {
				t.Errorf("%q, ready %v; want %q", got, ready, c.want)
			}
			if (err != nil) != (c.err != "") || err != nil && (!strings.Contains(err.Error(), c.err) || isPermanent(err) != c.final) {
				t.Errorf("permanent %v: %v", isPermanent(err), err)
			}
		})
	}
}
