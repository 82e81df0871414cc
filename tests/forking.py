"""A Python that has imported what many scripts import, and forks for each of them: most scripts begin with that."""

import json
import os
import select
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

SECONDS = 300  # that a script may take
DECIDES = "PYTHON", "NUMBA_", "OMP_", "MPL"  # how the variables begin that change what an import does
# It reads which script is to be run where, forks, runs it as Python would, and prints the exit status.
LOOP = """
import json, os, sys
for line in sys.stdin:
    name, script, arguments, folder, environment, outputs = json.loads(line)
    child = os.fork()
    if child == 0:
        os.chdir(folder)
        for stream, at in ((sys.stdout, "stdout"), (sys.stderr, "stderr")):
            os.dup2(os.open(os.path.join(outputs, at), os.O_WRONLY | os.O_CREAT), stream.fileno())
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.environ.clear()
        os.environ.update(environment)
        sys.argv[:] = ["-c" if name == "<string>" else name, *arguments]
        sys.path[0] = os.path.dirname(name)
        main = sys.modules["__main__"] = type(sys)("__main__")
        if name != "<string>":
            main.__file__ = name
        exec(compile(script, name, "exec"), main.__dict__)
        sys.exit()
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class ForkingPython:
    """Runs scripts in processes that have run `first` in this environment; it begins with the first of them."""

    def __init__(self, first: str, environment: dict[str, str]):
        self._first, self._environment = first, environment
        self._process: Any = None

    def serves(self, environment: dict[str, str]) -> bool:
        """Whether a script with another environment finds what it would import if it began anew."""
        return hasattr(os, "fork") and deciding(environment) == deciding(self._environment)

    def run(
        self, name: str, script: str, arguments: tuple[str, ...], folder: str | Path, environment: dict[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """Run a script as ``python name arguments`` would, where `serves`; ``<string>`` is the name for ``-c``."""
        if self._process is None:
            pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
            command = [sys.executable, "-c", self._first + LOOP]
            self._process = subprocess.Popen(command, env=self._environment, text=True, **pipes)
        with TemporaryDirectory() as outputs:
            asked = name, script, arguments, str(folder), environment, outputs
            print(json.dumps(asked), file=self._process.stdin, flush=True)
            if not select.select([self._process.stdout], [], [], SECONDS)[0]:
                self._process.kill()
                raise TimeoutError(f"{name} has not ended after {SECONDS} s")
            status = int(self._process.stdout.readline())
            out, err = (Path(outputs, at).read_text(encoding="utf-8") for at in ("stdout", "stderr"))
            return subprocess.CompletedProcess(name, status, out, err)

    def close(self) -> None:
        """End it."""
        if self._process is not None:
            with self._process:
                self._process.stdin.close()


def deciding(environment: dict[str, str]) -> dict[str, str]:
    """Return the variables that change what an import does."""
    return {name: value for name, value in environment.items() if name.startswith(DECIDES)}
