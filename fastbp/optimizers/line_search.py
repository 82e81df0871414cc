"""L-BFGS and conjugate gradient: hyperparameters only; `full_batch.py` has SciPy drive them."""

from dataclasses import dataclass, field
from typing import ClassVar

from fastbp.optimizers.base import Optimizer


@dataclass(frozen=True, eq=False)
class LineSearch(Optimizer):
    """What optimizers share that need the cost and gradient of all samples, and search along a line for a good step."""

    full_batch: ClassVar[bool] = True

    learning_rate: float = field(default=1.0, init=False, repr=False)  # the first step that the line search tries

    def __post_init__(self) -> None:
        if type(self) is LineSearch:
            raise TypeError("LineSearch is what some optimizers share; use LBFGS or ConjugateGradient")
        super().__post_init__()


@dataclass(frozen=True, eq=False)
class LBFGS(LineSearch):
    """L-BFGS: quasi-Newton steps from the last few changes of θ and of the gradient, with a line search.

    d = −H g, where H approximates the inverse of ∂²C/∂θ² so that H (gᵢ₊₁ − gᵢ) = θᵢ₊₁ − θᵢ for the last m steps i, and
    θ ← θ + η d with an η that satisfies the strong Wolfe conditions.

    For small data and nets, and costs that are to be as low as they can be. An epoch is an iteration, of one or more
    gradients of all samples; `batch_size` plays no part. The history has the cost at the end of each, and ends before
    `epochs` where the iteration has converged. In float64 it gets further. Another `fit` starts without a memory.

    Parameters
    ----------
    memory : int, default 10
        m, at least 1.
    gradient_tolerance : float, default 1e-5
        Converged when no element of the gradient is larger.
    cost_tolerance : float, default 2.2e-9
        Converged when the cost falls by less than this share of itself in an iteration.

    Raises
    ------
    TypeError, ValueError
        A hyperparameter is not a number, or out of its range.
    ImportError
        In `fit`, if SciPy is not installed.

    References
    ----------
    Liu & Nocedal, *On the limited memory BFGS method for large scale optimization*, 1989; line search: Moré & Thuente,
    1994; implementation: SciPy's L-BFGS-B.

    Examples
    --------
    >>> LBFGS(memory=20)
    LBFGS(memory=20, gradient_tolerance=1e-05, cost_tolerance=2.2e-09)
    """

    memory: int = 10
    gradient_tolerance: float = 1e-5
    cost_tolerance: float = 2.2e-9


@dataclass(frozen=True, eq=False)
class ConjugateGradient(LineSearch):
    """Nonlinear conjugate gradient, with a line search.

    d ← −g + β d, β = max(0, gᵀ(g − g_last) / g_lastᵀg_last), θ ← θ + η d with an η that satisfies the strong Wolfe
    conditions.

    An epoch is an iteration, of one or more gradients of all samples; `batch_size` plays no part. The history has the
    cost at the end of each, and ends before `epochs` where the iteration has converged. Another `fit` starts afresh.

    Parameters
    ----------
    gradient_tolerance : float, default 1e-5
        Converged when no element of the gradient is larger.

    Raises
    ------
    TypeError, ValueError
        A hyperparameter is not a number, or out of its range.
    ImportError
        In `fit`, if SciPy is not installed.

    References
    ----------
    Polak & Ribière, *Note sur la convergence de méthodes de directions conjuguées*, 1969; Nocedal & Wright, *Numerical
    optimization*, 2006, section 5.2; implementation: SciPy's CG.

    Examples
    --------
    >>> ConjugateGradient()
    ConjugateGradient(gradient_tolerance=1e-05)
    """

    gradient_tolerance: float = 1e-5
