package cli

import (
	"bytes"
	"encoding/json"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/storage/lake"
)

// tidemill runs the command line in this process, with an environment of its own.
func tidemill(t *testing.T, env map[string]string, args ...string) (code int, out, errOut string) {
	t.Helper()
	var o, e bytes.Buffer
	if env["TIDEMILL_HOME"] == "" {
		env = with(env, "TIDEMILL_HOME", t.TempDir())
	}
	code = run(t.Context(), args, &o, &e, func(name string) string { return env[name] }, Reference())
	return code, o.String(), e.String()
}

func with(env map[string]string, name, value string) map[string]string {
	out := map[string]string{name: value}
	for k, v := range env {
		out[k] = v
	}
	return out
}

func TestBadUsageEndsWithTwoAndOneLine(t *testing.T) {
	for _, c := range []struct {
		name string
		env  map[string]string
		args []string
		want string
	}{
		{"unknown flag", nil, []string{"version", "--loud"}, "--loud"},
		{"a password with a slash", map[string]string{"TIDEMILL_DATABASE_URL": "postgres://u:hush/more@127.0.0.1/db"}, []string{"version"}, "percent-encoded"},
		{"a password with a percent sign", map[string]string{"TIDEMILL_WAREHOUSE_URL": "postgres://u:a%hush@127.0.0.1/db"}, []string{"version"}, "percent-encoded"},
		{"too many arguments", nil, []string{"dag", "show"}, "dag show takes DAG, not 0"},
		{"an argument where none is taken", nil, []string{"version", "twice"}, "version takes no arguments"},
		{"unknown command", nil, []string{"demoo"}, "did you mean demo?"},
		{"nothing like it", nil, []string{"nonsense"}, "tidemill --help"},
		{"unknown subcommand", nil, []string{"dag", "nonsense"}, `there is no command "dag nonsense"`},
		{"help on nothing", nil, []string{"help", "nonsense"}, `there is no command "nonsense"`},
		{"help on nothing of a command", nil, []string{"help", "dag", "nonsense"}, `there is no command "dag nonsense"`},
		{"no subcommand", nil, []string{"lake"}, "subcommand"},
		{"no database", nil, []string{"dag", "list"}, "TIDEMILL_DATABASE_URL"},
		{"log level", map[string]string{"TIDEMILL_LOG_LEVEL": "loud"}, []string{"version"}, "TIDEMILL_LOG_LEVEL"},
		{"log format", nil, []string{"version", "--log-format", "xml"}, "TIDEMILL_LOG_FORMAT"},
		{"database URL", map[string]string{"TIDEMILL_DATABASE_URL": "mysql://root:hush@db/x"}, []string{"version"}, "postgres://"},
		{"broken database URL", map[string]string{"TIDEMILL_DATABASE_URL": "postgres://root:hush@db:port/x"}, []string{"version"}, "TIDEMILL_DATABASE_URL"},
		{"public address", nil, []string{"serve", "--listen", "0.0.0.0:8080"}, "loopback"},
		{"produce what", nil, []string{"produce"}, "--events"},
		{"produce nothing there", map[string]string{"TIDEMILL_KAFKA_BROKERS": "127.0.0.1:1"}, []string{"produce", "--events", "/no/such/file"}, "/no/such/file"},
		{"demo without a file", nil, []string{"demo", "--once", "--events", "/no/such/file"}, "--events"},
		{"backfill number", nil, []string{"backfill", "show", "first"}, "first"},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, out, errOut := tidemill(t, c.env, c.args...)
			if code != exitUsage || !strings.Contains(errOut, c.want) {
				t.Errorf("ended %d saying %q; want 2 and %q", code, errOut, c.want)
			}
			if strings.Contains(errOut+out, "hush") {
				t.Errorf("a password is told: %q", errOut)
			}
		})
	}
}

func TestJSONIsOneDocument(t *testing.T) {
	code, out, _ := tidemill(t, nil, "version", "--json")
	var v map[string]string
	if err := json.Unmarshal([]byte(out), &v); code != exitDone || err != nil || v["version"] == "" {
		t.Errorf("ended %d with %q: %v", code, out, err)
	}
}

func TestAFlagWinsOverTheEnvironment(t *testing.T) {
	env := map[string]string{"TIDEMILL_LOG_LEVEL": "loud"}
	if code, _, errOut := tidemill(t, env, "version", "--log-level", "debug"); code != exitDone {
		t.Errorf("ended %d: %s", code, errOut)
	}
}

func TestDaysAreGroupedIntoRanges(t *testing.T) {
	got := consecutive([]lake.Day{"2000-01-01", "2024-02-28", "2024-02-29", "2024-03-01", "2024-03-03"})
	want := [][2]lake.Day{{"2000-01-01", "2000-01-01"}, {"2024-02-28", "2024-03-01"}, {"2024-03-03", "2024-03-03"}}
	if len(got) != len(want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("range %d: got %v, want %v", i, got[i], want[i])
		}
	}
}

// The run of a day is due at 02:00 of the day after it.
func TestADayIsOpenUntilItsRunIsDue(t *testing.T) {
	days := []lake.Day{"2024-01-05", "2024-01-06"}
	for _, c := range []struct {
		now            string
		complete, open int
	}{
		{"2024-01-06T01:59:59Z", 0, 2},
		{"2024-01-06T02:00:00Z", 1, 1},
		{"2024-01-07T02:00:00Z", 2, 0},
	} {
		now, err := time.Parse(time.RFC3339, c.now)
		if err != nil {
			t.Fatal(err)
		}
		complete, open := divide(days, now)
		if len(complete) != c.complete || len(open) != c.open {
			t.Errorf("at %s: complete %v, open %v", c.now, complete, open)
		}
	}
}

func TestTheCommandForSQLHoldsNoPassword(t *testing.T) {
	got, err := psql("postgres://tidemill:hush@127.0.0.1:5433/tidemill?sslmode=disable", "/home/o'neill/password")
	if want := `PGPASSWORD=$(cat '/home/o'\''neill/password') psql postgres://tidemill@127.0.0.1:5433/tidemill`; err != nil || got != want {
		t.Errorf("got %s, %v; want %s", got, err, want)
	}
}

func TestProgressIsTold(t *testing.T) {
	for progress, want := range map[string]string{
		`{"lag":5,"partitions":[{"lag":1}],"batch_duration":3904000001,"dead_letters":{"city":8},"watermark":"2026-11-23T01:00:36.553596651Z","ok":true}`: "lag 5, batch duration 3.904s, watermark 2026-11-23T01:00:36Z, ok true",
		`{}`:   "",
		`null`: "null",
		`7`:    "7",
	} {
		if got := progressOf([]byte(progress)); got != want {
			t.Errorf("%s is told as %q; want %q", progress, got, want)
		}
	}
}

func TestADayIsTold(t *testing.T) {
	logical := time.Date(2026, 11, 21, 2, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		run  engine.RunRow
		want string
	}{
		{engine.RunRow{RunID: "a", Logical: &logical}, "2026-11-21"},
		{engine.RunRow{RunID: "a", Params: []byte(`{"day":"2026-11-22","partial":true}`)}, "2026-11-22 (so far)"},
		{engine.RunRow{RunID: "a", Params: []byte(`{"day":"2026-11-22"}`)}, "2026-11-22"},
		{engine.RunRow{RunID: "a"}, "a"},
	} {
		if got := dayOf(c.run); got != c.want {
			t.Errorf("%+v is told as %q; want %q", c.run, got, c.want)
		}
	}
}

func TestThingsAreCounted(t *testing.T) {
	for want, got := range map[string]string{"1 DAG": count(1, "DAG"), "0 streams": count(0, "stream"), "2 processes": count(2, "process"), "1 process": count(1, "process")} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestAPortThatIsTakenNamesTheMend(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, command := range []string{"serve", "demo"} {
		code, _, errOut := tidemill(t, nil, command, "--listen", l.Addr().String())
		if code != exitUsage || !strings.Contains(errOut, "TIDEMILL_LISTEN") {
			t.Errorf("%s ended %d saying %q", command, code, errOut)
		}
	}
}

// The budget of database connections of one process: slots/10 + 5.
func TestConnectionsStayWithinTheirBudget(t *testing.T) {
	for _, slots := range []int{0, 1, 32, 40, 64, 100, 128, 200, 500, 2000} {
		work := connections(slots)
		all := work + max(2, work/2) + max(1, work/4) + 1
		budget := max(slots, engine.DefaultSlots)/10 + 5
		if all > budget {
			t.Errorf("%d slots: %d connections, more than %d", slots, all, budget)
		}
	}
}
