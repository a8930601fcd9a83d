// Package warehouse brings the lake's rows into PostgreSQL: bronze.transactions, one row per event, and the accounts of
// how they came there, metadata.load_audit and metadata.data_quality_metrics. dbt makes Gold of it (package dbtproject).
//
// [Warehouse.Load] takes every file of a day, and of all days before it, that is not loaded yet. It goes on in
// transactions of 1,000 rows, each with its mark of progress, so that an attempt that dies loses at most one of them and
// the next one starts behind the last mark. An event (transaction_id, status, event_time) is one row: of its records
// the one that comes last by record timestamp, partition and offset, in whatever order they were loaded. A record that
// is sent again byte for byte changes no more than those three.
//
// Every attempt has a row in metadata.load_audit that goes from RUNNING to SUCCESS or FAILED. When even that cannot be
// written, one log line at [LevelCritical] tells the same facts.
//
// [Warehouse.Quality] counts a day, not an attempt.
//
// [Warehouse.AuditDay] follows a day's records from the lake through bronze into Gold, and names what is wrong.
//
// Any number of loads may run at once, in any number of processes: a file is claimed by an advisory lock.
package warehouse
