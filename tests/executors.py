"""Executors for the tests, and what members do on them: classes and functions that other processes can import."""

import multiprocessing
import os
import time
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future
from pathlib import Path
from typing import Any

import numpy as np
from population_samples import HELD_OUT, X, Y, learned, networks

import fastbp

N = 6
ADAMS = [fastbp.Adam(0.02 * (i + 1)) for i in range(N)]
ROWS = [np.arange(i, 40 - i) for i in range(N)]
ORDERS = tuple(np.random.default_rng(epoch).permutation(len(X)) for epoch in range(5))
PATIENT = fastbp.EarlyStopping(patience=1, restore_best=True)


def outcome(executor: Any = None, fits: int = 1, nets: Any = None, **options: Any) -> list[dict[str, Any]]:
    """What members have learned, on an executor or here."""
    nets = networks(N) if nets is None else nets
    asked = {"epochs": 5, "batch_size": 8, "optimizer": ADAMS, "validation_data": HELD_OUT, **options}
    for _ in range(fits):
        fastbp.Population(nets).fit(X, Y, executor=executor, **asked)
    return [learned(net) for net in nets]


class Slows(fastbp.Callback):
    """Makes epochs take longer."""

    def on_epoch_end(self, run: Any) -> None:
        time.sleep(0.02)


class Fails(fastbp.Callback):
    """Raises an error in the second epoch."""

    def __init__(self, kind: type[Exception], *words: Any):
        self.kind, self.words = kind, words

    def on_epoch_end(self, run: Any) -> None:
        if run.epoch == 2:
            raise self.kind(*self.words)


class OddError(Exception):
    """One that pickle cannot make again."""

    def __init__(self, number: int, why: str):
        super().__init__(f"{why} {number}")


class Kills(fastbp.Callback):
    """Kills the worker in the second epoch, `times` times in all."""

    def __init__(self, folder: Path, times: int):
        self.folder, self.times = folder, times

    def on_epoch_end(self, run: Any) -> None:
        killed = len(list(self.folder.iterdir()))
        if run.epoch == 2 and killed < self.times and multiprocessing.parent_process() is not None:
            (self.folder / f"{killed}").touch()
            os._exit(9)


class Writes(fastbp.Callback):
    """Counts its calls, and writes them to a file."""

    def __init__(self, path: Path):
        self.path, self.epochs = path, 0

    def _write(self, word: str) -> None:
        with self.path.open("a") as file:
            file.write(f"{word}\n")

    def on_train_begin(self, run: Any) -> None:
        self._write("begin")

    def on_epoch_end(self, run: Any) -> None:
        self.epochs += 1

    def on_train_end(self, run: Any) -> None:
        self._write(f"end after {self.epochs}, {len(run.history)}")


class Inline(Executor):
    """Runs every task at once, except those that `lose`, called with their number, wants lost."""

    def __init__(self, lose: Callable[[int], bool] = lambda n: False):
        self.lose, self.sources, self.futures = lose, [], []

    def submit(self, function: Any, /, key: str, source: Any, *rest: Any) -> Any:
        future: Future[Any] = Future()
        self.sources.append(source)
        self.futures.append(future)
        if self.lose(len(self.sources)):
            future.set_exception(BrokenExecutor("lost"))
        else:
            future.set_result(function(key, source, *rest))
        return future
