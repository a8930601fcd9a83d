// Package kafkasasl lets our Kafka clients log in: by PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512. The client library brings the first and asks
// for an implementation of the others.
package kafkasasl
