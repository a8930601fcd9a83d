// Package examples_test builds the programs of this folder and runs them as their first comments say.
package examples_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A try is one run of an example's DAG by `dag test`.
type try struct {
	example string
	args    []string
	fails   bool
	says    []string // on the terminal, somewhere
	env     []string
}

var tries = []try{
	{"hello", []string{"hello"}, false, []string{"Hello, world!", "hello  success"}, nil},
	{"hello", []string{"hello", "--params", `{"name": "Ada"}`}, false, []string{"Hello, Ada!"}, nil},
	{"hello", []string{"hello", "--params", `{"nam": "Ada"}`}, true, []string{"params.nam: this DAG has no such param; it has name"}, nil},
	{"mapping", []string{"invoices"}, false, []string{"the day in EUR", "orders=3", "letter[5] (Edsger)  success", "euros[1] (Grace)  success"}, nil},
	{"branching", []string{"payment", "--params", `{"amount": 50, "method": "card"}`}, false, []string{"by=\"the card company\"", "await_transfer  skipped", "check_limit  skipped"}, nil},
	{"branching", []string{"payment", "--params", `{"amount": 5000, "method": "transfer"}`}, false, []string{"approved by risk", "by=\"the bank\"", "charge_card  skipped"}, nil},
	{"branching", []string{"payment", "--params", `{"amount": 5, "method": "shells"}`}, false, []string{"by=\"the till\""}, nil},
	{"assets", []string{"load_orders"}, false, []string{"load_orders  success"}, nil},
	{"sensors", []string{"inbox", "--params", `{"folder": "$DIR"}`}, false, []string{"the shop is done", "files=1", "inbox  success"}, nil},
	{"approval", []string{"release", "--params", `{"version": "1.4"}`, "--answer", "confirm=ship"}, false, []string{"shipping", "image=app-1.4", "tell  skipped"}, nil},
	{"approval", []string{"release", "--params", `{"version": "1.4"}`, "--answer", "confirm=hold"}, false, []string{"held back", "ship  skipped"}, nil},
	{"approval", []string{"release", "--params", `{"version": "1.4"}`}, false, []string{"held back: nobody answered"}, nil},
	{"timetable", []string{"settlement", "--logical-date", "2024-03-28T17:00:00Z"}, false, []string{"from=2024-03-27T17:00:00.000Z", "to=2024-03-28T17:00:00.000Z"}, nil},
	{"tasktype", []string{"import"}, false, []string{"above zero", "loaded", "rows=2"}, nil},
	{"teardown", []string{"export"}, false, []string{"packing", "removing the folder", "export  success"}, nil},
	{"teardown", []string{"export", "--params", `{"fail": true}`}, true, []string{"the disk is full", "removing the folder", "export  failed"}, nil},
	{"trigger", []string{"month", "--params", `{"month": "2024-01"}`}, false, []string{"filed", "statement of", "month  success"}, nil},
	{"daily", []string{"sales", "--logical-date", "2024-01-05"}, false, []string{"sales  success"}, nil},
	{"daily", []string{"sales"}, true, []string{"this run has no day"}, nil},
	{"settings", []string{"export"}, true, []string{"SALES_URL", "SALES_TOKEN"}, nil},
	{"settings", []string{"export"}, false, []string{"service=api.example.com", "token=***", "export  success"}, []string{"SALES_URL=https://api.example.com", "SALES_TOKEN=correct-horse"}},
	{"testing", []string{"restock", "--params", `{"shop": "Basel"}`}, false, []string{"restock  success"}, nil},
	{"testing", []string{"restock"}, true, []string{"give the shop"}, nil},
}

// elsewhere are the examples that need a database, or a runtime of several DAGs: they have tests of their own beside them.
var elsewhere = []string{"transactions", "embedding", "limits", "clicks", "dbt"}

func TestExamples(t *testing.T) {
	bin, dir := t.TempDir(), t.TempDir()
	for name, text := range map[string]string{"shop.csv": "Ada,12\n", "DONE": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// Without what debuggers need a program is linked in half the time.
	build := []string{"build", "-ldflags=-s -w", "-o", bin}
	for _, c := range tries {
		if program := "./" + c.example; !slices.Contains(build, program) {
			build = append(build, program)
		}
	}
	if out, err := exec.CommandContext(t.Context(), "go", build...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, c := range tries {
		args := append([]string{"dag", "test"}, c.args...)
		for i := range args {
			args[i] = strings.ReplaceAll(args[i], "$DIR", dir)
		}
		t.Run(c.example+" "+strings.Join(c.args, " "), func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), filepath.Join(bin, c.example), args...)
			cmd.Env = append([]string{"HOME=" + t.TempDir(), "TMPDIR=" + t.TempDir(), "TIDEMILL_LOG_FORMAT=text"}, c.env...)
			out, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			if err != nil && !errors.As(err, &exit) || c.fails != (err != nil) {
				t.Errorf("it ended with %v", err)
			}
			for _, want := range c.says {
				if !strings.Contains(string(out), want) {
					t.Errorf("it does not say %q:\n%s", want, out)
				}
			}
		})
	}
}

// Each example says at its top what it shows and how to run it, fits on a screen or two, and is tried.
func TestEachExampleIsToldAndTried(t *testing.T) {
	tried := map[string]bool{}
	for _, c := range tries {
		tried[c.example] = true
	}
	for _, name := range elsewhere {
		if tests, err := filepath.Glob(filepath.Join(name, "*_test.go")); err != nil || len(tests) == 0 {
			t.Errorf("%s: it has no test beside it (%v)", name, err)
		}
		tried[name] = true
	}
	programs, err := filepath.Glob("*/main.go")
	if err != nil || len(programs) < 12 {
		t.Fatalf("%d examples, %v", len(programs), err)
	}
	howTo := regexp.MustCompile(`(?m)^//\t.*(go run|go test) \./examples/(\w+)`)
	for _, program := range programs {
		name := filepath.Dir(program)
		text, err := os.ReadFile(program)
		if err != nil {
			t.Fatal(err)
		}
		comment, _, _ := strings.Cut(string(text), "\npackage main\n")
		if !strings.HasPrefix(strings.ToLower(comment), "// "+name) {
			t.Errorf("%s does not begin with what it shows", program)
		}
		commands := howTo.FindAllStringSubmatch(comment, -1)
		if len(commands) == 0 {
			t.Errorf("%s does not say how to run it", program)
		}
		for _, c := range commands {
			if c[2] != name {
				t.Errorf("%s says how to run %s", program, c[2])
			}
		}
		if lines := strings.Count(string(text), "\n"); lines > 100 {
			t.Errorf("%s has %d lines: an example is a screen or two", program, lines)
		}
		if !tried[name] {
			t.Errorf("%s is tried by no test", program)
		}
	}
}
