// Package broker runs a Kafka-protocol broker of our own, in this process, for users who have no Kafka.
//
// It is franz-go's kfake with persistence: what it acknowledged is synced to disk and survives the death of the
// process; records are kept for ever. One process at a time owns the folder, which holds:
//
//	lock     held by the owner; a second one gets [ErrBusy]
//	server   address and process id of the last start; the port is taken again while it is free, since clients and
//	         offsets know the broker by it
//	data/    the broker's own files
//
// It is for demos, development and tests: one node, on loopback, without authentication.
package broker
