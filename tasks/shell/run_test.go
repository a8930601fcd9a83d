package shell_test

import (
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/tasks/shell"
)

func TestACommandGetsWhatItIsGiven(t *testing.T) {
	t.Parallel()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	r, err := shell.Run(t.Context(), shell.Command{
		Script: `pwd; echo "$1|$2"; echo "$GREETING"; cat; echo "to stderr" >&2`,
		Args:   []string{"a b", `$(boom) "'`},
		Dir:    dir,
		Env:    map[string]string{"GREETING": "hello"},
		Stdin:  []byte("from stdin\n"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := dir + "\na b|$(boom) \"'\nhello\nfrom stdin\n"; r.Stdout != want {
		t.Errorf("stdout %q, want %q", r.Stdout, want)
	}
	if r.Stderr != "to stderr\n" || r.Code != 0 || r.StdoutBytes != int64(len(r.Stdout)) || r.StderrBytes != 10 {
		t.Errorf("%+v", r)
	}
}

func TestAProgramNeedsNoShell(t *testing.T) {
	t.Parallel()
	r, err := shell.Run(t.Context(), shell.Command{Path: "printf", Args: []string{"%s|", "a b", "$HOME"}})
	if err != nil || r.Stdout != "a b|$HOME|" {
		t.Errorf("%q, %v", r.Stdout, err)
	}
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		script  string
		codes   map[int]shell.Meaning
		code    int
		skipped bool
		forGood bool
		failed  bool
	}{
		{"0 succeeds", "exit 0", nil, 0, false, false, false},
		{"1 fails", "exit 1", nil, 1, false, false, true},
		{"99 skips", "exit 99", nil, 99, true, false, true},
		{"99 need not", "exit 99", map[int]shell.Meaning{99: shell.Fails}, 99, false, false, true},
		{"another skips", "exit 4", map[int]shell.Meaning{4: shell.Skips}, 4, true, false, true},
		{"another succeeds", "exit 24", map[int]shell.Meaning{24: shell.Succeeds}, 24, false, false, false},
		{"another is permanent", "exit 2", map[int]shell.Meaning{2: shell.Permanent}, 2, false, true, true},
		{"0 can fail", "exit 0", map[int]shell.Meaning{0: shell.Fails}, 0, false, false, true},
		{"a script ends where it fails", "false; exit 0", nil, 1, false, false, true},
		{"an unset variable is an error", "echo $nowhere; exit 0", nil, 2, false, false, true},
		{"a signal of others fails", "kill -9 $$", map[int]shell.Meaning{-1: shell.Succeeds}, -1, false, true, true}, // the code is refused: there is none
		{"a signal fails", "kill -9 $$", nil, -1, false, false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, err := shell.Run(t.Context(), shell.Command{Script: c.script, Codes: c.codes})
			_, skipped := errors.AsType[*engine.SkipError](err)
			_, forGood := errors.AsType[*engine.PermanentError](err)
			exit, typed := errors.AsType[*shell.ExitError](err)
			if (err != nil) != c.failed || skipped != c.skipped || forGood != c.forGood {
				t.Fatalf("error %v; skipped %v, permanent %v", err, skipped, forGood)
			}
			if typed && exit.Code != c.code || !c.failed && r.Code != c.code {
				t.Errorf("code %d, error %v", r.Code, err)
			}
		})
	}
}

func TestAnErrorTellsWhatWasSaidLast(t *testing.T) {
	t.Parallel()
	_, err := shell.Run(t.Context(), shell.Command{Script: "for i in 1 2 3 4 5 6 7; do echo line $i >&2; done; exit 3"})
	if want := "script: exit code 3: line 3\nline 4\nline 5\nline 6\nline 7"; err == nil || err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}
	_, err = shell.Run(t.Context(), shell.Command{Script: "echo only here; exit 3"})
	if want := "script: exit code 3: only here"; err == nil || err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}
	_, err = shell.Run(t.Context(), shell.Command{Script: "kill -9 $$"})
	exit, ok := errors.AsType[*shell.ExitError](err)
	if !ok || exit.Signal != syscall.SIGKILL || !strings.Contains(err.Error(), "out of memory") {
		t.Errorf("error %v", err)
	}
}

func TestWhatCannotBeRunNamesTheFix(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		command shell.Command
		want    string
		forGood bool
	}{
		{"empty", shell.Command{}, "set Path to a program, or Script", true},
		{"both", shell.Command{Path: "true", Script: "true"}, "keep one", true},
		{"no such program", shell.Command{Path: "no-such-program-here"}, "install it", true},
		{"no such file", shell.Command{Path: "/no/such/file"}, "give its full path", true},
		{"no program", shell.Command{Path: file}, "chmod +x", true},
		{"no such folder", shell.Command{Path: "true", Dir: "/no/such/folder"}, "Dir /no/such/folder", false},
		{"grace", shell.Command{Path: "true", Grace: shell.MaxGrace + 1}, "give one from 0 (10s) to 15s", true},
		{"keep", shell.Command{Path: "true", Keep: -1}, "give a number of bytes", true},
		{"code", shell.Command{Path: "true", Codes: map[int]shell.Meaning{256: shell.Skips}}, "0 to 255", true},
		{"meaning", shell.Command{Path: "true", Codes: map[int]shell.Meaning{1: 7}}, "use Fails, Succeeds", true},
		{"argument", shell.Command{Path: "true", Args: []string{"", "a\x00"}}, "Args[1]", true},
		{"name", shell.Command{Path: "true", Env: map[string]string{"A=B": ""}}, `"A=B"`, true},
		{"value", shell.Command{Path: "true", SecretEnv: map[string]string{"A": "canary\x00"}}, "variable A has a NUL", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := shell.Run(t.Context(), c.command)
			_, forGood := errors.AsType[*engine.PermanentError](err)
			if err == nil || !strings.Contains(err.Error(), c.want) || forGood != c.forGood || strings.Contains(err.Error(), "canary") {
				t.Errorf("permanent %v: %v", forGood, err)
			}
		})
	}
}

func TestMuchOutputIsKeptToItsBound(t *testing.T) {
	t.Parallel()
	r, err := shell.Run(t.Context(), shell.Command{Script: "head -c 20000000 /dev/zero | tr '\\0' a; echo the end", Keep: 100, Quiet: true})
	if err != nil {
		t.Fatal(err)
	}
	if r.StdoutBytes != 20_000_008 || len(r.Stdout) != 100 || !strings.HasSuffix(r.Stdout, "aaathe end\n") {
		t.Errorf("%d bytes, of which are kept %d: …%q", r.StdoutBytes, len(r.Stdout), r.Stdout[max(0, len(r.Stdout)-20):])
	}
	if len(logged.lines("the end")) != 0 {
		t.Error("a quiet command's stdout was logged")
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	type count struct {
		Rows int `json:"rows"`
	}
	for _, c := range []struct {
		name, script, err string
		rows              int
	}{
		{"fits", `echo '{"rows": 3}'; echo progress >&2`, "", 3},
		{"more than one", `echo '{"rows": 3} {"rows": 4}'`, "not one JSON value", 0},
		{"other type", `echo '{"rows": "many"}'`, "shell_test.count", 0},
		{"too long", `head -c 2000000 /dev/zero | tr '\0' ' '; echo '{"rows": 3}'`, "more than the 1048576 that are kept", 0},
		{"failed", `echo '{"rows": 3}'; exit 1`, "exit code 1", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			body := shell.TaskJSON[count](func(script string) shell.Command { return shell.Command{Script: script, Quiet: true} })
			got, err := body(t.Context(), c.script)
			if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) || got.Rows != c.rows {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

func TestSecretsAreShownNowhere(t *testing.T) {
	t.Setenv("TIDEMILL_TEST_API_TOKEN", "canary-inherited")
	t.Setenv("TIDEMILL_TEST_URL", "postgres://u:canary%2Furl@db/x")
	t.Setenv("PGPASSWORD", "canary-not-passed-on")
	r, err := shell.Run(t.Context(), shell.Command{
		Script: `env; echo "$KEY"; echo "$1"; printf 'as an argument: %s' "$1" >&2
			printf 'can'; sleep 0.01; printf 'ary-%s\n' in-pieces; echo canary/url; exit 1`,
		Args:       []string{"canary-argument"},
		Secrets:    []string{"canary-argument", "canary-in-pieces"},
		Env:        map[string]string{"MY_PASSWORD": "canary-by-name", "SEEN": "seen-by-all"},
		SecretEnv:  map[string]string{"KEY": "-----BEGIN\ncanary-of-a-key\n-----END"},
		InheritEnv: []string{"TIDEMILL_TEST_API_TOKEN", "TIDEMILL_TEST_URL"},
	})
	if err == nil {
		t.Fatal("no error")
	}
	for where, text := range map[string]string{"log": logged.String(), "stdout": r.Stdout, "stderr": r.Stderr, "error": err.Error()} {
		if strings.Contains(text, "canary") {
			t.Errorf("a secret is in the %s: %s", where, text)
		}
	}
	if !strings.Contains(r.Stdout, "SEEN=seen-by-all") || !strings.Contains(r.Stdout, "TIDEMILL_TEST_API_TOKEN=*****") || r.Stderr != "as an argument: *****" {
		t.Errorf("stdout %s, stderr %s", r.Stdout, r.Stderr)
	}
}

// Our own environment holds what a command must not have.
func TestACommandGetsNoMoreOfOurEnvironmentThanItAsksFor(t *testing.T) {
	t.Setenv("TIDEMILL_DATABASE_URL", "ours")
	t.Setenv("TIDEMILL_TEST_WANTED", "wanted")
	t.Setenv("LANG", "C.UTF-8")
	r, err := shell.Run(t.Context(), shell.Command{Path: "env", InheritEnv: []string{"TIDEMILL_TEST_WANTED", "TIDEMILL_TEST_UNSET"}})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(r.Stdout, "ours") || strings.Contains(r.Stdout, "UNSET") || !strings.Contains(r.Stdout, "TIDEMILL_TEST_WANTED=wanted\n") || !strings.Contains(r.Stdout, "LANG=C.UTF-8\n") {
		t.Errorf("environment:\n%s", r.Stdout)
	}
}

func TestBytesThatAreNoText(t *testing.T) {
	t.Parallel()
	raw := base64.StdEncoding.EncodeToString([]byte("a\xff\x00b"))
	r, err := shell.Run(t.Context(), shell.Command{Script: `printf '%s' "$1" | base64 -d`, Args: []string{raw}})
	if err != nil || r.Stdout != "a�\x00b" || r.StdoutBytes != 4 {
		t.Errorf("%+v, %v", r, err)
	}
}
