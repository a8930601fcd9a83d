package dbt

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func tinyProject(t *testing.T) Project {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/tiny")); err != nil {
		t.Fatal(err)
	}
	p, err := Project{Dir: dir, Python: "/venv/bin/python"}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestProjectDefaults(t *testing.T) {
	p := tinyProject(t)
	if p.DBT != "/venv/bin/dbt" || p.ProfilesDir != p.Dir || p.TargetPath != filepath.Join(p.Dir, "target") || !strings.HasPrefix(p.ApplicationName, "tidemill-dbt-") {
		t.Errorf("defaults = %+v", p)
	}
	other, err := Project{Dir: p.Dir, DBT: "/venv/bin/dbt", Target: "another"}.withDefaults()
	if err != nil || other.Python != "/venv/bin/python" || other.ApplicationName == p.ApplicationName {
		t.Errorf("another target = %+v, %v", other, err)
	}
	for field, bad := range map[string]Project{
		"Dir":             {Python: "python"},
		"Python":          {Dir: p.Dir},
		"ProfilesDir":     {Dir: p.Dir, Python: "python", ProfilesDir: t.TempDir()},
		"Env":             {Dir: p.Dir, Python: "python", Env: []string{"NO_VALUE"}},
		"ApplicationName": {Dir: p.Dir, Python: "python", ApplicationName: strings.Repeat("x", 64)},
	} {
		if _, err := NewRunner(bad, Options{}); err == nil || !strings.Contains(err.Error(), "dbt.Project."+field) {
			t.Errorf("bad %s: %v", field, err)
		}
	}
}

func TestEnvironment(t *testing.T) {
	p := tinyProject(t)
	p.Env = []string{"DBT_PG_HOST=db", "BOTH=project"}
	ours := map[string]string{"PATH": "/bin", "HOME": "/home/me", "AWS_SECRET_ACCESS_KEY": "no business of dbt's"}
	env := p.environment(func(key string) (string, bool) { v, ok := ours[key]; return v, ok }, map[string]string{"BOTH": "run", "TIDEMILL_DBT_DAY": "2024-01-05"})
	for key, want := range map[string]string{
		"DBT_SEND_ANONYMOUS_USAGE_STATS": "false", "DO_NOT_TRACK": "1", "PGTZ": "UTC", "PATH": "/bin", "DBT_PG_HOST": "db", "BOTH": "run",
		"TIDEMILL_DBT_DAY": "2024-01-05", "TIDEMILL_DBT_APPLICATION_NAME": p.ApplicationName,
	} {
		if env[key] != want {
			t.Errorf("%s = %q, want %q", key, env[key], want)
		}
	}
	if _, leaked := env["AWS_SECRET_ACCESS_KEY"]; leaked {
		t.Error("dbt sees our environment")
	}
}

func TestInvocationArgs(t *testing.T) {
	p := Project{Dir: "/p", ProfilesDir: "/q", Target: "dev", Threads: 3}
	inv := Invocation{Command: CommandRun, Select: []string{"a", "tag:b"}, Exclude: []string{"c"}, FullRefresh: true}
	if got, want := strings.Join(p.runArgs(inv, nil), " "), "run --threads 3 --full-refresh --select a tag:b --exclude c"; got != want {
		t.Errorf("args = %s\nwant %s", got, want)
	}
	exact := []Node{{FQN: []string{"p", "x", "a"}}, {FQN: []string{"p", "b"}}}
	if got, want := strings.Join(p.runArgs(Invocation{Command: CommandBuild}, exact), " "), "build --threads 3 --indirect-selection empty --select fqn:p.x.a fqn:p.b"; got != want {
		t.Errorf("args = %s\nwant %s", got, want)
	}
	if got := p.commonArgs("/t", "/old"); !slices.Contains(got, "--partial-parse-file-path") || !slices.Contains(got, "dev") || slices.Contains(got, "--profile") {
		t.Errorf("common args = %q", got)
	}
	for name, bad := range map[string]Invocation{
		"no command":          {},
		"another command":     {Command: "docs"},
		"an option as a name": {Command: CommandRun, Select: []string{"--vars"}},
		"an empty name":       {Command: CommandRun, Exclude: []string{""}},
		"both selections":     {Command: CommandRun, Nodes: []string{"a"}, Select: []string{"b"}},
		"a refresh of a test": {Command: CommandTest, FullRefresh: true},
	} {
		if err := bad.check(); !errors.Is(err, ErrUsage) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRedact(t *testing.T) {
	redact := redactor(map[string]string{"DB_PASSWORD": "hunter2", "API_TOKEN": "abcdef", "A_SECRET": "abc", "HOST": "localhost"})
	if got, want := redact("postgres://me:hunter2@localhost abcdef abc"), "postgres://me:*****@localhost ***** abc"; got != want {
		t.Errorf("redacted = %q, want %q", got, want)
	}
}

func TestFingerprint(t *testing.T) {
	p := tinyProject(t)
	print := func() string {
		t.Helper()
		s, err := p.fingerprint()
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(p.Dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	first := print()
	for _, name := range []string{"target/manifest.json", "logs/dbt.log", ".git/HEAD"} {
		write(name, "what others write")
		if print() != first {
			t.Errorf("%s counts", name)
		}
	}
	for _, name := range []string{"models/base.sql", "models/new.sql", "profiles.yml", "dbt_project.yml", "dbt_packages/one/models/x.sql"} {
		before := print()
		write(name, "changed")
		if print() == before {
			t.Errorf("%s does not count", name)
		}
	}
	p.Target = "another"
	if print() == first {
		t.Error("the target does not count")
	}
}
