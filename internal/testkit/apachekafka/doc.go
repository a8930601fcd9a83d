// Package apachekafka runs Apache Kafka itself for tests: one or three KRaft brokers, each a JVM of its own, on loopback.
//
// Its jars come from Maven Central by the machine's own Maven, once per user, into the folder of the user's cache that all tests share;
// pom.xml pins their versions. Java 17 or newer and Maven must be there: [Available] says what is missing and how to get it.
//
// A [Cluster] ends with its test, and with the test's process if that is killed. Its brokers can be killed, stopped, frozen and started
// again, on the same ports and with the same data.
package apachekafka
