// Package flat writes structs without nesting as Parquet, for the one place where the general writer of parquet-go is
// what bounds the throughput: the stream. It takes the same structs with the same tags and options, and writes the same
// schema, encodings, statistics and page index; parquet-go reads it all back, describes the schema, knows the encodings
// and the format's metadata. What it leaves out is what a flat struct does not need, and what cost most:
//
//   - values are taken from structs by one typed loop per column, not through a tree of reflecting functions;
//   - a page's least and greatest value are found once, in a column with a dictionary among its distinct values;
//   - a dictionary is looked up by a table of its own;
//   - a dictionary that does not pay (too many distinct values) is given up for the rest of the row group;
//   - page headers carry no statistics: the page index does.
//
// The same rows make the same bytes, however many are written at a time. A struct that the package does not know how to
// write is refused with [ErrUnsupported]: such is for parquet-go.
package flat
