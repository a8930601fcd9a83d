// Package kafka holds tests of the ingestion, from topic to lake, against Apache Kafka itself: what a broker that others wrote does in its
// own way (transactions, compaction, retention, groups, replication, TLS and SASL) and what becomes of it while brokers die, freeze and
// are restarted in turn. What does not depend on the broker is tested with the one in memory, in tasks/ingest.
//
// After each of them: every offset of every partition is accounted for exactly once, the lake's audit is clean, and what a plain reader of
// the files sees is what another client reads from the topic.
//
// They need Java 17 and Maven (package internal/testkit/apachekafka). Where these are not, the tests say so and end; with
//
//	TIDEMILL_APACHE_KAFKA=required go test ./e2e/kafka
//
// as in CI, they fail there. TIDEMILL_APACHE_KAFKA=long takes longer outages and more rounds, some ten minutes (-timeout 30m).
package kafka
