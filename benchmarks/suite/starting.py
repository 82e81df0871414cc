"""What starting costs: the import, and the first fit without and with machine code on disk.

The programs are those of benchmarks/startup.py; each figure is of fresh processes.
"""

import statistics
import tempfile
from pathlib import Path

from startup import FIRST_FIT, IMPORT, run


class Import:
    """`import fastbp`, in fresh processes, in pairs with `import numba`, which it needs."""

    unit = "times numba's"

    def track_import_against_numba(self) -> float:
        pairs = []
        with tempfile.TemporaryDirectory() as cache:
            for i in range(8):
                names = ["numba", "fastbp"] if i % 2 else ["fastbp", "numba"]
                seconds = {name: run(IMPORT.format(module=name), cache) for name in names}
                pairs.append(seconds["fastbp"] / seconds["numba"])
        return statistics.median(pairs[1:])  # the first pair reads from disk


class FirstFitCold:
    """Seconds of the first fit on a machine: everything is compiled. The import is not counted."""

    unit = "seconds"

    def track_fit(self) -> float:
        with tempfile.TemporaryDirectory() as empty:
            return run(FIRST_FIT, empty)


class FirstFitWarm:
    """Seconds of the first fit in a process that finds machine code on disk. The import is not counted."""

    unit = "seconds"

    def setup_cache(self) -> str:
        folder = str(Path("machinecode").resolve())  # asv's folder for what `setup_cache` leaves, which it removes
        run(FIRST_FIT, folder)
        return folder

    def track_fit(self, folder: str) -> float:
        return statistics.median(run(FIRST_FIT, folder) for _ in range(5))
