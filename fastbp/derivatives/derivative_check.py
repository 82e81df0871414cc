"""Derivatives against central differences."""

import math
from functools import partial
from typing import Any

import numpy as np

from fastbp import validation
from fastbp.functions.activations import ACTIVATIONS, Activation, Interval
from fastbp.functions.costs import COSTS, Cost

STEP = 1e-5  # near the cube root of float64's resolution, where rounding and curvature err equally


def check_derivative(function: str | Activation | Cost, *, tolerance: float = 1e-5) -> float:
    """Compare the derivative of an activation or a cost with central differences, and its second one if it has it.

    Parameters
    ----------
    function : str, Activation or Cost
        What to check: one of fastbp's by its name, or your own.
    tolerance : float, default 1e-5
        The largest difference that is still right, relative to 1 + |derivative|.

    Returns
    -------
    float
        The largest difference found, (f(x + h) − f(x − h)) / 2h against the derivative, relative to 1 + |derivative|;
        and (f′(x + h) − f′(x − h)) / 2h against the second derivative.

    Raises
    ------
    TypeError
        `function` is neither, or `tolerance` is no number.
    ValueError
        One of them is wrong: where, what it says, and what it should be.

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
    validation.positive("tolerance", tolerance)
    if isinstance(function, str):
        known: dict[str, Any] = {**COSTS, **ACTIVATIONS}
        function = (
            known[function] if function in known else validation.named("activation or cost", function, known, Cost)
        )
    if isinstance(function, Cost):
        return _check_cost(function, tolerance)
    if not isinstance(function, Activation):
        raise TypeError(f"{function!r} is neither a name nor a fastbp.Activation or fastbp.Cost")
    return _check_softmax(function, tolerance) if function.whole_layer else _check_activation(function, tolerance)


def _check_activation(activation: Activation, tolerance: float) -> float:
    sigma, name, worst = activation.function, activation.name, 0.0

    def of_z(function: Any) -> Any:
        return (lambda z: function(sigma(z))) if activation.derivative_of == "a" else function

    prime = of_z(activation.derivative)
    second = activation.second_derivative and of_z(activation.second_derivative)
    for z in np.linspace(-6.01, 6.03, 302).tolist():  # 0, where some have a corner, is not among them
        place = f"z = {z:.4g}"
        worst = max(worst, _discrepancy(name, place, prime(z), _difference(sigma, z), tolerance))
        if second:
            worst = max(worst, _discrepancy(name, place, second(z), _difference(prime, z), tolerance, "second "))
    return worst


def _difference(function: Any, x: float) -> float:
    return float((function(x + STEP) - 1.0 * function(x - STEP)) / (2 * STEP))  # 1.0: relu′ is True or False


def _check_cost(cost: Cost, tolerance: float) -> float:
    worst = 0.0
    for a in _points(cost.output_range):
        for y in _points(cost.target_range, ends=True):
            place = f"a = {a:.4g}, y = {y:.4g}"
            function, prime = (partial(_swapped, f, y) for f in (cost.function, cost.derivative))
            if _is_smooth(function, a):
                worst = max(worst, _discrepancy(cost.name, place, prime(a), _difference(function, a), tolerance))
                if cost.second_derivative and _is_smooth(prime, a):
                    difference = _difference(prime, a)
                    worst = max(
                        worst,
                        _discrepancy(cost.name, place, cost.second_derivative(a, y), difference, tolerance, "second "),
                    )
    return worst


def _swapped(function: Any, y: float, a: float) -> Any:
    return function(a, y)


def _is_smooth(function: Any, a: float) -> bool:
    """Whether there is no corner at a, where there would be no derivative."""
    right, left = function(a + STEP) - function(a), function(a) - function(a - STEP)
    return bool(abs(right - left) <= 1e-3 * (STEP + abs(right)))


def _check_softmax(activation: Activation, tolerance: float) -> float:
    sigma, times_jacobian, name = activation.function, activation.derivative, activation.name
    z = np.array([-1.2, 0.3, 2.1, 0.4])

    def outputs(z: Any) -> Any:
        a = np.empty_like(z)
        sigma(a, z)
        return a

    def backward(z: Any, i: int) -> Any:
        delta = np.eye(len(z))[i]
        times_jacobian(delta, z, outputs(z))
        return delta

    worst = 0.0
    for i in range(len(z)):
        for j in range(len(z)):
            nudge, unit = STEP * np.eye(len(z))[j], np.eye(len(z))[i]
            a_dot = (outputs(z + nudge) - outputs(z - nudge)) / (2 * STEP)
            worst = max(worst, _discrepancy(name, f"∂a_{i}/∂z_{j}", backward(z, i)[j], a_dot[i], tolerance))
            if activation.second_derivative:
                differences = (backward(z + nudge, i) - backward(z - nudge, i)) / (2 * STEP)
                activation.second_derivative(unit, outputs(z), a_dot)
                for k in range(len(z)):
                    place = f"∂²a_{i}/∂z_{j}∂z_{k}"
                    worst = max(worst, _discrepancy(name, place, unit[k], differences[k], tolerance, "second "))
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


def _discrepancy(
    name: str, place: str, derivative: float, difference: float, tolerance: float, which: str = ""
) -> float:
    discrepancy = abs(derivative - difference) / (1 + abs(difference))
    if not discrepancy <= tolerance:
        raise ValueError(
            f"the {which}derivative of {name!r} is wrong at {place}: it says {derivative:g}, "
            f"differences say {difference:g}"
        )
    return float(discrepancy)
