"""Odd values, odd arrays, calls with one odd argument each, and what counts as a clear refusal."""

import inspect
import linecache
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from conftest import PACKAGE
from hypothesis import strategies as st

import fastbp

ODD = [
    None, "", "no such thing", b"bytes", True, -1, 0, 1.5, 2**63, -(2**70), 10**400, float("nan"), float("inf"), 1e-320,
    1 + 2j, [], {}, [[1, 2], [3]], object(), np.float32("nan"), np.array(3), np.zeros(0), np.array([None]),
    (1, 2), {"a": 1}, "a\0b", np.array([[1.0, np.nan]]), lambda: None,
]  # fmt: skip
REFUSALS = (TypeError, ValueError, fastbp.DivergenceError)  # and OSError where a path is odd; never MemoryError
PATHS = {"path"}
FOREVER = 2**40  # more epochs, steps or seconds than this are allowed, but take too long for a test

DTYPES = [
    "f4",
    "f8",
    ">f4",
    ">f8",
    "f2",
    "g",
    "i1",
    "u8",
    ">i4",
    "?",
    "F",
    "c16",
    "O",
    "U3",
    "S3",
    "M8[s]",
    "m8[s]",
    "V4",
]
VALUES = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-310, 1e30, 1e300, -1.0, 3.0]
LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "as it is": lambda a: a,
    "column by column": np.asfortranarray,
    "backwards": lambda a: a[::-1] if a.ndim else a,
    "columns backwards": lambda a: a[..., ::-1] if a.ndim else a,
    "every second": lambda a: np.repeat(a, 2, axis=0)[::2] if a.ndim else a,
    "read-only": lambda a: np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape) if a.dtype.kind in "fiu" else a,
    "not aligned": lambda a: unaligned(a) if a.dtype.kind in "fiu" else a,
    "one row again and again": lambda a: np.broadcast_to(a[:1], a.shape) if a.ndim and len(a) else a,
    "a matrix of the old class": lambda a: a.astype(a.dtype).view(np.recarray) if a.dtype.kind in "fiu" else a,
    "masked, nothing hidden": lambda a: np.ma.masked_array(a),
    "masked": lambda a: np.ma.masked_array(a, np.arange(a.size).reshape(a.shape) == 0),
}


def unaligned(a: Any) -> Any:
    memory = np.zeros(a.nbytes + 1, np.uint8)[1:]
    shifted = memory.view(a.dtype).reshape(a.shape)
    shifted[...] = a
    return shifted


@st.composite
def arrays(draw: Any, *shape: int | None) -> Any:
    """Arrays of a shape, where None is any number of rows; some have another shape, another dtype or an odd value."""
    n = draw(st.sampled_from([1, 2, 3, 5, 17]))
    right = tuple(n if size is None else size for size in shape)
    last = right[-1]
    wrong = [right[:-1], (), (0, *right[1:]), (*right[:-1], 0), (*right[:-1], last + 1), (*right, 1), (0,)]
    chosen = draw(st.sampled_from([right] * 6 + wrong))
    dtype = draw(st.sampled_from(["f4", "f8"] * 4 + DTYPES))
    a = np.asarray(np.random.default_rng(draw(st.integers(0, 9))).uniform(0, 1, chosen)).round(2)
    if a.size and draw(st.integers(0, 3)) == 0:
        a = a.copy()
        a.flat[draw(st.integers(0, a.size - 1))] = draw(st.sampled_from(VALUES))
    with np.errstate(all="ignore"):
        a = np.asarray(a, "f8").astype(dtype) if dtype != "V4" else np.zeros(chosen, dtype)
    return LAYOUTS[draw(st.sampled_from(sorted(LAYOUTS)))](np.asarray(a))


def kept(array: Any) -> Any:
    """The properties of a user's array that a call must not change."""
    return np.asarray(array).tobytes(), array.shape, array.strides, array.flags.writeable


def plain(array: Any, dtype: Any) -> Any:
    """The same numbers in a C-contiguous array of their own."""
    return np.array(np.asarray(array), dtype, order="C", copy=True)


def said(error: BaseException, *others: Path) -> bool:
    """Whether a `raise` in fastbp made this error, with a message; NumPy and Python's own operations do not count.

    Errors from the folders of `others`, other libraries, count too.
    """
    frames, trace = [], error.__traceback__
    while trace:
        frames.append((trace.tb_frame.f_code.co_filename, trace.tb_lineno))
        trace = trace.tb_next
    if any(Path(file).is_relative_to(folder) for file, _ in frames for folder in others):
        return True
    file, line = frames[-1]
    statement = linecache.getline(file, line).strip()
    return Path(file).is_relative_to(PACKAGE) and statement.startswith("raise") and len(str(error)) > 10


def odd_calls(function: Any, right: dict[str, Any]) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """Yield arguments in which one at a time is odd; the others are right, those of `MADE_ANEW` new each time."""
    for name, parameter in inspect.signature(function).parameters.items():
        if name == "self" or parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            continue
        for odd in ODD:
            yield name, odd, {n: v() if callable(v) and n in MADE_ANEW else v for n, v in right.items()} | {name: odd}


MADE_ANEW = {"net", "history", "axes"}


def refused(call: Any, arguments: dict[str, Any], name: str, *others: Path) -> bool:
    """Return whether a call refuses its argument `name` with a clear error. It may also succeed; nothing else."""
    odd, paths = arguments[name], (OSError,) if name in PATHS else ()
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("error")
            warnings.filterwarnings("ignore", "Glyph 0")  # which no font has
            warnings.filterwarnings("ignore", "the network is not at a minimum")  # of `laplace`
            result = call(**arguments)
            if hasattr(result, "savefig"):
                result.canvas.draw()
            if hasattr(result, "__exit__"):
                with result:
                    pass
    except paths:
        return True
    except REFUSALS as error:
        # A user's function may raise an error of its own.
        assert callable(odd) or said(error, *others), f"not an error that fastbp raises: {error!r}"
        return True
    return False


def wrongs(label: str, function: Any, right: dict[str, Any], *others: Path) -> tuple[list[str], int]:
    """Make each argument odd in turn; return what went wrong, and the number of refusals."""
    wrong, times = [], 0
    for name, odd, arguments in odd_calls(function, right):
        if name == "epochs" and isinstance(odd, int) and odd > FOREVER:
            continue
        try:
            times += refused(function, arguments, name, *others)
        except Exception as error:
            wrong.append(f"{label}({name}={odd!r:.60}): {type(error).__name__}: {error!s:.200}")
    return wrong, times
