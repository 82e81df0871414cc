"""The cost of starting: the import, and the first fit without and with machine code on disk.

The programs are those of benchmarks/startup.py. Every figure is from fresh processes.
"""

import statistics
import tempfile
from pathlib import Path

from startup import FIRST_FIT, IMPORT, run


class Import:
    """The time of `import fastbp` as a multiple of `import numba`, which it includes, in fresh processes."""

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
    """Seconds of the first fit on a machine, which compiles everything, without the import."""

    unit = "seconds"

    def track_fit(self) -> float:
        with tempfile.TemporaryDirectory() as empty:
            return run(FIRST_FIT, empty)


class FirstFitWarm:
    """Seconds of the first fit in a process that finds machine code on disk, without the import."""

    unit = "seconds"

    def setup_cache(self) -> str:
        folder = str(Path("machinecode").resolve())  # in asv's folder for `setup_cache`, which asv removes
        run(FIRST_FIT, folder)
        return folder

    def track_fit(self, folder: str) -> float:
        return statistics.median(run(FIRST_FIT, folder) for _ in range(5))
