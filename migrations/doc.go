// Package migrations holds the SQL that makes and changes Tidemill's schemas, embedded in the binary.
//
// There are two sets, because run history and warehouse may live in two databases: engine (schema tidemill) and
// warehouse (schemas bronze, staging, gold, metadata). Files are named NNNNN_what.sql in goose's format and are never
// edited after they have landed: a change is a new file. [Up] applies what is missing under an advisory lock, so
// that several processes may start at once; [Status] tells what has been applied.
package migrations
