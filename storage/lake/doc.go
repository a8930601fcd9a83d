// Package lake keeps a Kafka topic as Parquet files, each accepted offset
// exactly once for any reader of the files, whatever was killed before.
//
// An append-only commit log, _log/<topic>/N.json, is the only truth about what
// is in the lake. A batch becomes part of it in three steps: its files are
// written under _tmp/<writer>/ and synced; the log entry that lists them is
// created if absent, which is the commit; the files are moved into their day's
// folder. Every process finishes the third step for those that died before it.
//
// Layout below the root:
//
//	bronze/<topic>/year=2024/month=01/day=05/<commit id>.parquet   rows by UTC day of the record's timestamp
//	dead_letters/<topic>/<commit id>.parquet                       records that broke the contract
//	_log/<topic>/N.json                                            the commit log, N from 1
//	_checkpoints/<topic>/N.json                                    the log folded up to N, its long lists in segments/
//	_tmp/<topic>~<writer>/                                         files not committed or not moved yet
//	_swap/<topic>/                                                 days that are being replaced, and what was replaced lately
//
// A replacement takes files of a day out and puts others in, by an entry of the
// log too; the day's folder is then exchanged for one that was built aside, so
// that readers see the old files or the new ones. Compact merges small files; Replay
// makes rows of records anew.
//
// After every hundredth entry its writer makes a checkpoint: who starts reads the
// newest, and the entries after it. A checkpoint refers to lists, of the files of
// a day and of what the log says of offsets, that are read when they are asked
// for. It can always be made anew from the entries, as long as those are kept.
//
// A commit writes one file per day; it holds the rows of all partitions that
// its process reads, so File lists a part per partition. Offsets are keyed by
// (topic id, partition, offset): a topic that is deleted and made anew under
// its old name starts again at offset 0 beside the rows of its predecessor.
//
// Open reads; NewWriter writes. The package knows nothing of what a row is: the
// caller brings the row's type, with parquet tags, and a Transform.
package lake
