// Package events reads and writes files of records for the payments topic: what `tidemill demo --events` and
// `tidemill produce --events` take.
//
// A file is NDJSON, gzipped or not, one record a line, in the order in which the records are to be produced:
//
//	{"k": "313f8f5e-…", "t": 1704067411400, "v": "{\"transaction_id\": …}"}
//
// k is the key, a string or null; t the record's timestamp in milliseconds since 1970; v the value as text, or in its
// place vb the value's bytes in base64. With neither v nor vb the record is a tombstone. p, an integer, names the
// partition; without it the producer chooses by the key.
package events
