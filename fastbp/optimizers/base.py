"""The base class of all optimizers, and their state."""

from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from fastbp.model import Array, aligned_copy, aligned_empty
from fastbp.optimizers import hyperparameters, layer_rates
from fastbp.optimizers.layer_rates import LayerRates
from fastbp.optimizers.updates import N_HYPER


@dataclass
class OptimizerState:
    """What an optimizer remembers between two steps. Moments have the layout of θ."""

    first: Array  # velocity, or Adam's m; empty where an optimizer keeps none
    second: Array  # Adam's v; empty where an optimizer keeps none
    t: npt.NDArray[np.int64]  # (1,): the number of steps taken
    rate: npt.NDArray[np.float64]  # (1,): η of the running epoch, which a schedule changes

    def copy(self) -> "OptimizerState":
        """Return the same state in memory of its own."""
        return OptimizerState(*(array.copy() for array in vars(self).values()))

    def copy_to(self, other: "OptimizerState") -> None:
        """Overwrite `other`, of the same optimizer, with this state."""
        for mine, theirs in zip(vars(self).values(), vars(other).values(), strict=True):
            theirs[:] = mine

    def part(self, part: slice, factor: float) -> "OptimizerState":
        """Return the state of a stretch of θ, with views of the moments, and with a rate times `factor`."""
        if part == slice(None) and factor == 1:
            return self
        return OptimizerState(self.first[part], self.second[part], self.t.copy(), self.rate * factor)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update({name: aligned_copy(array) for name, array in state.items()})


@dataclass(frozen=True, eq=False)
class Optimizer:
    """Base class: frozen hyperparameters and a step. A `fit` with the same object continues from its state.

    Parameters
    ----------
    learning_rate : float
        η, greater than 0.
    layer_rates : list with a factor for each layer, optional
        At least 0: η of a layer is `learning_rate` times its factor, as are AdamW's decay and what a schedule gives. A
        pair has one for the weights and one for the biases. With 0 they are frozen: no bit of them changes, by l2,
        decay or max_norm neither, and their gradient counts as 0. Rprop, LBFGS, ConjugateGradient and
        LevenbergMarquardt, whose steps have no rate, take only 0 and 1. Raises ValueError if all are 0, in `fit` if the
        network has another number of layers. A file keeps them, as all hyperparameters.
    """

    full_batch: ClassVar[bool] = False  # whether `full_batch.iterations` train it, instead of a trainer
    has_rate: ClassVar[bool] = True  # whether steps are proportional to η

    learning_rate: float
    layer_rates: LayerRates = field(default=None, kw_only=True, repr=False)

    def __post_init__(self) -> None:
        if type(self) is Optimizer:
            raise TypeError("Optimizer is a base class; use SGD, Adam or another of its subclasses")
        hyperparameters.check(self)
        factors = layer_rates.check(type(self).__name__, self.layer_rates, self.has_rate)
        object.__setattr__(self, "layer_rates", factors)

    @property
    def update(self) -> str:
        """The name of the function of `optimizers/updates.py` that takes a step."""
        raise TypeError(f"{type(self).__name__} takes no steps of its own; use SGD, Adam or another optimizer")

    @property
    def n_moments(self) -> int:
        """How many moments are kept for each parameter: 0, 1 or 2."""
        return 0

    def new_state(self, n_parameters: int, dtype: npt.DTypeLike) -> OptimizerState:
        """Return the state before the first step: all moments zero."""
        sizes = [n_parameters if kept else 0 for kept in (self.n_moments > 0, self.n_moments > 1)]
        first, second = (aligned_empty(size, dtype) for size in sizes)
        first[:], second[:] = 0, 0
        return OptimizerState(first, second, np.zeros(1, np.int64), np.array([float(self.learning_rate)]))

    @property
    def hyper(self) -> npt.NDArray[np.float64]:
        """The hyperparameters in the order of the fields, padded to the length the compiled updates expect."""
        names = [field.name for field in fields(self) if field.name != "layer_rates"]
        values = [float(getattr(self, name)) for name in names]
        return np.array(values + [0.0] * (N_HYPER - len(values)))

    def check(self, batch_size: int, n_samples: int) -> None:
        """Raise ValueError if this optimizer cannot train with mini-batches of that size."""

    def step(self, theta: Array, gradient: Array, state: OptimizerState) -> None:
        """Take one step in NumPy, also down a cost of your own. Writes: θ and the state; t increases by 1.

        The step has no penalties, decay or `layer_rates`, which `Network.fit` adds. An optimizer of your own that
        overrides this must increase ``state.t`` first. Raises TypeError for an optimizer that needs more than a
        gradient, such as `LBFGS`.

        Parameters
        ----------
        theta, gradient : (n_parameters,) arrays
            θ, and the gradient of the cost at θ.
        state : OptimizerState
            `new_state(n_parameters, dtype)` before the first step; η is ``state.rate``.

        Examples
        --------
        >>> import numpy as np, fastbp
        >>> theta, optimizer = np.array([4.0]), fastbp.Adam(0.5)
        >>> state = optimizer.new_state(1, theta.dtype)
        >>> for _ in range(100):
        ...     optimizer.step(theta, 2 * theta, state)  # of the cost θ²
        >>> bool(abs(theta[0]) < 0.1), state.t
        (True, array([100]))
        """
        raise TypeError(f"{type(self).__name__} takes no steps of its own; use SGD, Adam or another optimizer")
