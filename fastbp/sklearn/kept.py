"""What a call of `partial_fit` leaves for the next one, which would take longer to make than to train on a few rows."""

from operator import attrgetter, is_
from typing import Any

from fastbp.network.network import Network
from fastbp.sklearn.epochs import Epochs


class Kept:
    """The network and the trainer of an estimator, for as long as its parameters are the same.

    It is no part of copies and pickles, and lent to one call at a time.

    Attributes
    ----------
    net : Network
        That of `coefs_`.
    epochs : Epochs
        Trains it. The moments of the optimizer are in its panels, and not in the solver's state, until `settle`.
    """

    def __init__(self, estimator: Any, net: Network, epochs: Epochs):
        self.net, self.epochs = net, epochs
        self._values_of = attrgetter(*estimator._get_param_names())
        self._values = self._values_of(estimator)
        # Of these the contents can change, too. A dict, such as class_weight, is looked at in every call anyway.
        lists = (v for v in self._values if hasattr(v, "__len__") and not isinstance(v, str | tuple | dict))
        self._contents = [(v, tuple(v)) for v in lists]

    def parameters_are_the_same(self, estimator: Any) -> bool:
        """Whether the estimator has the parameters that it had."""
        now = self._values_of(estimator)
        return all(map(is_, now, self._values)) and all(tuple(v) == before for v, before in self._contents)

    def settle(self) -> None:
        """Bring the moments back to the solver's state."""
        self.epochs.settle()
