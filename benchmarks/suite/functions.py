"""The speed of each activation, and of each pair of output activation and cost, called as compiled code calls them."""

from typing import Any

import numpy as np

try:
    from fastbp.functions.activations import ACTIVATIONS
    from fastbp.functions.costs import COSTS
except ImportError:  # in commits with other folders
    from fastbp.kernels.activations import ACTIVATIONS
    from fastbp.kernels.costs import COSTS
from suite.common import Sampled, limit_threads, missing_is_skipped

PAIRS = {
    f"{output}, {cost}": (output, cost)
    for output, cost in (
        ("sigmoid", "quadratic"),
        ("sigmoid", "cross_entropy"),
        ("softmax", "cross_entropy"),
        ("identity", "quadratic"),
        ("identity", "squared_error"),
        ("identity", "absolute"),
        ("identity", "huber"),
        ("identity", "quantile"),
        ("exponential", "poisson"),
    )
}


class Activations(Sampled):
    """σ and σ′ of 10,000 neurons; for softmax they are one layer."""

    params = (list(ACTIVATIONS), ["float32", "float64"])
    param_names = ("activation", "dtype")

    @missing_is_skipped
    def setup(self, activation: str, dtype: str) -> None:
        limit_threads(1)
        from fastbp.formulations import array_functions

        sigma, number = ACTIVATIONS[activation], np.dtype(dtype)
        self.function = array_functions.activation_function(sigma, number)
        self.derivative = array_functions.derivative_function(sigma, number)
        self.call2, self.call3, *_ = calls()
        self.z = np.random.default_rng(0).standard_normal(10_000).astype(number)
        self.a, self.delta = np.empty_like(self.z), np.ones_like(self.z)
        self.time_function()
        self.time_derivative()

    def time_function(self, *_: str) -> None:
        self.call2(self.function, self.a, self.z)

    def time_derivative(self, *_: str) -> None:
        self.delta[:] = 1  # otherwise the products reach zero or infinity
        self.call3(self.derivative, self.delta, self.z, self.a)


class CostPairs(Sampled):
    """C and δ = ∂C/∂a ⊙ σ′(z) of 1,000 samples with 10 outputs, float32."""

    params = (list(PAIRS),)
    param_names = ("pair",)

    @missing_is_skipped
    def setup(self, pair: str) -> None:
        limit_threads(1)
        from fastbp.formulations import array_functions

        output, cost = ACTIVATIONS[PAIRS[pair][0]], COSTS[PAIRS[pair][1]]
        functions = array_functions.cost_functions(cost, output, np.dtype("float32"))
        self.cost, self.cost_gradient, self.derivative = functions
        sigma = array_functions.activation_function(output, np.dtype("float32"))
        call2, self.call3, self.call4, self.call_rows = calls()
        rng, rows = np.random.default_rng(0), 1_000
        self.z = rng.standard_normal(10 * rows, dtype=np.float32)
        self.y = np.eye(10, dtype=np.float32)[rng.integers(0, 10, rows)].ravel()
        self.a, self.delta, self.costs = np.empty_like(self.z), np.empty_like(self.z), np.empty(rows)
        for start in range(0, self.z.size, 10):
            call2(sigma, self.a[start : start + 10], self.z[start : start + 10])
        self.time_cost()
        self.time_error()

    def time_cost(self, *_: str) -> None:
        self.call_rows(self.cost, self.costs, self.z, self.a, self.y, 10, 0.0)

    def time_error(self, *_: str) -> None:
        self.call4(self.cost_gradient, self.delta, self.z, self.a, self.y, 0.0)
        self.call3(self.derivative, self.delta, self.z, self.a)


def calls() -> tuple[Any, Any, Any, Any]:
    """Return functions that call a compiled function of two to four arrays by its address, from Python."""
    from fastbp.compiler.call import call
    from fastbp.compiler.options import njit

    @njit(on_disk=False)
    def call2(function, x, y):
        call(function, x, y)

    @njit(on_disk=False)
    def call3(function, x, y, z):
        call(function, x, y, z)

    @njit(on_disk=False)
    def call4(function, x, y, z, u, parameter):
        call(function, x, y, z, u, parameter)

    @njit(on_disk=False)
    def call_rows(function, x, y, z, u, n, parameter):
        call(function, x, y, z, u, n, parameter)

    return call2, call3, call4, call_rows
