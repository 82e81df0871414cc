"""What the loaders of data sets return: a training and a test set."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fastbp import validation


class Split(NamedTuple):
    """A data set for classification, split into training and test samples.

    Attributes
    ----------
    X_train : ndarray of shape (n_train, n_features)
        Training inputs, one sample a row, C-contiguous.
    y_train : ndarray of intp, shape (n_train,)
        Their class labels.
    X_test : ndarray of shape (n_test, n_features)
        Test inputs, of the same dtype as `X_train`.
    y_test : ndarray of intp, shape (n_test,)
        Their class labels.
    classes : ndarray of intp, shape (n_classes,)
        All class labels, ascending.

    Examples
    --------
    >>> X, y = np.zeros((3, 2)), np.array([0, 1, 0])
    >>> split = Split(X, y, X[:1], y[:1], np.arange(2))
    >>> len(split.X_train), len(split.classes)
    (3, 2)
    """

    X_train: NDArray[Any]
    y_train: NDArray[np.intp]
    X_test: NDArray[Any]
    y_test: NDArray[np.intp]
    classes: NDArray[np.intp]


def checked_dtype(dtype: DTypeLike) -> np.dtype[Any]:
    """Return float32 or float64. Raises ValueError for anything else.

    >>> checked_dtype("float64")
    dtype('float64')
    """
    try:
        return validation.float_type(dtype)
    except (TypeError, ValueError):
        advice = "scaled pixels are float32 or float64; give dtype='float32' or 'float64'"
        raise ValueError(f"dtype is {dtype!r}, but {advice}") from None
