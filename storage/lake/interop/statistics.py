# What the footers say of each file's columns, beside what the values are: [{"file", "column", "said": {...}, "is": {...}}]
result = []
for name in sorted(glob(os.path.join(args["root"], "bronze", args["topic"], "*", "*", "*", "*.parquet"))):
    file = pq.ParquetFile(name)
    for g in range(file.metadata.num_row_groups):
        group, table = file.metadata.row_group(g), file.read_row_group(g)
        for i in range(group.num_columns):
            chunk = group.column(i)
            values = [v for v in table.column(chunk.path_in_schema).to_pylist() if v is not None]
            s = chunk.statistics
            said = {"nulls": s.null_count, "values": s.num_values, "min": None, "max": None}
            if s.has_min_max:
                said["min"], said["max"] = s.min, s.max
            fact = {"nulls": table.num_rows - len(values), "values": len(values), "min": None, "max": None}
            if values:
                fact["min"], fact["max"] = min(values), max(values)
            result.append({
                "file": os.path.basename(name), "column": chunk.path_in_schema, "said": said, "is": fact,
                "index": chunk.has_offset_index and chunk.has_column_index,
            })
