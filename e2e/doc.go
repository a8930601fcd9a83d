// Package e2e holds tests of the whole program, from files of events that it did not make to Gold, with the real parts: the binary
// as a user builds it, PostgreSQL, a Kafka-protocol broker, dbt. It has no code of its own.
//
//   - demo_test.go, edges_test.go: `demo --once --events FILE` against the model of the contract, storage/payment/goldref, whole
//     tables with their types.
//   - outside_test.go: a database and brokers that somebody else runs.
//   - stop_test.go: Ctrl-C and SIGKILL in the middle, and what goes on after them.
//   - scenario_*_test.go: the five failure scenarios of the architecture. Each says in a comment which protection it guards; with
//     that protection taken out it fails.
//
// What single packages show of the same (each step of a commit, a power cut, a load that is cut, orders of loads) is tested in
// them, not here.
package e2e
