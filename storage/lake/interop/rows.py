# All rows, by partition and offset, as every reader sees them: {"duckdb": {"types", "rows", "dead"}, "pyarrow": the same}
bronze = os.path.join(args["root"], "bronze", args["topic"])
dead = os.path.join(args["root"], "dead_letters", args["topic"])


def duck(folder, times):
    source = f"read_parquet('{folder}/**/*.parquet', hive_partitioning = false)"
    types = {name: kind for name, kind, *_ in duckdb.sql(f"DESCRIBE SELECT * FROM {source}").fetchall()}
    columns = ", ".join(f"epoch_us({c}) AS {c}" if c in times else c for c in types)
    answer = duckdb.sql(f"SELECT {columns} FROM {source} ORDER BY kafka_partition, kafka_offset")
    names = [d[0] for d in answer.description]
    return types, [dict(zip(names, row)) for row in answer.fetchall()]


def arrow(folder, times):
    table = ds.dataset(folder, format="parquet", partitioning=None).to_table()
    types = {f.name: str(f.type) + ("" if f.nullable else " not null") for f in table.schema}
    table = table.sort_by([("kafka_partition", "ascending"), ("kafka_offset", "ascending")])
    for name in times:
        at = table.schema.get_field_index(name)
        table = table.set_column(at, name, table.column(at).cast(pa.int64()))
    return types, table.to_pylist()


result = {}
for name, read in {"duckdb": duck, "pyarrow": arrow}.items():
    types, rows = read(bronze, ["event_time", "initiated_at", "kafka_timestamp", "ingestion_timestamp"])
    dead_types, dead_rows = read(dead, ["kafka_timestamp", "ingestion_timestamp"])
    result[name] = {"types": types, "rows": rows, "dead_types": dead_types, "dead": dead_rows}
