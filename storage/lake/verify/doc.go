// Package verify reads a lake's files a second time with a library that did not write them, and compares what it sees with the log and with
// what we see ourselves.
//
// Our files are written and read by github.com/parquet-go/parquet-go. A fault that its writer and reader share would go unseen: checksums
// and audits say that a file is what was written, not that others can read it. [Lake] lets github.com/xitongsys/parquet-go read every
// file that the log lists: its number of rows and the bounds of its record timestamps must be the log's, and each column must have the
// same values in the same order, and the same sum, as our reader sees.
//
// That library can panic on a file that it does not understand, in goroutines of its own, which would end the process. It therefore runs
// in a child, which answers by [Serve]; one that dies is a difference of that file, and the next file gets a new one.
package verify
