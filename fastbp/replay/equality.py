"""Whether a series is the published one: counts must be equal, costs equal up to rounding."""

from __future__ import annotations

from dataclasses import dataclass

from fastbp.replay.material import Series

COST_TOLERANCE = 1e-9  # relative: another order of summation differs by some 1e-14, another training by far more


@dataclass(frozen=True)
class Equality:
    """How far some series are the published ones. Costs are equal if they are within `COST_TOLERANCE`."""

    n_epochs: int  # how many were compared
    until: int  # how many are equal before the first that differs
    n_counts: int  # of right answers, on all data sets
    equal_counts: int
    n_costs: int
    equal_costs: int
    first_difference: float | None  # the largest relative difference of a cost in the first epoch; None without costs
    cost_difference: float | None  # the same in all epochs

    @property
    def exact(self) -> bool:
        """Whether this is the published training."""
        return self.n_epochs > 0 and (self.equal_counts, self.equal_costs) == (self.n_counts, self.n_costs)


def compare_series(ours: Series, published: Series) -> Equality:
    """Compare the series and epochs that both have.

    >>> equality = compare_series({"training_right": [3, 5, 8]}, {"training_right": [3, 5, 7]})
    >>> equality.n_counts, equality.equal_counts, equality.until, equality.exact
    (3, 2, 2, False)
    """
    names = [name for name in published if name in ours]
    n = min((len(values) for name in names for values in (ours[name], published[name])), default=0)
    right = [name for name in names if name.endswith("right")]
    costs = [name for name in names if name.endswith("cost")]
    counts = [[ours[name][i] == published[name][i] for name in right] for i in range(n)]
    differences = [[abs(ours[name][i] / published[name][i] - 1) for name in costs] for i in range(n)]
    close = [[difference <= COST_TOLERANCE for difference in epoch] for epoch in differences]
    equal = [all(counts[i]) and all(close[i]) for i in range(n)]
    return Equality(
        n_epochs=n,
        until=equal.index(False) if False in equal else n,
        n_counts=n * len(right),
        equal_counts=sum(map(sum, counts)),
        n_costs=n * len(costs),
        equal_costs=sum(map(sum, close)),
        first_difference=max(differences[0]) if n and costs else None,
        cost_difference=max(map(max, differences)) if n and costs else None,
    )
