"""The data of the experiments: MNIST, divided as in the book, and the results that the book's programs stored."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fastbp import disk
from fastbp.data import load_mnist

Pair = tuple[npt.NDArray[Any], npt.NDArray[Any]]
Series = dict[str, list[float]]
# What network2.SGD returns, in this order, for each epoch: costs, and counts of right answers.
SERIES = ("evaluation_cost", "evaluation_right", "training_cost", "training_right")

DOWNLOADS = "https://github.com/mnielsen/neural-networks-and-deep-learning, folder fig"


@dataclass(frozen=True)
class Book:
    """MNIST as the book uses it, and the folder with the results of its programs.

    Attributes
    ----------
    training, validation, test : (X, y)
        50,000, 10,000 and 10,000 images in float64, and their labels.
    results : Path or None
        The folder of ``overfitting.json`` and the others; None if there is none.

    Examples
    --------
    >>> import numpy as np
    >>> X, y = np.zeros((4, 784)), np.array([5, 0, 4, 1])
    >>> book = Book((X, y), (X, y), (X, y))
    >>> book.first(2)[1], book.published("overfitting")  # without a folder nothing is known
    (array([5, 0]), {})
    """

    training: Pair
    validation: Pair
    test: Pair
    results: Path | None = None

    def first(self, n: int) -> Pair:
        """Return the first n training samples."""
        return self.training[0][:n], self.training[1][:n]

    def published(self, name: str) -> dict[str, Series]:
        """Return the series of a program by its runs; empty without its file. Raises ValueError for a wrong file."""
        path = None if self.results is None else self.results / f"{name}.json"
        if path is None or not path.is_file():
            return {}
        try:
            return _by_run(json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, TypeError, KeyError, IndexError) as error:
            raise ValueError(
                f"{path} was not written by the book's programs ({error}); get it from {DOWNLOADS}"
            ) from None


def _by_run(content: Any) -> dict[str, Series]:
    if isinstance(content, Mapping):
        lists = dict(content)
    elif isinstance(content[0], float):  # more_data: an accuracy in percent for each size
        lists = {str(i): [[], [round(100 * percent)], [], []] for i, percent in enumerate(content)}
    elif isinstance(content[0][0], list):
        lists = {str(i): four for i, four in enumerate(content)}
    else:
        lists = {"0": content}
    return {run: _series(four) for run, four in lists.items()}


def _series(four: Any) -> Series:
    series = {name: [float(value) for value in values] for name, values in zip(SERIES, four, strict=True)}
    return {name: values for name, values in series.items() if values}


def read_book(folder: str | os.PathLike[str] | None = None) -> Book:
    """Read MNIST, and find the results of the book's programs.

    Parameters
    ----------
    folder : path-like, optional
        Holds ``mnist``, with the four files, and ``nielsen``, with the results, if you have them; or it holds the four
        files itself. Left out, it is ``$FASTBP_DATA``; if that is not set, MNIST is read from the user's cache.

    Raises
    ------
    TypeError, ValueError
        `folder` is not a path.
    FileNotFoundError
        MNIST is not there.

    Examples
    --------
    >>> book = read_book()  # doctest: +SKIP
    >>> read_book("no/such/folder")
    Traceback (most recent call last):
        ...
    FileNotFoundError: ...
    """
    named = os.environ.get("FASTBP_DATA") or None if folder is None else folder
    root = None if named is None else disk.expanded_path(named, "folder")
    mnist = None if root is None else root / "mnist" if (root / "mnist").is_dir() else root
    # The book's pixels: eight bits divided by 256, in float32; from then on NumPy computed in float64.
    split = load_mnist(mnist, dtype="float32", divisor=256)
    X, y = split.X_train.astype(np.float64), split.y_train
    results = None if root is None or not (root / "nielsen").is_dir() else root / "nielsen"
    test = split.X_test.astype(np.float64), split.y_test
    return Book((X[:50_000], y[:50_000]), (X[50_000:], y[50_000:]), test, results)
