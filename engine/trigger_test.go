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

// datedParams stand in for a logical date.
type datedParams struct {
	Day string `json:"day,omitempty"`
}

func (p datedParams) ValidateRun(logical *time.Time) error {
	if p.Day == "" && logical == nil {
		return &engine.InvalidError{Field: "day", Message: "is needed"}
	}
	return nil
}

// What depends on the run's logical date is checked when it is triggered, not when it fails.
func TestTriggersThatCannotWorkAreRefused(t *testing.T) {
	d := engine.New[datedParams]("d")
	engine.After(d.Run(), "task", func(context.Context, engine.Run[datedParams]) (int, error) { return 1, nil })
	c := running(t, memory(), nil, d).Control()
	_, err := c.Trigger(t.Context(), engine.TriggerRequest{DAG: "d"})
	if invalid, ok := errors.AsType[*engine.InvalidError](err); !ok || invalid.Field != "params.day" {
		t.Errorf("without either: %v, want an error of params.day", err)
	}
	at := time.Date(2024, 1, 5, 0, 0, 0, 0, time.UTC)
	for _, ok := range []engine.TriggerRequest{{DAG: "d", Params: []byte(`{"day":"2024-01-05"}`)}, {DAG: "d", Logical: &at}} {
		if _, err := c.Trigger(t.Context(), ok); err != nil {
			t.Errorf("%+v: %v", ok, err)
		}
	}
}
