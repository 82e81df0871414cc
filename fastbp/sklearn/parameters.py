"""The parameters of the estimators: their constraints, which are scikit-learn's, and their meaning in fastbp."""

import sys
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn import neural_network
from sklearn.utils._param_validation import Interval, StrOptions

from fastbp import validation
from fastbp.functions.activations import ACTIVATIONS, Activation
from fastbp.functions.costs import COSTS, Cost, Huber, Quantile
from fastbp.functions.sample_costs import SAMPLE_COSTS, Quantiles
from fastbp.network.network import Network
from fastbp.optimizers import Optimizer
from fastbp.optimizers.schedules import ByStep
from fastbp.validation import foreign_names

STOCHASTIC = ("sgd", "adam")
# scikit-learn's names, where fastbp has others.
OUR_NAMES = {"logistic": "sigmoid", "exp": "exponential", "squared_error": "quadratic", "absolute_error": "absolute"}
THEIR_NAMES = {"sigmoid": "logistic", "exponential": "exp"}
HIDDEN = {"logistic"} | {name for name, activation in ACTIVATIONS.items() if not activation.whole_layer}

CONSTRAINTS: dict[str, list[Any]] = {
    **neural_network.MLPRegressor._parameter_constraints,
    "activation": [StrOptions(HIDDEN), Activation, "array-like"],
    "output_activation": [StrOptions({"logistic", "exp", *ACTIVATIONS}), Activation, None],
    "dropout": [Interval(Real, 0, 1, closed="left"), "array-like", None],
    "optimizer": [Optimizer, str, None],
    "schedule": [callable, None],
    "callbacks": ["array-like", None],
    "scoring": [StrOptions({"loss"}), None],
    "goal": [Interval(Real, None, None, closed="neither"), None],
    "progress": ["boolean"],
}


def hidden_layer_sizes(given: Any) -> list[int]:
    """Return the sizes of the hidden layers. Raises ValueError, as scikit-learn does, unless all are positive.

    Raises TypeError unless they are whole numbers.
    """
    listed = [given] if isinstance(given, Integral) else given
    sizes = validation.entries("hidden_layer_sizes", listed, "a list of sizes")
    if any(isinstance(n, Integral) and n <= 0 for n in sizes):
        raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
    return [validation.whole_number("hidden_layer_sizes", n, 1) for n in sizes]


def dropout(given: Any, n_hidden: int) -> tuple[float, ...]:
    """Return the fraction of neurons to drop in each hidden layer; () for None. Raises TypeError or ValueError."""
    if given is None:
        return ()
    listed = [given] * n_hidden if isinstance(given, Real) else given
    listed = validation.entries("dropout", listed, "a number or a list")
    if listed and len(listed) != n_hidden:
        raise ValueError(f"dropout lists {len(listed)} layers, but hidden_layer_sizes has {n_hidden}")
    return tuple(validation.number(f"dropout[{l}]", share, 0.0, below=1.0) for l, share in enumerate(listed))


def check_values(estimator: Any) -> None:
    """Raise ValueError for what scikit-learn's checks let pass: a number larger than any float, a schedule by step."""
    for name, value in estimator.get_params(deep=False).items():
        if isinstance(value, Integral) and abs(int(value)) > sys.float_info.max:
            raise ValueError(f"{name} is {value}; it must be less than {sys.float_info.max:g}")
    if isinstance(estimator.schedule, ByStep):
        raise ValueError("schedule is a ByStep, which estimators do not follow: give the schedule in it")


def activations(given: Any, n_hidden: int) -> list[Any]:
    """Return the activation of each hidden layer. Raises ValueError for a list of another length."""
    if isinstance(given, str | Activation):
        return [_activation(given)] * n_hidden
    listed = validation.entries("activation", given, "a name, a fastbp.Activation or a list of them")
    if len(listed) != n_hidden:
        raise ValueError(f"activation lists {len(listed)} layers, but hidden_layer_sizes has {n_hidden}")
    return [_activation(choice) for choice in listed]


def cost(loss: Any, quantile: Any, huber_delta: float) -> Cost:
    """Return the cost for a `loss`."""
    if isinstance(loss, Cost):
        return loss
    if loss == "log_loss":
        return COSTS["cross_entropy"]
    if loss == "huber":
        return Huber(float(huber_delta))
    if loss == "gaussian_nll":
        return SAMPLE_COSTS[loss]
    if loss == "quantile":
        return Quantile(float(quantile)) if isinstance(quantile, Real) else Quantiles(quantile)
    return COSTS[_ours(loss)]


def network(sizes: Sequence[int], hidden: Any, output: Any, cost: Cost, dtype: Any) -> Network:
    """Return a network whose parameters are all 0. Raises ValueError if cost and output do not fit together."""
    return Network(
        sizes, activation=activations(hidden, len(sizes) - 2), output_activation=_ours(output), cost=cost,
        initializer="zeros", dtype=dtype, seed=0,
    )  # fmt: skip


def draw_parameters(net: Network, given: Any, random_state: np.random.RandomState, dtype: Any) -> None:
    """Draw the first parameters as scikit-learn does (Glorot & Bengio 2010), layer by layer, and round them to `dtype`.

    Weights and biases are uniform in ±√(6 / (n_in + n_out)), with 2 instead of 6 for the logistic activation. For the
    output layer the activation of the last hidden layer decides.
    """
    n_hidden = len(net.sizes) - 2
    names = [getattr(choice, "name", choice) for choice in activations(given, n_hidden)]
    if n_hidden == 0 and isinstance(given, str | Activation):
        names = [getattr(choice, "name", choice) for choice in activations(given, 1)]
    else:
        names.append(names[-1] if names else "relu")
    for w, b, name in zip(net.weights, net.biases, names, strict=True):
        bound = np.sqrt((2.0 if name == "sigmoid" else 6.0) / sum(w.shape))
        w[:] = random_state.uniform(-bound, bound, w.shape[::-1]).astype(dtype).T
        b[:] = random_state.uniform(-bound, bound, len(b)).astype(dtype)


def _activation(choice: Any) -> Any:
    ours = _ours(choice)
    return foreign_names.meant("activation", ours, ACTIVATIONS) or ours if isinstance(ours, str) else ours


def _ours(choice: Any) -> Any:
    return OUR_NAMES.get(choice, choice) if isinstance(choice, str) else choice
