"""The most multiply-adds and bytes per second that this machine's cores reach: ``python benchmarks/peak.py``.

The bytes per second depend on the size of the data. Other loops reach a fraction of these figures.
"""

import argparse

from fastbp.comparison.machine import bandwidth, gflops, working_sets
from fastbp.formulations.tiles.registers import VECTOR_BYTES


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    threads = parser.parse_args().threads
    for dtype in ("float32", "float64"):
        speed = gflops(dtype, threads, seconds=0.5)
        print(f"{dtype}: {speed:.0f} GFLOP/s on {threads} thread(s), {8 * VECTOR_BYTES}-bit registers")
    for n_bytes in working_sets():
        print(f"{n_bytes / 2**10:>9,.0f} KiB: {bandwidth(n_bytes, threads, seconds=0.5):6.1f} GB/s")


if __name__ == "__main__":
    main()
