// Package payment is the contract of the transactions topic in Go: what a record's value must hold, the typed row that
// it becomes, and the order in which a payment's records win over each other.
//
// [Decode] reads one record's value and either fills a [Row] or returns a [*Violation] that names the field. A record
// with a violation is a dead letter; a record without a value is a tombstone, which the caller sorts out beforehand.
// [CheckTimestamp] is the one rule about the record around the value, and [KeyMatches] the one about its key.
//
//	var row payment.Row
//	if err := payment.Decode(message.Value, &row); err != nil {
//		var v *payment.Violation
//		errors.As(err, &v) // always: v.Field, v.Reason
//	}
//
// Row carries the Parquet tags of the lake's bronze files. Money is counted in hundredths and never passes through a
// float; times are microseconds since 1970 in UTC.
//
// The rules are pure: nothing here reads a clock, a file or the network. docs/contract/README.md says why each rule is as
// it is; goldref holds a model of the whole topic for tests, and events reads and writes files of records.
package payment
