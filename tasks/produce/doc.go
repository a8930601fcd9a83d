// Package produce puts payment events on a Kafka topic.
//
// [Produce] sends a list of events, such as a file's, with their keys, timestamps and order. [Once] does the same for a
// named source and knows from the topic itself what of it is already there, so that a run that was cut off goes on where
// it stopped, and a second run adds nothing. [Live] goes on making new payments until it is told to stop.
//
// Where events come from: a file (package events, [FileSource]), or [Sample], which makes days of payments that settle,
// fail, are refunded, come late, twice or broken, the same for the same seed.
//
// Order is kept within a partition, and a key always goes to one partition. The producer is idempotent and waits for all
// replicas, so that a retry neither doubles nor reorders.
package produce
