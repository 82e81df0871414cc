"""Costs and gradients at the edges, against mpmath: saturation, logits of ±1e4, targets of 0 and 1, subnormals, scales.

What mathematics makes a number of the dtype is finite, and no further from it than K roundings of each number on the
way to it: the bounds of `running_errors.py`. For every cost with every output activation that it takes, in both dtypes
and all formulations.
"""

import itertools

import mpmath
import numpy as np
import pytest
from running_errors import DIGITS, output

import fastbp
from fastbp.formulations import FORMULATIONS
from fastbp.kernels.activations import ACTIVATIONS
from fastbp.kernels.costs import COSTS

K = 8
LOGITS = [0.0, 1e-8, -1e-3, 0.7, -0.75, 1.0, -5.0, 17.0, -17.0, -38.0, 40.0, -90.0, 100.0, -750.0, 1e4, -1e4, 1e18, -1e18]
ANY, COUNTS, PROBABILITIES = [0.0, 1.0, 0.5, 1e-30, -3.0, 1e9], [0.0, 1.0, 0.5, 1e-30, 1e6], [0.0, 1.0, 0.5, 1e-30]
PAIRS = [
    (cost, output)
    for cost in COSTS
    for output, sigma in ACTIVATIONS.items()
    if not sigma.whole_layer and COSTS[cost].refusal(sigma) is None
]


def is_compiled(formulation: str) -> bool:
    return formulation in ("tiles", "loops")


def ratio(given, exact, bound, info) -> float:
    """By how many of the errors that are allowed a number is wrong; a NaN and an infinity are wrong by any number."""
    if abs(exact) > float(info.max) / 4:
        return 0.0
    error = abs(mpmath.mpf(float(given)) - exact) if np.isfinite(given) else mpmath.inf
    return float(error / (float(info.eps) * K * bound + float(info.tiny)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("cost", "activation"), PAIRS)
def test_costs_and_errors_at_the_edges(cost, activation, dtype):
    """A layer as wide as there are logits and targets, whose biases are the logits; costs one by one."""
    info, kinds = np.finfo(dtype), {"cross_entropy": PROBABILITIES, "poisson": COUNTS}
    logits = [*LOGITS, 4 * float(info.smallest_subnormal), -float(info.tiny)]
    z, y = (np.array(v, dtype) for v in zip(*itertools.product(logits, kinds.get(cost, ANY)), strict=True))
    wide = fastbp.Network([1, len(z)], output_activation=activation, cost=cost, dtype=dtype, initializer="zeros")
    wide.biases[0][:] = z
    narrow = fastbp.Network([1, 1], output_activation=activation, cost=cost, dtype=dtype)
    narrow.parameters[:] = 1, 0
    wrong = []
    for formulation, sums in FORMULATIONS.items():
        wide.formulation = formulation
        deltas = wide.gradient([[0.0]], y[None]).biases[0]
        costs = sums.costs(narrow._model, z[:, None], y[:, None])[1]
        for s in range(len(z)):
            exact = output(cost, activation, float(z[s]), float(y[s]), is_compiled(formulation), K * float(info.eps))
            at = f"{formulation}, z = {z[s]}, y = {y[s]}"
            if (times := ratio(costs[s], exact.cost, exact.cost_error, info)) > 1:
                wrong.append(f"C, {at}: {costs[s]}, not {mpmath.nstr(exact.cost, 8)}: {times:.3g} times too far")
            if exact.delta is not None and (times := ratio(deltas[s], exact.delta, exact.delta_error, info)) > 1:
                wrong.append(f"δ, {at}: {deltas[s]}, not {mpmath.nstr(exact.delta, 8)}: {times:.3g} times too far")
    assert wrong == []
