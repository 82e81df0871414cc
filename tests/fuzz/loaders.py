"""Fuzz the loaders: model files, idx, CSV and NPZ, with whatever bytes a file can hold.

    python tests/fuzz/loaders.py words --seconds 900             guided by coverage; needs atheris
    python tests/fuzz/loaders.py words --seconds 10 --plain      random changes of the corpus; needs nothing

A run ends after its time, or at the first file on which a loader fails. atheris writes that file to the folder
`--found`, by default the current one, and `loaders.py words FILE` calls the loader with it again. Targets: model,
words, idx, csv, npz, npy; `targets.py` says what each is and what must hold.
"""

import argparse
import random
import resource
import sys
import time
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent))
SLOWEST = 1.0  # seconds of processor time that a loader may take for a file
MOST_MEMORY = 2000  # bytes of memory that a loader may take for each byte of the file, and
LEAST_MEMORY = 4 << 20  # for any file: deflate expands at most 1032 times, and there may be a copy
# Numba compiles the bytecode of these: atheris cannot insert its counters.
COMPILED = ("fastbp.compiler", "fastbp.functions", "fastbp.formulations", "fastbp.derivatives", "fastbp.optimizers")


class Result(NamedTuple):
    """The result of a run without atheris."""

    executions: int
    accepted: int
    slowest: float  # seconds


def plain(name: str, *, executions: int = 10**12, seconds: float = 10**9, seed: int = 0, memory: bool = True) -> Result:
    """Call a loader with random changes of its corpus; check its memory at every tenth call.

    Raises AssertionError, or the error of the loader, with the file as a note.
    """
    from mutations import MUTATIONS
    from targets import TARGETS, seeds

    target, corpus, changed, chance = TARGETS[name], seeds(name), [], random.Random(seed)
    change, start, accepted, slowest, n = MUTATIONS[target.mutation], time.perf_counter(), 0, 0.0, 0
    for data in corpus:
        target.check(data)  # so that nothing is imported or compiled while time and memory are measured
    for n in range(1, executions + 1):
        data = change(chance.choice(changed if changed and chance.randrange(2) else corpus), chance)
        before = time.process_time()
        accepted += call(target.check, data, memory and n % 10 == 0)
        slowest = max(slowest, time.process_time() - before)
        assert slowest < SLOWEST, f"{slowest:.1f} s for the file {data!r}"
        if n % 16 == 0 and len(changed) < 1000:
            changed.append(data)  # so that changes add up
        if time.perf_counter() > start + seconds:
            break
    return Result(n, accepted, slowest)


def call(check: Callable[[bytes], bool], data: bytes, memory: bool) -> bool:
    """Call a loader with a file. Raises the loader's error, or AssertionError if it takes too much memory."""
    try:
        if not memory:
            return check(data)
        tracemalloc.start()
        try:
            accepted = check(data)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < LEAST_MEMORY + MOST_MEMORY * len(data), f"{peak:,} bytes of memory for a file of {len(data):,}"
        return accepted
    except BaseException as error:
        error.add_note(f"the file: {data!r}")
        raise


def guided(name: str, seconds: float, found: Path, grown: Path) -> None:
    """Let atheris look for files that reach new lines of the loaders. Ends the process."""
    import atheris

    with atheris.instrument_imports(include=["fastbp", "csv", "gzip", "json", "zipfile"], exclude=_compiled()):
        import csv  # noqa: F401
        import gzip  # noqa: F401
        import json  # noqa: F401
        import zipfile  # noqa: F401

    from mutations import MOST_BYTES, MUTATIONS
    from targets import TARGETS, seeds

    check, change = TARGETS[name].check, MUTATIONS[TARGETS[name].mutation]

    def once(data: bytes) -> None:
        before = time.process_time()
        check(data)
        assert time.process_time() - before < SLOWEST

    def mutated(data: bytes, most: int, seed: int) -> bytes:
        chance = random.Random(seed)
        return atheris.Mutate(data, most) if chance.randrange(2) else change(data, chance)[:most]

    for data in seeds(name):
        check(data)  # so that imports and compilations do not count as memory of the loader
    limit_memory(512 << 20)
    folders = [str(grown / name), str(Path(__file__).parent / "corpus" / name)]
    (grown / name).mkdir(parents=True, exist_ok=True)
    found.mkdir(parents=True, exist_ok=True)
    options = [
        f"-max_total_time={seconds:.0f}", f"-max_len={MOST_BYTES}", "-timeout=300", "-rss_limit_mb=2048",
        f"-artifact_prefix={found}/{name}-", "-print_final_stats=1", "-report_slow_units=1",
    ]  # fmt: skip
    atheris.Setup([sys.argv[0], *options, *folders], once, custom_mutator=mutated)
    atheris.Fuzz()


def _compiled() -> list[str]:
    places = [place for place in map(Path, sys.path) if (place / "fastbp" / "compiler").is_dir()]
    names = [
        ".".join(file.relative_to(places[0]).with_suffix("").parts) for file in (places[0] / "fastbp").rglob("*.py")
    ]
    return [name.removesuffix(".__init__") for name in names if name.startswith(COMPILED)]


def limit_memory(more: int) -> None:
    """Allow this process `more` bytes, so that a loader that believes a false size ends in MemoryError."""
    with open("/proc/self/statm") as file:
        taken = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + more, -1))


def main() -> int:
    """Fuzz one target, or call it with one file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target")
    parser.add_argument("file", nargs="?", type=Path, help="call the loader with this file only")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0, help="of the plain changes")
    parser.add_argument("--plain", action="store_true", help="random changes, without atheris")
    parser.add_argument("--found", type=Path, default=Path(), help="where a file goes that a loader does not bear")
    parser.add_argument("--grown", type=Path, default=Path("corpus"), help="where the corpus that atheris finds goes")
    options = parser.parse_args()
    warnings.simplefilter("error")
    if options.file:
        from targets import TARGETS

        print("accepted" if call(TARGETS[options.target].check, options.file.read_bytes(), True) else "refused")
    elif options.plain:
        result = plain(options.target, seconds=options.seconds, seed=options.seed)
        print(f"{options.target}: {result.executions:,} executions, {result.accepted:,} files accepted, none not borne")
        print(f"the slowest took {1e3 * result.slowest:.0f} ms")
    else:
        guided(options.target, options.seconds, options.found, options.grown)
    return 0


if __name__ == "__main__":
    sys.exit(main())
