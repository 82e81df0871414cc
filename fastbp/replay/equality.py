"""Whether a series is the published one: counts are to be equal, costs equal up to rounding."""

from __future__ import annotations

from dataclasses import dataclass

from fastbp.replay.material import Series

COST_TOLERANCE = 1e-9
"""Relative. Other orders of summation differ by some 1e-14; another training differs by far more."""


@dataclass(frozen=True)
class Equality:
    """How far some series are the published ones.

    Attributes
    ----------
    n_epochs : int
        How many epochs were compared.
    n_equal : int
        In how many all counts are equal, and all costs within `COST_TOLERANCE`.
    until : int
        So many are equal before the first that is not.
    counts : bool
        Whether there are counts among the series.
    cost_difference : float or None
        The largest relative difference between costs; None if there are none.
    """

    n_epochs: int
    n_equal: int
    until: int
    counts: bool
    cost_difference: float | None

    @property
    def exact(self) -> bool:
        """Whether it is the published training."""
        return self.n_equal == self.n_epochs > 0


def compare_series(ours: Series, published: Series) -> Equality:
    """Compare what both have, for the epochs that both have.

    Examples
    --------
    >>> compare_series({"training_right": [3, 5, 8]}, {"training_right": [3, 5, 7]})
    Equality(n_epochs=3, n_equal=2, until=2, counts=True, cost_difference=None)
    """
    names = [name for name in published if name in ours]
    n = min((len(values) for name in names for values in (ours[name], published[name])), default=0)
    counts = [name for name in names if name.endswith("right")]
    costs = [name for name in names if name.endswith("cost")]
    differences = [[abs(ours[name][i] / published[name][i] - 1) for name in costs] for i in range(n)]
    equal = [
        all(ours[name][i] == published[name][i] for name in counts)
        and all(difference <= COST_TOLERANCE for difference in differences[i])
        for i in range(n)
    ]
    until = equal.index(False) if False in equal else n
    largest = max((difference for epoch in differences for difference in epoch), default=None)
    return Equality(n, sum(equal), until, bool(counts), largest)
