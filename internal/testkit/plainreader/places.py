# How often each record is seen, and the sum of its amounts, by both readers: {reader: {"places": {partition: [offset, ...]}, "amount": text}}
files = glob(os.path.join(args["root"], "bronze", args["topic"], "year=*", "month=*", "day=*", "*.parquet"))
result = {"duckdb": {"places": {}, "amount": "0"}, "pyarrow": {"places": {}, "amount": "0"}}
if files:
    rows = duckdb.execute(
        """SELECT kafka_partition, list(kafka_offset ORDER BY kafka_offset) AS offsets, sum(amount) AS amount
           FROM read_parquet(?, hive_partitioning = true) GROUP BY kafka_partition""",
        [os.path.join(args["root"], "bronze", args["topic"], "*", "*", "*", "*.parquet")],
    ).fetchall()
    result["duckdb"] = {"places": {str(p): offsets for p, offsets, _ in rows}, "amount": str(sum(a for _, _, a in rows))}

    table = ds.dataset(os.path.join(args["root"], "bronze", args["topic"]), format="parquet", partitioning="hive").to_table(
        columns=["kafka_partition", "kafka_offset", "amount"], use_threads=False
    )
    places, amount = {}, 0
    for row in table.to_pylist():
        places.setdefault(str(row["kafka_partition"]), []).append(row["kafka_offset"])
        amount += row["amount"]
    result["pyarrow"] = {"places": {p: sorted(offsets) for p, offsets in places.items()}, "amount": str(amount)}
