"""The command ``fastbp warm-up``: it compiles the common calls ahead of time, into the cache or another folder."""

import argparse
import os
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fastbp.cli.arguments import several
from fastbp.cli.common_calls import CALLS
from fastbp.cli.wheel import check_sources, with_machine_code
from fastbp.compiler import code_cache, levels, together
from fastbp.progress import LiveLine

DESCRIPTION = {
    "name": "warm-up",
    "help": "compile ahead of time",
    "description": """\
Compile what common programs need, with one process for each core, and keep the machine code:
fits with every optimizer, activation, cost and option, predictions, derivatives. Then the first
calls of a program take milliseconds.

The machine code is for a level of processors, not for this one. It serves every machine
whose highest level this is, with the same versions of Python, Numba and fastbp.
For a container, warm up when the image is built, or copy the folder and set FASTBP_CACHE
to it. It may be read-only.
""",
    "examples": """\
examples:
  fastbp warm-up
  fastbp warm-up --dtype float32 --folder /opt/fastbp        in a Dockerfile, with
                                                             ENV FASTBP_CACHE=/opt/fastbp
  fastbp warm-up --level x86-64-v3,x86-64-v4                 for machines of two kinds
  fastbp warm-up --level all --wheel fastbp-*-any.whl        a wheel that need not compile
""",
}
DTYPES = "float32", "float64"
POLL = 0.1  # seconds


def add_options(parser: Any) -> None:
    """Add the options of ``fastbp warm-up``."""
    parser.add_argument("--dtype", choices=DTYPES, help="(default: both)")
    text = f"for these levels of processors, or 'all' from v2 on: {', '.join(levels.names())} (default: the highest)"
    parser.add_argument("--level", metavar="LEVEL,…", type=several(str), help=text)
    parser.add_argument("--folder", metavar="FOLDER", help="write there (default: the cache, or $FASTBP_CACHE)")
    text = "write a wheel for this platform with the machine code, from a plain wheel of this fastbp"
    parser.add_argument("--wheel", metavar="FILE.whl", help=text)
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")


def run(options: argparse.Namespace) -> int:
    """Compile and report; return the exit status."""
    asked = options.level or [levels.level().name]
    asked = list(levels.names())[1:] or list(levels.names()) if asked == ["all"] else asked
    for name in asked:
        if name not in levels.names():
            here = ", ".join(levels.names())
            raise ValueError(f"--level {name}: this machine runs machine code of {here}; compile others on another one")
    if not options.wheel:
        _report(options, asked, options.folder)
        return 0
    if options.folder:
        raise ValueError("both --folder and --wheel are given: machine code goes into one of them")
    wheel = Path(options.wheel)
    check_sources(wheel)
    with TemporaryDirectory(prefix="fastbp-") as folder:
        made = with_machine_code(wheel, _report(options, asked, folder))
    if not options.quiet:
        size, plain = (path.stat().st_size / 1e6 for path in (made, wheel))
        print(f"wrote {made}, {size:.1f} MB; without machine code {plain:.1f} MB")
    return 0


def _report(options: argparse.Namespace, asked: Sequence[str], into: str | None) -> Path:
    """Compile, say what was written, and return the folder that it is in."""
    if into:
        os.makedirs(into, exist_ok=True)
    started = time.perf_counter()
    failed = warm_up([options.dtype] if options.dtype else DTYPES, asked, into, progress=not options.quiet)
    folder = Path(into) / code_cache.folder_name() if into else code_cache.cache_folder()
    if folder is None:
        raise OSError("no folder for machine code can be written: give --folder, or set FASTBP_CACHE")
    if failed:
        raise ValueError(f"{', '.join(failed)} could not be compiled; call them to see why")
    if not options.quiet:
        sizes = [path.stat().st_size for path in folder.glob("*.machinecode")]
        print(f"{folder}: {len(sizes)} files, {sum(sizes) / 1e6:.1f} MB, {time.perf_counter() - started:.0f} s")
    return folder


def warm_up(
    dtypes: Sequence[str] = DTYPES,
    level_names: Sequence[str] = (),
    folder: str | os.PathLike[str] | None = None,
    *,
    progress: bool = False,
) -> list[str]:
    """Compile the common calls in several processes; return which of them failed.

    `level_names` are levels that this machine has, by default its highest; `folder` is where the machine code is kept,
    by default the cache. Raises OSError if no process can be started.
    """
    level_names = level_names or [levels.level().name]
    calls = [(call, dtype) for call in CALLS for dtype in dtypes]
    units = [together.Unit(f"{call.__name__} in {dtype}", call, (dtype,), {}) for call, dtype in calls]
    weights = [CALLS[call] for call, _ in calls]
    failed: list[str] = []
    with LiveLine(progress, "{desc}  {bar}", "compiling", len(level_names) * sum(weights), leave=False) as line:
        for name in level_names:
            environment = {"NUMBA_CPU_NAME": levels.names()[name]} if levels.names()[name] else {}
            environment |= {"FASTBP_CACHE": os.path.abspath(folder)} if folder else {}
            line.tell(f"compiling for {name}")
            done = _in_processes(units, weights, environment, line)
            failed += [f"{unit.name} for {name}" for unit, is_done in zip(units, done, strict=True) if not is_done]
    return failed


def _in_processes(
    units: Sequence[together.Unit], weights: Sequence[float], environment: dict[str, str], line: LiveLine
) -> list[bool]:
    """Compile units in other processes, and return which are done. Raises OSError if no process can be started."""
    done = [False] * len(units)
    with TemporaryDirectory(prefix="fastbp-", ignore_cleanup_errors=True) as claims:
        started = [together.start_worker(together.work, units, claims, **environment) for _ in range(together.cores())]
        workers = [worker for worker in started if worker]
        if not workers:
            raise OSError("warm-up compiles in other processes, and none can be started here: the first calls compile")
        try:
            while True:
                running = [worker for worker in workers if worker.poll() is None]
                for i, (was_done, weight) in enumerate(zip(done, weights, strict=True)):
                    claim = Path(claims, str(i))
                    if not was_done and claim.exists() and claim.read_text():
                        done[i] = True
                        line.advance(weight)
                if not running:
                    return done
                time.sleep(POLL)
        finally:
            for worker in workers:
                worker.kill()
                worker.wait()
