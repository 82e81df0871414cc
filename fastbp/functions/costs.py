"""Costs C, each with ∂C/∂a and ∂²C/∂a² under it, as functions of one output a and its target y.

The cost of a sample is the sum over its outputs. `cost_pairs.py` has functions of whole layers for some pairs of output
activation and cost, which stay exact where a is rounded to 0 or 1.

If exp(−C) is, up to a factor, a probability density of y, an output has a Fisher information, a function of a:
E[(∂C/∂a)²], the expectation over y.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from fastbp.functions import elementary
from fastbp.functions.activations import Activation, Interval, check_callable
from fastbp.functions.elementary import like


def quadratic(a, y):
    return (a - y) * (a - y) / 2


def quadratic_prime(a, y):
    return a - y


def quadratic_second(a, y):
    return like(a, 1)


def quadratic_information(a):  # a normal distribution of variance 1
    return like(a, 1)


def squared_error(a, y):
    return (a - y) * (a - y)


def squared_error_prime(a, y):
    return like(a, 2) * (a - y)


def squared_error_second(a, y):
    return like(a, 2)


def squared_error_information(a):  # of variance ½
    return like(a, 2)


def cross_entropy(a, y):
    cost = 0.0
    if y > 0:  # 0 log 0 = 0
        cost -= y * elementary.log(a)
    if y < 1:
        cost -= (1 - y) * elementary.log1p(-a)
    return cost


def cross_entropy_prime(a, y):
    return (a - y) / (a * (like(a, 1) - a))


def cross_entropy_second(a, y):
    not_a = like(a, 1) - a
    return y / (a * a) + (like(a, 1) - y) / (not_a * not_a)


def cross_entropy_information(a):  # y = 1 with probability a
    return like(a, 1) / (a * (like(a, 1) - a))


def absolute(a, y):
    return abs(a - y)


def absolute_prime(a, y):
    return 1 if a > y else (-1 if a < y else 0)  # 0 at a = y, which has no derivative


def absolute_second(a, y):
    return like(a, 0)


def absolute_information(a):  # a Laplace distribution of scale 1
    return like(a, 1)


def huber(a, y, delta):
    distance = abs(a - y)
    return distance * distance / 2 if distance <= delta else delta * (distance - delta / 2)


def huber_prime(a, y, delta):
    return max(-delta, min(delta, a - y))


def huber_second(a, y, delta):
    return like(a, 1 if abs(a - y) <= delta else 0)


def quantile(a, y, q):
    return q * (y - a) if y > a else (1 - q) * (a - y)


def quantile_prime(a, y, q):
    return -q if y > a else (1 - q if a > y else 0)  # 0 at a = y, which has no derivative


def quantile_second(a, y, q):
    return like(a, 0)


def quantile_information(a, q):  # an asymmetric Laplace distribution: q² with probability 1 − q, (1 − q)² with q
    return like(a, q * (1 - q))


def poisson(a, y):
    return a - y * elementary.log(a) if y > 0 else a + 0 * y


def poisson_prime(a, y):
    return 1 - y / a


def poisson_second(a, y):
    return y / (a * a)


def poisson_information(a):  # a Poisson distribution of mean and variance a
    return like(a, 1) / a


class Parametric(NamedTuple):
    """A function with what it depends on besides its arguments: a number, or several."""

    function: Callable[..., Any]
    parameter: Any


class WithParameter(Parametric):
    """A function of the other arguments, with this number as the last one. Compiled once for all numbers."""

    def __call__(self, *arguments: Any) -> Any:
        return self.function(*arguments, self.parameter)


@dataclass(frozen=True)
class Cost:
    """A cost C and its derivative ∂C/∂a, from ordinary functions of one output a and its target y.

    Parameters
    ----------
    name : str
        Its name in messages and files.
    function : callable
        C(a, y) of one output; the cost of a sample is the sum over its outputs. Compiled by Numba.
    derivative : callable
        ∂C/∂a(a, y). `check_derivative` finds a wrong one.
    output_range, target_range : str, default "(-inf, inf)"
        The outputs a and the targets y for which C and its derivative are defined.
    output_activation : str, default "identity"
        The output activation of a network that names this cost and no output activation.
    second_derivative : callable, optional
        ∂²C/∂a²(a, y). Only Hessians and Gauss–Newton matrices need it; `check_derivative` checks it.
    information : callable, optional
        The Fisher information of a, if exp(−C) is a probability density of y: E[(∂C/∂a)²], a function of a. Only Fisher
        matrices need it.
    whole_sample : bool, default False
        Whether the cost couples the outputs of a sample. Then a and y are arrays of all its outputs and targets;
        `function` returns C, ``derivative(delta, a, y)`` writes ∂C/∂a to delta, ``second_derivative(product, a, y,
        a_dot)`` ∂²C/∂a² ȧ to product, and ``information(product, a, a_dot)`` the Fisher matrix times ȧ.
    outputs_per_target : int, default 1
        With `whole_sample`: there is one target for so many outputs, so the shape of Y is (n, n_out /
        outputs_per_target).
    most_targets : int, optional
        With `whole_sample`: how many targets there may be.
    derivative_is_exact : bool, default True
        False if `derivative` is not ∂C/∂a on purpose. Then optimizers with a line search and checks refuse the cost.
    start : callable, optional
        ``start(w, b)`` changes the initial weights and biases of the output layer in place.

    Raises
    ------
    TypeError
        One of the functions is not callable.
    ValueError
        A range is not an interval.

    Examples
    --------
    >>> import math, fastbp
    >>> log_cosh = fastbp.Cost("log_cosh", lambda a, y: math.log(math.cosh(a - y)), lambda a, y: math.tanh(a - y))
    >>> fastbp.check_derivative(log_cosh) < 1e-6
    True
    >>> net = fastbp.Network([2, 3, 1], cost=log_cosh, seed=0)
    >>> def apart(a, y):  # two outputs whose mean is the target, and which stay 1 apart
    ...     return ((a[0] + a[1]) / 2 - y[0]) ** 2 + (a[1] - a[0] - 1) ** 2
    >>> def apart_derivative(delta, a, y):
    ...     mean, distance = (a[0] + a[1]) / 2 - y[0], a[1] - a[0] - 1
    ...     delta[0], delta[1] = mean - 2 * distance, mean + 2 * distance
    >>> cost = fastbp.Cost("apart", apart, apart_derivative, whole_sample=True, outputs_per_target=2)
    >>> fastbp.check_derivative(cost) < 1e-6
    True
    """

    name: str
    function: Callable[..., Any]
    derivative: Callable[..., Any]
    output_range: str = "(-inf, inf)"
    target_range: str = "(-inf, inf)"
    output_activation: str = "identity"
    second_derivative: Callable[..., Any] | None = None
    information: Callable[..., Any] | None = None
    whole_sample: bool = False
    outputs_per_target: int = 1
    most_targets: int | None = None
    derivative_is_exact: bool = True
    start: Callable[..., Any] | None = None

    def __post_init__(self) -> None:
        optional = "second_derivative", "information", "start"
        check_callable(f"cost {self.name!r}", self, ("function", "derivative"), optional)
        for what in ("whole_sample", "derivative_is_exact"):
            if not isinstance(getattr(self, what), bool):
                raise TypeError(f"{what} is {getattr(self, what)!r}; it must be True or False")
        for what, value in (("outputs_per_target", self.outputs_per_target), ("most_targets", self.most_targets)):
            if type(value) is int and value >= 1 and (self.whole_sample or (what, value) == ("outputs_per_target", 1)):
                continue
            if value is not None or what == "outputs_per_target":
                raise ValueError(f"{what} is {value!r}; it must be a whole number from 1 on, with whole_sample=True")
        Interval.parse(self.output_range)
        Interval.parse(self.target_range)

    @property
    def parameter(self) -> Any:
        """δ of huber, q of quantile, β of gaussian_nll, the levels of quantiles; None for other costs."""
        return self.function.parameter if isinstance(self.function, Parametric) else None

    def n_targets(self, n_out: int) -> int:
        """Return how many targets a sample has. Raises ValueError if there is none with so many outputs."""
        n, rest = divmod(n_out, self.outputs_per_target)
        if rest or (self.most_targets is not None and n > self.most_targets):
            limit = "" if self.most_targets is None else f", and at most {self.most_targets * self.outputs_per_target}"
            raise ValueError(
                f"the last layer has {n_out} outputs, but the cost {self.name!r} has {self.outputs_per_target} for "
                f"each target{limit}: choose another size of the last layer"
            )
        return n

    def refusal(self, activation: Activation) -> str | None:
        """Why this cost is not defined for the outputs of `activation`; None if it is."""
        if Interval.parse(self.output_range).contains(Interval.parse(activation.output_range)):
            return None
        return (
            f"the cost {self.name!r} needs outputs in {self.output_range}, but the output activation "
            f"{activation.name!r} gives {activation.output_range}"
        )


def Huber(delta: float = 1.0) -> Cost:
    """Return the Huber cost: ½(a − y)² for |a − y| up to `delta`, linear beyond (Huber 1964).

    Raises ValueError unless 0 < delta < ∞.

    >>> Huber(0.5).function(3.0, 1.0)
    0.875
    """
    # NumPy would round the largest float64 to infinity in a float32 delta's own dtype.
    plain = delta.item() if isinstance(delta, np.generic) else delta
    if not _is_number(delta) or not 0 < plain <= sys.float_info.max:
        raise ValueError(f"delta is {delta!r}; the Huber cost needs 0 < delta < infinity")
    return _with_parameter("huber", (huber, huber_prime, huber_second), float(delta))


def Quantile(q: float = 0.5) -> Cost:
    """Return the quantile ("pinball") cost q (y − a) for y > a, (1 − q)(a − y) for y < a (Koenker & Bassett 1978).

    The constant that minimises its mean is the q-quantile of the targets. Raises ValueError unless 0 < q < 1.

    >>> Quantile(0.9).function(0.0, 1.0)
    0.9
    """
    if not _is_number(q) or not 0 < q < 1:
        raise ValueError(f"q is {q!r}; a quantile needs 0 < q < 1")
    return _with_parameter("quantile", (quantile, quantile_prime, quantile_second, quantile_information), float(q))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def _with_parameter(name: str, functions: tuple[Any, ...], value: float) -> Cost:
    function, derivative, *rest = (WithParameter(f, value) for f in functions)
    return Cost(name, function, derivative, **dict(zip(("second_derivative", "information"), rest, strict=False)))


PARAMETRIC: dict[str, Callable[[float], Cost]] = {"huber": Huber, "quantile": Quantile}

COSTS: dict[str, Cost] = {
    cost.name: cost
    for cost in (
        Cost(
            "quadratic", quadratic, quadratic_prime,
            second_derivative=quadratic_second, information=quadratic_information,
        ),
        Cost(
            "squared_error", squared_error, squared_error_prime,
            second_derivative=squared_error_second, information=squared_error_information,
        ),
        Cost(
            "cross_entropy", cross_entropy, cross_entropy_prime, "(0, 1)", "[0, 1]", "softmax",
            cross_entropy_second, cross_entropy_information,
        ),
        Cost(
            "absolute", absolute, absolute_prime, second_derivative=absolute_second, information=absolute_information,
        ),
        Huber(),
        Quantile(),
        Cost(
            "poisson", poisson, poisson_prime, "(0, inf)", "[0, inf)", "exponential",
            poisson_second, poisson_information,
        ),
    )
}  # fmt: skip
