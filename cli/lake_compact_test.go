package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/storage/payment"
)

// smallFiles is a lake with so many files of two rows on each of two days, the second of which is not over.
func smallFiles(t *testing.T, files int) (root string) {
	t.Helper()
	root = t.TempDir()
	l, err := lake.Open(root, "transactions")
	if err != nil {
		t.Fatal(err)
	}
	w := lake.NewWriter[payment.Row](l)
	for i := range files {
		state, err := l.State(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var c lake.Chunk[payment.Row]
		c.Reset("transactions", "id", 0, state.Next("id", 0))
		for n := range 4 {
			at := time.Date(2024, 1, 5+n/2, 10, i, n, 0, time.UTC)
			rec := lake.Record{Offset: c.End(), Timestamp: at, IngestedAt: at, Value: []byte("x")}
			if _, err := c.Take(&rec, func(rec *lake.Record, into *payment.Row) lake.Verdict {
				*into = payment.Row{TransactionID: fmt.Sprint(rec.Offset), KafkaOffset: rec.Offset, KafkaTimestamp: rec.Timestamp.UnixMicro()}
				return lake.Verdict{}
			}); err != nil {
				t.Fatal(err)
			}
		}
		b := w.Begin("id", state)
		if err := b.Add(&c); err != nil {
			t.Fatal(err)
		}
		sealed, err := b.Seal(lake.Topic{AskedAt: time.Date(2024, 1, 6, 11, 0, 0, 0, time.UTC), Partitions: 1})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Commit(t.Context(), sealed); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestLakeCompact(t *testing.T) {
	env := map[string]string{"TIDEMILL_LAKE": smallFiles(t, 4)}
	code, out, errOut := tidemill(t, env, "lake", "compact", "--json")
	var did []lake.Compacted
	if err := json.Unmarshal([]byte(out), &did); code != exitDone || err != nil || len(did) != 1 || did[0].Day != "2024-01-05" ||
		did[0].Before != 4 || did[0].After != 1 || did[0].Rows != 8 || !strings.Contains(errOut, "2024-01-05: 4 files → 1, 8 rows") {
		t.Errorf("it ended %d: %s%s (%v), want the day that is over compacted", code, out, errOut, err)
	}
	if code, out, _ := tidemill(t, env, "lake", "compact"); code != exitDone || !strings.Contains(out, "0 days compacted") {
		t.Errorf("again it ended %d: %s", code, out)
	}
	if code, out, _ := tidemill(t, env, "lake", "compact", "--day", "2024-01-06"); code != exitDone || !strings.Contains(out, "1 days compacted") {
		t.Errorf("of a day that is not over it ended %d: %s", code, out)
	}
	for _, c := range []struct{ args, want string }{
		{"audit", "clean"}, {"status", "files         2"}, {"days", "2024-01-05  1"}, {"files", "day=06/"},
	} {
		if code, out, errOut := tidemill(t, env, "lake", c.args); code != exitDone || !strings.Contains(out, c.want) {
			t.Errorf("lake %s ended %d: %s%s, want %q", c.args, code, out, errOut, c.want)
		}
	}
	for _, args := range [][]string{{"--day", "tomorrow"}, {"--target-mb", "0"}, {"--target-mb", "5000"}} {
		if code, _, errOut := tidemill(t, env, append([]string{"lake", "compact"}, args...)...); code != exitUsage || !strings.Contains(errOut, args[0]) {
			t.Errorf("lake compact %v ended %d: %s", args, code, errOut)
		}
	}
}

func TestLakeAsOf(t *testing.T) {
	root := smallFiles(t, 4)
	env := map[string]string{"TIDEMILL_LAKE": root}
	files := func(args ...string) (paths []string, code int, errOut string) {
		t.Helper()
		code, out, errOut := tidemill(t, env, append([]string{"lake", "files", "--json", "--day", "2024-01-05"}, args...)...)
		var list []lake.File
		if code == exitDone {
			if err := json.Unmarshal([]byte(out), &list); err != nil {
				t.Fatal(err)
			}
		}
		for _, f := range list {
			paths = append(paths, f.Path)
			if _, err := os.Stat(filepath.Join(root, f.Path)); err != nil {
				t.Error(err)
			}
		}
		return paths, code, errOut
	}
	before, _, _ := files()
	if code, _, errOut := tidemill(t, env, "lake", "compact"); code != exitDone {
		t.Fatal(errOut)
	}
	if now, _, _ := files(); len(now) != 1 {
		t.Errorf("after the compaction: %v", now)
	}
	then, _, _ := files("--as-of", "4")
	if len(before) != 4 || len(then) != 4 || !strings.HasPrefix(then[0], "_swap/") || filepath.Base(then[3]) != filepath.Base(before[3]) {
		t.Errorf("as of the entry before: %v, it was %v", then, before)
	}
	if two, _, _ := files("--as-of", "2"); len(two) != 2 {
		t.Errorf("as of entry 2: %v", two)
	}
	for asOf, want := range map[string]string{"4": `"files": 4`, "5": `"files": 1`} {
		if code, out, _ := tidemill(t, env, "lake", "days", "--json", "--as-of", asOf); code != exitDone || !strings.Contains(out, want) {
			t.Errorf("days as of %s ended %d: %s", asOf, code, out)
		}
	}
	for _, command := range []string{"days", "files"} {
		if code, _, errOut := tidemill(t, env, "lake", command, "--as-of", "9"); code != exitFailed || !strings.Contains(errOut, "the log ends at entry 5") {
			t.Errorf("%s as of an entry to come ended %d: %s", command, code, errOut)
		}
	}
	later, err := lake.Open(root, "transactions", lake.WithClock(func() time.Time { return time.Now().Add(2 * lake.KeepReplaced) }))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := later.CollectReplaced(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if _, code, errOut := files("--as-of", "4"); code != exitFailed || !strings.Contains(errOut, "not kept any more") {
		t.Errorf("after the old files were collected it ended %d: %s", code, errOut)
	}
}
