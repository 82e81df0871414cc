"""The three sums of one layer in five versions: what differs, what does not, and why.

    python examples/loops_vs_vectorized.py [FOLDER] [--quick]

Books usually show backpropagation vectorized, with a transpose and a Hadamard product. This page computes its three
sums with Python loops, the same loops compiled, compiled in parallel, and as register tiles, and with NumPy. It checks
that all give the same numbers, and measures each. The printed functions are the ones that run. Covers C3.
"""

# ruff: noqa: E402  (BLAS reads its number of threads when NumPy is imported)
import argparse
import inspect
import os
import textwrap
import time
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

for variable in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numba
import numpy as np
from numba import prange

from fastbp.comparison.timing import interleaved_rounds, median_of_ratios
from fastbp.compiler.options import LEAN, njit
from fastbp.formulations.tiles.registers import ROWS, VECS, VECTOR_BYTES
from fastbp.formulations.tiles.tile import add_row, outer_add, store, wide, zeros
from fastbp.model import aligned_empty

WIDTH, LANES = 100, VECTOR_BYTES // 4
ONE = np.float32(1)  # to Numba, the integer 1 minus a float32 is a float64

# The loops. Each runs as Python, where prange is range, compiled, and compiled in parallel.


def forward(Z, w, b, A):
    for s in prange(Z.shape[0]):  # a sample
        for j in range(w.shape[0]):  # a neuron of this layer
            z = b[j]
            for k in range(w.shape[1]):  # a neuron of the layer before
                z += w[j, k] * A[s, k]
            Z[s, j] = z


def propagate_error(Delta_previous, w, Delta, A):
    for s in prange(Delta.shape[0]):
        for k in range(w.shape[1]):
            Delta_previous[s, k] = 0
        for j in range(w.shape[0]):  # the outer loop: memory is read in its order, along k
            for k in range(w.shape[1]):
                Delta_previous[s, k] += w[j, k] * Delta[s, j]
        for k in range(w.shape[1]):
            Delta_previous[s, k] *= A[s, k] * (ONE - A[s, k])


def outer_product(dw, Delta, A):
    for j in prange(dw.shape[0]):  # each j owns its row of dw
        for k in range(dw.shape[1]):
            dw[j, k] = 0
        for s in range(Delta.shape[0]):
            for k in range(dw.shape[1]):
                dw[j, k] += A[s, k] * Delta[s, j]


# The same over tiles: ROWS x wide numbers of the result, which stay in vector registers until their sum is complete.
# Here all sizes are multiples of these; fastbp's own loops, in formulations/tiles/panel_sums.py, take any size.


@njit(on_disk=False, **LEAN)
def forward_tiles(Z, w_T, b, A):
    for j in range(0, Z.shape[1], wide(Z)):
        for s in range(0, Z.shape[0], ROWS):
            tile = add_row(zeros(Z, ROWS, VECS), b, j)
            for k in range(A.shape[1]):
                tile = outer_add(tile, A, s, k, w_T, k, j)
            store(tile, Z, s, j)


@njit(on_disk=False, **LEAN)
def propagate_error_tiles(Delta_previous, w, Delta, A):
    for k in range(0, w.shape[1], wide(w)):
        for s in range(0, Delta.shape[0], ROWS):
            tile = zeros(w, ROWS, VECS)
            for j in range(w.shape[0]):
                tile = outer_add(tile, Delta, s, j, w, j, k)
            store(tile, Delta_previous, s, k)
            for i in range(s, s + ROWS):
                for c in range(k, k + wide(w)):
                    Delta_previous[i, c] *= A[i, c] * (ONE - A[i, c])


@njit(on_disk=False, **LEAN)
def outer_product_tiles(dw, Delta_T, A):
    for k in range(0, dw.shape[1], wide(dw)):
        for j in range(0, dw.shape[0], ROWS):
            tile = zeros(dw, ROWS, VECS)
            for s in range(A.shape[0]):
                tile = outer_add(tile, Delta_T, j, s, A, s, k)
            store(tile, dw, j, k)


# Vectorized.


def forward_vectorized(w, b, A):
    return A @ w.T + b


def propagate_error_vectorized(w, Delta, A):
    return (Delta @ w) * (A * (1 - A))


def outer_product_vectorized(Delta, A):
    return Delta.T @ A


# The explanation of each version.

WHY_PYTHON = {
    "forward": """
The interpreter takes {ns:.0f} ns for a multiply-add. It looks up two elements, makes an object of each, finds the
function of `*` for them, and makes objects of the product and of the sum.""",
    "propagate_error": """
{ns:.0f} ns. Each turn of the innermost loop also looks up Δ_previous[s, k], makes an object of it, and stores it.""",
    "outer_product": """
{ns:.0f} ns, less than one of them for the arithmetic.""",
}
WHY_COMPILED = {
    "forward": """
The same source with types: reading an element is one load, and vector lanes sum {lanes} terms at a time, because
`fastmath` allows another order of the sum. The limit is two loads for each multiply-add: {m} samples read all of w {m}
times.""",
    "propagate_error": """
Along k, vector lanes read w and Δ_previous in the order of memory. But Δ_previous[s, k] is in memory: for every j it is
loaded from the first-level cache, added to, and stored again.""",
    "outer_product": """
As in the error propagation, dw[j, k] is loaded and stored for every sample: two loads and a store for each
multiply-add.""",
}
WHY_PARALLEL = {
    "forward": """
`prange` divides the samples among {threads} threads. No two threads write the same number, so the bits are the same.
Starting the threads takes microseconds, which is more than the whole sum for 10 samples of a small layer.""",
    "propagate_error": """
Again each thread has its own samples. More cores do more work, but each has as many loads and stores as before.""",
    "outer_product": """
Here all samples add to the same dw, so they cannot be divided among threads. Each thread has its own neurons j instead:
it sums their rows of dw over all samples, in one order.""",
}
NOT_FASTER = "The threads did not help here: the sum is too small, or the other cores were busy."
WHY_TILES = {
    "forward": """
{rows} x {wide} sums stay in registers from the first k to the last. Each turn of the loop over k loads {wide} weights
and {rows} activations and computes their outer product: {outer} multiply-adds for {loads} loads. So the loads are no
longer the limit. The loop reads rows of the transpose of w, which fastbp makes once in a `fit`.""",
    "propagate_error": """
The same loop with δ in place of a. It needs no transpose: the sum is over j, and row j of w is contiguous along k. σ′
multiplies at the end numbers that are still in the cache.""",
    "outer_product": """
Now the sum over samples is the innermost loop, so that dw is written only once instead of once for every sample.""",
}
WHY_VECTORIZED = {
    "forward": """
`w.T` copies nothing: it is the same memory with the strides exchanged. BLAS has a tile loop like the one above. Before
it, BLAS packs both matrices into a suitable order, at every call, because it does not know that w is unchanged.
`+ b` is one more pass over Z, into new memory.""",
    "propagate_error": """
The book's wᵀδ, without the transpose because a row is a sample. ⊙ and σ′ are {hadamard:.1%} of the operations in every
version. But here they are three passes over arrays of {temporary:.0f} kB, for 1 − A, A(1 − A) and the result, which
write new memory and read it again.""",
    "outer_product": """
One call of BLAS sums the outer products of all samples. This is where NumPy is at its best. One sample at a time would
be `np.outer`, with a new matrix for each sample.""",
}
EQUATIONS = {
    "forward": ("FORWARD", "z_sj = Σ_k w_jk a_sk + b_j", "Z = A Wᵀ + b"),
    "propagate_error": (
        "ERROR PROPAGATION (BP2)", "δ_sk = (Σ_j w_jk δ_sj) σ′(z_sk), σ′ = a (1 − a)",
        "Δ_previous = (Δ W) ⊙ A ⊙ (1 − A)",
    ),
    "outer_product": ("OUTER PRODUCT (BP4)", "∂C/∂w_jk = Σ_s a_sk δ_sj", "dW = Δᵀ A"),
}  # fmt: skip


class Layer:
    """A layer with m samples, n_in inputs and n_out neurons: the arrays of all three sums.

    Attributes
    ----------
    arguments : dict
        For each sum, the arguments after the result: of its loops, its tile loops and its vectorized version.
    like : dict
        For each sum, an array with the shape of the result.
    """

    def __init__(self, m: int, n_in: int, n_out: int):
        rng = np.random.default_rng(0)
        self.m, self.n_in, self.n_out = m, n_in, n_out
        shapes = (m, n_in), (n_out, n_in), (n_out,), (m, n_out)
        A, w, b, Delta = (aligned(rng.random(shape, dtype=np.float32) - np.float32(0.5)) for shape in shapes)
        w_T = aligned(w.T)
        self.arguments = {
            "forward": ((w, b, A), (w_T, b, A), (w, b, A)),
            "propagate_error": ((w, Delta, A),) * 3,
            "outer_product": ((Delta, A), (Delta.T, A), (Delta, A)),
        }
        self.like = {
            "forward": Delta,
            "propagate_error": A,
            "outer_product": w,
        }

    def flops(self, name: str) -> int:
        """Return the floating-point operations of a sum, the same in every version."""
        sums = 2 * self.m * self.n_in * self.n_out
        return sums + {"forward": self.m * self.n_out, "propagate_error": 3 * self.m * self.n_in}.get(name, 0)

    def versions(self, name: str) -> dict[str, Callable[[], Any]]:
        """Return the five versions of a sum, as functions without arguments that return the result."""
        loops, tiles, vectorized = (globals()[name + form] for form in ("", "_tiles", "_vectorized"))
        for_loops, for_tiles, for_numpy = self.arguments[name]
        parallel = njit(on_disk=False, parallel=True)(loops)
        return {
            "Python loops": partial(filled, loops, aligned(self.like[name]), for_loops),
            "compiled loops": partial(filled, as_compiled(loops), aligned(self.like[name]), for_loops),
            "parallel loops": partial(filled, parallel, aligned(self.like[name]), for_loops),
            "register tiles": partial(filled, tiles, aligned(self.like[name]), for_tiles),
            "vectorized": partial(vectorized, *for_numpy),
        }


def aligned(array: Any) -> Any:
    """Return a copy that begins at a cache line, as fastbp's own arrays do and NumPy's need not."""
    copy = aligned_empty(array.size, array.dtype).reshape(array.shape)
    copy[:] = array
    return copy


@cache
def as_compiled(loops: Callable[..., None]) -> Callable[..., None]:
    """Return a sum's loops compiled for one thread: once, for the large layer and for the small one."""
    return njit(on_disk=False)(loops)


def filled(function: Callable[..., None], result: Any, arguments: tuple[Any, ...]) -> Any:
    """Call a loop, which writes its result, and return the result."""
    function(result, *arguments)
    return result


def measure(layer: Layer, name: str, rounds: int) -> tuple[dict[str, list[float]], float]:
    """Return the seconds of every version of a sum, and the largest relative difference from NumPy, after a check."""
    versions = layer.versions(name)
    reference = versions["vectorized"]()
    start = time.perf_counter()
    python = versions.pop("Python loops")
    results = {"Python loops": python()}
    seconds = {"Python loops": [time.perf_counter() - start]}
    results |= {form: compute() for form, compute in versions.items()}
    difference = max(np.abs(result - reference).max() for result in results.values()) / np.abs(reference).max()
    if not difference < 1e-5:
        raise SystemExit(f"{name}: the five forms differ by {difference:.1e}, so their times are not compared")
    return seconds | interleaved_rounds(versions, rounds, 0.004, pause_s=0.004), float(difference)


def explain(layer: Layer, name: str, seconds: dict[str, list[float]], difference: float) -> None:
    """Print a sum: its equation, and every version with its source, its speed and the reason for it."""
    title, equation, vectorized = EQUATIONS[name]
    loops = inspect.getsource(globals()[name])
    numbers = {
        "lanes": LANES, "m": layer.m, "threads": numba.get_num_threads(), "rows": ROWS,
        "wide": VECS * LANES, "outer": ROWS * VECS * LANES, "loads": VECS + ROWS,
        "ns": seconds["Python loops"][0] / layer.flops(name) * 2e9,
        "hadamard": 3 / (2 * layer.n_out + 3), "temporary": layer.m * layer.n_in * 4 / 1000,
    }  # fmt: skip
    print(f"\n{title} {'─' * (WIDTH - len(title) - 1)}\n\n    {equation}\n    {vectorized}\n")
    print(f"All five give the same numbers: the largest relative difference is {difference:.0e}.")
    compiled, parallel = f"njit({name})", f"njit({name}, parallel=True)"
    chapters = (
        ("Python loops", loops, WHY_PYTHON[name]), ("compiled loops", compiled, WHY_COMPILED[name]),
        ("parallel loops", parallel, WHY_PARALLEL[name]),
        ("register tiles", inspect.getsource(globals()[f"{name}_tiles"].py_func), WHY_TILES[name]),
        ("vectorized", inspect.getsource(globals()[f"{name}_vectorized"]), WHY_VECTORIZED[name]),
    )  # fmt: skip
    for form, source, why in chapters:
        ms = np.median(seconds[form]) * 1e3
        speed = f"{digits(ms)} ms{digits(layer.flops(name) / ms * 1e-6):>10} GFLOP/s"
        print(f"\n  {form}{speed:>{WIDTH - 2 - len(form)}}\n")
        print(textwrap.indent(source.rstrip(), "      "), end="\n\n")
        print(textwrap.indent(paragraph(why.format(**numbers), WIDTH - 2), "  "))
        if form == "parallel loops" and ms > np.median(seconds["compiled loops"]) * 1e3:
            print(f"\n  {NOT_FASTER}")


ANSWER = """
Does the vectorized form hide something? The transpose and the Hadamard product only say which indices belong together.
In the loops the transpose is the order of two indices, and the Hadamard product a multiplication at the end of a loop;
in NumPy the transpose is a pair of strides, and the Hadamard product a pass over memory. The sums and their terms are
the same: {flops:.1f} million floating-point operations for the three sums in every version, and the same results except
for the last digit, because the order of the terms differs. What differs is the work around each multiply-add: that of
an interpreter, a load and a store, or none."""

SMALL = """
For a small layer, the work around the sum takes almost all of the time. The same three sums for one sample, 16 inputs
and 16 neurons, called again and again by a compiled loop, as in an epoch, and in NumPy, called by Python:"""


def paragraph(text: str, width: int = WIDTH) -> str:
    return textwrap.fill(" ".join(text.split()), width)


def digits(x: float) -> str:
    """Return a number with three significant digits, without an exponent."""
    return f"{float(f'{x:.3g}'):,g}"


def summary(layer: Layer, seconds: dict[str, dict[str, list[float]]]) -> None:
    """Print all speeds in one table."""
    print(f"\nALL TOGETHER {'─' * (WIDTH - 13)}\n")
    print(f"  GFLOP/s, and the time as a multiple of NumPy's; {layer.n_in} inputs, {layer.n_out} neurons, "
          f"{layer.m} samples, float32\n")  # fmt: skip
    print(f"  {'':<22}" + "".join(f"{name.replace('_', ' '):>24}" for name in seconds))
    for form in seconds["forward"]:
        line = f"  {form:<22}"
        for name, figures in seconds.items():
            speed = layer.flops(name) / np.median(figures[form]) * 1e-9
            if form == "Python loops":
                times = figures[form][0] / np.median(figures["vectorized"])
            else:
                times = median_of_ratios(figures[form], figures["vectorized"])
            line += f"{digits(speed):>13}{digits(times):>9} ×"
        print(line)
    flops = sum(map(layer.flops, seconds)) * 1e-6
    print("\n" + paragraph(ANSWER.format(flops=flops)))


def again(loops: Any, calls: int, arguments: tuple[Any, ...]) -> Callable[[], None]:
    """Return a function that calls a compiled function many times from compiled code."""

    @njit(on_disk=False)
    def call_again(calls, arguments):
        for _ in range(calls):
            loops(*arguments)

    return partial(call_again, calls, arguments)


def small_layer(rounds: int) -> None:
    """Print the times of the three sums of a small layer, compiled and in NumPy."""
    layer, calls = Layer(1, 16, 16), 1000
    print(f"\n{paragraph(SMALL)}\n")
    for name in EQUATIONS:
        arguments = aligned(layer.like[name]), *layer.arguments[name][0]
        both = {
            "compiled": again(as_compiled(globals()[name]), calls, arguments),
            "vectorized": partial(globals()[f"{name}_vectorized"], *layer.arguments[name][2]),
        }
        seconds = interleaved_rounds(both, rounds, 0.002)
        ours, numpys = np.median(seconds["compiled"]) / calls, np.median(seconds["vectorized"])
        print(f"  {name.replace('_', ' '):<18}{ours * 1e6:>8.3f} µs compiled{numpys * 1e6:>12.3f} µs vectorized"
              f"{digits(numpys / ours):>9} × as long")  # fmt: skip


def picture(layer: Layer, seconds: dict[str, dict[str, list[float]]], path: Path) -> None:
    """Draw the speeds of all versions of all sums, if matplotlib is installed."""
    try:
        import matplotlib
    except ImportError:
        print("\nNo picture: matplotlib is not installed.")
        return
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(seconds), figsize=(11, 3.6), sharex=True, layout="constrained")
    colours = "#999999", "#56b4e9", "#0072b2", "#d55e00", "#009e73"
    for axis, (name, figures) in zip(axes, seconds.items(), strict=True):
        speeds = [layer.flops(name) / np.median(times) * 1e-9 for times in figures.values()]
        bars = axis.barh(list(figures), speeds, color=colours)
        axis.bar_label(bars, [f"{speed:.3g}" for speed in speeds], padding=3)
        axis.set(title=f"{name.replace('_', ' ')}\n{EQUATIONS[name][1].split(',')[0]}", xscale="log", xlabel="GFLOP/s")
        axis.set_xlim(min(speeds) / 3, max(speeds) * 8)
        axis.invert_yaxis()
        axis.spines[["top", "right"]].set_visible(False)
        if axis is not axes[0]:
            axis.set_yticklabels([])
    figure.suptitle(f"{layer.n_in} inputs, {layer.n_out} neurons, {layer.m} samples, float32")
    figure.savefig(path, dpi=120)
    print(f"\nThe picture is in {path}.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path(), help="for the picture, default: current folder")
    parser.add_argument("--quick", action="store_true", help="a smaller layer, fewer rounds")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    layer, rounds = (Layer(12, 96, 96), 3) if arguments.quick else (Layer(96, 768, 96), 25)
    print(f"A layer of {layer.n_out} neurons on {layer.n_in}, {layer.m} samples, float32. One thread, except for the "
          f"parallel\nloops, which have {numba.get_num_threads()}; registers of {LANES} numbers.")  # fmt: skip
    seconds = {}
    for name in EQUATIONS:
        seconds[name], difference = measure(layer, name, rounds)
        explain(layer, name, seconds[name], difference)
    summary(layer, seconds)
    small_layer(rounds)
    picture(layer, seconds, arguments.folder / "loops_vs_vectorized.png")


if __name__ == "__main__":
    main()
