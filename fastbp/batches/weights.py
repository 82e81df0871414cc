"""`sample_weight` and `class_weight`, checked and combined into one array; targets that may be missing.

With weights w_s the cost of a mini-batch of m samples is (1/m) Σ_s w_s C_s: divided by the number of samples, not by
the sum of the weights. So a weight of 2 doubles the gradient of a sample. With a weight for each output it is (1/m) Σ_s
Σ_j w_sj C_sj. A target may be NaN where its weight is 0.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from fastbp import validation
from fastbp.functions.activations import Interval
from fastbp.model import Array, Model
from fastbp.validation import array_likes


def sample_weights(what: str, given: Any, n: int, model: Model, negative: bool) -> Array:
    """Return `sample_weight` as float64, (n,), or (n, n_out) with n_out > 1; all may be 0.

    Raises TypeError or ValueError for anything else, for numbers below 0 unless they may be `negative`, and for
    different weights of outputs that depend on one another.
    """
    weights, n_out = validation.matrix(what, given, np.dtype(np.float64)), model.sizes[-1]
    if weights.shape == (n, 1):
        weights = weights[:, 0]
    if weights.shape not in ((n,), (n, n_out)):
        raise ValueError(
            f"{what} has shape {weights.shape}; needed is ({n},), one weight for each sample, or ({n}, {n_out}), one "
            "for each of its outputs"
        )
    below = np.argwhere(weights < 0)
    if len(below) and not negative:
        raise ValueError(
            f"{what}{below[0].tolist()} is {weights[tuple(below[0])]:g}; weights must be at least 0, unless "
            "allow_negative_weights is True"
        )
    if weights.ndim == 2 and (model.activations[-1].whole_layer or model.cost.whole_sample):
        if (weights != weights[:, :1]).any():
            raise ValueError(
                f"{what} has a weight for each output, but {_coupled(model)} outputs depend on one another: "
                f"give one for each sample, ({n},), or weights of classes"
            )
        weights = weights[:, 0]
    return weights


def _coupled(model: Model) -> str:
    return model.cost.name if model.cost.whole_sample else model.activations[-1].name


def without_missing(what: str, Y: Any, weights: Array, model: Model) -> tuple[Any, bool]:
    """Return a copy of Y with valid targets in place of NaN, and whether there were any; else Y itself.

    Raises ValueError for a NaN whose weight is not 0.
    """
    given = array_likes.as_array(what, Y)
    if given.dtype.kind != "f" or given.ndim not in (1, 2) or len(given) != len(weights):
        return Y, False
    of_rows = weights if weights.ndim == 1 else np.abs(weights).max(axis=1)
    each = weights if given.ndim == 2 and given.shape == weights.shape else of_rows.reshape(-1, *[1] * (given.ndim - 1))
    absent = np.isnan(given)
    wrong = np.argwhere(absent & (each != 0))
    if len(wrong):
        weight = np.broadcast_to(each, given.shape)[tuple(wrong[0])]
        raise ValueError(
            f"{what}{wrong[0].tolist()} is nan, but its sample_weight is {weight:g}: give 0 where a target is missing"
        )
    if not absent.any():
        return Y, False
    filled = given.copy()
    filled[absent] = Interval.parse(model.cost.target_range).a_number
    if (
        given.ndim == 2 and model.activations[-1].whole_layer and not model.cost.whole_sample
    ):  # a row must be a distribution over the classes
        filled[absent.any(axis=1)] = np.eye(1, given.shape[1])
    return filled, True


def class_weights(given: Any, counts: Array | None, n_out: int) -> Array | None:
    """Return the weight of every class, or None without `class_weight`.

    "balanced" is n / (k n_c) for a class with n_c of the n samples, where k classes have any, as in scikit-learn; a
    dict is 1 for the labels that it does not name. `counts` are the samples of each class, by `class_counts`, or None
    if the targets are not classes; one output is two classes, 0 and 1. Raises TypeError or ValueError for anything
    else.
    """
    if given is None:
        return None
    if counts is None:
        raise ValueError(
            "class_weight needs targets that are classes: labels or one-hot rows, sigmoid or softmax outputs"
        )
    n_classes = max(2, n_out)
    if isinstance(given, str) and given == "balanced":
        present = counts > 0
        return np.where(present, counts.sum() / (present.sum() * np.maximum(counts, 1)), 1.0)
    if not isinstance(given, Mapping):
        raise TypeError(f"class_weight is {given!r}; it must be 'balanced' or a dict such as {{0: 1.0, 1: 5.0}}")
    weights = np.ones(n_classes)
    for label, weight in given.items():
        label = validation.whole_number("a label of class_weight", label, 0)
        if label >= n_classes:
            raise ValueError(f"class_weight has the label {label}; labels go from 0 to {n_classes - 1}")
        weights[label] = validation.number(f"class_weight[{label}]", weight, 0.0)
    if not weights[counts > 0].any():
        raise ValueError("class_weight is 0 for every class that has samples; at least one must be greater than 0")
    return weights


def labels(Y: Array) -> Array:
    """Return the class of each row of Y, (n,)."""
    found: Array = (Y[:, 0] > 0.5).astype(np.intp) if Y.shape[1] == 1 else Y.argmax(axis=1)
    return found


def class_counts(Y: Array) -> Array:
    """Return the number of rows of each class, (max(2, n_out),)."""
    return np.bincount(labels(Y), minlength=max(2, Y.shape[1]))


def combined(of_samples: Array | None, of_classes: Array | None, Y: Array) -> Array | None:
    """Return the product of both weights for each row of Y, or each output, in its dtype; None if neither is given."""
    if of_samples is None and of_classes is None:
        return None
    product = np.ones(len(Y)) if of_samples is None else of_samples
    if of_classes is not None:
        product = (product.T * of_classes[labels(Y)]).T
    return validation.matrix("the product of sample_weight and class_weight", product, Y.dtype)
