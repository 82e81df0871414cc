"""Derivatives against central differences."""

import math
from typing import Any

import numpy as np

from fastbp.kernels.activations import ACTIVATIONS, Activation, Interval
from fastbp.kernels.costs import COSTS, Cost
from fastbp.validation import named

STEP = 1e-5  # near the cube root of float64's resolution, where rounding and curvature err equally


def check_derivative(function: str | Activation | Cost, *, tolerance: float = 1e-5) -> float:
    """Compare the derivative of an activation or a cost with central differences.

    Parameters
    ----------
    function : str, Activation or Cost
        What to check: one of fastbp's by its name, or your own.
    tolerance : float, default 1e-5
        The largest difference that is still right, relative to 1 + |derivative|.

    Returns
    -------
    float
        The largest difference found, (f(x + h) − f(x − h)) / 2h against the derivative, relative to 1 + |derivative|.

    Raises
    ------
    ValueError
        The derivative is wrong: where, what it says, and what it should be.

    Examples
    --------
    >>> import math, fastbp
    >>> check_derivative("tanh") < 1e-9
    True
    >>> check_derivative(fastbp.Activation("sine", math.sin, math.sin))
    Traceback (most recent call last):
        ...
    ValueError: the derivative of 'sine' is wrong at z = -6.01: it says 0.2698, differences say 0.962916
    """
    if isinstance(function, str):
        known: dict[str, Any] = {**COSTS, **ACTIVATIONS}
        function = known[function] if function in known else named("activation or cost", function, known, Cost)
    if isinstance(function, Cost):
        return _check_cost(function, tolerance)
    if not isinstance(function, Activation):
        raise TypeError(f"{function!r} is neither a name nor a fastbp.Activation or fastbp.Cost")
    return _check_softmax(function, tolerance) if function.whole_layer else _check_activation(function, tolerance)


def _check_activation(activation: Activation, tolerance: float) -> float:
    sigma, prime = activation.function, activation.derivative
    worst = 0.0
    for z in np.linspace(-6.01, 6.03, 302).tolist():  # 0, where some have a corner, is not among them
        difference = (sigma(z + STEP) - sigma(z - STEP)) / (2 * STEP)
        derivative = prime(sigma(z) if activation.derivative_of == "a" else z)
        worst = max(worst, _discrepancy(activation.name, f"z = {z:.4g}", derivative, difference, tolerance))
    return worst


def _check_cost(cost: Cost, tolerance: float) -> float:
    function, prime = cost.function, cost.derivative
    worst = 0.0
    for a in _points(cost.output_range):
        for y in _points(cost.target_range, ends=True):
            right, left = function(a + STEP, y) - function(a, y), function(a, y) - function(a - STEP, y)
            if abs(right - left) <= 1e-3 * (STEP + abs(right)):  # else there is a corner, and no derivative
                difference = (function(a + STEP, y) - function(a - STEP, y)) / (2 * STEP)
                place = f"a = {a:.4g}, y = {y:.4g}"
                worst = max(worst, _discrepancy(cost.name, place, prime(a, y), difference, tolerance))
    return worst


def _check_softmax(activation: Activation, tolerance: float) -> float:
    sigma, times_jacobian = activation.function, activation.derivative
    z = np.array([-1.2, 0.3, 2.1, 0.4])

    def outputs(z: Any) -> Any:
        a = np.empty_like(z)
        sigma(a, z)
        return a

    worst = 0.0
    for i in range(len(z)):
        delta = np.eye(len(z))[i]
        times_jacobian(delta, z, outputs(z))
        for j in range(len(z)):
            nudge = STEP * np.eye(len(z))[j]
            difference = (outputs(z + nudge)[i] - outputs(z - nudge)[i]) / (2 * STEP)
            worst = max(worst, _discrepancy(activation.name, f"∂a_{i}/∂z_{j}", delta[j], difference, tolerance))
    return worst


def _points(interval: str, ends: bool = False) -> list[float]:
    """Some numbers of an interval, away from its ends unless `ends` asks for those that belong to it."""
    allowed = Interval.parse(interval)
    low = allowed.low if math.isfinite(allowed.low) else -3.01
    high = allowed.high if math.isfinite(allowed.high) else low + 6.03
    inside: list[float] = np.linspace(low, high, 25)[2:-2].tolist()
    if ends:
        inside += [low] * allowed.low_included + [high] * allowed.high_included
    return inside


def _discrepancy(name: str, place: str, derivative: float, difference: float, tolerance: float) -> float:
    discrepancy = abs(derivative - difference) / (1 + abs(difference))
    if not discrepancy <= tolerance:
        raise ValueError(
            f"the derivative of {name!r} is wrong at {place}: it says {derivative:g}, differences say {difference:g}"
        )
    return discrepancy
