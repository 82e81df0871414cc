"""Activations σ, each with its first and second derivative under it.

A derivative is a function of z or, if that is cheaper, of the output a = σ(z); the argument's name says which. These
are ordinary functions, as a user would write them; `array_functions.py` compiles those that a network uses.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from fastbp.functions import elementary
from fastbp.functions.elementary import like
from fastbp.functions.softmax import softmax, softmax_derivative, softmax_second_derivative


def no_curvature(z):  # the second derivative of piecewise linear functions, also at their kinks
    return like(z, 0)


def identity(z):
    return z


def identity_prime(z):
    return 1


def sigmoid(z):
    return elementary.sigmoid(z)


def sigmoid_prime(a):
    return a * (like(a, 1) - a)


def sigmoid_second(a):
    return a * (like(a, 1) - a) * (like(a, 1) - like(a, 2) * a)


def tanh(z):
    return elementary.tanh(z)


def tanh_prime(a):
    return (like(a, 1) - a) * (like(a, 1) + a)


def tanh_second(a):
    return like(a, -2) * a * ((like(a, 1) - a) * (like(a, 1) + a))


def relu(z):
    return 0 if z <= 0 else z  # NaN stays NaN, so that divergence is detected


def relu_prime(z):
    return z > 0  # 0 at 0, which has no derivative, as in every other library


SLOPE = 0.01


def leaky_relu(z):
    return z if z > 0 else like(z, SLOPE) * z


def leaky_relu_prime(z):
    return like(z, 1 if z > 0 else SLOPE)


ALPHA = 1.0


def elu(z):
    return z if z > 0 else like(z, ALPHA) * elementary.expm1(z)


def elu_prime(z):
    return like(z, 1) if z > 0 else like(z, ALPHA) * elementary.exp(z)


def elu_second(z):
    return like(z, 0) if z > 0 else like(z, ALPHA) * elementary.exp(z)


SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772  # λ and α: mean 0 and variance 1 stay so


def selu(z):
    below = like(z, SELU_SCALE * SELU_ALPHA) * elementary.expm1(z)
    return like(z, SELU_SCALE) * z if z > 0 else below


def selu_prime(z):
    return like(z, SELU_SCALE) if z > 0 else like(z, SELU_SCALE * SELU_ALPHA) * elementary.exp(z)


def selu_second(z):
    return like(z, 0) if z > 0 else like(z, SELU_SCALE * SELU_ALPHA) * elementary.exp(z)


def softplus(z):
    return elementary.softplus(z)


def softplus_prime(z):
    return elementary.sigmoid(z)


def softplus_second(z):
    s = elementary.sigmoid(z)
    return s * (like(z, 1) - s)


def silu(z):
    return z * elementary.sigmoid(z)


def silu_prime(z):
    s = elementary.sigmoid(z)
    return s * (like(z, 1) + z * (like(z, 1) - s))


def silu_second(z):
    s = elementary.sigmoid(z)
    return s * (like(z, 1) - s) * (like(z, 2) + z * (like(z, 1) - like(z, 2) * s))


# mish(z) = z t, t = tanh(log(1 + n)) = n (n + 2) / (n² + 2n + 2) with n = exp z; for z > 0 in terms of m = exp −z.


def mish(z):
    e, one, two = elementary.exp(-abs(z)), like(z, 1), like(z, 2)
    over, under = (one + two * e, one + two * e + two * e * e) if z > 0 else (e * (e + two), e * e + two * e + two)
    return z * (over / under)


def mish_prime(z):
    e, one, two = elementary.exp(-abs(z)), like(z, 1), like(z, 2)
    over, under = (one + two * e, one + two * e + two * e * e) if z > 0 else (e * (e + two), e * e + two * e + two)
    steep = e * e * (one + e) if z > 0 else e * (one + e)  # t′ = 4 n (n + 1) / (n² + 2n + 2)²
    return over / under + z * (like(z, 4) * steep / (under * under))


def mish_second(z):
    e, one, two = elementary.exp(-abs(z)), like(z, 1), like(z, 2)
    under = one + two * e + two * e * e if z > 0 else e * e + two * e + two
    steep = e * e * (one + e) if z > 0 else e * (one + e)
    bend = e * e * (((two * e + two) * e - 3) * e - two) if z > 0 else e * (two + e * (two - e * (3 + two * e)))
    return like(z, 8) * steep / (under * under) + z * (like(z, 4) * bend / (under * under * under))


SQRT_HALF = math.sqrt(0.5)


def gelu(z):
    return z * (like(z, 0.5) * elementary.erfc(-z * like(z, SQRT_HALF)))


def gelu_prime(z):
    lower = like(z, 0.5) * elementary.erfc(-z * like(z, SQRT_HALF))
    return lower + z * elementary.exp(-z * z / 2) / math.sqrt(2 * math.pi)


def gelu_second(z):
    return elementary.exp(-z * z / 2) / math.sqrt(2 * math.pi) * (2 - z * z)


def exponential(z):
    return elementary.exp(z)


def exponential_prime(a):
    return a


def exponential_second(a):
    return a


@dataclass(frozen=True)
class Activation:
    """An activation function σ and its derivative σ′, from ordinary functions of one number.

    Parameters
    ----------
    name : str
        Its name in messages and files.
    function : callable
        σ(z), one number in, one number out. Written with ``math`` and plain Python; Numba compiles it.
    derivative : callable
        σ′ as a function of z, or of a = σ(z) with ``derivative_of="a"``. `check_derivative` finds a wrong one.
    derivative_of : {"z", "a"}, default "z"
        What `derivative` is a function of.
    output_range : str, default "(-inf, inf)"
        The interval of its values: ``(`` excludes an end, ``[`` includes it. Costs that need a probability or a
        positive output check it.
    second_derivative : callable, optional
        σ″, a function of the same variable as `derivative`. Only Hessians need it; `check_derivative` checks it.
    whole_layer : bool, default False
        Whether an output activation couples the neurons of the layer, as softmax does. Then the functions are of
        arrays: ``function(a, z)`` writes a, ``derivative(delta, z, a)`` writes δ ← Jᵀ δ with J = ∂a/∂z to delta, and
        ``second_derivative(delta, a, a_dot)`` δ ← J̇ᵀ δ along ȧ.
    tangent : callable, optional
        With `whole_layer`, if J is not symmetric: ``tangent(z_dot, z, a)`` writes ż ← J ż. `jvp` and second derivatives
        need it.

    Raises
    ------
    TypeError
        `function`, `derivative` or `second_derivative` is not callable.
    ValueError
        `derivative_of` or `output_range` is not of the form above.

    Examples
    --------
    >>> import math, fastbp
    >>> softsign = fastbp.Activation(
    ...     "softsign", lambda z: z / (1 + abs(z)), lambda z: 1 / (1 + abs(z)) ** 2, output_range="(-1, 1)")
    >>> fastbp.check_derivative(softsign) < 1e-6
    True
    >>> net = fastbp.Network([2, 3, 1], activation=softsign, cost="quadratic", seed=0)
    """

    name: str
    function: Callable[..., Any]
    derivative: Callable[..., Any]
    derivative_of: Literal["z", "a"] = "z"
    output_range: str = "(-inf, inf)"
    second_derivative: Callable[..., Any] | None = None
    whole_layer: bool = False
    tangent: Callable[..., Any] | None = None

    def __post_init__(self) -> None:
        check_callable(f"activation {self.name!r}", self, ("function", "derivative"), ("second_derivative",))
        if not isinstance(self.derivative_of, str) or self.derivative_of not in ("z", "a"):
            raise ValueError(f"derivative_of is {self.derivative_of!r}; it must be 'z' or 'a'")
        Interval.parse(self.output_range)


def check_callable(whose: str, holder: Any, needed: tuple[str, ...], optional: tuple[str, ...]) -> None:
    """Raise TypeError unless these attributes are callable; those that are `optional` may be None."""
    for role in (*needed, *optional):
        value = getattr(holder, role)
        if not callable(value) and (role in needed or value is not None):
            raise TypeError(f"the {role} of {whose} is not callable: {value!r}")


class Interval(NamedTuple):
    """An interval in the notation of mathematics: ``(0, 1]`` is 0 < v ≤ 1."""

    low: float
    high: float
    low_included: bool
    high_included: bool

    @classmethod
    def parse(cls, text: str) -> "Interval":
        """Read ``"[0, inf)"`` and the like. Raises ValueError for anything else."""
        try:
            low, high = text[1:-1].split(",")
            if text[0] not in "([" or text[-1] not in ")]" or not float(low) < float(high):
                raise ValueError
            return cls(float(low), float(high), text[0] == "[", text[-1] == "]")
        except (ValueError, IndexError, TypeError, AttributeError):
            raise ValueError(f"{text!r} is not an interval; write '(0, 1)', '[0, inf)', '(-inf, inf)' …") from None

    def has(self, number: Any) -> bool:
        """Whether the number is in this interval."""
        low = self.low <= number if self.low_included else self.low < number
        return bool(low and (number <= self.high if self.high_included else number < self.high))

    @property
    def a_number(self) -> float:
        """A number in it: 0 if it has that, else its middle, or a number 1 away from its only end."""
        if self.contains(Interval(0.0, 0.0, True, True)):
            return 0.0
        low = self.low if math.isfinite(self.low) else self.high - 2
        return (low + min(self.high, low + 2)) / 2

    def contains(self, other: "Interval") -> bool:
        """Whether every number of `other` is in this interval."""
        low = self.low < other.low or (self.low == other.low and self.low_included >= other.low_included)
        high = self.high > other.high or (self.high == other.high and self.high_included >= other.high_included)
        return low and high


# Sources: relu Nair & Hinton 2010; leaky_relu Maas et al. 2013; elu Clevert et al. 2016; selu Klambauer et al. 2017;
# softplus Dugas et al. 2001; silu Elfwing et al. 2018; mish Misra 2019; gelu Hendrycks & Gimpel 2016 (the exact form,
# with erf); softmax Bridle 1990.
ACTIVATIONS: dict[str, Activation] = {
    activation.name: activation
    for activation in (
        Activation("identity", identity, identity_prime, second_derivative=no_curvature),
        Activation("sigmoid", sigmoid, sigmoid_prime, "a", "(0, 1)", sigmoid_second),
        Activation("tanh", tanh, tanh_prime, "a", "(-1, 1)", tanh_second),
        Activation("relu", relu, relu_prime, "z", "[0, inf)", no_curvature),
        Activation("leaky_relu", leaky_relu, leaky_relu_prime, second_derivative=no_curvature),
        Activation("elu", elu, elu_prime, "z", "(-1, inf)", elu_second),
        Activation("selu", selu, selu_prime, "z", "(-1.7580993408473766, inf)", selu_second),
        Activation("softplus", softplus, softplus_prime, "z", "(0, inf)", softplus_second),
        Activation("silu", silu, silu_prime, "z", "[-0.2784645427610738, inf)", silu_second),
        Activation("mish", mish, mish_prime, "z", "[-0.3088434130172504, inf)", mish_second),
        Activation("gelu", gelu, gelu_prime, "z", "[-0.1699712074331036, inf)", gelu_second),
        Activation("exponential", exponential, exponential_prime, "a", "(0, inf)", exponential_second),
        Activation("softmax", softmax, softmax_derivative, "a", "(0, 1)", softmax_second_derivative, whole_layer=True),
    )
}
