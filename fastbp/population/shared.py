"""X and Y of a population: checked once for all members whose outputs and costs are alike, and never copied."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from fastbp import validation
from fastbp.batches import weights
from fastbp.batches.data import data_sets, hints_about
from fastbp.batches.orders import Order
from fastbp.batches.samples import AnySamples, Samples, SomeRows, checked_anywhere
from fastbp.model import Model
from fastbp.training.plan import Asked
from fastbp.validation.array_likes import as_array


class Shared:
    """The X and Y of a user, and what members have had checked of them.

    `model` is that of any member: X is checked by it.
    """

    def __init__(self, X: Any, Y: Any):
        if Y is None:
            raise TypeError("Y is None; a population trains on arrays X and Y, not on chunks")
        self._given, self._X, self._Y = (X, Y), X, Y
        self._known: dict[Any, Any] = {}

    def samples(self, model: Model, asked: Asked) -> AnySamples:
        """Return the samples that a member trains on, with its `sample_weight`. Raises TypeError or ValueError."""
        whole = self.whole(model, asked.sample_weight, asked.allow_negative_weights)
        rows = None if asked.samples is None else _rows(asked.samples, len(whole))
        if not isinstance(whole, Samples):
            return whole if rows is None else whole.part(rows)
        if rows is None:  # of which it may hold some out
            every = np.arange(len(whole)) if asked.validation_split is not None else None
            return whole if every is None else SomeRows(whole, every, whole.classes, whole.missing)
        return SomeRows(whole, rows, *self._kind_of(whole, rows, model))

    def whole(self, model: Model, weight: Any, may_be_negative: Any) -> AnySamples:
        """Return all samples, with a `sample_weight`. Raises TypeError or ValueError."""
        negative = validation.truth("allow_negative_weights", may_be_negative)
        key = _outputs(model), id(weight), negative
        if key not in self._known:
            found = checked_anywhere(self._X, self._Y, model, "", weight, negative)
            if isinstance(found, Samples):  # converted, for the next check
                self._X, self._Y = found.X, as_array("Y", self._Y)
            self._known[key] = found
        samples: AnySamples = self._known[key]
        return samples

    def _kind_of(self, whole: Samples, rows: Order, model: Model) -> tuple[bool, bool]:
        """Return whether these rows alone are classes, and whether targets are missing among them."""
        if whole.classes:
            return True, False
        Y, missing = as_array("Y", self._Y)[rows], False
        if whole.weight is not None:
            Y, missing = weights.without_missing("Y", Y, whole.weight[rows], model)
        like_X = np.broadcast_to(whole.X[:1], (len(rows), whole.X.shape[1]))
        _, classes = validation.targets(Y, like_X, model.sizes[-1], model.activations[-1], model.cost)
        return classes and not missing, missing

    def data_sets(self, model: Model, asked: Asked, samples: AnySamples) -> dict[str, AnySamples] | None:
        """Return the data sets of a member's `validation_data`; its own samples are not checked again."""
        if asked.validation_data is None:
            return None
        own = None if isinstance(samples, SomeRows) else id(samples)
        key = _outputs(model), id(asked.validation_data), own
        if key not in self._known:
            trained_on = None if own is None else (*self._given, samples)
            self._known[key] = data_sets(asked.validation_data, model, trained_on)
        found: dict[str, AnySamples] = self._known[key]
        return found

    def hints(self, models: Iterable[Model]) -> list[str]:
        """Return hints about the whole X and Y, each once."""
        found = {_outputs(model): model for model in models}.values()
        return list(dict.fromkeys(hint for model in found for hint in hints_about(self._of(model), model)))

    def _of(self, model: Model) -> AnySamples | None:
        return next((samples for key, samples in self._known.items() if key[0] == _outputs(model)), None)


def _outputs(model: Model) -> Any:
    """Return what the check of X and Y depends on, of members with the same n_in, n_out and dtype."""
    return model.activations[-1], model.cost


def _rows(given: Any, n: int) -> Order:
    """Return rows of X to train on. Raises TypeError or ValueError unless they are whole numbers from 0 to n − 1."""
    rows = as_array("samples", given)
    needed = f"needed is an array of row numbers of X, from 0 to {n - 1}"
    if rows.dtype.kind == "b":
        raise TypeError(f"samples is of dtype bool; {needed}: numpy.flatnonzero makes one")
    if rows.ndim != 1 or len(rows) == 0:
        raise ValueError(f"samples has shape {rows.shape}; {needed}, at least one")
    if rows.dtype.kind not in "iu":
        raise TypeError(f"samples is of dtype {rows.dtype}; {needed}")
    if rows.min() < 0 or rows.max() >= n:
        i = int(np.flatnonzero((rows < 0) | (rows >= n))[0])
        raise ValueError(f"samples[{i}] is {rows[i]}; {needed}")
    return np.ascontiguousarray(rows, np.int64)
