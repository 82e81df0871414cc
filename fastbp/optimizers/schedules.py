"""Schedules: ``rate = schedule(epoch, base_rate)``, where a `fit` counts its epochs from 0.

`base_rate` is the learning rate of the optimizer, or another number that `fit` lets follow a schedule. Any function of
the two can be a schedule. If it has a method `observe`, `fit` calls that with the cost after every epoch. `ByStep` lets
`fit` ask it before every step, with fractions of epochs.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

from fastbp.optimizers import hyperparameters


class Schedule:
    """Base class of the schedules: it checks their parameters when they are made."""

    def __post_init__(self) -> None:
        hyperparameters.check(self)


@dataclass(frozen=True)
class ConstantRate(Schedule):
    """The learning rate of the optimizer in every epoch, η.

    References
    ----------
    Robbins & Monro, *A stochastic approximation method*, 1951, require a falling rate; constant is the usual start.

    Examples
    --------
    >>> ConstantRate()(7, 0.1)
    0.1
    """

    def __call__(self, epoch: float, base_rate: float) -> float:
        return base_rate


@dataclass(frozen=True)
class StepDecay(Schedule):
    """The rate falls by a factor every so many epochs, η γ^⌊epoch / every⌋.

    Raises TypeError or ValueError for a parameter out of its range.

    Parameters
    ----------
    every : int
        Epochs between two steps, at least 1.
    factor : float, default 0.1
        γ, greater than 0 and at most 1.

    References
    ----------
    Bengio, *Practical recommendations for gradient-based training of deep architectures*, 2012, section 3.1.1;
    PyTorch's StepLR.

    Examples
    --------
    >>> schedule = StepDecay(10, factor=0.5)
    >>> [schedule(epoch, 0.8) for epoch in (0, 9, 10, 20)]
    [0.8, 0.8, 0.4, 0.2]
    """

    every: int
    factor: float = 0.1

    def __call__(self, epoch: float, base_rate: float) -> float:
        return float(base_rate * self.factor ** (epoch // self.every))


@dataclass(frozen=True)
class ExponentialDecay(Schedule):
    """The rate falls by a factor every epoch, η γ^epoch.

    `factor` is γ, greater than 0 and at most 1; else raises TypeError or ValueError.

    References
    ----------
    Senior, Heigold, Ranzato & Yang, *An empirical study of learning rates in deep neural networks for speech
    recognition*, 2013; PyTorch's ExponentialLR.

    Examples
    --------
    >>> schedule = ExponentialDecay(0.5)
    >>> [schedule(epoch, 0.8) for epoch in range(3)]
    [0.8, 0.4, 0.2]
    """

    factor: float

    def __call__(self, epoch: float, base_rate: float) -> float:
        return float(base_rate * self.factor**epoch)


@dataclass(frozen=True)
class InverseScaling(Schedule):
    """The rate falls with a power of the number of epochs, η / (epoch + 1)^p.

    `power` is p, at least 0; else raises TypeError or ValueError. Above ½ and up to 1 the sum of the rates is infinite
    and that of their squares finite.

    References
    ----------
    Robbins & Monro, *A stochastic approximation method*, 1951; scikit-learn's "invscaling".

    Examples
    --------
    >>> schedule = InverseScaling(1)
    >>> [schedule(epoch, 0.8) for epoch in (0, 1, 3)]
    [0.8, 0.4, 0.2]
    """

    power: float = 0.5

    def __call__(self, epoch: float, base_rate: float) -> float:
        return float(base_rate / (epoch + 1) ** self.power)


@dataclass(frozen=True)
class CosineDecay(Schedule):
    """Half a period of a cosine, from the rate η down to a final rate, after a linear warm-up.

    In the w epochs of warm-up η (s + (1 − s) epoch / w), then η_final + (η − η_final) (1 + cos π x) / 2, where x =
    (epoch − w) / (n − w); from epoch n on η_final. Raises TypeError or ValueError for a parameter out of its range.

    Parameters
    ----------
    epochs : int
        n, greater than `warm_up`: when the final rate is reached.
    warm_up : int, default 0
        w, at least 0.
    start_share : float, default 0.1
        s, greater than 0 and at most 1: the warm-up starts from s η.
    final_rate : float, default 0
        η_final, at least 0.

    References
    ----------
    Loshchilov & Hutter, *SGDR: stochastic gradient descent with warm restarts*, 2017, eq. 5; warm-up: Goyal et al.,
    *Accurate, large minibatch SGD*, 2017, section 2.2; PyTorch's CosineAnnealingLR and LinearLR.

    Examples
    --------
    >>> schedule = CosineDecay(10, warm_up=2, start_share=0.5)
    >>> [round(schedule(epoch, 0.8), 3) for epoch in (0, 1, 2, 6, 10)]
    [0.4, 0.6, 0.8, 0.4, 0.0]
    """

    epochs: int
    warm_up: int = 0
    start_share: float = 0.1
    final_rate: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.warm_up >= self.epochs:
            raise ValueError(f"CosineDecay: warm_up is {self.warm_up}; it must be less than epochs, {self.epochs}")

    def __call__(self, epoch: float, base_rate: float) -> float:
        if epoch < self.warm_up:
            return float(base_rate * (self.start_share + (1 - self.start_share) * epoch / self.warm_up))
        done = min(1.0, (epoch - self.warm_up) / (self.epochs - self.warm_up))
        return float(_cosine(base_rate, self.final_rate, done))


@dataclass(frozen=True)
class OneCycle(Schedule):
    """Up to the rate η, then down to far below the start, each along half a period of a cosine.

    From η / d at epoch 0 up to η at epoch r n − 1, then down to η / (d f) at epoch n − 1, and constant from there on.
    With this rise, η may be several times the largest constant rate at which training converges. Raises TypeError or
    ValueError for a parameter out of its range.

    Parameters
    ----------
    epochs : int
        n: how many epochs the `fit` has.
    rise : float, default 0.3
        r, between 0 and 1: the fraction of the epochs in which the rate rises.
    start_divisor : float, default 25
        d, greater than 0.
    final_divisor : float, default 10000
        f, greater than 0.

    References
    ----------
    Smith & Topin, *Super-convergence: very fast training of neural networks using large learning rates*, 2018; in the
    form of PyTorch's OneCycleLR.

    Examples
    --------
    >>> schedule = OneCycle(10)
    >>> [round(schedule(epoch, 1.0), 3) for epoch in (0, 1, 2, 5, 9)]
    [0.04, 0.52, 1.0, 0.611, 0.0]
    """

    epochs: int
    rise: float = 0.3
    start_divisor: float = 25.0
    final_divisor: float = 10000.0

    def __call__(self, epoch: float, base_rate: float) -> float:
        top, last = self.rise * self.epochs - 1, self.epochs - 1
        start = base_rate / self.start_divisor
        if epoch <= top:
            return float(_cosine(start, base_rate, epoch / top if top > 0 else 1.0))
        return float(_cosine(base_rate, start / self.final_divisor, (min(epoch, last) - top) / (last - top)))


@dataclass(frozen=True)
class LogCosine(Schedule):
    """Several periods of a cosine, each twice as long as the one before, from 0 up to the rate η and down again.

    η (1 − cos(2π log₂(1 + (2ᶜ − 1) x))) / 2 with x = (epoch + ½) / n, in the middle of an epoch; 0 from epoch n on. The
    rate is small at the end of each period: a good epoch for early stopping to keep. Raises TypeError or ValueError for
    a parameter out of its range.

    Parameters
    ----------
    epochs : int
        n: how many epochs the `fit` has.
    cycles : int, default 4
        c: the number of periods.

    References
    ----------
    Holzmüller, Grinsztajn & Steinwart, *Better by default: strong pre-tuned MLPs and boosted trees on tabular data*,
    2024, "coslog4", with x of every step.

    Examples
    --------
    >>> schedule = LogCosine(30, cycles=2)
    >>> [round(schedule(epoch, 0.8), 3) for epoch in (0, 4, 10, 20, 29, 30)]
    [0.038, 0.79, 0.01, 0.71, 0.003, 0.0]
    """

    epochs: int
    cycles: int = 4

    def __call__(self, epoch: float, base_rate: float) -> float:
        done = math.log2(1 + (2**self.cycles - 1) * min(1.0, (epoch + 0.5) / self.epochs))
        return float(base_rate * (1 - math.cos(2 * math.pi * done)) / 2) if epoch < self.epochs else 0.0


@dataclass(frozen=True)
class ByStep(Schedule):
    """A schedule that `fit` asks before every step, not before every epoch: in the middle of the third, epoch is 2.5.

    So rates change smoothly, and a warm-up may be shorter than an epoch. Each step is then a compiled call of its own,
    which takes some 10 µs more. Raises TypeError if `schedule` is not a function.

    Parameters
    ----------
    schedule : function of the epoch and a base value
        A schedule of fastbp or your own. A method `observe` is called after every epoch.

    References
    ----------
    Loshchilov & Hutter, *SGDR: stochastic gradient descent with warm restarts*, 2017, section 3, where T_cur is
    "updated at each batch iteration".

    Examples
    --------
    >>> schedule = ByStep(CosineDecay(2))
    >>> [round(schedule(epoch, 0.8), 3) for epoch in (0.0, 0.5, 1.0, 1.5)]
    [0.8, 0.683, 0.4, 0.117]
    """

    asked_before_every_step: ClassVar[bool] = True

    schedule: Callable[[float, float], float]

    def __post_init__(self) -> None:
        if not callable(self.schedule):
            raise TypeError(
                f"ByStep: schedule is {self.schedule!r}; it must be a function of the epoch and a base value"
            )

    def __call__(self, epoch: float, base_rate: float) -> float:
        return self.schedule(epoch, base_rate)

    def observe(self, cost: float) -> None:
        """Tell the schedule the cost of an epoch, if it wants to know."""
        observe = getattr(self.schedule, "observe", None)
        if observe is not None:
            observe(cost)


@dataclass
class _Seen:
    """What `ReduceOnPlateau` remembers between epochs."""

    best: float = math.inf
    epochs_without: int = 0
    resting: int = 0
    reductions: int = 0


@dataclass(frozen=True)
class ReduceOnPlateau(Schedule):
    """The rate falls by a factor when the cost stops falling: max(η γᵏ, η_smallest) after k reductions.

    The cost has fallen if it is below best − threshold |best|. Epoch 0 resets what the schedule remembers.
    Raises TypeError or ValueError for a parameter out of its range.

    Parameters
    ----------
    factor : float, default 0.1
        γ, greater than 0 and at most 1.
    patience : int, default 10
        How many epochs in a row may pass without a new best cost; the next one reduces the rate.
    threshold : float, default 1e-4
        The fraction by which the cost must fall below the best one to be a new best, at least 0 and less than 1.
    cooldown : int, default 0
        For how many epochs after a reduction the schedule does not count.
    smallest_rate : float, default 0
        η_smallest, at least 0.

    References
    ----------
    Goodfellow, Bengio & Courville, *Deep learning*, 2016, section 8.3.1; as PyTorch's
    ReduceLROnPlateau, which however takes some worse costs for better ones if they are below 0.

    Examples
    --------
    >>> schedule, rates = ReduceOnPlateau(factor=0.5, patience=1), []
    >>> for epoch, cost in enumerate([1.0, 0.9, 0.9, 0.9, 0.9]):
    ...     rates.append(schedule(epoch, 0.8))
    ...     schedule.observe(cost)
    >>> rates
    [0.8, 0.8, 0.8, 0.8, 0.4]
    """

    factor: float = 0.1
    patience: int = 10
    threshold: float = 1e-4
    cooldown: int = 0
    smallest_rate: float = 0.0
    _seen: _Seen = field(default_factory=_Seen, init=False, repr=False, compare=False)

    def __call__(self, epoch: float, base_rate: float) -> float:
        if epoch == 0:
            vars(self._seen).update(vars(_Seen()))
        smallest = min(self.smallest_rate, base_rate)
        return float(max(base_rate * self.factor**self._seen.reductions, smallest))

    def observe(self, cost: float) -> None:
        """Count an epoch of this cost."""
        seen = self._seen
        if seen.best == math.inf or cost < seen.best - self.threshold * abs(seen.best):
            seen.best, seen.epochs_without = cost, 0
        else:
            seen.epochs_without += 1
        if seen.resting > 0:
            seen.resting, seen.epochs_without = seen.resting - 1, 0
        if seen.epochs_without > self.patience:
            seen.reductions += 1
            seen.resting, seen.epochs_without = self.cooldown, 0


def _cosine(start: float, end: float, done: float) -> float:
    """From start to end along half a period of a cosine, after the fraction `done` of it."""
    return end + (start - end) * (1 + math.cos(math.pi * done)) / 2
