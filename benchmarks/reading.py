"""A large CSV file, read and prepared, beside the readers of polars and pyarrow: ``python benchmarks/reading.py``.

The file has numbers, of which two columns have missing values, categories, dates, true and false; it is written to a
temporary folder. "prepared" is what `fastbp train` does before it trains: `read_table`, then
`Preprocessor.fit_transform` to float32. All take turns in one process with one thread, so that a busy machine slows
them alike; the figures are medians. The largest memory is that of a process of its own for each.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

os.environ.setdefault("POLARS_MAX_THREADS", "1")

import numpy as np
import polars
from pyarrow import csv

from fastbp.data import read_table
from fastbp.tables import Preprocessor

TARGET = "y"


def write(path: Path, rows: int) -> None:
    """Write a file of 31 columns."""
    rng = np.random.default_rng(0)
    columns: dict[str, Any] = {f"x{j}": rng.normal(size=rows).round(9) * 10.0 ** (j % 3) for j in range(18)}
    columns |= {f"whole{j}": rng.integers(0, 10 ** (j + 2), rows) for j in range(4)}
    for j in range(2):
        values = rng.lognormal(size=rows).round(4)
        columns[f"gaps{j}"] = [
            None if gap else v for v, gap in zip(values.tolist(), rng.random(rows) < 0.1, strict=True)
        ]
    for n in (3, 5, 8, 12):
        columns[f"kind{n}"] = np.array([f"kind {i}" for i in range(n)])[rng.integers(0, n, rows)]
    columns["day"] = (np.datetime64("2015-01-01") + rng.integers(0, 3000, rows)).astype(str)
    columns["sold"] = np.array(["yes", "no"])[rng.integers(0, 2, rows)]
    columns[TARGET] = rng.normal(size=rows).round(5)
    polars.DataFrame(columns).write_csv(path)


def by_polars(path: Path) -> Any:
    """Read it with polars."""
    return polars.read_csv(path)


def by_pyarrow(path: Path) -> Any:
    """Read it with pyarrow."""
    return csv.read_csv(path, read_options=csv.ReadOptions(use_threads=False))


def read(path: Path) -> Any:
    """Read it."""
    return read_table(path)


def prepared(path: Path) -> Any:
    """Read it, and make features of it."""
    return Preprocessor(dtype="float32").fit_transform(read_table(path), TARGET)


PEERS: dict[str, Callable[[Path], Any]] = {"polars": by_polars, "pyarrow": by_pyarrow}
KINDS = PEERS | {"read_table": read, "read and prepared": prepared}


def main() -> int:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--once", nargs=2, metavar=("KIND", "FILE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.once:
        kept = KINDS[options.once[0]](Path(options.once[1]))
        # Linux only: the largest size that getrusage says is that of the parent, if it was larger.
        size = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
        print(int(size.split()[1]) / 1e6, len(kept))
        return 0
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        write(path, options.rows)
        print(f"{options.rows:,} rows of 31 columns, {path.stat().st_size / 1e6:.0f} MB")
        took: dict[str, list[tuple[float, float]]] = {name: [] for name in KINDS}
        for _ in range(options.repeats + 1):
            for name, call in KINDS.items():
                wall, processor = time.perf_counter(), time.process_time()
                call(path)
                took[name].append((time.perf_counter() - wall, time.process_time() - processor))
        print(f"{'':20}{'wall, s':>9}{'processor, s':>14}{'/ polars':>10}{'/ pyarrow':>11}{'memory, GB':>12}")
        for name, times in took.items():
            command = [sys.executable, __file__, "--once", name, str(path)]
            memory = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[0]
            wall, processor = (statistics.median(each) for each in zip(*times[1:], strict=True))
            polars_, pyarrow_ = (
                statistics.median(mine / its for (_, mine), (_, its) in zip(times[1:], took[peer][1:], strict=True))
                for peer in PEERS
            )
            print(f"{name:20}{wall:9.2f}{processor:14.2f}{polars_:10.2f}{pyarrow_:11.2f}{float(memory):12.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
