// Package kafka holds tests of the ingestion, from topic to lake, against Apache Kafka itself: what a broker that others wrote does in its
// own way (transactions, compaction, retention, groups, replication, TLS and SASL) and what becomes of it while brokers die, freeze and
// are restarted in turn. What does not depend on the broker is tested with the one in memory, in tasks/ingest.
//
// After each of them: every offset of every partition is accounted for exactly once, the lake's audit is clean, and what a plain reader of
// the files sees is what another client reads from the topic.
//
// They need Java 17 and Maven (package internal/testkit/apachekafka) and some minutes of both cores, and so run when they are asked for, as
// in CI:
//
//	TIDEMILL_APACHE_KAFKA=short go test ./e2e/kafka
//	TIDEMILL_APACHE_KAFKA=long go test -timeout 30m ./e2e/kafka
//
// The long version has more rounds and longer outages. Where Java or Maven are missing, both fail and say what to install.
package kafka
