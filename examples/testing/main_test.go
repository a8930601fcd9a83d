package main

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/engine/enginetest"
)

// A whole run: bodies, edges, mapping, encoding of outputs. No database, no waiting.
func TestWhatIsMissingIsOrdered(t *testing.T) {
	o := enginetest.Run(t, restock(fixed{"apples", "pears"}), Params{Shop: "Basel"})

	var summary string
	if err := o.Output("summarise", &summary); err != nil {
		t.Fatal(err)
	}
	if want := `2 orders: ["10 apples" "10 pears"]`; summary != want {
		t.Errorf("summary %s, want %s", summary, want)
	}
}

// What ended how: by task, or by element of a mapped one.
func TestOneBadItemHoldsNoOther(t *testing.T) {
	o := enginetest.Run(t, restock(fixed{"apples", "durian"}), Params{Shop: "Basel"})

	for task, want := range map[string]engine.State{
		"order[0]":  engine.Success,
		"order[1]":  engine.Failed,
		"summarise": engine.UpstreamFailed,
	} {
		if got := o.State(task); got != want {
			t.Errorf("%s is %s, want %s", task, got, want)
		}
	}
	if o.Run.State != engine.RunFailed {
		t.Errorf("the run is %s", o.Run.State)
	}
}

// flaky fails twice. Its retries are an hour apart; the test takes none of it.
type flaky struct{ calls int }

func (f *flaky) Missing(context.Context, string) ([]string, error) {
	if f.calls++; f.calls < 3 {
		return nil, errors.New("the warehouse is closed")
	}
	return []string{"apples"}, nil
}

func TestAClosedWarehouseIsAskedAgain(t *testing.T) {
	stock := &flaky{}
	o := enginetest.Run(t, restock(stock), Params{Shop: "Basel"})
	if o.Run.State != engine.RunSuccess || stock.calls != 3 {
		t.Errorf("the run is %s after %d calls, want success after 3", o.Run.State, stock.calls)
	}
}

// Params are checked before there is a run.
func TestARunNeedsAShop(t *testing.T) {
	_, err := enginetest.Once(t.Context(), restock(fixed{}), Params{})
	if err == nil || !strings.Contains(err.Error(), "give the shop") {
		t.Errorf("without a shop: %v", err)
	}
}

// And a body is a function: call it.
func TestSummary(t *testing.T) {
	if got, err := summarise(t.Context(), nil); err != nil || got != "0 orders: []" {
		t.Errorf("summary of nothing: %q, %v", got, err)
	}
}
