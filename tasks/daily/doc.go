// Package daily holds the bodies of the daily payments DAG that are not dbt's: is the lake fresh, load its day into the
// warehouse, measure what came of it. They are methods of [Tasks], which says where lake and warehouse are; the DAG that strings
// them together is in package dags.
package daily
