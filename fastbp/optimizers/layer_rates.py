"""A learning rate for each layer: factors of η for its weights and for its biases; with 0 they are frozen."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from fastbp.optimizers import hyperparameters

LayerRates = Sequence[float | tuple[float, float]] | None


def check(name: str, given: Any, has_rate: bool) -> tuple[float | tuple[float, float], ...] | None:
    """Return the factors of an optimizer, called `name`, as a tuple. Raises TypeError or ValueError for anything else.

    Unless it `has_rate`, they can only be 0 and 1.
    """
    if given is None:
        return None
    listed = given.tolist() if isinstance(given, np.ndarray) else given
    if not isinstance(listed, list | tuple):
        raise TypeError(f"{name}: layer_rates is {given!r}; it must be a list with a factor for each layer")
    factors = tuple(_of_layer(f"{name}: layer_rates[{l}]", factor) for l, factor in enumerate(listed))
    each = np.array([_pair(factor) for factor in factors])
    if not each.any():
        raise ValueError(f"{name}: layer_rates is {given!r}; one factor at least must be greater than 0")
    if not has_rate and not np.isin(each, (0, 1)).all():
        raise ValueError(f"{name}: layer_rates is {given!r}; its steps have no rate: give 0 for a frozen layer, else 1")
    return factors


def of_layers(optimizer: Any, n_layers: int) -> npt.NDArray[np.float64]:
    """Return the factors of weights and biases, (n_layers, 2). Raises ValueError if there are more or fewer layers."""
    if optimizer.layer_rates is None:
        return np.ones((n_layers, 2))
    if len(optimizer.layer_rates) != n_layers:
        raise ValueError(
            f"{type(optimizer).__name__}: layer_rates is {optimizer.layer_rates!r}, for {len(optimizer.layer_rates)} "
            f"layers, but the network has {n_layers} with weights: give one factor for each"
        )
    return np.array([_pair(factor) for factor in optimizer.layer_rates], np.float64)


def parts(sizes: Sequence[int], rates: npt.NDArray[np.float64]) -> list[tuple[slice, float]]:
    """Return the stretches of θ whose factors are not 0, and these; all of θ as one if all are 1."""
    if (rates == 1).all():
        return [(slice(None), 1.0)]
    numbers = [n for n_in, n_out in pairwise(sizes) for n in (n_in * n_out, n_out)]
    stops = np.cumsum(numbers).tolist()
    stretches = (slice(stop - n, stop) for n, stop in zip(numbers, stops, strict=True))
    return [(part, factor) for part, factor in zip(stretches, rates.ravel().tolist(), strict=True) if factor > 0]


def trained(sizes: Sequence[int], rates: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Return which parameters are not frozen, in the layout of θ."""
    found = np.zeros(sum((n_in + 1) * n_out for n_in, n_out in pairwise(sizes)), bool)
    for part, _ in parts(sizes, rates):
        found[part] = True
    return found


def _of_layer(what: str, factor: Any) -> float | tuple[float, float]:
    if not isinstance(factor, list | tuple):
        return hyperparameters.number(what, factor, hyperparameters.NOT_NEGATIVE)
    if len(factor) != 2:
        raise ValueError(f"{what} is {factor!r}; it must be a number, or one for the weights and one for the biases")
    w, b = (hyperparameters.number(what, part, hyperparameters.NOT_NEGATIVE) for part in factor)
    return w, b


def _pair(factor: float | tuple[float, float]) -> tuple[float, float]:
    return factor if isinstance(factor, tuple) else (factor, factor)
