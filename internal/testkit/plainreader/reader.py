"""Answers requests, a line of JSON each, with a line of JSON each: runs the given Python on the given arguments and returns `result`."""

import datetime
import decimal
import glob
import json
import os
import sys
import traceback

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq


def plain(value):
    """What JSON has no word for, as text."""
    if isinstance(value, decimal.Decimal):
        return str(value)
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).hex()
    if isinstance(value, (datetime.datetime, datetime.date)):
        return value.isoformat()
    raise TypeError(f"{type(value)} has no words in JSON")


def main():
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints is no answer
    duckdb.sql("SET TimeZone = 'UTC'")
    duckdb.sql("SET threads = 1")
    pa.set_cpu_count(1)
    compiled = {}
    for line in sys.stdin:
        request = json.loads(line)
        code = request["code"]
        scope = {"args": request["args"], "duckdb": duckdb, "pa": pa, "ds": ds, "pq": pq, "glob": glob.glob, "os": os}
        try:
            if code not in compiled:
                compiled[code] = compile(code, "request", "exec")
            exec(compiled[code], scope)
            answer = {"result": scope["result"]}
        except Exception:
            answer = {"error": traceback.format_exc(limit=-3)}
        out.write(json.dumps(answer, default=plain) + "\n")
        out.flush()


main()
