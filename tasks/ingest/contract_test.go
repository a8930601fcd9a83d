package ingest

import (
	"errors"
	"testing"

	"github.com/tidemill/tidemill/storage/lake"
)

// A program of an older contract than that of the lake's files ends with the difference, having put nothing there.
func TestAnOlderContractIsRefused(t *testing.T) {
	w := newWorld(t, 1)
	l := w.lake()
	w.produce(payments(1, 0, 10)...)
	cfg := w.config(l)
	cfg.Contract = 2
	r := w.run(cfg)
	w.caughtUp(l)
	r.stop()
	w.produce(payments(1, 10, 10)...)
	cfg = w.config(l)
	cfg.Contract = 1
	err := w.run(cfg).fails()
	if diff, ok := errors.AsType[*lake.ContractError](err); !ok || diff.Differences[0] != "the files are of version 2 of the contract, this program knows version 1" {
		t.Errorf("%v, want a ContractError that names both versions", err)
	}
	w.wantOnce(10)
	cfg.Contract = 3
	r = w.run(cfg)
	w.caughtUp(l)
	r.stop()
	w.wantOnce(20)
}
