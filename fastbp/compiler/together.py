"""Compiling what a first call needs in several processes at once.

A *unit* is what is compiled at once and kept in one file: a C function, or a loop for some types. In a *dry run* of
Python code nothing is compiled and no loop runs; the units that are missing on the disk are noted. Then worker
processes and this one compile them, the longest first, and this one loads those of the workers from the disk.
"""

import math
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import wraps
from importlib import import_module
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, TypeVar

from numba import config

from fastbp.compiler.code_cache import cache_folder
from fastbp.compiler.threads import get_num_threads
from fastbp.memory import no_collection

T = TypeVar("T")
MOST_PROCESSES = 8
SECONDS_OF_A_WORKER = 1.0  # until it has imported fastbp
LONGEST_WAIT = 60.0  # seconds, for a worker to end what it has begun
# Seconds that a unit takes on one core, by the beginning of its name; others take a tenth of a second.
SECONDS = {
    "errors_share": 1.6, "part_share": 1.8, "descend_share": 0.9, "gradient_panel": 1.0, "gradient_listed": 1.0,
    "forward_panel": 1.0, "forward_listed": 1.0, "copy": 0.6, "softmax": 0.5, "adam_begin_step": 0.5,
    "train_epoch": 0.5, "lanes_sum": 1.0, "lanes_step": 1.2, "lanes_forward": 0.6, "gradient": 0.5, "forward_": 0.5,
}  # fmt: skip
# What a worker runs. It imports nothing of the user's program, and finds modules where this process finds them.
WORKER = """
import pickle, sys
sys.path[:], work, arguments = pickle.load(sys.stdin.buffer)
module, name = work
getattr(__import__(module, fromlist=[name]), name)(*pickle.loads(arguments))
"""

_here = threading.local()  # noted: units of a dry run; unit: the one being noted; dry: of `at_once`; alone: in `work`


class Unit(NamedTuple):
    """Something to compile, as another process can be told of it: a function of a module, and its arguments."""

    name: str
    make: Callable[..., Any]
    arguments: tuple[Any, ...]
    options: dict[str, Any]

    @property
    def seconds(self) -> float:
        """How long it takes, about."""
        return next((seconds for start, seconds in SECONDS.items() if self.name.startswith(start)), 0.1)


def made_once(maker: Callable[..., T]) -> Callable[..., T]:
    """Decorate a function that ends in `compile_callback`: it is called once for the same arguments.

    In a dry run its result is of no use.
    """
    made: dict[Any, T] = {}

    @wraps(maker)
    def make(*arguments: Any, **options: Any) -> T:
        key = arguments, *options.items()
        if key in made:
            return made[key]
        if is_dry():
            _here.unit = Unit("", make, arguments, options)
            return maker(*arguments, **options)
        return made.setdefault(key, maker(*arguments, **options))

    return make


def is_dry() -> bool:
    """Whether this is a dry run."""
    return getattr(_here, "noted", None) is not None


def note(name: str) -> None:
    """Note in a dry run that the C function of this name is missing on the disk, if other processes can make it."""
    if not name.startswith("users_"):
        _here.noted.append(_here.unit._replace(name=name))


def to_call(function: Any) -> Any:
    """Return the compiled loop itself, or in a dry run what notes that it would be called, and returns 0."""
    if not is_dry() or not hasattr(function, "overloads"):
        return function

    def would_be_called(*arguments: Any) -> float:
        types = tuple(map(function.typeof_pyval, arguments))
        if types not in function.overloads and not function._cache.has(types):
            loop = getattr(function, "serial_variant_of", function)
            module, name = loop.py_func.__module__, loop.py_func.__name__
            if getattr(sys.modules[module], name, None) is loop:  # so that other processes find it, too
                _here.noted.append(
                    Unit(function.__name__, _compile_loop, (module, name, loop is not function, types), {})
                )
        return 0.0

    return would_be_called


def _compile_loop(module: str, name: str, serial: bool, types: tuple[Any, ...]) -> None:
    from fastbp.compiler.variants import serial_variant  # which imports the decorator, which imports this module

    function = getattr(import_module(module), name)
    (serial_variant(function) if serial else function).compile(types)


@contextmanager
def at_once(dry: Callable[[], Any]) -> Iterator[None]:
    """Compile all that `dry` would compile, in several processes, if the block finds something missing on the disk.

    Within another such block, what that one's would compile too.
    """
    if is_dry() or getattr(_here, "alone", False):
        yield
        return
    outer = getattr(_here, "dry", ())
    _here.dry = (*outer, dry)
    try:
        yield
    finally:
        _here.dry = outer if _here.dry else ()


@contextmanager
def telling(tell: Callable[[str], Any]) -> Iterator[None]:
    """Let `tell` say, in this thread, that something is compiled and for how long."""
    before, _here.tell = getattr(_here, "tell", None), tell
    try:
        yield
    finally:
        _here.tell = before


def before_compiling() -> None:
    """Compile what the block of `at_once` needs, when its first unit is missing."""
    dry_runs, _here.dry = getattr(_here, "dry", ()), ()
    if not dry_runs:
        return
    units: list[Unit] = []
    _here.noted = units
    try:
        for dry in dry_runs:
            with suppress(Exception):  # help that fails must not end what it helps
                dry()
    finally:
        _here.noted = None
    compile_all(list({(unit.name, unit.arguments): unit for unit in units}.values()))


def compile_all(units: Sequence[Unit]) -> None:
    """Compile units, the longest first, in as many processes as pay; what a process cannot do is left to its caller."""
    units = sorted(units, key=lambda unit: -unit.seconds)
    total = sum(unit.seconds for unit in units)
    n_workers = _n_workers(total)
    tell = getattr(_here, "tell", None)
    if tell is not None and total >= 1:
        tell(f"compiling for this machine, once: {math.ceil((total + n_workers) / (1 + n_workers))} s")
    if n_workers == 0:
        return
    with TemporaryDirectory(prefix="fastbp-", ignore_cleanup_errors=True) as claims:
        workers = [worker for _ in range(n_workers) if (worker := start_worker(work, units, claims))]
        try:
            work(units, claims)
            with suppress(subprocess.TimeoutExpired):
                for worker in workers:
                    worker.wait(LONGEST_WAIT)
        finally:
            for worker in workers:
                worker.kill()
                worker.wait()


def _n_workers(seconds: float) -> int:
    """Return how many processes help with units of so many seconds: none where nothing can be shared with them."""
    python = os.path.basename(sys.executable or "").lower()
    if getattr(sys, "frozen", False) or not python.startswith(("python", "pypy")) or config.DISABLE_JIT:
        return 0  # the executable is another program, into which Python is built
    if cache_folder() is None:
        return 0
    return min(cores(), int(seconds / (2 * SECONDS_OF_A_WORKER)) + 1) - 1


def cores() -> int:
    """Return how many processes may compile at once."""
    return min(MOST_PROCESSES, get_num_threads())


def start_worker(function: Callable[..., Any], *arguments: Any, **environment: str) -> "subprocess.Popen[bytes] | None":
    """Return a new Python that calls a function of a module, or None where no process can be started."""
    place = function.__module__, function.__qualname__
    try:
        worker = subprocess.Popen(
            [sys.executable, "-P", "-c", WORKER],
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    except OSError:
        return None
    assert worker.stdin is not None
    with suppress(OSError), worker.stdin:  # it may have died
        worker.stdin.write(pickle.dumps((sys.path, place, pickle.dumps(arguments))))
    return worker


def work(units: Sequence[Unit], claims: str) -> None:
    """Compile the units that no other process has claimed by a file of the folder `claims`; what is done is in it."""
    _here.alone = True
    try:
        with no_collection():  # as in `options.LevelCompiler`, and between two units
            for i, unit in enumerate(units):
                with suppress(OSError), open(os.path.join(claims, str(i)), "x") as claim:
                    with suppress(Exception):  # whoever needs the unit compiles it again, and is told what is wrong
                        unit.make(*unit.arguments, **unit.options)
                        claim.write("done")
    finally:
        _here.alone = False
