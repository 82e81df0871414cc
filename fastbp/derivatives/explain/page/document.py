"""Puts a page together: the template, the style, the scripts, and the numbers as JSON.

Arrays of numbers arrive to the last bit: as float32 where that is exact, their exponents in few bits, in base 85. The
scripts and the style are in a page without their comments and indentation.
"""

import base64
import html
import json
import math
import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from fastbp import disk
from fastbp.derivatives.explain import symbols
from fastbp.derivatives.explain.layer_trace import LayerTrace
from fastbp.derivatives.explain.page.source import functions_and_lines
from fastbp.functions.activations import ACTIVATIONS, Interval
from fastbp.functions.costs import COSTS, PARAMETRIC, Cost
from fastbp.model import Array
from fastbp.validation.words import words

LARGEST = 30_000_000  # bytes of a page: more is slow in a browser
LARGEST_INLINE = 1_000_000  # bytes of a page inside a notebook, whose file would have all of it
SCRIPTS = ("backpropagation.js", "names.js", "words.js", "sample.js", "diagram.js", "panel.js", "controls.js")
BLOCK = 1 << 15  # numbers that are packed at once, so that their bits are whole bytes
HEIGHT = 900  # pixels of a page in a notebook


class Traced(Protocol):
    """What a page needs of a `Trace`: layers 0…L, C of the sample, C as a function, the target."""

    layers: tuple[LayerTrace, ...]
    cost: float
    cost_function: Cost
    y: Array


def html_of(
    traces: Sequence[Traced],
    title: str | None = None,
    names: Sequence[str] | None = None,
    input_names: Sequence[str] | None = None,
    epochs: Sequence[str] = ("",),
) -> str:
    """Return the page of one sample; of several traces with a slider, where `epochs` is what each is called.

    Raises TypeError or ValueError unless `title` is a str, and `names` and `input_names` are one word for each output
    and input; ValueError if the page would be larger than `LARGEST`.
    """
    layers = traces[0].layers
    sizes = [at.n for at in layers]
    check_size(traces)
    if title is not None and not isinstance(title, str):
        raise TypeError(f"title is {title!r}; it must be a str")
    shown = title or f"One sample through {' → '.join(f'{n:,}' for n in sizes)}"
    functions = _functions(layers, traces[0].cost_function)
    content = {
        "title": shown,
        "sizes": sizes,
        "names": names if names is None else words("names", names, sizes[-1], "outputs"),
        "inputNames": input_names if input_names is None else words("input_names", input_names, sizes[0], "inputs"),
        "dtype": str(layers[-1].w.dtype),
        **functions,
        "x": packed(layers[0].a),
        "y": packed(traces[0].y),
        "frames": [
            {"name": epoch, **_numbers(trace, bool(functions["own"]))}
            for epoch, trace in zip(epochs, traces, strict=True)
        ],
        "source": functions_and_lines(),
    }
    here = Path(__file__).parent
    parts = {"title": html.escape(shown), "style": _without_comments((here / "page.css").read_text("utf-8"))}
    # In a script, "<" could begin "</script>" or "<!--".
    parts["data"] = json.dumps(content, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    parts["scripts"] = "".join(_without_comments((here / name).read_text("utf-8")) for name in SCRIPTS)
    template = (here / "page.html").read_text("utf-8")
    pieces = template.split("@@")  # text, name of a part, text, name of a part, …, text
    return "".join(parts[piece] if i % 2 else piece for i, piece in enumerate(pieces))


def write(path: Any, page: str) -> None:
    """Write a page, whole or not at all. Raises as `disk.write`."""
    disk.write(path, page.encode())


def inline(traces: Sequence[Traced], tables: str = "", epochs: Sequence[str] = ("",)) -> str:
    """Return the page in an iframe, for a notebook, and below it the tables; for a large page the tables only."""
    if size_of(traces) > LARGEST_INLINE:
        return tables
    style = f"width:100%;height:{HEIGHT}px;border:0"
    page = html.escape(html_of(traces, epochs=epochs))
    return f'<iframe title="One sample" sandbox="allow-scripts" style="{style}" srcdoc="{page}"></iframe>{tables}'


def size_of(traces: Sequence[Traced]) -> int:
    """Return how many bytes the numbers of the page have, about."""
    layers = traces[0].layers
    w_and_b = sum((before.n + 1) * at.n for before, at in pairwise(layers))
    return len(traces) * w_and_b * layers[-1].a.itemsize * 5 // 4


def check_size(traces: Sequence[Traced]) -> None:
    """Raise ValueError if the page would be too large."""
    size = size_of(traces)
    if size <= LARGEST:
        return
    sizes = " → ".join(f"{at.n:,}" for at in traces[0].layers)
    what = f"{len(traces):,} traces" if len(traces) > 1 else "a trace"
    raise ValueError(
        f"a page of {what} of the network {sizes} would have {size / 1e6:,.0f} MB; a browser shows at most "
        f"{LARGEST / 1e6:,.0f} MB well: take {'fewer traces or ' * (len(traces) > 1)}a smaller network; "
        f"print(trace) has no limit"
    )


def packed(array: Array) -> dict[str, Any]:
    """Return an array as JSON, to the last bit: float32 or float64, how many numbers, their exponents, their bits.

    `d` is base 85 of bits: for each number its sign and mantissa; from the next whole byte on, for each number the
    place of its exponent in `e`, counted from 1, as Elias' γ code: its n binary digits behind n − 1 zeros. Frequent
    exponents come first in `e`, so that most take 1 or 3 bits instead of 8 or 11.

    >>> packed(np.array([1.0, 0.5]))
    {'f': 'f4', 'n': 2, 'e': [126, 127], 'd': '00000002+`'}
    """
    flat = np.asarray(array, dtype=np.float64).ravel()
    with np.errstate(all="ignore"):
        short = flat.astype(np.float32)
    form = "f4" if np.array_equal(short.astype(np.float64), flat, equal_nan=True) else "f8"
    size, wide = (32, 8) if form == "f4" else (64, 11)  # bits of a number and of its exponent
    numbers = (short if form == "f4" else flat).view(f"u{size // 8}")
    exponents = (numbers >> size - 1 - wide & (1 << wide) - 1).astype(np.int64)
    counts = np.bincount(exponents)
    order = np.argsort(-counts, kind="stable")
    places = np.argsort(order)[exponents] + 1
    blocks = [slice(i, i + BLOCK) for i in range(0, max(flat.size, 1), BLOCK)]
    rest = b"".join(_without_exponents(numbers[block], wide) for block in blocks)
    codes = np.packbits(np.concatenate([_gamma_codes(places[block], wide) for block in blocks])).tobytes()
    stream = rest + codes
    data = base64.b85encode(stream + bytes(-len(stream) % 4)).replace(b"<", b",")  # its alphabet has no ","
    return {"f": form, "n": flat.size, "e": order[: np.count_nonzero(counts)].tolist(), "d": data.decode()}


def _without_exponents(numbers: Array, wide: int) -> bytes:
    """Return sign and mantissa of each number, bit by bit."""
    size = 8 * numbers.itemsize
    bits = np.unpackbits(numbers.astype(f">u{numbers.itemsize}").view(np.uint8)).reshape(-1, size)
    return np.packbits(np.delete(bits, range(1, 1 + wide), axis=1)).tobytes()


def _gamma_codes(places: Array, wide: int) -> Array:
    """Return the bits of Elias' γ code of each place (1, 010, 011, 00100, …), each in a byte."""
    lowest = np.arange(2 * wide + 1)[::-1]  # the bits of the longest code, the highest first
    digits = np.frexp(places)[1][:, None]
    return (places[:, None] >> lowest & 1)[lowest < 2 * digits - 1].astype(np.uint8)


def _without_comments(text: str) -> str:
    """Return a script or a style without the indentation of its lines, its comments and empty lines.

    A comment is ``/* … */``, or a line from ``//`` on that has a space, if anything, on both sides. So no text of a
    script may have these; none needs its indentation.
    """
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    lines = (re.sub(r"(^| )//( .*|$)", "", line.strip()).rstrip() for line in text.splitlines())
    return "".join(f"{line}\n" for line in lines if line)


def _functions(layers: Sequence[LayerTrace], cost: Cost) -> dict[str, Any]:
    """Return σ of each layer and C: names, formulas, and which of them are a user's own."""
    sigmas = [at.activation for at in layers[1:] if at.activation]
    known = COSTS.get(cost.name)
    if cost.parameter is not None and cost.name in PARAMETRIC:
        known = PARAMETRIC[cost.name](cost.parameter)
    own = [sigma.name for sigma in sigmas if sigma != ACTIVATIONS.get(sigma.name)]
    targets = Interval.parse(cost.target_range)
    return {
        "activations": [sigma.name for sigma in sigmas],
        "primes": [symbols.sigma_prime(sigma) for sigma in sigmas],
        "cost": cost.name,
        "costPrime": symbols.cost_prime(cost, sigmas[-1]),
        "parameter": cost.parameter,
        "targets": {"low": _finite(targets.low), "high": _finite(targets.high)},
        "own": [*dict.fromkeys(own), *([cost.name] if cost != known else [])],
    }


def _numbers(trace: Traced, complete: bool) -> dict[str, Any]:
    """Return the parameters and what Python computed; `complete`: also what a page without JavaScript's σ needs."""
    behind = trace.layers[1:]
    together = {
        "theta": [part.ravel() for at in behind for part in (at.w, at.b)],
        "z": [at.z for at in behind],
        "a": [at.a for at in behind],
        "delta": [at.delta for at in behind],
        "C": [np.array([trace.cost])],
    }
    if complete:  # what the page cannot compute
        together["dadz"] = [at.da_dz.ravel() for at in behind]
        together["dCda"] = [at.dC_da for at in trace.layers]
    return {key: packed(np.concatenate(parts)) for key, parts in together.items()}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
