"""The UCI optical digits: a real data set, shipped inside the package."""

import zipfile
import zlib
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fastbp.tables.errors import DataFileError

from .split import Split, checked_dtype

N_SAMPLES, N_PIXELS, N_TRAIN = 1797, 64, 1437
WHITE = 16  # the largest pixel value: a pixel counts the dark points of a 4x4 block


def load_digits(dtype: DTypeLike = "float32") -> Split:
    """Load the optical digits: 1,797 grey images of 8x8 pixels, ten classes.

    The split into 1,437 training and 360 test images is the same in every call, on every machine: the first 1,437 and
    the last 360 indices of ``np.random.Generator(np.random.PCG64(0)).permutation(1797)``. That order is stored beside
    the images, since NumPy may change its random streams. The split is not stratified; the test set has 27 to 47 images
    of each class. Both parts have images of all writers, so test accuracies are a little better than with new writers.

    Parameters
    ----------
    dtype : {"float32", "float64"}
        Type of the pixels.

    Returns
    -------
    Split
        ``X_train`` (1437, 64), ``y_train`` (1437,), ``X_test`` (360, 64), ``y_test`` (360,) and ``classes`` (10,).
        Pixels lie in [0, 1] (the stored 0..16 divided by 16; 0 is background); labels are intp. Every call returns new
        arrays.

    Raises
    ------
    ValueError
        If `dtype` is neither float32 nor float64.
    DataFileError
        If the file in the package is missing or damaged.

    References
    ----------
    E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998,
    https://doi.org/10.24432/C50P49, CC BY 4.0. See ``digits.LICENSE.md``.

    Examples
    --------
    >>> digits = load_digits()
    >>> digits.X_train.shape, digits.X_test.shape, digits.X_train.dtype
    ((1437, 64), (360, 64), dtype('float32'))
    >>> digits.y_train[:5]
    array([6, 6, 6, 2, 5])
    """
    kind = checked_dtype(dtype)
    images, labels, order = _stored()
    # Sixteenths are exact in both dtypes.
    X = images[order].astype(kind) / kind.type(WHITE)
    y = labels[order].astype(np.intp)
    return Split(X[:N_TRAIN].copy(), y[:N_TRAIN].copy(), X[N_TRAIN:].copy(), y[N_TRAIN:].copy(), np.arange(10))


def _stored() -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    resource = files("fastbp.data") / "digits.npz"
    try:
        with resource.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            found = arrays["images"], arrays["labels"], arrays["order"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataFileError(f"{resource}: missing or damaged ({error}); install fastbp again") from error
    shapes, expected = tuple(array.shape for array in found), ((N_SAMPLES, N_PIXELS), (N_SAMPLES,), (N_SAMPLES,))
    if shapes != expected:
        raise DataFileError(f"{resource}: has arrays of shapes {shapes}, expected {expected}; install fastbp again")
    return found
