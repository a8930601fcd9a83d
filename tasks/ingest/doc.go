// Package ingest is the stream that carries a Kafka topic into its lake, each
// offset once.
//
// An Ingester is one member of a consumer group. On each session it takes its
// starting offsets from the lake's commit log, never from Kafka; transforms
// records partition by partition in parallel; and commits one batch for all of
// its partitions when it is large enough, old enough, when partitions are taken
// away and when it is stopped. Offsets that hold no record for us (transaction
// markers, aborted or compacted records, what retention deleted) are declared
// as gaps, each proved by fetching it raw from the broker.
//
// When the disk refuses a batch, consumption waits while the same bytes are
// tried again: no offset moves. Anything that must not be glossed over (a
// record that the consumer left out, a topic made anew, another writer's
// commit) ends the session; the next one starts from the log.
//
// Lag asks broker and log how far apart they are.
package ingest
