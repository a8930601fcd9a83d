package enginetest

import (
	"testing"

	"github.com/tidemill/tidemill/engine"
)

// Conformance checks an implementation of engine.Store against its contract, sentence by sentence. open returns an empty
// store and sees to it with t.Cleanup that it is closed; it is called once for each of some hundred subtests.
//
// The store's clock may be a real one. It must move: two readings in a row that are some writes apart must differ.
// The tests never wait for it; what is due and what is not they set an hour into the past and the future.
func Conformance(t *testing.T, open func(t *testing.T) engine.Store) {
	t.Helper()
	for _, g := range []struct {
		name  string
		cases []conformanceCase
	}{
		{"Registry", registryCases},
		{"CreateRuns", createRunsCases},
		{"Workers", workerCases},
		{"Claim", claimCases},
		{"StartRuns", startRunsCases},
		{"Transition", transitionCases},
		{"Queue", queueCases},
		{"Timers", timerCases},
		{"Pin", pinCases},
		{"History", historyCases},
		{"Virtual", virtualCases},
		{"Outbox", outboxCases},
		{"Streams", streamCases},
		{"Backfills", backfillCases},
		{"Logs", logCases},
		{"Reader", readerCases},
		{"Context", contextCases},
		{"Waits", waitCases},
		{"Questions", questionCases},
		{"Holds", holdCases},
		{"Notes", noteCases},
		{"Assets", assetCases},
		{"Pools", poolCases},
		{"Turns", turnCases},
		{"Prune", pruneCases},
		{"Audit", auditCases},
		{"Concurrency", concurrencyCases},
	} {
		t.Run(g.name, func(t *testing.T) {
			for _, c := range g.cases {
				t.Run(c.name, func(t *testing.T) { c.run(newFixture(t, open(t))) })
			}
		})
	}
}

// A conformanceCase is one sentence of the contract.
type conformanceCase struct {
	name string
	run  func(f *fixture)
}
