// Package sqltask runs SQL on PostgreSQL as tasks, by pgx.
//
// [Rows] makes a task's body whose output is what a query found, as a slice of the caller's type; [Row] one for a query of exactly one
// row. [Exec] makes a body that runs statements and tells how many rows each has changed. [Query] and [Execute] are the same within a
// body of your own.
//
// Each body is one transaction: all of its statements count, or none does. A connection is taken from the pool for as long as that takes.
// An attempt whose worker is lost after the commit is made again, so that statements must bear being run twice: delete the day before
// inserting it, or insert ON CONFLICT. [ExecTx] needs no such care: its statements are committed together with the task's success.
//
// Values go in as arguments, $1 or @name, and never into the text. pgx.StrictNamedArgs is the safe way to give names: with pgx.NamedArgs a name that is
// misspelt is NULL.
//
// Errors of syntax, of names that there are not, and of data that does not fit are permanent (SQLSTATE 22, 42, 0A, and rows that do not fit the Go type); all
// others, a deadlock or a lost connection say, are retried as the task's Retry says.
package sqltask
