"""Runs dbt again and again in one process, so that its imports are paid for once.

Reads one JSON request a line on stdin: {"id": 1, "args": ["run", ...], "env": {...}, "dir": "/project"}.
Writes lines on what was stdout: dbt's events as dbt's own JSON log has them, and in between
    {"tidemill": {"ready": "1.11.16"}}    dbt is imported
    {"tidemill": {"begun": 1}}            the request was read
    {"tidemill": {"done": 1, "code": 0, "usage": false, "error": ""}}
The code is the exit code of the dbt command. Whatever anything prints goes to stderr. SIGINT interrupts the request as
it interrupts dbt. When stdin ends, the process ends: in the middle of a request it interrupts that first.
"""

import json
import os
import queue
import signal
import sys
import threading

# What the parent reads must hold our lines only: keep it aside, and point file descriptor 1 at stderr.
_out = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)
_out_lock = threading.Lock()

signal.signal(signal.SIGINT, signal.default_int_handler)  # a parent may have left it ignored

SECONDS_TO_STOP = 10  # between the end of stdin in the middle of a request and our end


def send(value):
    line = json.dumps(value)
    with _out_lock:
        try:
            _out.write(line + "\n")
            _out.flush()
        except OSError:
            pass  # the parent is gone; the end of stdin says so too


def read_requests(requests, busy):
    for line in sys.stdin.buffer:
        requests.put(json.loads(line))
    requests.put(None)
    if busy.is_set():
        os.kill(os.getpid(), signal.SIGINT)
        threading.Event().wait(SECONDS_TO_STOP)
        os._exit(1)


def invoke(request):
    from click import UsageError
    from dbt.cli.exceptions import DbtUsageException
    from dbt.cli.main import dbtRunner
    from dbt_common.events.functions import msg_to_dict

    os.chdir(request["dir"])  # dbt changes it
    os.environ.clear()
    os.environ.update(request["env"])
    result = dbtRunner(callbacks=[lambda msg: send(msg_to_dict(msg))]).invoke(
        ["--log-level", "none"] + request["args"]
    )
    error = result.exception
    code = 0 if result.success else 1 if error is None else 2
    return {
        "code": code,
        "usage": isinstance(error, (DbtUsageException, UsageError)),
        "error": "" if error is None else str(error) or type(error).__name__,
    }


def main():
    from dbt.version import installed
    import dbt.cli.main  # noqa: F401  the seconds that are saved

    try:
        import dbt.adapters.postgres  # noqa: F401
    except ImportError:
        pass  # a project of another database loads its own
    requests, busy = queue.Queue(), threading.Event()
    threading.Thread(target=read_requests, args=(requests, busy), daemon=True).start()
    send({"tidemill": {"ready": installed.to_version_string(skip_matcher=True)}})
    while True:
        request = requests.get()
        if request is None:
            return
        busy.set()
        send({"tidemill": {"begun": request["id"]}})
        done = invoke(request)
        busy.clear()
        send({"tidemill": {"done": request["id"], **done}})


if __name__ == "__main__":
    main()
