"""The common calls of the library, one after the other on tiny data: what they compile is what most programs need."""

import warnings
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np

import fastbp
from fastbp.functions.activations import ACTIVATIONS
from fastbp.functions.costs import COSTS
from fastbp.model import Array
from fastbp.optimizers import OPTIMIZERS
from fastbp.tables import Table
from fastbp.tabular.classes import Classes
from fastbp.tabular.numbers import Numbers
from fastbp.tabular.recipe import Recipe

SIZES = [20, 35, 9, 4]  # wider and narrower than a panel, for every width of the registers
RATE = 1e-3
OF_SAMPLES = (
    "per_sample_gradients", "per_sample_gradient_norms", "input_gradient", "vjp", "gauss_newton_diagonal",
)  # fmt: skip
PRODUCTS = "hessian", "gauss_newton", "empirical_fisher"


def training(dtype: str) -> None:
    """Fit and predict: many samples, one, more than are held at once; one neuron; few weights and many samples."""
    labels = np.arange(64) % 4
    net = fastbp.Network(SIZES, cost="cross_entropy", dtype=dtype, seed=0)
    _fit(net, _samples(64, 20, dtype), labels)
    _fit(net, _samples(2048, 20, dtype), np.arange(2048) % 4, batch_size=2048)
    one_by_one: list[Any] = [fastbp.SGD(RATE), fastbp.Adam()]
    for optimizer in one_by_one:
        _fit(fastbp.Network([*SIZES[:-1], 1], dtype=dtype, seed=0), _samples(4, 20, dtype), np.ones(4), 1, optimizer)
    _fit(fastbp.Network([8, 16, 16, 1], dtype=dtype, seed=0), _samples(2048, 8, dtype), np.ones(2048), 2048)


def many_zeros(dtype: str) -> None:
    """Fit where most inputs are 0."""
    for rows in (64, 200):
        net = fastbp.Network([100, 35, 10], cost="cross_entropy", dtype=dtype, seed=0)
        _fit(net, np.eye(rows, 100, dtype=dtype), np.arange(rows) % 10, batch_size=rows)


def several_threads(dtype: str) -> None:
    """Fit and predict with steps that pay on several threads."""
    net = fastbp.Network([784, 256, 10], cost="cross_entropy", dtype=dtype, seed=0)
    for X in (_samples(512, 784, dtype), np.eye(512, 784, dtype=dtype)):
        _fit(net, X, np.arange(512) % 10, batch_size=256)
    _fit(fastbp.Network([30, 40, 40, 1], dtype=dtype, seed=0), _samples(8192, 30, dtype), np.ones(8192), 8192)
    pop = fastbp.Population([fastbp.Network([784, 256, 10], cost="cross_entropy", dtype=dtype) for _ in range(2)])
    pop.fit(_samples(512, 784, dtype), np.arange(512) % 10, epochs=1, progress=False)


def options_of_fit(dtype: str) -> None:
    """Fit with each option of a step."""
    each: dict[str, Any] = {
        "dropout": 0.5, "l2": RATE, "l1": RATE, "clip_norm": 1.0, "clip_value": 1.0, "max_norm": 1.0,
        "sample_weight": np.ones(64), "optimizer": fastbp.Adam(RATE, layer_rates=[0, 1, 1]),
    }  # fmt: skip
    for name, value in each.items():
        net = fastbp.Network(SIZES, cost="cross_entropy", dtype=dtype, seed=0)
        _fit(net, _samples(64, 20, dtype), np.arange(64) % 4, **{name: value})


def own_loop(dtype: str) -> None:
    """Single steps, of many samples and of one."""
    for n in (32, 1):
        net, X, Y = fastbp.Network(SIZES, dtype=dtype, seed=0), _samples(n, 20, dtype), np.full((n, 4), 0.25)
        for _ in range(2):  # the second goes on from the first
            net.train_on_batch(X, Y, optimizer="adam")
        gradient: Any = net.parameter_vjp(X, net.predict(X) - Y)
        net.apply_gradient(gradient, optimizer="adam")


def all_functions(dtype: str) -> None:
    """Every activation, cost and optimizer."""
    X, Y = _samples(8, 20, dtype), np.full((8, 4), 0.25)
    hidden = [name for name, activation in ACTIVATIONS.items() if not activation.whole_layer]
    for name in hidden:
        fastbp.Network(SIZES, activation=name, dtype=dtype, seed=0).gradient(X, Y)
    for cost, output in product(COSTS, ACTIVATIONS):
        if COSTS[cost].refusal(ACTIVATIONS[output]) is None:
            fastbp.Network(SIZES, output_activation=output, cost=cost, dtype=dtype, seed=0).gradient(X, Y)
    for kind in OPTIMIZERS.values():
        _fit(fastbp.Network(SIZES, dtype=dtype, seed=0), X, Y, optimizer=kind(learning_rate=RATE))


def derivatives(dtype: str) -> None:
    """First derivatives, and those with tangents."""
    X, Y = _samples(8, 20, dtype), np.full((8, 4), 0.25)
    for output, cost in (("identity", "quadratic"), ("softmax", "cross_entropy")):
        net = fastbp.Network(SIZES, output_activation=output, cost=cost, dtype=dtype, seed=0)
        for name in OF_SAMPLES:
            getattr(net, name)(X, Y)
        for name in PRODUCTS:
            getattr(net, f"{name}_vector_product")(X, Y, np.ones_like(net.parameters))
        net.clipped_gradient(X, Y, 1.0)
        net.fisher_vector_product(X, np.ones_like(net.parameters))
        net.jvp(X, X)
        net.jacobian(X)
        net.trace(X[0], Y[0])
        net.layers_of(X)


def tables(dtype: str) -> None:
    """Learn tables by the recipe of `fastbp train`, in float32, and predict; its linear model is in float64."""
    if dtype == "float32":
        x, recipe = np.arange(64.0), Recipe(epochs=4)  # so many that members train together
        table = Table({"x": x, "colour": ["red", "blue"] * 32})
        for learner, y in ((Classes(), x % 2), (Numbers(), 2 * x)):
            learner._train(learner._prepare(table, y, recipe, recipe.preprocessor()), 0)
            rows = learner._rows(table)
            learner._probabilities(rows) if isinstance(learner, Classes) else learner._mean(rows)


def full_batch(dtype: str) -> None:
    """Optimizers that use all samples in every step."""
    optimizers: list[Any] = [fastbp.LBFGS(), fastbp.ConjugateGradient(), fastbp.LevenbergMarquardt(), fastbp.Rprop()]
    for optimizer in optimizers:
        net = fastbp.Network(SIZES, activation="tanh", dtype=dtype, seed=0)
        _fit(net, _samples(32, 20, dtype), np.full((32, 4), 0.25), 32, optimizer)


# The longest first, in seconds on one core.
CALLS: dict[Callable[[str], None], float] = {
    training: 20, derivatives: 15, several_threads: 10, all_functions: 10, full_batch: 5, many_zeros: 5,
    options_of_fit: 5, own_loop: 1, tables: 1,
}  # fmt: skip


def _fit(net: fastbp.Network, X: Array, Y: Array, batch_size: int = 32, optimizer: Any = "adam", **more: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data: dict[str, Any] = {"validation_data": (X, Y), "progress": False}
        net.fit(X, Y, epochs=1, batch_size=batch_size, optimizer=optimizer, **data, **more)
    net.predict(X[:1])
    net.gradient(X, Y)


def _samples(n: int, n_in: int, dtype: str) -> Array:
    return np.random.default_rng(0).uniform(0.1, 1, (n, n_in)).astype(dtype)
