package warehouse_test

import (
	"bufio"
	"context"
	"encoding/json"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	dbtproject "github.com/tidemill/tidemill/dbt"
	"github.com/tidemill/tidemill/internal/testkit"
	"github.com/tidemill/tidemill/storage/lake"
)

// dbtServer calls dbt again and again in one process: its imports take longer than its models.
const dbtServer = `
import json, os, sys
out = os.fdopen(os.dup(1), "w"); os.dup2(2, 1)
from dbt.cli.main import dbtRunner
for line in sys.stdin:
    request = json.loads(line)
    os.environ.update(request["env"])
    result = dbtRunner().invoke(["--quiet", "--log-level", "none", "--log-level-file", "none", "--no-use-colors"] + request["args"])
    nodes = {}
    for r in getattr(result.result, "results", None) or []:
        nodes[r.node.name] = r.status.value if hasattr(r.status, "value") else str(r.status)
    messages = [r.message for r in getattr(result.result, "results", None) or [] if r.message]
    out.write(json.dumps({"success": result.success, "nodes": nodes, "error": str(result.exception or messages)}) + "\n"); out.flush()
`

type dbtProcess struct {
	mu     sync.Mutex
	stdin  *json.Encoder
	stdout *bufio.Scanner
	stop   func()
}

var startDBT sync.Once
var theDBT *dbtProcess

// TestMain ends the dbt process that the tests share.
func TestMain(m *testing.M) {
	if runChild() {
		return
	}
	code := m.Run()
	if theDBT != nil {
		theDBT.stop()
	}
	os.Exit(code)
}

func sharedDBT(t *testing.T) *dbtProcess {
	t.Helper()
	env := testkit.DBT(t)
	startDBT.Do(func() {
		cmd := exec.Command(env.Python(), "-c", dbtServer) //nolint:gosec // our own
		cmd.Env = append(os.Environ(), "DBT_SEND_ANONYMOUS_USAGE_STATS=false")
		cmd.Stderr = os.Stderr
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		scanner := bufio.NewScanner(out)
		scanner.Buffer(nil, 1<<20)
		theDBT = &dbtProcess{stdin: json.NewEncoder(in), stdout: scanner, stop: func() {
			_ = in.Close()
			_ = cmd.Wait()
		}}
	})
	if theDBT == nil {
		t.Fatal("dbt did not start")
	}
	return theDBT
}

type dbtAnswer struct {
	Success bool
	Nodes   map[string]string
	Error   string
}

// dbt is a project of the test's own on one database.
type dbt struct {
	t   *testing.T
	env map[string]string
	dir string
}

func newDBT(t *testing.T, database string) *dbt {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	config, err := pgx.ParseConfig(database)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := dbtproject.Extract(dir); err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	return &dbt{t: t, dir: dir, env: map[string]string{
		"TIDEMILL_DBT_HOST": config.Host, "TIDEMILL_DBT_PORT": json.Number(itoa(int(config.Port))).String(), "TIDEMILL_DBT_USER": config.User,
		"TIDEMILL_DBT_PASSWORD": password, "TIDEMILL_DBT_DBNAME": config.Database, "TIDEMILL_DBT_SSLMODE": "disable",
	}}
}

// edit replaces old, which must be there exactly once, in a file of the project.
func (d *dbt) edit(file, old, new string) {
	d.t.Helper()
	path := filepath.Join(d.dir, file)
	text, err := os.ReadFile(path)
	if err != nil {
		d.t.Fatal(err)
	}
	if strings.Count(string(text), old) != 1 {
		d.t.Fatalf("%s has %q not once", file, old)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(text), old, new, 1)), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

// call runs dbt for a day.
func (d *dbt) call(day lake.Day, args ...string) dbtAnswer {
	d.t.Helper()
	p := sharedDBT(d.t)
	p.mu.Lock()
	defer p.mu.Unlock()
	env := maps.Clone(d.env)
	env["TIDEMILL_DBT_DAY"], env["TIDEMILL_DBT_RUN_ID"] = string(day), "run of "+string(day)
	args = append(args, "--project-dir", d.dir, "--profiles-dir", d.dir)
	began := time.Now()
	if err := p.stdin.Encode(map[string]any{"env": env, "args": args}); err != nil {
		d.t.Fatalf("dbt: %v", err)
	}
	if !p.stdout.Scan() {
		d.t.Fatalf("dbt ended: %v", p.stdout.Err())
	}
	d.t.Logf("dbt %s %v: %s", day, args[:len(args)-4], time.Since(began).Round(time.Millisecond))
	var a dbtAnswer
	if err := json.Unmarshal(p.stdout.Bytes(), &a); err != nil {
		d.t.Fatalf("dbt answers %s: %v", p.stdout.Bytes(), err)
	}
	return a
}

// run runs all models for a day, which must succeed.
func (d *dbt) run(day lake.Day, args ...string) {
	d.t.Helper()
	if a := d.call(day, append([]string{"run"}, args...)...); !a.Success {
		d.t.Fatalf("dbt run for %s: %v %s", day, a.Nodes, a.Error)
	}
}

var background = context.Background()
