// Package postgres keeps the engine's state in PostgreSQL (15 or newer): [Store] implements engine.Store.
//
// The shape, and what makes it fast:
//
//   - A run's whole state is one value in its row, encoded by the engine. A transition reads it and writes it back; no
//     row per task is updated on the way.
//   - tidemill.task_queue holds what is ready or leased, and nothing else. Its row is the lease: a claim updates that
//     small row (HOT: no index has the lease), an end deletes it.
//   - tidemill.attempts is history: one row per try, written once, at its end.
//   - A transition is two round trips ([Store.Transition]): a pipeline that locks, ends and reads; the engine's decision;
//     a pipeline that writes, one statement per table over all runs of the batch, and commits.
//   - Slots go to DAGs in weighted turns (package turns). Tasks under no limit but their worker's are claimed in one statement;
//     those of DAGs with exact limits or pools are chosen one by one, under the locks of these limits, out of two indexes in
//     their order, so that what a full pool holds back is not even read. What is leased is counted in ledgers beside the queue.
//
// What keeps it right:
//
//   - Lock first, read later: the lock of the runs is a statement of its own, because under READ COMMITTED a statement
//     that waited for its lock still sees the rows as they were before.
//   - One order of locks everywhere: runs ascending, limits by name, worker, queue rows, task rows, outbox.
//   - What the database asks to repeat (deadlock, serialisation, lock timeout) and what was cut off before its commit was
//     sent is repeated, and counted in [Stats].
//   - A connection lost during a commit leaves its outcome unknown. It is settled by asking the database what became of
//     that transaction's id (pg_xact_status), so that a transition is neither lost nor done twice.
//
// Behind a pooler that lends connections for a transaction (PgBouncer) nothing depends on a session: see pooler.go.
//
// SQL stands beside its one caller. The schema is in package migrations; its views (tidemill.dag_runs,
// tidemill.task_instances, tidemill.task_attempts) are for people.
package postgres
