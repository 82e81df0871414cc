"""Labels as targets, and whether they are known."""

from typing import Any

import numpy as np
from sklearn.utils.multiclass import unique_labels

from fastbp.parameters import Array


def check_known(y: Any, classes: Any, same: bool) -> None:
    """Raise ValueError, in scikit-learn's words, if y has other classes; or, if `same`, not all of them."""
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
