"""The results of the epochs of a `fit`: as lists, arrays, dicts, a table, a picture."""

from __future__ import annotations  # so that naming a Figure does not import matplotlib

import os
from collections.abc import ItemsView, Iterator, KeysView, ValuesView
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fastbp import validation
from fastbp.text import aligned

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_ROWS = 25  # a table of more epochs shows some, evenly spread, with the first, the best and the last
MOST_COLUMNS = 9  # a table of more series leaves out those about time and rate, so that it fits a terminal


@dataclass
class History:
    """The results of a `fit`, with one entry for each epoch.

    A series is an attribute or an entry of `metrics`; ``history["name"]`` returns either as an array. ``dict(history)``
    has all series that are not empty; iteration gives a dict for each epoch. So ``pandas.DataFrame(history)`` has a
    column for each series and a row for each epoch.

    Attributes
    ----------
    cost : list of float
        The mean cost of the training samples during the epoch, each computed before the step that used the sample.
    validation_cost, validation_accuracy : list of float
        On the validation data, after the epoch; empty without validation data, or without classes.
    seconds : list of float
        The time of the epoch, including evaluation. Short epochs that were trained together have equal shares.
    samples_per_second : list of float
        Training samples per second of training alone.
    learning_rate : list of float
        The learning rate of the epoch.
    metrics : dict of str to list of float
        The other series: ``"validation_r2"``, or ``"test_cost"`` where `validation_data` names a data set "test".
    data_sets : dict of str to tuple of str
        The data sets that are evaluated after every epoch, and the names of their metrics.
    interrupted : bool
        Whether Ctrl-C ended the training.
    stopped : str or None
        Why training ended before its last epoch, ``len(history)``; None if it did not.
    best_epoch : int or None
        The best epoch by the series that `EarlyStopping` monitors, counted from 1; None without it.

    Examples
    --------
    >>> import fastbp
    >>> net = fastbp.Network([2, 3, 1], cost="squared_error", seed=0)
    >>> history = net.fit([[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0], epochs=3)
    >>> len(history), list(history.as_dict())
    (3, ['cost', 'seconds', 'samples_per_second', 'learning_rate'])
    >>> history["cost"].shape, dict(history).keys() == history.as_dict().keys()
    ((3,), True)
    >>> [row["cost"] for row in history] == history.cost
    True
    """

    cost: list[float] = field(default_factory=list)
    validation_cost: list[float] = field(default_factory=list)
    validation_accuracy: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    samples_per_second: list[float] = field(default_factory=list)
    learning_rate: list[float] = field(default_factory=list)
    metrics: dict[str, list[float]] = field(default_factory=dict)
    data_sets: dict[str, tuple[str, ...]] = field(default_factory=dict)
    interrupted: bool = False
    stopped: str | None = None
    best_epoch: int | None = None

    def __len__(self) -> int:
        return len(self.cost)

    def __iter__(self) -> Iterator[dict[str, float]]:
        """Return the epochs, each as a dict of its values: the rows of a table for pandas."""
        columns = self.as_dict()
        return (dict(zip(columns, map(float, row), strict=True)) for row in zip(*columns.values(), strict=True))

    def keys(self) -> KeysView[str]:
        """Return the names of the series that are not empty."""
        return self.as_dict().keys()

    def values(self) -> ValuesView[npt.NDArray[np.float64]]:
        """Return the series that are not empty."""
        return self.as_dict().values()

    def items(self) -> ItemsView[str, npt.NDArray[np.float64]]:
        """Return the names and the series that are not empty."""
        return self.as_dict().items()

    def __contains__(self, name: object) -> bool:
        return name in self.as_dict()

    def _all(self) -> dict[str, list[float]]:
        own = {name: value for name, value in vars(self).items() if isinstance(value, list)}
        return own | self.metrics

    @property
    def names(self) -> list[str]:
        """The series that can be monitored: "cost", and the metrics of the data sets."""
        return ["cost", *(f"{data}_{measured}" for data, names in self.data_sets.items() for measured in names)]

    def __getitem__(self, name: str) -> npt.NDArray[np.float64]:
        series = self._all()
        if not isinstance(name, str) or name not in series:
            raise KeyError(f"no series {name!r}; there are {', '.join(series)}")
        return np.array(series[name])

    def series(self, name: str) -> list[float]:
        """Return the list of the series called `name`, or a new one. Raises TypeError unless it is a str."""
        if not isinstance(name, str):
            raise TypeError(f"name is {name!r}; it must be the name of a series, such as 'validation_cost'")
        own = vars(self).get(name)
        return own if isinstance(own, list) else self.metrics.setdefault(name, [])

    def keep(self, epochs: int) -> None:
        """Keep the first `epochs` epochs only. Raises TypeError or ValueError unless it is a whole number ≥ 0."""
        epochs = validation.whole_number("epochs", epochs, 0)
        for values in self._all().values():
            del values[epochs:]

    def as_dict(self) -> dict[str, npt.NDArray[np.float64]]:
        """Return each series that is not empty, as an array."""
        return {name: np.array(values) for name, values in self._all().items() if values}

    def rows(self) -> Iterator[list[float]]:
        """Return a list for each epoch: its number, from 1, and its values in the order of `as_dict`."""
        columns = self.as_dict().values()
        return ([epoch, *map(float, values)] for epoch, values in enumerate(zip(*columns, strict=True), start=1))

    def table(self, most_rows: int = MOST_ROWS) -> str:
        """Return a table as text, with a row for each epoch, or for `most_rows` of them; the best epoch has a star.

        Raises TypeError or ValueError unless `most_rows` is a whole number ≥ 1.

        >>> print(History(cost=[2, 1], learning_rate=[0.5, 0.25], best_epoch=2).table())
        epoch     cost  learning
                            rate
           1         2       0.5
           2 *       1      0.25
        """
        most_rows = validation.whole_number("most_rows", most_rows, 1)
        series, shown = self.as_dict(), self._shown(most_rows)
        for left_out in ("samples_per_second", "seconds", "learning_rate"):
            if len(series) > MOST_COLUMNS:
                series.pop(left_out, None)
        heads = [(*name.split("_", 1), "")[:2] for name in series]
        columns = [[f"{values[i]:.5g}" for i in shown] for values in series.values()]
        top, below = ([head[line].replace("_", " ") for head in heads] for line in (0, 1))
        heading = [top, below] if any(below) else [top]
        epochs = ["epoch", "", *(f"{i + 1:>4}{' *' * (i + 1 == self.best_epoch)}" for i in shown)]
        if not any(below):
            del epochs[1]
        lines = aligned([*heading, *zip(*columns, strict=True)], least=[7] * len(heads))
        lines = [f"{epoch:<7}{line}" for epoch, line in zip(epochs, lines, strict=True)]
        return "\n".join([*lines, *([self.stopped] if self.stopped else [])])

    def _shown(self, most_rows: int) -> list[int]:
        spread = np.linspace(0, len(self) - 1, min(len(self), max(most_rows, 2))).round().astype(int)
        best = [self.best_epoch - 1] if self.best_epoch else []
        return sorted({*spread.tolist(), *best})

    def plot(self, path: str | os.PathLike[str] | None = None) -> Figure:
        """Draw the costs and metrics by epoch, and write the picture to `path` if it is given.

        Raises ImportError without matplotlib, TypeError or ValueError if the history has no epochs or `path` is not the
        name of a picture.
        """
        from fastbp import plots

        return plots.history(self, path)

    def __str__(self) -> str:
        return self.table() if len(self) else repr(self)

    def __repr__(self) -> str:
        last = ", ".join(f"{name} {values[-1]:.4g}" for name, values in self.as_dict().items())
        return f"History({len(self)} epochs{'; last: ' + last if last else ''})"
