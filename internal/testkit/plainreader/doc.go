// Package plainreader gives tests two readers of Parquet that are not ours, DuckDB and pyarrow, in one long-lived Python process: what
// they see of a lake is what any other program sees of it.
//
//	r, ok := plainreader.Start(t)
//	if !ok {
//		return // there is no Python, or no package index: said in the test's log
//	}
//	seen, err := r.Places(root, "transactions")
//
// The packages are pinned by version and hash in requirements.lock.txt. They come from PyPI when the first test ever asks for them (some
// 70 MB) and are kept in the user's cache. With TIDEMILL_PLAIN_READERS=required, as in CI, a test fails where they cannot be had.
package plainreader
