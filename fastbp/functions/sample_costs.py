"""Costs of a whole sample: functions of all its outputs a and its targets y, which may be fewer, as arrays.

A cost of this kind has ``function(a, y)``, which returns C; ``derivative(delta, a, y)``, which writes ∂C/∂a to δ;
``second_derivative(product, a, y, a_dot)``, which writes ∂²C/∂a² ȧ; ``information(product, a, a_dot)``, which writes
E[∂C/∂a ∂C/∂aᵀ] ȧ. The user's own enter by the same door, ``Cost(…, whole_sample=True, outputs_per_target=…)``.
"""

import hashlib
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

from fastbp.compiler.options import rebind
from fastbp.functions import elementary, initializers
from fastbp.functions.costs import Cost, Parametric, WithParameter
from fastbp.functions.elementary import like

levels: Any = (0.5,)  # of the functions of quantiles, which `WithLevels` binds to others


def gaussian_nll(a, y, beta):
    """C = Σ_t ½ (log σ² + (y − μ)² / σ²): −log of a normal density without ½ log 2π. a is μ, then log σ²."""
    n, total = y.size, 0.0
    for t in range(n):
        distance = a[t] - y[t]
        total += (a[n + t] + distance * distance * elementary.exp(-a[n + t])) / 2
    return total


def gaussian_nll_derivative(delta, a, y, beta):
    """∂C/∂μ = (μ − y) / σ², ∂C/∂(log σ²) = ½ − ½ (y − μ)² / σ²; both times σ^2β (Seitzer et al. 2022)."""
    n = y.size
    for t in range(n):
        distance, precision = a[t] - y[t], elementary.exp(-a[n + t])
        scale = elementary.exp(like(a[t], beta) * a[n + t])
        delta[t] = scale * distance * precision
        delta[n + t] = scale * (like(a[t], 1) - distance * distance * precision) / 2


def gaussian_nll_second(product, a, y, a_dot, beta):
    """∂²C/∂μ² = 1 / σ², ∂²C/∂μ∂(log σ²) = (y − μ) / σ², ∂²C/∂(log σ²)² = ½ (y − μ)² / σ²; for β = 0."""
    n = y.size
    for t in range(n):
        distance, precision = a[t] - y[t], elementary.exp(-a[n + t])
        product[t] = precision * (a_dot[t] - distance * a_dot[n + t])
        product[n + t] = precision * distance * (distance * a_dot[n + t] / 2 - a_dot[t])


def gaussian_nll_information(product, a, a_dot, beta):
    """The information of μ is 1 / σ², that of log σ² is ½."""
    n = a.size // 2
    for t in range(n):
        product[t] = elementary.exp(-a[n + t]) * a_dot[t]
        product[n + t] = a_dot[n + t] / 2


def quantiles(a, y):
    """C = Σ_j q_j (y − a_j) where y > a_j, (1 − q_j)(a_j − y) where not."""
    total = 0.0
    for j in range(len(levels)):
        total += levels[j] * (y[0] - a[j]) if y[0] > a[j] else (1 - levels[j]) * (a[j] - y[0])
    return total


def quantiles_derivative(delta, a, y):
    """∂C/∂a_j = −q_j where y > a_j, 1 − q_j where y < a_j, 0 at a_j = y."""
    for j in range(len(levels)):
        delta[j] = like(a[j], -levels[j] if y[0] > a[j] else (1 - levels[j] if a[j] > y[0] else 0))


def quantiles_second(product, a, y, a_dot):
    """∂²C/∂a² = 0: the cost is piecewise linear."""
    for j in range(len(levels)):
        product[j] = like(a[j], 0)


class WithLevels(Parametric):
    """A function that reads the global `levels`, bound to these. Compiled once for each tuple of levels."""

    @property
    def bound(self) -> Any:
        """The Python function with these levels, of a name that has a digest of them."""
        digest = hashlib.sha256(repr(self.parameter).encode()).hexdigest()[:12]
        return rebind(self.function, f"{self.function.__name__}_{digest}", levels=self.parameter)

    def __call__(self, *arguments: Any) -> Any:
        return self.bound(*arguments)


def GaussianNLL(beta: float = 0.0) -> Cost:
    """Return the negative log-likelihood of a normal distribution whose mean and variance are outputs.

    For n targets a network has 2 n outputs: n means μ, then n times log σ². C = Σ ½ (log σ² + (y − μ)² / σ²), without
    the constant ½ log 2π. With the output activation mean_log_variance, the default, |log σ²| is below 12, and a new
    network has σ = 1 everywhere: standardise the targets. C is a proper score, for early stopping too.

    With `beta`, ∂C/∂a of each sample is multiplied by σ^2β (β-NLL): with 0 samples of large σ are hardly learned, with
    1 the means are learned as by quadratic; ½ is the authors' choice. C stays as it is, so this derivative is not that
    of a function: no optimizer with a line search and no check takes it. Raises ValueError unless 0 ≤ beta ≤ 1.

    References
    ----------
    Nix & Weigend, *Estimating the mean and variance of the target probability distribution*, 1994; Seitzer et al., *On
    the pitfalls of heteroscedastic uncertainty estimation with probabilistic neural networks*, 2022, arXiv:2203.09168.

    Examples
    --------
    >>> import fastbp
    >>> net = fastbp.Network([1, 8, 2], activation="tanh", cost=GaussianNLL(0.5), seed=0)
    >>> mean, log_variance = net.predict([[0.5]]).T
    >>> bool(log_variance == 0)
    True
    """
    if isinstance(beta, bool) or not isinstance(beta, int | float) or not 0 <= beta <= 1:
        raise ValueError(f"beta is {beta!r}; it must be a number from 0 to 1")
    functions = gaussian_nll, gaussian_nll_derivative, gaussian_nll_second, gaussian_nll_information
    function, derivative, second, information = (WithParameter(f, float(beta)) for f in functions)
    return Cost(
        "gaussian_nll", function, derivative, output_activation="mean_log_variance",
        second_derivative=second if beta == 0 else None, information=information,
        whole_sample=True, outputs_per_target=2, derivative_is_exact=beta == 0, start=initializers.start_variance,
    )  # fmt: skip


def Quantiles(q: Iterable[float] = (0.05, 0.5, 0.95)) -> Cost:
    """Return the cost of several quantiles of one target at once, with an output for each: the sum of `Quantile`.

    With the output activation increasing, the default, the outputs are cumulated softplus increments, so that no
    quantile is below a lower one. In a new network they are as far apart as those of a standard normal distribution,
    for every sample: standardise the target. Raises ValueError unless there are at least two levels, 0 < q < 1, in
    ascending order.

    References
    ----------
    Koenker & Bassett, *Regression quantiles*, 1978.

    Examples
    --------
    >>> import fastbp
    >>> net = fastbp.Network([1, 8, 3], activation="tanh", cost=Quantiles([0.1, 0.5, 0.9]), seed=0)
    >>> low, median, high = net.predict([[0.5]])[0]
    >>> bool(low < median < high)
    True
    """
    try:
        chosen = tuple(float(level) for level in q)
    except (TypeError, ValueError):
        raise ValueError(f"q is {q!r}; it must be a list of levels such as [0.05, 0.5, 0.95]") from None
    ascending = all(low < high for low, high in pairwise(chosen))
    if len(chosen) < 2 or not ascending or not 0 < chosen[0] <= chosen[-1] < 1:
        raise ValueError(f"q is {list(chosen)}; needed are at least two levels between 0 and 1, in ascending order")
    function, derivative, second = (WithLevels(f, chosen) for f in (quantiles, quantiles_derivative, quantiles_second))
    return Cost(
        "quantiles", function, derivative, output_activation="increasing", second_derivative=second,
        whole_sample=True, outputs_per_target=len(chosen), most_targets=1, start=initializers.StartQuantiles(chosen),
    )  # fmt: skip


SAMPLE_COSTS: dict[str, Cost] = {cost.name: cost for cost in (GaussianNLL(), Quantiles())}
PARAMETRIC_OF_SAMPLES: dict[str, Callable[[Any], Cost]] = {"gaussian_nll": GaussianNLL, "quantiles": Quantiles}
