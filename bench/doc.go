// Command bench measures Tidemill on this machine, beside River and beside what PostgreSQL itself can do, and prints one table.
//
//	go run . [-only engine_fan,river] [-quick] [-rounds 5] [-json | -markdown] [-dsn postgres://…] [-cpuprofile file] [-memprofile file]
//
// It is a module of its own, so that River is no dependency of Tidemill. Without -dsn it starts an embedded PostgreSQL with default
// durability (fsync and synchronous_commit on) in a temporary folder; with it, it makes a database per measurement on that server,
// and drops it afterwards. Benchmarks that are compared take turns, round by round, and what is told of each is its median.
// README.md beside it says what each figure means.
package main
