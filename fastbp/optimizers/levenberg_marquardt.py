"""The hyperparameters of Levenberg–Marquardt; `training/levenberg_marquardt.py` runs it."""

from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt

from fastbp.optimizers.base import Optimizer, OptimizerState


@dataclass(frozen=True, eq=False)
class LevenbergMarquardt(Optimizer):
    """Levenberg–Marquardt: Gauss–Newton steps with damping, for small nets and a sum of squares (MATLAB's trainlm).

    (G + μ I) d = −g,   θ ← θ + d,   with the gradient g and the Gauss–Newton matrix G of the mean cost: (1/n) Jᵀr and
    (1/n) JᵀJ for quadratic, twice that for squared_error, where r = a − y are the residuals of all outputs of all
    samples and J is ∂r/∂θ. A step that lowers the cost is kept, and μ ← μ · `decrease`; another is undone and tried
    again with μ ← μ · `increase`. With a large μ it is a short step of gradient descent; with a small one it is the
    step to the minimum of a linear network.

    An epoch is a step that was kept; `batch_size` has no effect. G is (P, P) for P parameters, and each try costs P³/3
    multiplications: hundreds of parameters are fast, ten thousand are the limit. Training ends before `epochs` if no
    step lowers the cost. With l2, (λ/n) w is added to g and (λ/n) to G's diagonal; with sample_weight, √w_s multiplies
    the residuals of a sample and its rows of J. Another `fit` with the same object continues with its μ. float64
    reaches lower costs than float32. Raises TypeError or ValueError for a hyperparameter out of its range. `fit` raises
    ValueError if the cost is neither quadratic nor squared_error or an option for mini-batches is given, MemoryError if
    there is no room for G.

    Parameters
    ----------
    damping : float, default 1e-3
        μ of the first step (trainlm's mu), greater than 0.
    decrease, increase : float, default 0.1 and 10
        The factors of μ (mu_dec, between 0 and 1, and mu_inc, greater than 1). μ never falls below 1e-20.
    largest_damping : float, default 1e10
        Training ends where μ would become larger (mu_max).
    gradient_tolerance : float, default 1e-7
        Converged when no element of the gradient is larger (as trainlm's min_grad, which is for the norm).
    regularization : {"evidence"}, optional
        Choose the strength of l2 while training, by the evidence (MATLAB's trainbr): after each step λ = σ² γ / ‖θ‖²,
        where γ is the number of parameters that the data determine and σ² = Σ r² / (N − γ) the noise. It penalizes
        biases, too; leave the l2 of `fit` out. `Network.laplace` gives γ and σ, and error bars.
    layer_rates : list, optional
        0 for each layer to freeze, else 1; see `Optimizer`.

    References
    ----------
    Levenberg, *A method for the solution of certain non-linear problems in least squares*, 1944; Marquardt, *An
    algorithm for least-squares estimation of nonlinear parameters*, 1963; for networks, with this schedule of μ: Hagan
    & Menhaj, *Training feedforward networks with the Marquardt algorithm*, 1994; the evidence: MacKay, *Bayesian
    interpolation*, 1992; Foresee & Hagan, *Gauss–Newton approximation to Bayesian learning*, 1997.

    Examples
    --------
    >>> import fastbp
    >>> net = fastbp.Network([1, 4, 1], activation="tanh", cost="quadratic", dtype="float64", seed=0)
    >>> X = [[-2.0], [-1.0], [0.0], [1.0], [2.0]]
    >>> history = net.fit(X, [4.0, 1.0, 0.0, 1.0, 4.0], epochs=100, optimizer=LevenbergMarquardt())
    >>> bool(history.cost[-1] < 1e-10)
    True
    """

    full_batch: ClassVar[bool] = True
    has_rate: ClassVar[bool] = False

    learning_rate: float = field(default=1.0, init=False, repr=False)  # steps are taken whole
    damping: float = 1e-3
    decrease: float = 0.1
    increase: float = 10.0
    largest_damping: float = 1e10
    gradient_tolerance: float = 1e-7
    regularization: Literal["evidence"] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.regularization is not None and (
            not isinstance(self.regularization, str) or self.regularization != "evidence"
        ):
            raise ValueError(f"regularization is {self.regularization!r}; it must be 'evidence' or None")

    def new_state(self, n_parameters: int, dtype: npt.DTypeLike) -> OptimizerState:
        """Return the state before the first step: `first` is μ, and with the evidence λ/n, −1 before the first step."""
        first = [float(self.damping), *([-1.0] if self.regularization else [])]
        return replace(super().new_state(n_parameters, dtype), first=np.array(first))
