// Package enginetest is what tests of DAGs, of the engine and of its stores stand on.
//
//   - [NewStore] makes an engine.Store in memory, on a clock that the test holds, with a hook for faults: an operation can
//     be refused, or its answer lost after the commit.
//   - [Conformance] is the contract of engine.Store in executable form. Each implementation calls it from a test of its own.
//   - [Run] runs a DAG once, in memory, and tells how it ended: for tests of your own DAGs.
//   - [NewClock] makes a clock that stands still until the test moves it.
//
// The package knows nothing of PostgreSQL.
package enginetest
