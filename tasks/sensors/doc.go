// Package sensors has what to wait for: functions for engine.Sensor, which calls them again and again without holding a slot between.
//
//   - [File] waits for a file, [Glob] for files that fit a pattern, until nobody writes to them any more.
//   - [SQL] waits for a row.
//   - [HTTP] waits for an answer.
//   - [DAGRun] waits for a run of another DAG to succeed.
//
// Each looks once and returns. "Not yet" is no error: how long that may go on is the Timeout of the engine.Poke. An error is one of the task,
// retried as its Retry says; it is permanent where waiting would not help.
package sensors
