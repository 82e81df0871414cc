"""Activations and costs in NumPy, for the formulations that are not compiled and as a reference for the others.

A user's own function of one number is applied element by element.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fastbp.functions import activations, cost_pairs, costs, layer_activations, sample_costs
from fastbp.functions.activations import SELU_ALPHA, SELU_SCALE, Activation
from fastbp.functions.cost_pairs import FAR, PAIRS
from fastbp.functions.costs import Cost
from fastbp.functions.layer_activations import MOST
from fastbp.functions.softmax import softmax as compiled_softmax
from fastbp.model import Array

# NumPy does not warn of infinities and NaN, as compiled code does not: callers check the cost.
as_if_compiled = np.errstate(all="ignore")

Sigma = Callable[[Array], Array]
Backward = Callable[[Array, Array, Array], Array]

erf = np.vectorize(math.erf, otypes=[float])


def sigmoid(z: Array) -> Array:
    """1 / (1 + exp −z), by tanh, which does not overflow."""
    half = z.dtype.type(0.5)
    return np.asarray(half + half * np.tanh(half * z))


def softplus(z: Array) -> Array:
    """Return log(1 + exp z)."""
    return np.asarray(np.logaddexp(z, z.dtype.type(0)))


def gelu(z: Array) -> Array:
    """Return z Φ(z)."""
    return np.asarray(0.5 * z * (1 + erf(z * math.sqrt(0.5))), z.dtype)


def gelu_prime(z: Array) -> Array:
    """Φ(z) + z φ(z)."""
    density = np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
    return np.asarray(0.5 * (1 + erf(z * math.sqrt(0.5))) + z * density, z.dtype)


def silu_prime(z: Array) -> Array:
    """σ(z)(1 + z (1 − σ(z)))."""
    s = sigmoid(z)
    return np.asarray(s * (1 + z * (1 - s)))


def mish(z: Array) -> Array:
    """Return z tanh(log(1 + exp z))."""
    return np.asarray(z * np.tanh(softplus(z)))


def mish_prime(z: Array) -> Array:
    """t + z (1 − t²) σ(z), t = tanh(log(1 + exp z))."""
    t = np.tanh(softplus(z))
    return np.asarray(t + z * (1 - t * t) * sigmoid(z))


def softmax(z: Array) -> Array:
    """exp z_j / Σ exp z_i, along the last axis."""
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return np.asarray(e / e.sum(axis=-1, keepdims=True))


def log_softmax(z: Array) -> Array:
    """Return log a of softmax, also where a is rounded to 0."""
    below = z - z.max(axis=-1, keepdims=True)
    return np.asarray(below - np.log(np.exp(below).sum(axis=-1, keepdims=True)))


# σ(z), and σ′ as a function of z and a.
_ACTIVATIONS: dict[Any, tuple[Sigma, Callable[[Array, Array], Any]]] = {
    activations.identity: (lambda z: z.copy(), lambda z, a: 1),
    activations.sigmoid: (sigmoid, lambda z, a: a * (1 - a)),
    activations.tanh: (np.tanh, lambda z, a: 1 - a * a),
    activations.relu: (lambda z: np.maximum(z, 0), lambda z, a: z > 0),
    activations.leaky_relu: (
        lambda z: np.where(z > 0, z, 0.01 * z),
        lambda z, a: np.where(z > 0, 1, z.dtype.type(0.01)),
    ),
    activations.elu: (
        lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
        lambda z, a: np.where(z > 0, z.dtype.type(1), np.exp(np.minimum(z, 0))),
    ),
    activations.selu: (
        lambda z: z.dtype.type(SELU_SCALE) * np.where(z > 0, z, z.dtype.type(SELU_ALPHA) * np.expm1(np.minimum(z, 0))),
        lambda z, a: z.dtype.type(SELU_SCALE) * np.where(z > 0, 1, z.dtype.type(SELU_ALPHA) * np.exp(np.minimum(z, 0))),
    ),
    activations.softplus: (softplus, lambda z, a: -np.expm1(-a)),  # accurate also for a tiny σ′
    activations.silu: (lambda z: z * sigmoid(z), lambda z, a: silu_prime(z)),
    activations.mish: (mish, lambda z, a: mish_prime(z)),
    activations.gelu: (gelu, lambda z, a: gelu_prime(z)),
    activations.exponential: (np.exp, lambda z, a: a),
}

# C and ∂C/∂a as functions of a and y; huber and quantile, which have a parameter, are applied element by element.
_COSTS: dict[Any, tuple[Callable[[Array, Array], Array], Callable[[Array, Array], Array]]] = {
    costs.quadratic: (lambda a, y: 0.5 * (a - y) ** 2, lambda a, y: a - y),
    costs.squared_error: (lambda a, y: (a - y) ** 2, lambda a, y: 2 * (a - y)),
    costs.absolute: (lambda a, y: np.abs(a - y), lambda a, y: np.sign(a - y)),
    costs.poisson: (lambda a, y: a - y * np.log(a), lambda a, y: 1 - y / a),
}

# C and δ as functions of z, a and y, for the pairs of output activation and cost that have their own.
_PAIRS: dict[Any, tuple[Callable[[Array, Array, Array], Array], Callable[[Array, Array, Array], Array]]] = {
    cost_pairs.sigmoid_cross_entropy: (lambda z, a, y: y * softplus(-z) + (1 - y) * softplus(z), lambda z, a, y: a - y),
    cost_pairs.softmax_cross_entropy: (lambda z, a, y: -y * log_softmax(z), lambda z, a, y: a - y),
    cost_pairs.exponential_poisson: (lambda z, a, y: a - y * z, lambda z, a, y: a - y),
    cost_pairs.sigmoid_poisson: (lambda z, a, y: a + y * softplus(-z), lambda z, a, y: (a - y) * (1 - a)),
    cost_pairs.softplus_poisson: (
        lambda z, a, y: a - y * np.where(z < FAR, z, np.log(a)),
        lambda z, a, y: -np.expm1(-a) - y * np.where(z < FAR, 1, -np.expm1(-a) / a).astype(a.dtype),
    ),
    cost_pairs.softmax_poisson: (
        lambda z, a, y: a - y * log_softmax(z),
        lambda z, a, y: a * y.sum(axis=-1, keepdims=True) - y,
    ),
}


def _elementwise(function: Callable[..., Any], n_arguments: int) -> Callable[..., Array]:
    scalar = np.frompyfunc(function, n_arguments, 1)
    return lambda *arrays: np.asarray(scalar(*arrays), dtype=arrays[0].dtype)


def _of_rows(function: Callable[..., Any], n_out: int, n_targets: int = 0) -> Callable[..., Array]:
    """Return a user's function of whole rows as one of arrays: ``function(out, *rows)`` for each row.

    `n_out` are the numbers of a row of the result, 0 for one number, which the function returns; with `n_targets` the
    last argument is y.
    """

    def of_arrays(*arrays: Array) -> Array:
        rows = [np.atleast_2d(array) for array in arrays]
        if n_targets:
            rows[-1] = rows[-1][:, :n_targets]
        out = np.zeros((len(rows[0]), n_out or 1), rows[0].dtype)
        for s, some in enumerate(zip(*rows, strict=True)):
            if n_out:
                function(out[s], *some)
            else:
                out[s] = function(*some)
        return (out if n_out else out[:, 0]).reshape(arrays[0].shape if n_out else arrays[0].shape[:-1])

    return of_arrays


def mean_log_variance(z: Array) -> Array:
    """z in the first half; `MOST` tanh(z / `MOST`) in the second."""
    half = z.shape[-1] // 2
    return np.concatenate([z[..., :half], MOST * np.tanh(z[..., half:] / MOST)], axis=-1).astype(z.dtype)


def mean_log_variance_back(error: Array, z: Array, a: Array) -> Array:
    """The error times σ′, which is 1 in the first half."""
    half = z.shape[-1] // 2
    return np.concatenate([error[..., :half], error[..., half:] * (1 - (a[..., half:] / MOST) ** 2)], axis=-1)


def increasing(z: Array) -> Array:
    """Cumulated sums of z_0 and softplus(z_j)."""
    return np.cumsum(np.concatenate([z[..., :1], softplus(z[..., 1:])], axis=-1), axis=-1, dtype=z.dtype)


def increasing_back(error: Array, z: Array, a: Array) -> Array:
    """Sums of the error from the last output on, times σ′."""
    sums = np.cumsum(error[..., ::-1], axis=-1)[..., ::-1]
    return np.concatenate([sums[..., :1], sums[..., 1:] * sigmoid(z[..., 1:])], axis=-1)


# Activations of whole layers: σ(z), and error ↦ Jᵀ error as a function of error, z and a.
_LAYERS: dict[Any, tuple[Sigma, Backward]] = {
    compiled_softmax: (softmax, lambda error, z, a: a * (error - np.sum(a * error, axis=-1, keepdims=True))),
    layer_activations.mean_log_variance: (mean_log_variance, mean_log_variance_back),
    layer_activations.increasing: (increasing, increasing_back),
}


def _layer(activation: Activation) -> tuple[Sigma, Backward]:
    """Return σ and the product with its Jacobian, of an activation of whole layers."""
    if activation.function in _LAYERS:
        return _LAYERS[activation.function]

    def of_layer(z: Array) -> Array:
        return _of_rows(activation.function, z.shape[-1])(z)

    def back(error: Array, z: Array, a: Array) -> Array:
        result = np.array(error)
        for delta, z_s, a_s in zip(*map(np.atleast_2d, (result, z, a)), strict=True):
            activation.derivative(delta, z_s, a_s)
        return result

    return of_layer, back


def gaussian_nll(a: Array, y: Array) -> Array:
    """½ Σ log σ² + (y − μ)² / σ²."""
    n = a.shape[-1] // 2
    log_variance = a[..., n:]
    return np.asarray(0.5 * (log_variance + (a[..., :n] - y[..., :n]) ** 2 * np.exp(-log_variance)).sum(axis=-1))


def gaussian_nll_gradient(beta: float) -> Callable[[Array, Array], Array]:
    """Return its derivative times σ^2β."""

    def gradient(a: Array, y: Array) -> Array:
        n = a.shape[-1] // 2
        distance, variance = a[..., :n] - y[..., :n], np.exp(a[..., n:])
        both = np.concatenate([distance / variance, (1 - distance**2 / variance) / 2], axis=-1)
        return np.asarray(np.concatenate([variance, variance], axis=-1) ** a.dtype.type(beta) * both)

    return gradient


def _of_sample(cost: Cost) -> tuple[Callable[[Array, Array], Array], Callable[[Array, Array], Array]]:
    """Return C and ∂C/∂a of a cost of a whole sample, functions of (a, y)."""
    own = getattr(cost.function, "function", None)
    if own is sample_costs.gaussian_nll:
        return gaussian_nll, gaussian_nll_gradient(cost.parameter)
    if own is sample_costs.quantiles:
        q = np.array(cost.parameter)
        return (
            lambda a, y: np.maximum(q * (y[..., :1] - a), (1 - q) * (a - y[..., :1])).sum(axis=-1),
            lambda a, y: np.where(a < y[..., :1], -q, np.where(a > y[..., :1], 1 - q, 0)).astype(a.dtype),
        )

    def n_targets(a: Array) -> int:
        return int(a.shape[-1]) // cost.outputs_per_target

    return (
        lambda a, y: _of_rows(cost.function, 0, n_targets(a))(a, y),
        lambda a, y: _of_rows(cost.derivative, a.shape[-1], n_targets(a))(a, y),
    )


def sigma(activation: Activation) -> Sigma:
    """Return σ, of arrays whose last axis is a layer."""
    if activation.whole_layer:
        return _layer(activation)[0]
    known = _ACTIVATIONS.get(activation.function)
    return known[0] if known else _elementwise(activation.function, 1)


def backward(activation: Activation) -> Backward:
    """Return the function error ⊙ σ′(z) of (error, z, a); for a whole layer, the product with its Jacobian."""
    if activation.whole_layer:
        return _layer(activation)[1]
    if activation.function in _ACTIVATIONS:
        _, prime = _ACTIVATIONS[activation.function]
        return lambda error, z, a: error * prime(z, a)
    derivative = _elementwise(activation.derivative, 1)
    return lambda error, z, a: error * derivative(a if activation.derivative_of == "a" else z)


def cost_gradient(cost: Cost, output: Activation) -> Callable[[Array, Array], Array]:
    """Return ∇_a C, a function of (a, y). With softmax, cross_entropy is C = −Σ y log a."""
    if cost.function is costs.cross_entropy:
        if output.function is compiled_softmax:
            return lambda a, y: np.where(y == 0, a.dtype.type(0), -y / a)
        return lambda a, y: (a - y) / (a * (1 - a))
    if cost.whole_sample:
        return _of_sample(cost)[1]
    return _COSTS[cost.function][1] if cost.function in _COSTS else _elementwise(cost.derivative, 2)


def weighted(values: Array, weight: Any) -> Array:
    """Return w_s v_s, or with a weight for each output, w_sj v_sj, which is exactly 0 where w_sj is 0."""
    if weight is None:
        return values
    if np.ndim(weight) == values.ndim:
        return np.asarray(np.where(weight == 0, values.dtype.type(0), weight * values))
    return np.asarray(weight)[..., None] * values


def _sum(costs: Array, weight: Any = None) -> Array:
    """Σ_j C_j, with weights as in `weighted`."""
    if weight is None or np.ndim(weight) == costs.ndim:
        return np.asarray(weighted(costs, weight).sum(axis=-1))
    return np.asarray(weight * costs.sum(axis=-1))


def cost_and_error(cost: Cost, output: Activation) -> tuple[Callable[..., Array], Callable[..., Array]]:
    """Return C summed over the outputs and δ⁽ᴸ⁾ = ∇_a C ⊙ σ′, both functions of (z, a, y); C also of weights."""
    own = PAIRS.get((output.function, cost.function))
    if own:
        of_pair, error = _PAIRS[own.cost]
        return lambda z, a, y, weight=None: _sum(of_pair(z, a, y), weight), error
    derivative = cost_gradient(cost, output)
    times_sigma_prime = backward(output)
    if cost.whole_sample:
        of_sample = _of_sample(cost)[0]
        return (
            lambda z, a, y, weight=None: of_sample(a, y) if weight is None else np.asarray(weight * of_sample(a, y)),
            lambda z, a, y: times_sigma_prime(derivative(a, y), z, a),
        )
    function = _COSTS[cost.function][0] if cost.function in _COSTS else _elementwise(cost.function, 2)
    return (
        lambda z, a, y, weight=None: _sum(function(a, y), weight),
        lambda z, a, y: times_sigma_prime(derivative(a, y), z, a),
    )
