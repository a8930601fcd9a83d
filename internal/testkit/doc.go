// Package testkit gives every package's tests the real thing, with no step before go test: a fresh database, a broker,
// dbt.
//
//   - [Postgres] and [Migrated] give a database of the test's own on one server that all test binaries of the user
//     share. A guard process, which the first test starts, owns the server and ends with it when no test has used it
//     for some minutes. That server does not wait for the disk, and lies in memory
//     where there is room.
//   - [Durable] gives a server of the test's own with PostgreSQL's own durability: for tests that kill it, and benchmarks.
//   - [Broker] gives a Kafka-protocol broker in memory, in this process.
//   - [Home] gives a folder to be a TIDEMILL_HOME.
//   - [DBT] gives the Python environment with dbt, made once per user.
//
// What is shared lies in a folder of the user's cache or temporary folder and may be removed at any time when no test runs.
package testkit
