"""Derivatives against central differences."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from fastbp import validation
from fastbp.functions.activations import ACTIVATIONS, Activation, Interval
from fastbp.functions.costs import COSTS, Cost
from fastbp.functions.layer_activations import LAYER_ACTIVATIONS
from fastbp.functions.sample_costs import SAMPLE_COSTS

STEP = 1e-5  # near the cube root of float64's resolution, where the errors of rounding and of curvature are equal
Comparison = tuple[str, str, float, float]  # "" or "second ", the place, the derivative, the difference quotient


def check_derivative(function: str | Activation | Cost, *, tolerance: float = 1e-5) -> float:
    """Compare the derivative of an activation or a cost with central differences, and its second derivative if given.

    Parameters
    ----------
    function : str, Activation or Cost
        One of fastbp's functions by its name, or your own.
    tolerance : float, default 1e-5
        The largest difference that is accepted, relative to 1 + |derivative|.

    Returns
    -------
    float
        The largest difference found, relative to 1 + |derivative|, between the derivative and
        (f(x + h) − f(x − h)) / 2h, or between the second derivative and (f′(x + h) − f′(x − h)) / 2h.

    Raises
    ------
    TypeError
        `function` is neither a name nor an activation or a cost, or `tolerance` is not a number.
    ValueError
        A derivative is wrong. The message says where, its value, and the value of the differences.

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
        known: dict[str, Any] = {**COSTS, **SAMPLE_COSTS, **ACTIVATIONS, **LAYER_ACTIVATIONS}
        function = validation.named("activation or cost", function, known, Cost)
    if isinstance(function, Cost):
        if not function.derivative_is_exact:
            raise ValueError(f"the derivative of {function.name!r} is on purpose not that of its function")
        comparisons = _of_sample(function) if function.whole_sample else _of_cost(function)
    elif isinstance(function, Activation):
        comparisons = _of_whole_layer(function) if function.whole_layer else _of_activation(function)
    else:
        raise TypeError(f"{function!r} is neither a name nor a fastbp.Activation or fastbp.Cost")
    worst = 0.0
    for which, place, derivative, difference in comparisons:
        discrepancy = abs(derivative - difference) / (1 + abs(difference))
        if not discrepancy <= tolerance:
            raise ValueError(
                f"the {which}derivative of {function.name!r} is wrong at {place}: it says {derivative:g}, "
                f"differences say {difference:g}"
            )
        worst = max(worst, float(discrepancy))
    return worst


def _of_activation(activation: Activation) -> Iterator[Comparison]:
    sigma = activation.function

    def of_z(function: Any) -> Any:
        return (lambda z: function(sigma(z))) if activation.derivative_of == "a" else function

    prime = of_z(activation.derivative)
    second = activation.second_derivative and of_z(activation.second_derivative)
    for z in np.linspace(-6.01, 6.03, 302).tolist():  # without 0, where some functions have a corner
        place = f"z = {z:.4g}"
        yield "", place, prime(z), _difference(sigma, z)
        if second:
            yield "second ", place, second(z), _difference(prime, z)


def _difference(function: Any, x: float) -> float:
    return float((function(x + STEP) - 1.0 * function(x - STEP)) / (2 * STEP))  # 1.0: relu′ is True or False


def _of_cost(cost: Cost) -> Iterator[Comparison]:
    for a in _points(cost.output_range):
        for y in _points(cost.target_range, ends=True):
            place = f"a = {a:.4g}, y = {y:.4g}"
            function, prime = _at_y(cost.function, y), _at_y(cost.derivative, y)
            if _is_smooth(function, a):
                yield "", place, prime(a), _difference(function, a)
                if cost.second_derivative and _is_smooth(prime, a):
                    yield "second ", place, cost.second_derivative(a, y), _difference(prime, a)


def _of_sample(cost: Cost) -> Iterator[Comparison]:
    """Compare at random outputs and targets, along each output."""
    rng, limits = np.random.default_rng(0), [Interval.parse(r) for r in (cost.output_range, cost.target_range)]
    n_targets = min(2, cost.most_targets or 2)
    units = np.eye(n_targets * cost.outputs_per_target)
    for _ in range(20):
        a, y = (_random(rng, n, inside) for n, inside in zip((len(units), n_targets), limits, strict=True))
        gradient = _written(cost.derivative, units[0], a, y)
        for j, unit in enumerate(units):
            place = f"a = {a.round(4).tolist()}, y = {y.round(4).tolist()}, by a[{j}]"
            values = [float(cost.function(a + step * unit, y)) for step in (-STEP, 0.0, STEP)]
            if abs(values[2] - 2 * values[1] + values[0]) > 1e-3 * STEP:  # a corner
                continue
            yield "", place, gradient[j], (values[2] - values[0]) / (2 * STEP)
            if cost.second_derivative:
                low, high = (_written(cost.derivative, unit, a + step * unit, y) for step in (-STEP, STEP))
                product = _written(cost.second_derivative, unit, a, y, unit)
                for i in range(len(units)):
                    yield "second ", f"{place} and a[{i}]", product[i], (high[i] - low[i]) / (2 * STEP)


def _random(rng: np.random.Generator, n: int, inside: Interval) -> Any:
    low = inside.low if math.isfinite(inside.low) else min(-2.0, inside.high - 4)
    high = inside.high if math.isfinite(inside.high) else max(2.0, low + 4)
    return rng.uniform(low + (high - low) / 100, high - (high - low) / 100, n)


def _written(function: Any, like_result: Any, *arguments: Any) -> Any:
    """Return what a function writes to its first argument."""
    result = np.zeros_like(like_result)
    function(result, *arguments)
    return result


def _at_y(function: Any, y: float) -> Any:
    return lambda a: function(a, y)


def _is_smooth(function: Any, a: float) -> bool:
    """Whether the function has no corner at a, where it would have no derivative."""
    right, left = function(a + STEP) - function(a), function(a) - function(a - STEP)
    return bool(abs(right - left) <= 1e-3 * (STEP + abs(right)))


def _of_whole_layer(activation: Activation) -> Iterator[Comparison]:
    z = np.array([-1.2, 0.3, 2.1, 0.4])
    units = np.eye(len(z))

    def outputs(z: Any) -> Any:
        a = np.empty_like(z)
        activation.function(a, z)
        return a

    def backward(z: Any, i: int) -> Any:
        delta = units[i].copy()
        activation.derivative(delta, z, outputs(z))
        return delta

    for i in range(len(z)):
        for j in range(len(z)):
            nudge, unit = STEP * units[j], units[i].copy()
            a_dot = (outputs(z + nudge) - outputs(z - nudge)) / (2 * STEP)
            yield "", f"∂a_{i}/∂z_{j}", backward(z, i)[j], a_dot[i]
            if activation.tangent:
                z_dot = units[j].copy()
                activation.tangent(z_dot, z, outputs(z))
                yield "", f"∂a_{i}/∂z_{j} in `tangent`", z_dot[i], a_dot[i]
            if activation.second_derivative:
                differences = (backward(z + nudge, i) - backward(z - nudge, i)) / (2 * STEP)
                activation.second_derivative(unit, outputs(z), a_dot)
                for k in range(len(z)):
                    yield "second ", f"∂²a_{i}/∂z_{j}∂z_{k}", unit[k], differences[k]


def _points(interval: str, ends: bool = False) -> list[float]:
    """Return some numbers inside an interval, and with `ends` also those of its ends that belong to it."""
    allowed = Interval.parse(interval)
    low = allowed.low if math.isfinite(allowed.low) else -3.01
    high = allowed.high if math.isfinite(allowed.high) else low + 6.03
    inside: list[float] = np.linspace(low, high, 25)[2:-2].tolist()
    if ends:
        inside += [low] * allowed.low_included + [high] * allowed.high_included
    return inside
