"""SimpleChains.jl's published task: a small net learns the exponential of 2 × 2 matrices with full batches."""

import time
from typing import Any

import numpy as np

import fastbp

N_SAMPLES = 10_000
SIZES = (4, 32, 16, 4)


def exponentials(X: np.ndarray) -> np.ndarray:
    """Return exp of the 2 × 2 matrix in each row (a, b, c, d), by its eigenvalues s ± q."""
    a, b, c, d = X.T
    s, q = (a + d) / 2, np.sqrt(((a - d) / 2) ** 2 + b * c + 0j)
    share = np.where(q == 0, 1, np.sinh(q) / np.where(q == 0, 1, q))
    cosh = np.cosh(q)
    rows = np.stack([cosh + share * (a - s), share * b, share * c, cosh + share * (d - s)])
    return np.asarray((np.exp(s) * rows).real.T)


def train(formulation: str, epochs: int, threads: int) -> dict[str, Any]:
    """Train for some epochs; return the seconds and the final cost."""
    fastbp.set_num_threads(threads)
    X = np.random.default_rng(0).standard_normal((N_SAMPLES, 4), dtype=np.float32)
    Y = exponentials(X.astype(np.float64)).astype(np.float32)
    functions: dict[str, Any] = {"activation": "tanh", "output_activation": "identity", "cost": "squared_error"}
    net = fastbp.Network(SIZES, **functions, seed=0, formulation=formulation)  # type: ignore[arg-type]
    data: dict[str, Any] = {"batch_size": N_SAMPLES, "progress": False}
    net.fit(X, Y, epochs=1, optimizer=fastbp.Adam(), **data)  # compiles
    start = time.perf_counter()
    net.fit(X, Y, epochs=epochs, optimizer=fastbp.Adam(), **data)
    return {"seconds": time.perf_counter() - start, "epochs": epochs, "cost": net.evaluate(X, Y).cost}
