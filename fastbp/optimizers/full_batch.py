"""L-BFGS and conjugate gradient: hyperparameters and memory. `training/full_batch.py` runs them."""

from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from fastbp.optimizers.base import Optimizer, OptimizerState


@dataclass(frozen=True, eq=False)
class LineSearch(Optimizer):
    """Base class of the optimizers that search along a line, with the cost and gradient of all samples."""

    full_batch: ClassVar[bool] = True
    has_rate: ClassVar[bool] = False

    learning_rate: float = field(default=1.0, init=False, repr=False)

    def __post_init__(self) -> None:
        if type(self) is LineSearch:
            raise TypeError("LineSearch is a base class; use LBFGS or ConjugateGradient")
        super().__post_init__()


@dataclass(frozen=True, eq=False)
class LBFGS(LineSearch):
    """L-BFGS: quasi-Newton steps from the last few changes of θ and of the gradient, with a line search.

    d = −H g, where H approximates the inverse of ∂²C/∂θ² so that H (gᵢ₊₁ − gᵢ) = θᵢ₊₁ − θᵢ for the last m steps i, and
    θ ← θ + η d with an η that satisfies the strong Wolfe conditions.

    For small data and networks, where the cost should become as low as possible. An epoch is an iteration, of one or
    more gradients of all samples; `batch_size` has no effect. The history has the cost at the end of each, and training
    ends before `epochs` if it converges. float64 reaches lower costs than float32. Another `fit` with the same object
    continues with its memory, 2 m numbers in float64 for each parameter. Raises TypeError or ValueError for a
    hyperparameter out of its range.

    Parameters
    ----------
    memory : int, default 10
        m, at least 1.
    gradient_tolerance : float, default 1e-5
        Converged when no element of the gradient is larger.
    cost_tolerance : float, default 2.2e-9
        Converged when an iteration lowers the cost by less than this fraction of it.
    layer_rates : list, optional
        0 for each layer to freeze, else 1; see `Optimizer`.

    References
    ----------
    Liu & Nocedal, *On the limited memory BFGS method for large scale optimization*, 1989; line search: Moré & Thuente,
    1994. The iterates are those of SciPy's L-BFGS-B without bounds, up to rounding.

    Examples
    --------
    >>> LBFGS(memory=20)
    LBFGS(memory=20, gradient_tolerance=1e-05, cost_tolerance=2.2e-09)
    """

    memory: int = 10
    gradient_tolerance: float = 1e-5
    cost_tolerance: float = 2.2e-9

    def new_state(self, n_parameters: int, dtype: npt.DTypeLike) -> OptimizerState:
        """Return the state before the first step: `first` and `second` have room for m steps and their changes of g."""
        shape = self.memory, n_parameters
        return replace(super().new_state(n_parameters, dtype), first=np.zeros(shape), second=np.zeros(shape))


@dataclass(frozen=True, eq=False)
class ConjugateGradient(LineSearch):
    """Nonlinear conjugate gradient, with a line search.

    d ← −g + β d, β = max(0, gᵀ(g − g_last) / g_lastᵀg_last), θ ← θ + η d with an η that satisfies the strong Wolfe
    conditions. Epochs, history and `batch_size` are as for `LBFGS`; another `fit` with the same object continues from
    its last direction. Converged when no element of the gradient is larger than `gradient_tolerance`; raises TypeError
    or ValueError unless that is at least 0. `layer_rates` has 0 for each layer to freeze, else 1; see `Optimizer`.

    References
    ----------
    Polak & Ribière, *Note sur la convergence de méthodes de directions conjuguées*, 1969; Nocedal & Wright, *Numerical
    optimization*, 2006, section 5.2; line search as of `LBFGS`.

    Examples
    --------
    >>> ConjugateGradient()
    ConjugateGradient(gradient_tolerance=1e-05)
    """

    gradient_tolerance: float = 1e-5

    def new_state(self, n_parameters: int, dtype: npt.DTypeLike) -> OptimizerState:
        """Return the state before the first step: `first` is for a gradient and a direction, `second` for a cost."""
        return replace(super().new_state(n_parameters, dtype), first=np.zeros((2, n_parameters)), second=np.zeros(1))
