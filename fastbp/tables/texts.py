"""A column of text: each different text once, and its number in each row, so that no text is read twice."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class Texts:
    """A column of text.

    Attributes
    ----------
    codes : (n,) array of int32
        Which of `values` each row has; −1 where it is missing.
    values : list of str
        Different texts. Not every one need be in a row: those of some rows are those of the whole column.

    Examples
    --------
    >>> texts = Texts.of(["red", None, "red"])
    >>> texts.codes, texts.values, texts[1:].tolist()
    (array([ 0, -1,  0], dtype=int32), ['red'], [None, 'red'])
    """

    __slots__ = ("_counts", "_known", "codes", "values")

    def __init__(self, codes: Array, values: list[str], known: dict[Hashable, Array] | None = None) -> None:
        self.codes, self.values = codes, values
        self._known = {} if known is None else known  # what `each` has found
        self._counts: dict[str, int] | None = None

    @classmethod
    def of(cls, rows: Sequence[str | None]) -> Texts:
        """Return the column of these texts."""
        different = list(dict.fromkeys(rows))
        numbers = {value: i for i, value in enumerate(different)}
        return cls.coded(np.fromiter(map(numbers.__getitem__, rows), np.int32, len(rows)), different)

    @classmethod
    def coded(cls, codes: Array, values: Iterable[str | None]) -> Texts:
        """Return the column of codes, whose values may be missing, or equal; a code of −1 is missing."""
        found: dict[str, int] = {}
        listed = list(values)
        places = [-1 if value is None else found.setdefault(value, len(found)) for value in listed]
        if places != list(range(len(listed))):
            codes = np.array([*places, -1], np.int32)[codes]
        return cls(codes.astype(np.int32, copy=False), list(found))

    @classmethod
    def joined(cls, parts: Sequence[Texts]) -> Texts:
        """Return columns one below the other.

        >>> Texts.joined([Texts.of(["a", "b"]), Texts.of(["b"])]).codes
        array([0, 1, 1], dtype=int32)
        """
        starts = np.cumsum([0] + [len(part.values) for part in parts])
        codes = [np.where(part.codes < 0, -1, part.codes + start) for part, start in zip(parts, starts, strict=False)]
        return cls.coded(np.concatenate(codes), [value for part in parts for value in part.values])

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, index: Any) -> Texts:
        """Return some rows."""
        return Texts(self.codes[index], self.values, self._known)

    @property
    def missing(self) -> Array:
        """A mask of the rows without a text."""
        return self.codes < 0

    def once(self) -> Texts:
        """Return each text that a row has, once, in the order of `counts`.

        >>> Texts.of(["b", "a", None, "b"]).once().tolist()
        ['b', 'a']
        """
        counts = self.counts()
        places = (i for i, value in enumerate(self.values) if value in counts)
        return Texts(np.fromiter(places, np.int32, len(counts)), self.values, self._known)

    def counts(self) -> dict[str, int]:
        """Return how many rows each text has, without those that have none.

        >>> Texts.of(["b", "a", None, "b"]).counts()
        {'b': 2, 'a': 1}
        """
        if self._counts is None:
            counts = np.bincount(self.codes + 1, minlength=len(self.values) + 1)[1:].tolist()
            self._counts = {value: n for value, n in zip(self.values, counts, strict=True) if n}
        return self._counts

    def each(self, what: Hashable, meaning: Callable[[list[str]], Array], missing: Any) -> Array:
        """Return what the text of each row means, a number or several. `what` names the meaning, which is kept.

        >>> Texts.of(["a", None, "ab"]).each("length", lambda values: np.array([len(v) for v in values]), -1)
        array([ 1, -1,  2])
        """
        if what not in self._known:
            found = meaning(self.values)
            of_missing = np.full((1, *found.shape[1:]), missing, found.dtype)
            self._known[what] = np.concatenate([found, of_missing])
        return np.asarray(self._known[what][self.codes])

    def expanded(self) -> Array:
        """Return the texts as objects, None where missing."""
        values = np.empty(len(self.values) + 1, dtype=object)
        values[:-1] = self.values
        return np.asarray(values[self.codes])

    def tolist(self) -> list[str | None]:
        """Return the texts as a list."""
        found: list[str | None] = self.expanded().tolist()
        return found
