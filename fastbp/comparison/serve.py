"""The script of a measuring process: a worker answers requests, each a line of JSON, with a line of JSON.

A script imports nothing but what the worker imports; the import may be what is measured.
"""

import importlib
import json
import os
import signal
import sys


def main() -> None:
    """Make the worker that the command line names; answer requests until the input ends."""
    path, worker, arguments = map(json.loads, sys.argv[1:])
    sys.path[:] = path  # where the parent imports from
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C and ends this process
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # output of libraries must not mix with the answers
    module, name = worker.split(":")
    worker = getattr(importlib.import_module(module), name)(*arguments)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = getattr(worker, request.pop("do"))(**request)
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
