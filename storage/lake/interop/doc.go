// Package interop holds tests that programs which are not ours read the lake's files as we mean them: DuckDB, pyarrow and, when asked for,
// Spark. Types, every value of hostile records, statistics and page index; and that these readers leave out what a filter excludes.
//
// DuckDB and pyarrow are had by package internal/testkit/plainreader. Spark is 400 MB and takes half a minute, and so runs where
// TIDEMILL_SPARK names a Python that has it (and Java 17):
//
//	python3 -m venv /tmp/spark && /tmp/spark/bin/pip install pyspark==4.3.0
//	TIDEMILL_SPARK=/tmp/spark/bin/python go test -v -run Spark ./storage/lake/interop
package interop
