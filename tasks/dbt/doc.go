// Package dbt runs a real dbt-core project and tells, live and without a gap, what became of every node of it.
//
// The parts, from pure to not:
//
//   - a [Manifest] is dbt's own target/manifest.json; [Nodes] lists what a command would run, in graph order, with the
//     edges among those nodes and a stable task id for each (dbt_run_<model>, dbt_test_<test>);
//   - [ParseEvent] reads one line of dbt's JSON log; a tracker turns events into the state of each node; at the end it
//     is reconciled with run_results.json and the way dbt ended, so that every planned node is terminal and none is
//     green that did not pass;
//   - a [Runner] owns the processes: a long-lived Python process that calls dbtRunner again and again (server.py; it
//     saves the seconds of import that each `dbt` costs), or the plain `dbt` command where that cannot start;
//   - a [Guard] keeps one dbt at a time per project and target across processes, and ends what a killed one left
//     running in the database. [Postgres] is the guard that asks PostgreSQL for both.
//
// # What a project must do
//
// Nothing for its models. Its profiles.yml should read the password from the environment, and should set
//
//	application_name: "{{ env_var('TIDEMILL_DBT_APPLICATION_NAME', 'dbt') }}"
//
// because the guard finds dbt's sessions in PostgreSQL by that name. The name is the same for every run of a project
// and target: dbt parses the whole project again (4 s) whenever a connection setting changes.
//
// Values that change from run to run, such as the day, go in by environment variable ([Invocation.Env]). dbt notes which
// files read a variable while it parses and parses just those again when it changes; a model's body is rendered anew at
// each run in any case. So env_var() is right in models, macros and config() alike; in dbt_project.yml and profiles.yml
// it would cost a full parse per change, and so would --vars.
//
// # How it ends
//
// When the context of [Runner.Run] ends, dbt's process group gets SIGINT and dbt cancels its queries; after 25 s the
// group is killed; then the guard terminates whatever still runs under the application name. A killed Tidemill takes
// dbt with it: the kernel kills the child with its parent (Linux), and the server ends when its input does (everywhere);
// PostgreSQL notices the lost client by client_connection_check_interval, which is set for dbt's sessions.
package dbt
