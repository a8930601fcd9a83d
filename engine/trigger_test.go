package engine_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/tidemill/tidemill/engine"
)

// What nobody could ask for or be shown afterwards is refused: a run whose id leads elsewhere in an address, and times of which the years, in
// some zone or with the interval before them, have not four digits.
func TestTriggersThatNobodyCouldLookAt(t *testing.T) {
	d := engine.New[engine.NoParams]("d", engine.Schedule("@yearly", "Europe/Zurich"))
	engine.After(d.Run(), "task", func(context.Context, engine.Run[engine.NoParams]) (int, error) { return 1, nil })
	yearly, err := engine.ParseSchedule("@yearly", "Europe/Zurich")
	if err != nil {
		t.Fatal(err)
	}
	c := running(t, memory(), nil, d).Control()
	for _, id := range []string{".", "..", "~", "a/b", "a?b", "a\x1b[2J", "a\x00", " a"} {
		_, err := c.Trigger(t.Context(), engine.TriggerRequest{DAG: "d", RunID: id})
		if invalid, ok := errors.AsType[*engine.InvalidError](err); !ok || invalid.Field != "dag_run_id" {
			t.Errorf("run id %q: %v", id, err)
		}
	}
	for _, id := range []string{"...", ".a", "a~", "日本", "a b"} {
		if _, err := c.Trigger(t.Context(), engine.TriggerRequest{DAG: "d", RunID: id}); err != nil {
			t.Errorf("run id %q: %v", id, err)
		}
	}
	for _, text := range []string{"0000-01-01T00:00:00Z", "0001-01-02T00:00:00Z", "9999-12-31T23:59:59-23:00", "9999-01-01T00:00:00Z"} {
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Trigger(t.Context(), engine.TriggerRequest{DAG: "d", Logical: &at})
		if invalid, ok := errors.AsType[*engine.InvalidError](err); !ok || invalid.Field != "logical_date" {
			t.Errorf("logical date %s: %v", text, err)
		}
		o := engine.BackfillOrder{BackfillRange: engine.BackfillRange{From: at, To: at}, MaxActiveRuns: 1, Reprocess: engine.ReprocessNone}
		err = o.Check(engine.Timeline{Timetable: yearly}, false, at.Add(time.Hour))
		if invalid, ok := errors.AsType[*engine.InvalidError](err); !ok || invalid.Field != "from_date" {
			t.Errorf("a backfill of %s: %v", text, err)
		}
	}
}
