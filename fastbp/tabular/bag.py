"""A bag: networks that train at once, each on all rows but a fold of its own, on which its best epoch is chosen."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fastbp.batches.orders import Order
from fastbp.model import Array
from fastbp.network import Network
from fastbp.optimizers.schedules import ConstantRate
from fastbp.population import Population
from fastbp.tabular.recipe import Recipe
from fastbp.training.callbacks import Callback

FEWEST_FOLDS = 5  # so that one of few members leaves out no more than a fifth of the rows
HOTTEST = 2.0  # a temperature is at most this, and at least 1 over this
SMALLEST = 1e-9  # of a probability whose logarithm is taken


class Prepared(NamedTuple):
    """What a bag is trained on, and how.

    Z are features, (n, n_features). y is classes 0…n_classes − 1, or with n_classes = 0 scaled numbers.
    """

    Z: Array
    y: Array
    n_classes: int
    recipe: Recipe

    def network(self, seed: int) -> Network:
        """Return a member as it begins."""
        return self.recipe.network(self.Z.shape[1], max(self.n_classes, 1), seed, classes=self.n_classes > 0)


def trained(
    given: Prepared, seed: int, limit: float | None = None, progress: bool = False
) -> tuple[Population, list[Order]]:
    """Return the members of a bag, trained, and the rows that each has left out.

    They train on Z minus its means, which then become part of their first biases. After `limit` seconds training
    stops; the schedule then ends by that time. Ctrl-C ends it, with a RuntimeWarning, after the last whole epoch of
    each.
    """
    (Z, y, n_classes, recipe), rng = given, np.random.default_rng(seed)
    n_members, classes = recipe.n_members, n_classes > 0
    folds = folds_of(y, min(max(n_members, FEWEST_FOLDS), len(y)), rng)
    nets = [given.network(int(s)) for s in rng.integers(2**31, size=n_members)]
    held_out = [np.flatnonzero(folds == i % (folds.max() + 1)) for i in range(n_members)]
    if classes:
        shares = np.bincount(y, minlength=n_classes) / len(y)
        for net in nets:
            net.biases[-1][:] = np.log(shares)
    options = recipe.options(classes=classes) | {"schedule": recipe.rates(), "progress": progress}
    if limit is not None:
        options |= _ending_by(time.monotonic() + limit, limit, recipe)
    bag = Population(nets)
    means = Z.mean(axis=0, dtype=np.float64) * recipe.centred
    Z = (Z - means).astype(np.float32)
    bag.fit(
        Z, y, samples=[np.setdiff1d(np.arange(len(y)), rows) for rows in held_out],
        validation_data=[(Z[rows], y[rows]) for rows in held_out], optimizer=[recipe.optimizer() for _ in nets],
        **options,
    )  # fmt: skip
    for net in nets:
        net.biases[0][:] -= net.weights[0] @ means  # w (z − m) + b = w z + (b − w m)
        net._training = None  # moments and the trainer's memory
    return bag, held_out


def folds_of(y: Array, n_folds: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Return the fold of each row: with the classes, or the small and large numbers, shared out evenly.

    >>> folds_of(np.array([0, 0, 0, 1, 1, 1]), 3, np.random.default_rng(0)).tolist()
    [1, 2, 0, 1, 0, 2]
    """
    n = len(y)
    shuffled = rng.permutation(n)
    by_target = shuffled[np.argsort(y[shuffled], kind="stable")]
    folds = np.empty(n, np.int64)
    folds[by_target] = np.concatenate([rng.permutation(n_folds) for _ in range(-(-n // n_folds))])[:n]
    return folds


def probabilities(each: Array, temperature: float = 1.0) -> Array:
    """Return the geometric mean of members' probabilities, (n_members, n, n_classes), with the sum 1 for each row.

    Its logarithms are divided by a temperature before: p_k ∝ exp((1/T) mean log p_k).
    """
    return softmax(logarithms(each).mean(axis=0) / temperature)


def logarithms(p: Array) -> Array:
    """Return log p, float64, where p is not too small."""
    return np.asarray(np.log(np.maximum(p, SMALLEST, dtype=np.float64)))


def log_softmax(logits: Array) -> Array:
    """Return log p for p = softmax(logits), along the last axis, float64, where p is not too small.

    >>> log_softmax(np.array([0.0, np.log(3)])).round(4), log_softmax(np.array([0.0, 1e3])).round(1)
    (array([-1.3863, -0.2877]), array([-20.7,   0. ]))
    """
    found = np.array(np.moveaxis(logits, -1, 0), np.float64, order="C")  # an axis of few is the first, which is faster
    found -= found.max(axis=0)
    found -= np.log(np.exp(found).sum(axis=0))
    return np.moveaxis(np.maximum(found, np.log(SMALLEST), out=found), 0, -1)


def softmax(logits: Array) -> Array:
    """Return exp l_k / Σ exp l_i, along the last axis."""
    found = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(found / found.sum(axis=-1, keepdims=True))


def temperature_of(logs: Array, y: Array) -> float:
    """Return the temperature T, from ½ to 2, for which softmax(logs / T) gives the classes y the smallest log-loss.

    Label smoothing makes networks less certain than they are right. The loss is convex in 1/T, so the search for its
    minimum, by ternary division, finds it. Source: Guo, Pleiss, Sun & Weinberger, *On calibration of modern neural
    networks*, 2017.

    >>> logs = np.log([[0.6, 0.4]] * 9 + [[0.4, 0.6]])
    >>> temperature_of(logs, np.zeros(10, int))  # 0.6 is too little for nine in ten
    0.5
    """
    rows = np.arange(len(y))

    def loss(power: float) -> float:
        return -float(np.log(np.maximum(softmax(power * logs)[rows, y], SMALLEST)).mean())

    low, high = 1 / HOTTEST, HOTTEST
    for _ in range(30):
        first, second = low + (high - low) / 3, high - (high - low) / 3
        low, high = (low, second) if loss(first) <= loss(second) else (first, high)
    return round(2 / (low + high), 4)


def _ending_by(deadline: float, limit: float, recipe: Recipe) -> dict[str, Any]:
    """Return the options of a training that ends by then: its schedule runs with the clock where that is faster."""
    schedule, epochs = recipe.rates() or ConstantRate(), recipe.epochs

    def by_the_clock(epoch: int, base_rate: float) -> float:
        gone = min(1.0, 1 - (deadline - time.monotonic()) / limit)
        return schedule(min(epochs - 1, max(epoch, int(gone * epochs))), base_rate)

    return {"schedule": by_the_clock, "callbacks": Deadline(deadline)}


class Deadline(Callback):
    """Ends a training after the first epoch that ends after the time, on the clock `time.monotonic`."""

    def __init__(self, time_of_end: float):
        self._end = time_of_end

    def on_epoch_end(self, run: Any) -> None:
        """Stop if it is time."""
        run.stop = run.stop or time.monotonic() >= self._end
