"""What `fit` was given; several estimators that train on the same rows share it."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

T = TypeVar("T")


@dataclass
class Given:
    """The arguments of `fit`, and what has been made of them: it is made once for all estimators that train on them.

    `rows` are the rows to train on, each perhaps several times; None for all.
    """

    X: Any
    y: Any
    sample_weight: Any = None
    X_val: Any = None
    y_val: Any = None
    rows: npt.NDArray[np.int64] | None = None
    made: dict[Hashable, Any] = field(default_factory=dict, repr=False)

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what `make` returns the first time."""
        if key not in self.made:
            self.made[key] = make()
        made: T = self.made[key]
        return made
