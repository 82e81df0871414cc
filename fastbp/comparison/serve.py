"""What runs in a measuring process: reads requests as JSON lines, lets a worker do them, answers each with a JSON line.

It runs as a script, so that nothing is imported but what the worker imports: that may be what is measured.
"""

import importlib
import json
import os
import signal
import sys


def main() -> None:
    """Make the worker that the command line names and answer requests until the input ends."""
    path, worker, arguments = map(json.loads, sys.argv[1:])
    sys.path[:] = path  # where the parent imports from
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends this process
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print is no answer
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
