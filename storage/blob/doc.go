// Package blob is the disk as the lake needs it: whole files written durably,
// a link that never overwrites, and folders whose names are made durable one
// by one. What a call promises about a power cut is part of its contract, for
// the lake's commit protocol stands on it.
//
// Dir is the implementation on a local disk; blobtest has one that forgets
// whatever was not synced, and others that fail on demand.
package blob
