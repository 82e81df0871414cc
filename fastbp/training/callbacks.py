"""Callbacks: a user's code between epochs. `CSVLogger` and `Checkpoint` come with fastbp."""

from __future__ import annotations  # so that naming numpy.random does not import it

import csv
import io
import os
from dataclasses import dataclass
from typing import Any, Literal

from fastbp import disk, validation
from fastbp.training.early_stopping import Best, check_monitor, greater_is_better, watched
from fastbp.training.history import History
from fastbp.training.metrics import Metric


@dataclass
class Run:
    """A running `fit`, as callbacks see it. Weights of `net` that a callback changes are trained on."""

    net: Any  # the Network, with the weights of the last whole epoch
    history: History  # of the epochs so far, including the one that has just ended
    epochs: int  # that `fit` was asked for
    metrics: tuple[Metric, ...] = ()  # besides the cost
    epoch: int = 0  # about to begin, or just ended, counted from 1; 0 before the first
    stop: bool = False  # True ends training with this epoch


class Callback:
    """Base class of callbacks: override the methods that you need.

    Each method gets the running `fit`: ``run.net``, ``run.history``, ``run.epoch`` (from 1) of ``run.epochs``;
    ``run.stop = True`` ends the training with this epoch. If a method raises an error, `fit` raises it too, with the
    network and its history as after the last whole epoch.

    Attributes
    ----------
    first_rank_only : bool, default False
        Whether a `fit` on several ranks calls it on rank 0 alone, as it must be if it writes a file. What it changes
        must be the same on all ranks; `run.stop` of any rank stops all.

    Examples
    --------
    >>> import fastbp
    >>> class StopBelow(fastbp.Callback):
    ...     def on_epoch_end(self, run):
    ...         run.stop = run.history.cost[-1] < 0.2
    >>> net = fastbp.Network([2, 8, 1], activation="tanh", cost="cross_entropy", seed=1)
    >>> history = net.fit([[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0], epochs=500,
    ...                   optimizer=fastbp.Adam(0.1), callbacks=[StopBelow()])
    >>> len(history) < 500, history.cost[-1] < 0.2
    (True, True)
    """

    first_rank_only = False

    def on_train_begin(self, run: Run) -> None:
        """Called before the first epoch of the `run`."""

    def on_epoch_begin(self, run: Run) -> None:
        """Called before each epoch of the `run`."""

    def on_epoch_end(self, run: Run) -> None:
        """Called after each epoch of the `run`, with its evaluation in the history."""

    def on_train_end(self, run: Run) -> None:
        """Called at the end of the `run`, also after Ctrl-C, but not after an error."""


class CSVLogger(Callback):
    """Write the history to the CSV file `path`: a header, then a row for each epoch.

    The file is replaced when training begins and after every epoch. `fit` raises OSError if it cannot be written.

    Examples
    --------
    >>> import fastbp, tempfile, os
    >>> path = os.path.join(tempfile.mkdtemp(), "training.csv")
    >>> history = fastbp.Network([1, 1], seed=0).fit([[1], [2]], [1, 2], epochs=2, callbacks=[fastbp.CSVLogger(path)])
    >>> from pathlib import Path
    >>> Path(path).read_text().splitlines()[0]
    'epoch,cost,seconds,samples_per_second,learning_rate'
    """

    first_rank_only = True

    def __init__(self, path: str | os.PathLike[str]):
        self.path = disk.checked_path(path)

    def on_train_begin(self, run: Run) -> None:
        """Write the epochs of the `run` so far: none at first, so that a wrong path fails early."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["epoch", *run.history.as_dict()])
        writer.writerows(run.history.rows())
        disk.write(self.path, text.getvalue().encode())

    on_epoch_end = on_train_begin
    on_train_end = on_train_begin  # after Ctrl-C the history may be shorter


class Checkpoint(Callback):
    """Save the network after every epoch, or only after epochs that are better than all before.

    Raises TypeError or ValueError for a parameter of the wrong kind. `fit` raises ValueError before training if there
    is no series `monitor`, OSError if the file cannot be written.

    Parameters
    ----------
    path : str or path-like
        The file, written as by `Network.save`. ``{epoch}`` in its name is replaced by the number of the epoch, which
        gives a file for each: ``"net-{epoch:03}.safetensors"``.
    monitor : str, optional
        The series that decides which epoch is better, as in `EarlyStopping`. Left out, it is the cost on the validation
        data, or without them the training cost.
    save_best_only : bool, default False
        Save only after an epoch that is better than all before.
    mode : "min" or "max", optional
        Whether smaller or greater values are better; needed only for metrics of your own.
    training_state : bool, default False
        As in `Network.save`: also keep what a later `fit` needs to continue with the same bits.

    Examples
    --------
    >>> import fastbp, tempfile, os
    >>> path = os.path.join(tempfile.mkdtemp(), "net-{epoch}.safetensors")
    >>> net = fastbp.Network([1, 1], seed=0)
    >>> history = net.fit([[1], [2]], [1, 2], epochs=2, callbacks=[fastbp.Checkpoint(path)])
    >>> bool((fastbp.load(path.format(epoch=2)).parameters == net.parameters).all())
    True
    """

    first_rank_only = True

    def __init__(
        self,
        path: str | os.PathLike[str],
        monitor: str | None = None,
        save_best_only: bool = False,
        mode: Literal["min", "max"] | None = None,
        training_state: bool = False,
    ):
        self.path, self.monitor, self.mode = os.fspath(disk.checked_path(path)), monitor, mode
        self.save_best_only = validation.truth("save_best_only", save_best_only)
        self.training_state = validation.truth("training_state", training_state)
        check_monitor(monitor, mode)
        try:
            self.path.format(epoch=1)
        except (LookupError, ValueError) as error:
            raise ValueError(f"path is {self.path!r}; only {{epoch}} is allowed in braces: {error}") from None
        self._best: Best | None = None

    def on_train_begin(self, run: Run) -> None:
        """Find the monitored series of the `run`."""
        if self.save_best_only:
            series = watched(self.monitor or "cost", run.history)
            self._best = Best(series, greater_is_better(series, self.mode, run.history, list(run.metrics)))

    def on_epoch_end(self, run: Run) -> None:
        """Save the network of the `run`."""
        if self.save_best_only and self._best is not None:
            value = run.history.series(self._best.series)[-1]
            if not self._best.improves(value):
                return
            self._best.keep(value, run.epoch)
        run.net.save(self.path.format(epoch=run.epoch), training_state=self.training_state)


def checked(callbacks: Any) -> tuple[Callback, ...]:
    """Return the callbacks as a tuple. Raises TypeError if one of them is not a `Callback`."""
    if isinstance(callbacks, Callback):
        return (callbacks,)
    try:
        found = tuple(callbacks)
    except TypeError:
        raise TypeError(f"callbacks is {callbacks!r}; it must be a list of fastbp.Callback") from None
    for i, callback in enumerate(found):
        if not isinstance(callback, Callback):
            hint = "; give an instance: MyCallback()" if isinstance(callback, type) else ""
            raise TypeError(f"callbacks[{i}] is {callback!r}; it must be a fastbp.Callback{hint}")
    return found
