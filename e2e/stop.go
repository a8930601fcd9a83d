package e2e

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidemill/tidemill/internal/embedded/postgres"
	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/storage/payment/events"
	"github.com/tidemill/tidemill/storage/payment/goldref"
	"github.com/tidemill/tidemill/tasks/produce"
)

// stopLimit is how long the program may take to end after Ctrl-C, drainLimit how long serve may, which gives running tasks 30 s.
const (
	stopLimit  = 10 * time.Second
	drainLimit = 45 * time.Second
)

// StoppedAndGoesOn stops the program in the middle of its work by every means, one home after the other's leavings: nothing is
// left running, and the next one goes on to the right Gold.
func StoppedAndGoesOn(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	file := writeSample(t, 2, 1500)

	t.Log("SIGKILL while events are produced and ingested")
	p := h.start("demo", "--once", "--events", file)
	eventually(t, "events are produced", func() bool { return strings.Contains(p.out.String(), "events produced") || !p.running() })
	p.kill()
	h.nothingIsLeft()

	t.Log("SIGKILL while a day is loaded")
	p = h.start("demo", "--once", "--events", file)
	h.reaches(p, "a load is under way", `SELECT EXISTS (SELECT FROM metadata.loads)`)
	p.kill()
	h.nothingIsLeft()

	t.Log("Ctrl-C while dbt builds")
	p = h.start("demo", "--once", "--events", file)
	h.reaches(p, "dbt builds", `SELECT EXISTS (SELECT FROM tidemill.virtual_nodes WHERE task_id = 'dbt_run' AND state = 'running')`)
	h.interrupted(p, 1)
	if said := p.errOut.String(); !strings.Contains(said, "interrupted before everything was done") {
		t.Errorf("it does not say that it was interrupted: %s", said)
	}

	t.Log("Ctrl-C of serve, which has taken the runs up")
	p = h.start("serve")
	h.reaches(p, "the runs go on", `SELECT EXISTS (SELECT FROM tidemill.task_queue WHERE worker IS NOT NULL) OR NOT EXISTS (SELECT FROM tidemill.runs WHERE state IN ('queued', 'running'))`)
	h.interruptedWithin(p, drainLimit, 0)

	t.Log("Ctrl-C of a demo that is starting")
	p = h.start("demo", "--events", file)
	eventually(t, "its database runs", func() bool { return strings.Contains(p.out.String(), "PostgreSQL") || !p.running() })
	h.interrupted(p, 0)

	t.Log("to the end")
	h.demo(file)
	h.nothingIsLeft()
	h.opened(func(o outcome) { o.checkAll(file) })

	t.Log("Ctrl-C of a demo to which live payments come")
	p = h.start("demo", "--events", file)
	h.sees(p, func() bool { return strings.Contains(p.out.String(), "live payments go on coming in") })
	before := h.commits()
	h.sees(p, func() bool { return h.commits() > before })
	h.interrupted(p, 0)
	h.run(0, "lake", "audit")
	h.opened(func(o outcome) {
		all, ofFile := o.topic(), readEvents(t, file)
		if len(all) <= len(ofFile) {
			t.Errorf("the topic has %d records, %d of them of the file: no live ones", len(all), len(ofFile))
		}
		checkTopicHolds(t, o.lake(), all)
	})
}

// checkTopicHolds checks that the lake of a topic that was being produced to when it was stopped has no record twice, none that was
// not accepted, and none missing below the offsets that it has committed.
func checkTopicHolds(t *testing.T, root string, all []goldref.Event) {
	t.Helper()
	l, err := lake.Open(root, topicName)
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	next := map[int32]int64{}
	for _, p := range s.Partitions {
		next[p.Partition] = p.Next
	}
	checkLake(t, root, goldref.Of(slices.DeleteFunc(all, func(e goldref.Event) bool { return e.Offset >= next[e.Partition] }), time.Now()))
}

// interrupted ends the process by Ctrl-C.
func (h *home) interrupted(p *process, code int) {
	h.t.Helper()
	h.interruptedWithin(p, stopLimit, code)
}

func (h *home) interruptedWithin(p *process, limit time.Duration, code int) {
	h.t.Helper()
	began := time.Now()
	p.interrupt()
	if got := p.endsWithin(limit); got != code {
		h.t.Errorf("exit code %d after Ctrl-C, want %d", got, code)
	}
	h.t.Logf("ended %s after Ctrl-C", time.Since(began).Round(time.Millisecond))
	if left := h.leftovers(); len(left) > 0 {
		h.t.Errorf("processes left: %s", left)
	}
}

// nothingIsLeft waits until what a killed program has started is gone too.
func (h *home) nothingIsLeft() {
	h.t.Helper()
	eventually(h.t, "its children have ended", func() bool { return len(h.leftovers()) == 0 })
}

// reaches waits until a question to the database that the process runs is answered with yes.
func (h *home) reaches(p *process, what, sql string) {
	h.t.Helper()
	eventually(h.t, what, func() bool {
		if !p.running() {
			h.t.Fatalf("the program ended before %s", what)
		}
		address := h.database
		if address == "" {
			var ok bool
			if address, ok = postgres.FindRunning(h.path("postgres")); !ok {
				return false
			}
		}
		yes, err := ask(h.t, address, sql)
		return err == nil && yes // tables may be missing still
	})
}

func ask(t *testing.T, address, sql string) (yes bool, err error) {
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, conn.Close(t.Context())) }()
	return yes, conn.QueryRow(t.Context(), sql).Scan(&yes)
}

// writeSample makes a file of generated payments over some days.
func writeSample(t *testing.T, days, perDay int) string {
	t.Helper()
	return writeSampleFrom(t, "2024-05-01", days, perDay)
}

func writeSampleFrom(t *testing.T, from string, days, perDay int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "events.ndjson.gz")
	w, err := events.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	for e, err := range produce.Sample(produce.SampleOptions{From: at(from + "T00:00:00Z"), Days: days, PerDay: perDay, Seed: 7}).Events {
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Write(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}
