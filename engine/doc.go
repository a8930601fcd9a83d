// Package engine defines DAGs as Go code and runs them.
//
// A DAG is built from handles. A handle carries the type of its task's output, so that an edge that does not fit does
// not compile, and a cycle cannot be written:
//
//	d := engine.New[engine.NoParams]("hello", engine.Schedule("@daily", "UTC"))
//	name := engine.After(d.Run(), "name", func(context.Context, engine.Run[engine.NoParams]) (string, error) { return "tide", nil })
//	engine.Sink(name, "greet", func(ctx context.Context, n string) error { engine.Log(ctx).Info("hello", "name", n); return nil })
//
// The rooms of the package, each in files named after what they hold:
//
//   - writing DAGs: dag.go, edges.go, branch.go, join.go, mapped.go, setup.go, sensor.go, approve.go, trigger_dag.go, assets.go, options.go,
//     and compile.go, which checks them
//   - rules, pure functions under table tests: rules.go, verdict.go, retry.go, schedule.go, dates.go
//   - the state of a run and how it moves, pure as well: runstate.go, machine*.go
//   - what is durable, behind an interface: store*.go, and read.go for what is only looked at
//   - running: runtime.go and the loops it owns: worker.go, attempt.go, completer.go, scheduler.go (with due.go,
//     agenda.go, waits.go and holds.go), heartbeat.go, reaper.go, outbox.go, stream.go; tx.go for tasks that write through the transaction of
//     their success
//   - secrets (packages secret and settings), which are masked and refused here: secrets.go
//   - what people do: control.go (trigger, clear, mark, answer, pause), backfill.go and prune.go
//   - what people see: view.go, and why.go, which says why a task does not run
//
// State lives in the store and only there. A run's state is one value ([RunState] and one [Instance] per task), locked
// with the run's row, changed by pure functions and written back in the same transaction together with the history, the
// queue and the outbox. Every write of an attempt carries the lease under which it ran; an attempt that lost its lease
// changes nothing.
package engine
