// Package shell runs commands as tasks: a program with its arguments, or a script for sh.
//
// [Task] makes a task's body from a function that says what to run, [TaskJSON] one whose output is what the command printed as JSON;
// [Run] is the same within a body of your own.
//
//   - What the command prints is in the task's log line by line while it runs, with stream=stdout or stderr; its last part is kept in
//     the [Result].
//   - How it exits decides how the attempt ends: 0 succeeds, 99 skips, all else fails and is retried. [Command.Codes] says otherwise.
//   - It has a process group of its own. When the attempt is cancelled or times out, the group gets SIGTERM, and SIGKILL when
//     [Command.Grace] has passed. Nothing that the command left running in its group outlives it for more than a second, and on Linux it dies with our
//     process, however that ends.
//   - It gets few of our environment variables ([BaseEnv]) and those named in [Command.InheritEnv], because ours hold passwords. The
//     values of [Command.SecretEnv] and [Command.Secrets] are masked in the log, the result and the errors.
//   - TIDEMILL_DAG_ID, TIDEMILL_RUN_ID, TIDEMILL_TASK_ID, TIDEMILL_MAP_INDEX, TIDEMILL_TRY tell it which attempt it is part of, TIDEMILL_KEY
//     is the same for all attempts of the task: what to hand on so that doing something twice is noticed.
package shell
