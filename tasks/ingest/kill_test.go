package ingest

import (
	"strconv"
	"strings"
	"testing"
)

// TestKilledAtEachStep kills a real process with SIGKILL before each step of its
// first commits, and starts it again: nothing is lost, nothing doubled, no
// partial file is seen at any time.
func TestKilledAtEachStep(t *testing.T) {
	t.Parallel()
	const records = 150
	w := newWorld(t, 3)
	recs := payments(3, 0, records)
	recs[17].Value = []byte("{broken") // so that a commit has dead letters too
	recs[90].Value = nil
	for i := range recs { // and files of two days
		recs[i].Timestamp = recs[i].Timestamp.AddDate(0, 0, i%2)
	}
	w.produce(recs...)

	seen := map[string]bool{}
	for step := 0; ; step++ {
		root := t.TempDir()
		killed, err := w.runChild(root, step)
		if killed == "" {
			if err != nil {
				t.Fatalf("step %d: %v", step, err)
			}
			break // it ended before the step came
		}
		seen[strings.Fields(killed)[2]] = true
		if !w.survives(root, records-2) {
			t.Fatalf("step %d: %s", step, killed)
		}
	}
	for _, op := range []string{"create", "write", "sync", "syncdir", "link", "mkdir", "remove"} {
		if !seen[op] {
			t.Errorf("no process was killed before a %s", op)
		}
	}
}

// runChild ingests in a process of its own and returns before which step that
// was killed, as it said; "" if it was not.
func (w *world) runChild(root string, kill int) (killed string, err error) {
	cmd := child("ingester", brokersVar+"="+strings.Join(w.brokers, ","), rootVar+"="+root, killVar+"="+strconv.Itoa(kill))
	out, err := cmd.Output()
	return strings.TrimSpace(string(out)), err
}

// survives checks what a killed process left, lets another finish, and checks
// that.
func (w *world) survives(root string, rows int) bool {
	here := *w
	here.root = root
	left := here.plainRows() // a file that is seen is a whole one
	for at, copies := range left {
		if len(copies) != 1 {
			w.t.Errorf("after the kill a plain reader sees %v %d times", at, len(copies))
		}
	}
	if said, err := w.runChild(root, -1); err != nil {
		w.t.Errorf("the next process: %s, %v", said, err)
	}
	here.wantOnce(rows)
	here.auditClean(here.lake())
	return !w.t.Failed()
}
