"""`sample_weight` and `class_weight`, checked and combined into one array.

With weights w_s the cost of a mini-batch of m samples is (1/m) Σ_s w_s C_s: divided by the number of samples, not by
the sum of the weights. So a weight of 2 doubles the gradient of a sample.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from fastbp import validation
from fastbp.model import Array


def sample_weights(given: Any, n: int) -> Array | None:
    """Return `sample_weight` as (n,) float64, or None. Raises TypeError or ValueError for anything else."""
    if given is None:
        return None
    weights = weights_of_rows("sample_weight", given, n)
    if not weights.any():
        raise ValueError("sample_weight is 0 for every sample; at least one must be greater than 0")
    return weights


def weights_of_rows(what: str, given: Any, n: int) -> Array:
    """Return one weight for each of n rows, which may all be 0. Raises TypeError or ValueError for anything else."""
    weights = validation.matrix(what, given, np.dtype(np.float64))
    if weights.shape == (n, 1):
        weights = weights[:, 0]
    if weights.shape != (n,):
        raise ValueError(f"{what} has shape {weights.shape}; needed is ({n},), one weight for each sample")
    negative = np.flatnonzero(weights < 0)
    if len(negative):
        raise ValueError(f"{what}[{negative[0]}] is {weights[negative[0]]:g}; weights must be at least 0")
    return weights


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
    found: Array = (Y[:, 0] == 1).astype(np.intp) if Y.shape[1] == 1 else Y.argmax(axis=1)
    return found


def class_counts(Y: Array) -> Array:
    """Return the number of rows of each class, (max(2, n_out),)."""
    return np.bincount(labels(Y), minlength=max(2, Y.shape[1]))


def combined(of_samples: Array | None, of_classes: Array | None, Y: Array) -> Array | None:
    """Return the product of both weights for each row of Y, in the dtype of Y; None if neither is given."""
    if of_samples is None and of_classes is None:
        return None
    product = np.ones(len(Y)) if of_samples is None else of_samples
    if of_classes is not None:
        product = product * of_classes[labels(Y)]
    return validation.matrix("the product of sample_weight and class_weight", product, Y.dtype)
