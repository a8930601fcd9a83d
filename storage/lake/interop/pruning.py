# How much of the files is read for a filter.
bronze = os.path.join(args["root"], "bronze", args["topic"])
everything = f"{bronze}/*/*/*/*.parquet"


def scan(where):
    """Rows that DuckDB's scan of the files gives for a filter, and the answer."""
    db = duckdb.connect()
    db.execute("SET threads = 1; SET enable_profiling = 'no_output'; SET TimeZone = 'UTC'")
    answer = db.execute(f"SELECT count(*), sum(amount) FROM read_parquet('{everything}', hive_partitioning = true) WHERE {where}").fetchone()
    plan = db.execute(f"EXPLAIN ANALYZE SELECT count(*), sum(amount) FROM read_parquet('{everything}', hive_partitioning = true) WHERE {where}").fetchone()[1]
    return {"count": answer[0], "sum": str(answer[1]), "plan": plan}


dataset = ds.dataset(bronze, format="parquet", partitioning="hive")
high = ds.field("kafka_offset") >= args["from"]
groups = [f for fragment in dataset.get_fragments() for f in fragment.split_by_row_group()]
kept = [f for fragment in dataset.get_fragments(high) for f in fragment.split_by_row_group(high)]
result = {
    "groups": len(groups),
    "groups_kept": len(kept),
    "arrow_count": dataset.count_rows(filter=high),
    "files": len(dataset.files),
    "files_kept": len(list(dataset.get_fragments(ds.field("day") == args["day"]))),
    "by_offset": scan(f"kafka_offset >= {args['from']}"),
    "by_day": scan(f"day = {args['day']}"),
    "everything": scan("true"),
}
