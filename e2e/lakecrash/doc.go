// Package lakecrash holds the proof that the ingestion is exact whatever happens to its process, at every step of a commit.
//
// The crash matrix (TestCrashMatrix): a real process that ingests is hit before and after every step that its commits take (each write,
// sync, link, rename and folder sync on the disk, each entry put into the mirror, each answer to Kafka's group) by
//
//   - SIGKILL;
//   - an error of the disk, ENOSPC, EIO or EACCES, where the step is not done, and where it is done and the answer is lost;
//   - SIGSTOP for longer than the group's session lasts, while another process takes its partitions over, then SIGCONT; and the same
//     where the other one also takes it for dead, fences it and clears its files away.
//
// After each cell DuckDB and pyarrow, which know nothing of our log, see every accepted offset exactly once, and the lake's audit is clean.
//
// The matrix of replacements (TestReplacementMatrix): the same for each step of a compaction and of a replay, while the stream commits to
// the day and another process rewrites it too; and for each step of the stream's commit, while another process compacts and replays the day.
// At each blow a plain reader sees the day as it was before or as it is after, whole.
//
// The kills (TestRandomKills): three processes on six partitions of Apache Kafka itself, and a fourth one that compacts, are killed, frozen
// and stopped at random under load.
//
// The short matrices run with all tests; all of them, and the kills, when they are asked for (docs/lake-proofs.md has their figures):
//
//	TIDEMILL_CRASH_MATRIX=all go test -v -timeout 60m -run Matrix ./e2e/lakecrash
//	TIDEMILL_KILLS=500 go test -v -timeout 60m -run TestRandomKills ./e2e/lakecrash
package lakecrash
