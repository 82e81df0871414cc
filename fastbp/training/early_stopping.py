"""Early stopping: the monitored series, its best value, and its goal."""

import math
from dataclasses import dataclass
from typing import Any, Literal

from fastbp import validation
from fastbp.training.history import History
from fastbp.training.metrics import METRICS, Metric


@dataclass(frozen=True)
class EarlyStopping:
    """Stop when a series has not improved for some epochs, or has reached a goal, and go back to the best epoch.

    Raises TypeError or ValueError for a parameter of the wrong kind or out of range.

    Parameters
    ----------
    monitor : str, optional
        "cost" or the name of a metric, on the validation data; or a whole name such as "test_accuracy" where
        `validation_data` names several data sets. Left out, it is the cost on the validation data. "training_cost" is
        the training cost, which seldom gets worse; without validation data, so is "cost".
    patience : int or None, default 10
        Training stops after this many epochs in a row without an improvement, at least 1; None: however many.
    min_delta : float, default 0
        An epoch is an improvement if it is better than the best by more than this, at least 0.
    restore_best : bool, default True
        When training ends, early or not, restore the state after the best epoch: weights, the optimizer's moments, the
        random generator. The network then has the bits of a `fit` of that many epochs. After Ctrl-C it has those of the
        last whole epoch instead.
    mode : "min" or "max", optional
        Whether smaller or greater values are better; needed only for metrics of your own.
    goal : float, optional
        Training stops after the first epoch whose value is at least as good as this: MATLAB's ``trainParam.goal`` is
        ``EarlyStopping("training_cost", patience=None, goal=…)``. An epoch that reaches it is an improvement.

    Examples
    --------
    >>> import fastbp
    >>> data = fastbp.load_digits()
    >>> net = fastbp.Network([64, 30, 10], cost="cross_entropy", seed=0)
    >>> history = net.fit(data.X_train, data.y_train, epochs=100, optimizer=fastbp.Adam(0.01),
    ...                   validation_split=0.2, early_stopping=fastbp.EarlyStopping("accuracy", patience=3))
    >>> history.stopped
    'early stopping: validation_accuracy has not improved for 3 epochs'
    >>> len(history) - history.best_epoch
    3
    >>> stopping = fastbp.EarlyStopping("training_cost", patience=None, goal=0.05)
    >>> history = net.fit(data.X_train, data.y_train, epochs=100, early_stopping=stopping)
    >>> history.stopped.startswith("goal reached: cost is 0.04"), history.best_epoch == len(history)
    (True, True)
    """

    monitor: str | None = None
    patience: int | None = 10
    min_delta: float = 0.0
    restore_best: bool = True
    mode: Literal["min", "max"] | None = None
    goal: float | None = None

    def __post_init__(self) -> None:
        check_monitor(self.monitor, self.mode)
        if self.patience is not None:
            validation.whole_number("patience", self.patience, 1)
        validation.number("min_delta", self.min_delta, 0.0)
        validation.truth("restore_best", self.restore_best)
        if self.goal is not None:
            validation.number("goal", self.goal, -math.inf)


def check_monitor(monitor: Any, mode: Any) -> None:
    """Raise TypeError unless `monitor` is a string or None, ValueError unless `mode` is "min", "max" or None."""
    if monitor is not None and not isinstance(monitor, str):
        raise TypeError(f"monitor is {monitor!r}; it must be the name of a metric, or 'cost'")
    if mode is not None and not (isinstance(mode, str) and mode in ("min", "max")):
        raise ValueError(f"mode is {mode!r}; it must be 'min' or 'max'")


class Best:
    """The best value of a series so far, the number of epochs without an improvement since, and the goal."""

    def __init__(self, series: str, greater: bool, min_delta: float = 0.0, goal: float | None = None):
        self.series, self._greater, self._min_delta, self._goal = series, greater, min_delta, goal
        self.value, self.epoch, self.waited = float("nan"), 0, 0

    def reaches_goal(self, value: float) -> bool:
        """Whether this is as good as the goal, if there is one; NaN never is."""
        return self._goal is not None and (value >= self._goal if self._greater else value <= self._goal)

    def improves(self, value: float) -> bool:
        """Whether this is better than all before; NaN never is. Counts the epochs without an improvement."""
        gain = value - self.value if self._greater else self.value - value
        better = value == value and (self.epoch == 0 or gain > self._min_delta or self.reaches_goal(value))
        self.waited = 0 if better else self.waited + 1
        return better

    def keep(self, value: float, epoch: int) -> None:
        """Keep the best."""
        self.value, self.epoch = value, epoch


def watched(monitor: str | None, history: History) -> str:
    """Return the name of the series that `monitor` means: of the validation data, or a whole name; None is "cost".

    "training_cost" is the series "cost", unless a data set is named "training". Raises ValueError if there is no such
    series, or if several data sets have one.
    """
    monitor = "cost" if monitor is None else monitor
    names = [name for name in history.names if monitor in (name, *_short(name, history))]
    exact = [name for name in names if name == monitor and name != "cost"]
    own = [f"validation_{monitor}"] if f"validation_{monitor}" in names else []
    of_data = [name for name in names if name != "cost"]
    found = exact or own or of_data or names
    if not found and monitor == "training_cost":
        return "cost"
    if len(found) == 1:
        return found[0]
    if found:
        raise ValueError(f"monitor is {monitor!r}, which could be any of {', '.join(found)}: give the whole name")
    raise ValueError(f"monitor is {monitor!r}; there is no such series, only {', '.join(history.names)}")


def _short(name: str, history: History) -> list[str]:
    return [name.removeprefix(f"{data}_") for data in history.data_sets if name.startswith(f"{data}_")]


def greater_is_better(series: str, mode: Any, history: History, metrics: list[Metric]) -> bool:
    """Return whether greater values of a series are better. Raises ValueError if that is not known."""
    if mode is not None:
        return bool(mode == "max")
    known = {metric.name: metric.greater_is_better for metric in (*METRICS.values(), *metrics)} | {"cost": False}
    for name in (series, *_short(series, history)):
        if known.get(name) is not None:
            return bool(known[name])
    raise ValueError(f'it is not known whether greater values of {series!r} are better: give mode="min" or mode="max"')
