"""What the tests compile besides the common calls of programs: it is compiled before them, in several processes.

Each function is first needed by tests in several processes at about the same time, and each would compile it.
"""

from typing import Any

import numpy as np

import fastbp
from fastbp.compiler import threads
from fastbp.formulations.array_functions import cost_functions
from fastbp.functions.activations import ACTIVATIONS
from fastbp.functions.costs import COSTS

SIZES = [7, 9, 5, 3]


def loops(dtype: str) -> None:
    """Fit, predict and differentiate in the loops of the textbook, on one thread."""
    rng = np.random.default_rng(0)
    X, Y = rng.uniform(0.1, 1, (12, 7)).astype(dtype), np.full((12, 3), 1 / 3, dtype)
    optimizers: list[Any] = [fastbp.SGD(0.1), fastbp.Adam(), fastbp.SGD(0.1, layer_rates=[0, 0.5, 1])]
    for optimizer in optimizers:
        net = fastbp.Network(SIZES, cost="cross_entropy", dtype=dtype, seed=0, formulation="loops")
        net.fit(X, Y, epochs=1, batch_size=4, optimizer=optimizer, validation_data=(X, Y), progress=False)
        net.predict(X)
        net.predict(X[:1])
        net.gradient(X, Y)


def loops_on_threads(dtype: str) -> None:
    """The same on several threads."""
    original = dict(threads.PARALLEL_FROM)
    threads.PARALLEL_FROM.update(dict.fromkeys(original, 0))
    try:
        loops(dtype)
    finally:
        threads.PARALLEL_FROM.update(original)


def lanes(dtype: str) -> None:
    """Train small networks in lanes."""
    rng = np.random.default_rng(0)
    X, Y = rng.uniform(0.1, 1, (64, 7)).astype(dtype), np.full((64, 3), 1 / 3, dtype)
    nets = [fastbp.Network(SIZES, cost="cross_entropy", dtype=dtype, seed=seed) for seed in range(16)]
    fastbp.Population(nets).fit(X, Y, epochs=1, batch_size=8, optimizer=fastbp.Adam(), progress=False)


def squares(dtype: str) -> None:
    """Make the functions of one cost."""
    cost_functions(COSTS["quadratic"], ACTIVATIONS["identity"], np.dtype(dtype))


# The longest first, in seconds on one core.
CALLS = {loops_on_threads: 20, loops: 15, lanes: 8}
