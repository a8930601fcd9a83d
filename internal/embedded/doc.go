// Package embedded groups the parts that Tidemill starts by itself when a user has none: a PostgreSQL server
// (postgres), a Kafka-protocol broker (broker) and a Python environment with dbt (pyenv). Each keeps everything below
// one folder of the user's home folder, is owned by one process at a time (filelock) and is found by other commands
// while it runs. None of them knows anything of DAGs.
package embedded
