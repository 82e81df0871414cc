"""What `fit` says of data that it takes, but from which a network will hardly learn: one warning, before it begins."""

import math
import warnings

import numpy as np
import numpy.typing as npt

from fastbp.functions.activations import Activation, Interval
from fastbp.model import Array

# A mean, or a standard deviation, above this is far from what networks learn well from; pixels, 0 to 255, are not.
LARGE = 1000.0
LOOKED_AT = 10_000  # numbers of X, and of Y: a tenth of a millisecond


def target_range(Y: Array, output: Activation) -> str:
    """Return what to say of targets that the output activation cannot reach; nothing if it reaches all."""
    reached = Interval.parse(output.output_range)
    if math.isinf(reached.low) and math.isinf(reached.high):
        return ""
    outside = (Y < reached.low) | (Y > reached.high)
    n = int(np.count_nonzero(outside))
    if n == 0:
        return ""
    s, j = np.unravel_index(int(outside.argmax()), Y.shape)
    return (
        f"{n:,} of {Y.size:,} targets are outside {output.output_range}, which is all that the output activation "
        f"{output.name!r} gives, such as Y[{s}, {j}] = {Y[s, j]:g}: it will never reach them. Scale the targets into "
        "that range, or choose another, such as output_activation='identity'"
    )


def scales(X: Array, Y: Array, output: Activation) -> str:
    """Return what to say of inputs or targets that are far from 0 or spread far; nothing if none are.

    Some rows are looked at, evenly spread. Targets count where outputs can grow in proportion: not exponential's.
    """
    parts = []
    means, deviations = _spread(X)
    size = np.maximum(np.abs(means), deviations)
    n = int(np.count_nonzero(size > LARGE))
    if n:
        j = int(size.argmax())
        others = f", and {n - 1} more columns are as large" if n > 1 else ""
        parts.append(
            f"X[:, {j}] has the mean {means[j]:.3g} and the standard deviation {deviations[j]:.3g}{others}: "
            "standardise the inputs, (X - X.mean(axis=0)) / X.std(axis=0), with the same two for new samples"
        )
    if Interval.parse(output.output_range).high == math.inf and output.name != "exponential":
        means, deviations = _spread(Y)
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


def _spread(A: Array) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the mean and the standard deviation of each column, of some rows."""
    rows = max(2, LOOKED_AT // A.shape[1])
    some = A[:: -(-len(A) // rows)].astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        return some.mean(axis=0), some.std(axis=0)


def warn(words: list[str], stacklevel: int) -> None:
    """Warn once, of all that there is to say; `stacklevel` as seen by the caller."""
    said = [part for part in words if part]
    if said:
        warnings.warn(". ".join(said), UserWarning, stacklevel=stacklevel + 1)
