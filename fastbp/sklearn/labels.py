"""Class labels as targets, and whether they are known."""

from typing import Any

import numpy as np
from sklearn.utils.multiclass import unique_labels

from fastbp.model import Array


def check_known(y: Any, classes: Any, same: bool) -> None:
    """Raise ValueError, in scikit-learn's words, if y has unknown classes or, if `same`, lacks a known one."""
    found = unique_labels(y)
    if same:
        if set(found) != set(classes):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous call to fit. "
                f"Previously got {classes}, `y` has {found}"
            )
    elif len(np.setdiff1d(found, classes, assume_unique=True)):
        raise ValueError(f"`y` has classes not in `self.classes_`. `self.classes_` has {classes}. 'y' has {found}.")


def targets(binarizer: Any, y: Any, dtype: Any) -> Array:
    """Return a row of 0 and 1 for each sample: a column for each class or label, one column for two classes."""
    binary = binarizer.transform(y)
    dense: Array = binary.toarray() if hasattr(binary, "toarray") else binary
    return dense.astype(dtype)


def targets_if_valid(binarizer: Any, y: Any, n: int, dtype: Any) -> Array | None:
    """Return `targets` if a short look shows that y is n known labels; None if in doubt."""
    classes, kind = binarizer.classes_, binarizer.y_type_
    if type(y) is not np.ndarray or y.ndim == 0 or len(y) != n:
        return None
    if binarizer.sparse_input_ or y.dtype.kind != classes.dtype.kind or y.dtype.kind not in "biufU":
        return None
    if kind == "multilabel-indicator":
        right = y.ndim == 2 and y.shape[1] == len(classes) and ((y == 0) | (y == 1)).all()
        return y.astype(dtype) if right else None
    if y.ndim != 1 or len(classes) < 2:
        return None
    places = np.searchsorted(classes[:-1], y)
    if not (classes[places] == y).all():
        return None
    if kind == "binary":
        return places.astype(dtype)[:, np.newaxis]
    Y: Array = np.zeros((len(y), len(classes)), dtype)
    Y[np.arange(len(y)), places] = 1
    return Y
