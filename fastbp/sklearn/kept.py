"""What a call of `partial_fit` keeps for the next one: making it takes longer than training on a few rows."""

from operator import attrgetter, is_
from typing import Any

from fastbp.network.network import Network
from fastbp.sklearn.epochs import Epochs


class Kept:
    """The network of `coefs_` and its trainer, `epochs`, for as long as the estimator's parameters stay the same.

    Copies and pickles do not have it, and one call at a time uses it. The trainer's panels hold the moments of the
    optimizer; the solver's state has them after `epochs.settle`.
    """

    def __init__(self, estimator: Any, net: Network, epochs: Epochs):
        self.net, self.epochs = net, epochs
        self._values_of = attrgetter(*estimator._get_param_names())
        self._values = self._values_of(estimator)
        # The contents of lists can change, too. Every call looks at a dict, such as class_weight, anyway.
        lists = (v for v in self._values if hasattr(v, "__len__") and not isinstance(v, str | tuple | dict))
        self._contents = [(v, tuple(v)) for v in lists]

    def parameters_are_the_same(self, estimator: Any) -> bool:
        """Whether the estimator has the parameters that it had."""
        now = self._values_of(estimator)
        return all(map(is_, now, self._values)) and all(tuple(v) == before for v, before in self._contents)
