// Package dags is the reference pipeline: a stream that fills the lake with payments without pause, and the DAG that
// makes Gold of it every day. The files read like a table of contents; what the tasks do is in package tasks.
package dags
