"""Reads a lake with Spark and says in one line of JSON what it sees. Arguments: the lake's folder, the topic, and an
amount to filter by, or -1 for all rows."""

import decimal
import json
import sys

from pyspark.sql import SparkSession
from pyspark.sql import functions as f

root, topic, start = sys.argv[1], sys.argv[2], int(sys.argv[3])
spark = (
    SparkSession.builder.master("local[1]")
    .config("spark.ui.enabled", "false")
    .config("spark.driver.bindAddress", "127.0.0.1")
    .config("spark.driver.host", "127.0.0.1")
    .config("spark.sql.session.timeZone", "UTC")
    .config("spark.sql.shuffle.partitions", "1")
    .config("spark.sql.files.maxPartitionBytes", "1g")
    .getOrCreate()
)
spark.sparkContext.setLogLevel("ERROR")


def plain(value):
    if isinstance(value, decimal.Decimal):
        return str(value)
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).hex()
    raise TypeError(f"{type(value)} has no words in JSON")


def read(folder):
    frame = spark.read.parquet(folder).drop("year", "month", "day")
    types = dict(frame.dtypes)
    for name, kind in types.items():
        if kind == "timestamp":
            frame = frame.withColumn(name, f.unix_micros(name))
    rows = frame.orderBy("kafka_partition", "kafka_offset").collect()
    return types, [row.asDict() for row in rows]


def scanned(index):
    """How many rows Spark's scan gives for a filter, with the page index or without."""
    spark.sparkContext._jsc.hadoopConfiguration().set("parquet.filter.columnindex.enabled", index)
    frame = spark.read.parquet(f"{root}/bronze/{topic}").where(f"amount >= {start}").select("kafka_offset")
    plan = frame._jdf.queryExecution().executedPlan()
    count = len(plan.executeCollect())
    return {"count": count, "rows": plan.collectLeaves().apply(0).metrics().get("numOutputRows").get().value()}


answer = {}
if start < 0:
    types, rows = read(f"{root}/bronze/{topic}")
    dead_types, dead = read(f"{root}/dead_letters/{topic}")
    answer = {"types": types, "rows": rows, "dead": dead}
else:
    answer = {"with": scanned("true"), "without": scanned("false")}
print("ANSWER " + json.dumps(answer, default=plain))
