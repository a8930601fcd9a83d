package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	code = regexp.MustCompile("(?s)```.*?```|`[^`\n]*`")
	link = regexp.MustCompile(`\]\(([^)#\s]+)[^)]*\)`)
)

func TestLinksOfTheDocumentsLeadSomewhere(t *testing.T) {
	found := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".md" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range link.FindAllStringSubmatch(code.ReplaceAllString(string(text), ""), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			found++
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), m[1])); err != nil {
				t.Errorf("%s: the link to %s leads nowhere", path, m[1])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if found < 5 {
		t.Errorf("%d links are looked at: README.md alone has more", found)
	}
}

func TestTheProgramOfTheREADMECompiles(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	program := regexp.MustCompile("(?s)```go\n(.*?)```").FindSubmatch(text)
	if program == nil {
		t.Fatal("there is no Go in it")
	}
	if lines := strings.Count(string(program[1]), "\n"); lines != 20 {
		t.Errorf("it promises 20 lines and has %d", lines)
	}
	if out := build(t, nil, map[string]string{"main.go": string(program[1])}); out != "" {
		t.Error(out)
	}
}

// fragments is what the Go in docs/from-airflow.md stands in.
const fragments = `package fragments

import (
	"context"
	"net/url"
	"time"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/engine/settings"
)

type (
	Run      = engine.Run[engine.NoParams]
	Order    struct{ Amount int }
	Receipt  struct{ Amount int }
	Letter   struct{ To string }
	Params   struct{ Day string }
	Decision string
)

var (
	d                           *engine.DAG[engine.NoParams]
	letters                     *engine.DAG[Letter]
	files, customers, languages engine.Node[[]string]
	unit, image, name           engine.Node[string]
	loaded                      engine.Node[int]
	order                       engine.Node[Order]
	zurich                      *time.Location
	page, note                  engine.Callback
	check                       func(context.Context, Order) (Receipt, error)
	book                        func(context.Context, Order) (Receipt, error)
	create                      func(context.Context, Run) (string, error)
	query                       func(context.Context, string) (int, error)
	remove                      func(context.Context, string) error
	load, cleanUp, bookDay      func(context.Context, Run) error
	listFiles                   func(context.Context, string) ([]string, error)
	loadFile                    func(context.Context, string) (int, error)
	report                      func(context.Context, string, int) error
	size                        func(context.Context, string, string) (int, error)
	tell                        func(context.Context, engine.State, int, error) error
	pathOf                      func(string) string
	connect                     func(context.Context, url.URL, string) error
)

var _ = settings.New
`

func TestTheGoBesideAirflowsPythonCompiles(t *testing.T) {
	const doc = "docs/from-airflow.md"
	text, err := os.ReadFile(doc)
	if err != nil {
		t.Fatal(err)
	}
	here, err := filepath.Abs(doc)
	if err != nil {
		t.Fatal(err)
	}
	sources := map[string]string{"fragments.go": fragments}
	for _, m := range regexp.MustCompile("(?s)```go\n(.*?)```").FindAllSubmatchIndex(text, -1) {
		line := 1 + strings.Count(string(text[:m[2]]), "\n")
		sources[fmt.Sprintf("line%d.go", line)] = fmt.Sprintf(`package fragments

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/tidemill/tidemill/cli"
	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/engine/enginetest"
	"github.com/tidemill/tidemill/engine/settings"
)

var _, _, _, _, _, _, _ = cmp.Or[int], context.Background, errors.Is, fs.ErrNotExist, url.Parse, os.Stat, time.Now
var _, _, _, _ = cli.Main, engine.Compile, enginetest.Run, settings.New

func _(t *testing.T) {
//line %s:%d
%s
}
`, here, line, text[m[2]:m[3]])
	}
	if len(sources) < 15 {
		t.Errorf("%d pieces of Go are looked at: there are more", len(sources)-1)
	}
	out := build(t, []string{"-gcflags=-e"}, sources)
	for line := range strings.Lines(out) {
		if !strings.HasPrefix(line, "#") && !strings.Contains(line, "declared and not used") { // a fragment need not use all it shows
			t.Error(strings.TrimSpace(line))
		}
	}
}

// build compiles sources, by the names of their files, as a package of this module, and returns what the compiler has to say.
func build(t *testing.T, flags []string, sources map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	replace := map[string]string{}
	for name, text := range sources {
		source := filepath.Join(dir, name)
		if err := os.WriteFile(source, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		here, err := filepath.Abs(filepath.Join("indocs", name)) // which is not on the disk
		if err != nil {
			t.Fatal(err)
		}
		replace[here] = source
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(file, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	args := append(append([]string{"build", "-overlay", file, "-o", os.DevNull}, flags...), "./indocs")
	out, err := exec.CommandContext(t.Context(), "go", args...).CombinedOutput()
	if err != nil && len(out) == 0 {
		t.Fatal(err)
	}
	return string(out)
}

var (
	testName     = regexp.MustCompile("`((?:Test|Fuzz|Benchmark)[A-Z]\\w*)`")
	testFunction = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)\w+)\(`)
)

// Each test that docs/guarantees.md names as showing a promise is there.
func TestTheTestsBehindTheGuaranteesExist(t *testing.T) {
	have := map[string]bool{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".go" {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range testFunction.FindAllStringSubmatch(string(text), -1) {
			have[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("docs/guarantees.md")
	if err != nil {
		t.Fatal(err)
	}
	named := testName.FindAllStringSubmatch(string(text), -1)
	if len(named) < 40 {
		t.Errorf("it names %d tests: there are more", len(named))
	}
	for _, m := range named {
		if !have[m[1]] {
			t.Errorf("docs/guarantees.md names %s, which there is not", m[1])
		}
	}
}
