// Package e2e holds tests of the whole program, from files of events that it did not make to Gold, with the real parts: the binary
// as a user builds it, PostgreSQL, a Kafka-protocol broker, dbt. The tests
// are functions here; the packages gold and failures below run them, in two programs so that each ends well within go test's 10 minutes on
// a slow machine.
//
//   - demo.go, edges.go: `demo --once --events FILE` against the model of the contract, storage/payment/goldref, whole
//     tables with their types.
//   - outside.go: a database and brokers that somebody else runs.
//   - stop.go: Ctrl-C and SIGKILL in the middle, and what goes on after them.
//   - scenario_*.go: the five failure scenarios of the architecture. Each says in a comment which protection it guards; with
//     that protection taken out it fails.
//
// What single packages show of the same (each step of a commit, a power cut, a load that is cut, orders of loads) is tested in
// them, not here.
package e2e
