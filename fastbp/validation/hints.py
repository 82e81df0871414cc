"""One warning of `fit` about data from which a network will hardly learn."""

import math
import warnings

import numpy as np
import numpy.typing as npt

from fastbp.functions.activations import Activation, Interval
from fastbp.model import Array

LARGE = 1000.0  # a mean or standard deviation above this hinders learning; that of pixels, 0 to 255, is not above
LOOKED_AT = 10_000  # numbers of X, and of Y, which takes a tenth of a millisecond


def target_range(Y: Array, output: Activation) -> str:
    """Return a hint if the output activation cannot reach some targets, else ""."""
    reached = Interval.parse(output.output_range)
    if not (Y.min() < reached.low or Y.max() > reached.high):
        return ""
    outside = (Y < reached.low) | (Y > reached.high)
    n = int(np.count_nonzero(outside))
    s, j = np.unravel_index(int(outside.argmax()), Y.shape)
    return (
        f"{n:,} of {Y.size:,} targets are outside {output.output_range}, the range of the output activation "
        f"{output.name!r}, such as Y[{s}, {j}] = {Y[s, j]:g}: it will never reach them. Scale the targets into that "
        "range, or choose another activation, such as output_activation='identity'"
    )


def scales(X: Array, Y: Array, output: Activation) -> str:
    """Return a hint if inputs or targets are far from 0 or have a large spread, in a sample of the rows, else "".

    Targets count only if outputs can grow in proportion, so not for exponential.
    """
    parts, some = [], _some(X)
    # Neither a mean nor a deviation is above the largest number.
    means, deviations = _spread(some) if max(-some.min(), some.max()) > LARGE else (np.zeros(1), np.zeros(1))
    size = np.maximum(np.abs(means), deviations)
    n = int(np.count_nonzero(size > LARGE))
    if n:
        j = int(size.argmax())
        others = f", and {n - 1} more columns are as large" if n > 1 else ""
        parts.append(
            f"X[:, {j}] has the mean {means[j]:.3g} and the standard deviation {deviations[j]:.3g}{others}: "
            "standardise the inputs, (X - X.mean(axis=0)) / X.std(axis=0), with the same mean and std for new samples"
        )
    if Interval.parse(output.output_range).high == math.inf and output.name != "exponential":
        means, deviations = _spread(_some(Y))
        far = np.abs(means) > LARGE * np.where(deviations > 0, deviations, np.inf)
        far |= np.maximum(np.abs(means), deviations) > LARGE
        if far.any():
            j = int(far.argmax())
            parts.append(
                f"Y[:, {j}] has the mean {means[j]:.7g} and the standard deviation {deviations[j]:.3g}: standardise "
                "the targets, and undo it in the outputs"
            )
    if not parts:
        return ""
    return (
        "networks learn from numbers around 0, of a size of about 1. " + ". ".join(parts) + ". scikit-learn's "
        "StandardScaler and TransformedTargetRegressor do it, in a Pipeline"
    )


def _some(A: Array) -> Array:
    """Return some rows, evenly spread."""
    rows = max(2, LOOKED_AT // A.shape[1])
    return A[:: -(-len(A) // rows)]


def _spread(rows: Array) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the mean and the standard deviation of each column."""
    some = rows.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        return some.mean(axis=0), some.std(axis=0)


def warn(words: list[str], stacklevel: int) -> None:
    """Give all hints that are not empty in one warning; `stacklevel` is as seen by the caller."""
    said = [part for part in words if part]
    if said:
        warnings.warn(". ".join(said), UserWarning, stacklevel=stacklevel + 1)
