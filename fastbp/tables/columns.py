"""What each column of a table is taken for, and why some are left out."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from fastbp.tables import cells
from fastbp.tables.arrays import Array, Values, label_of, label_texts, missing_in
from fastbp.tables.table import Table
from fastbp.tables.texts import Texts

Kind = Literal["number", "category", "boolean", "date", "text", "identifier", "constant", "index", "empty", "dropped"]

USED = ("number", "category", "boolean", "date")
MOST_ODD = 0.05  # a column of text with at most this share of cells that are no numbers (or dates) is numbers (dates)
FEW_WORDS = 2  # or with this number of different words among numbers
MOST_DIFFERENT = 0.5  # text with more different values than this share of its rows, and
FEW_VALUES = 20  # than this number, is names or remarks: nothing in it repeats that could be learned
LONG_TEXT = 60  # characters on average: sentences
INDEX_NAMES = frozenset({"", "index", "rownames", "row_names", "row", "rowid", "unnamed: 0", "...1", "obs", "case"})


@dataclass(frozen=True)
class Column:
    """What a column is taken for.

    Attributes
    ----------
    name : str
    kind : str
        "number", "category", "boolean" or "date": it enters. "text", "identifier", "constant", "index", "empty",
        "dropped" (by the user): it does not.
    n_missing : int
        Rows without a value.
    n_odd : int
        Rows whose cell does not fit the kind; they count as missing, too.
    odd : str or None
        One such cell.
    why : str
        More about how it is read, or why it does not enter, in words.
    words : tuple of str
        The words for yes and no of a boolean.
    day_first : bool
        Whether dates such as 01/02/2020 are read with the day first.
    n_different : int
        Different values.

    Examples
    --------
    >>> from fastbp.tables import Preprocessor
    >>> rows = {"age": [3.0, float("nan"), 7.0, 5.0], "sex": ["f", "m", "f", "f"]}
    >>> age, sex = Preprocessor().fit(rows).columns
    >>> age.kind, age.n_missing, sex.kind, sex.n_different
    ('number', 1, 'category', 2)
    """

    name: str
    kind: Kind
    n_missing: int = 0
    n_odd: int = 0
    odd: str | None = None
    why: str = ""
    words: tuple[str, ...] = ()
    day_first: bool = False
    n_different: int = 0

    @property
    def used(self) -> bool:
        """Whether the column enters."""
        return self.kind in USED


def describe(table: Table, *, drop: Collection[str] = (), categorical: Collection[str] = ()) -> list[Column]:
    """Return what each column of a table is taken for.

    Raises DataFileError if `drop` or `categorical` name a column that is not there.

    >>> table = Table({"": [1, 2, 3], "price": ["$1", "$2,000", "NA"], "sold": ["yes", "no", "no"], "unit": ["m"] * 3})
    >>> for column in describe(table): print(column.name, column.kind, column.n_missing, column.why)
     index 0 the numbers of the rows
    price number 1 written with $ or ,
    sold boolean 0 yes or no
    unit constant 0 always 'm'
    """
    for name in (*drop, *categorical):
        table._column(name)
    found = []
    for place, name in enumerate(table.names):
        column = table._column(name)
        n_missing = int(np.count_nonzero(missing_in(column)))
        if name in drop:
            found.append(Column(name, "dropped", n_missing, why="left out as asked"))
        else:
            as_categories = name in categorical
            found.append(_described(name, column, n_missing, place == 0, as_categories, table.decimal))
    return found


def _described(name: str, column: Values, n_missing: int, first: bool, as_categories: bool, decimal: str) -> Column:
    if n_missing == len(column):
        return Column(name, "empty", n_missing, why="no value in any row")
    if as_categories:
        return _categories(name, label_texts(column), n_missing, forced=True)
    if isinstance(column, Texts):
        return _texts(name, column, n_missing, first, decimal)
    kind = column.dtype.kind
    if kind == "f":
        return _numbers(name, column, n_missing)
    if kind == "b":
        if column.all() or not column.any():
            return Column(name, "constant", n_missing, why=f"always {bool(column[0])}")
        return Column(name, "boolean", n_missing, why="true or false", words=("true", "false"), n_different=2)
    different = np.unique(column[~np.isnat(column)])
    if len(different) == 1:
        return Column(name, "constant", n_missing, why=f"always {different[0]}")
    return Column(name, "date", n_missing, n_different=len(different))


def _numbers(name: str, column: Array, n_missing: int, **more: Any) -> Column:
    present, low, high = column, float(column.min()), float(column.max())
    if not np.isfinite([low, high]).all():  # NaN and ∞ are the smallest or the largest number if they are there
        present = column[np.isfinite(column)]
        if infinite := int(np.count_nonzero(np.isinf(column))):
            more = {"why": "", "odd": "inf", **more, "n_odd": more.get("n_odd", 0) + infinite}
        if not present.size:
            return Column(name, "empty", n_missing, why="no finite number in any row")
        low, high = float(present.min()), float(present.max())
    if low == high:
        return Column(name, "constant", n_missing, why=f"always {label_of(low)}")
    if is_identifier_name(name) and n_missing == 0 and len(present) > 2 and bool((present == np.floor(present)).all()):
        if name.lower() in INDEX_NAMES and bool((np.diff(present) > 0).all()):
            return Column(name, "index", why="the numbers of the rows")
        if bool((np.diff(np.sort(present)) > 0).all()):
            return Column(name, "identifier", why="a number of its own in every row")
    return Column(name, "number", n_missing, **more)


def is_identifier_name(name: str) -> bool:
    """Whether a column has a name that identifiers have.

    >>> [name for name in ("id", "PassengerId", "customer_no", "width", "humid") if is_identifier_name(name)]
    ['id', 'PassengerId', 'customer_no']
    """
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower().strip()
    return (
        spaced in INDEX_NAMES or re.fullmatch(r"(?:.*[ _.-])?(?:id|ids|uuid|guid|nr|no|number|key)", spaced) is not None
    )


def _texts(name: str, column: Texts, n_missing: int, first: bool, decimal: str) -> Column:
    counts, n_present = column.counts(), len(column) - n_missing
    different = list(counts)
    if len(different) == 1:
        return Column(name, "constant", n_missing, why=f"always {_quoted(different[0])}")
    if len(different) == 2 and (words := cells.words_of_truth(different)):
        return Column(name, "boolean", n_missing, why=" or ".join(words), words=words, n_different=2)
    if name == "" and first and len(different) == n_present:
        return Column(name, "index", n_missing, why="a name for every row")
    once = column.once()
    odd = list(once[np.isnan(cells.numbers(once, decimal))].counts())
    n_odd = sum(counts[text] for text in odd)
    if few_are_odd(len(odd), len(different), n_odd, n_present):
        signs = sorted({c for text in different[:1000] for c in text if c in "$€£¥₹%," and not (c == "," == decimal)})
        why = f"written with {' or '.join(signs)}" if signs else ""
        values = cells.numbers(column, decimal)
        return _numbers(name, values, n_missing, n_odd=n_odd, odd=odd[0] if odd else None, why=why)
    if _looks_like_date(different[0]) or (len(different) > 1 and _looks_like_date(different[1])):
        if (found := _as_dates(name, column, counts, n_missing)) is not None:
            return found
    return _categories(name, column, n_missing)


def few_are_odd(odd: int, different: int, odd_rows: int, rows: int) -> bool:
    """Whether a column is numbers (or dates) although some cells are not.

    Either few rows are odd, or all odd rows have the same word or two, which means that a value is missing.

    >>> few_are_odd(3, 100, 4, 100), few_are_odd(1, 60, 30, 100), few_are_odd(1, 3, 30, 100)
    (True, True, False)
    """
    if odd_rows <= max(1, MOST_ODD * rows):
        return odd == 0 or (odd < different / 2 and different - odd > 2)
    return odd <= FEW_WORDS and different - odd > FEW_VALUES and odd_rows <= rows / 2


def _looks_like_date(text: str) -> bool:
    return not (np.isnat(cells.date(text, False)) and np.isnat(cells.date(text, True)))


def _as_dates(name: str, column: Texts, counts: dict[str, int], n_missing: int) -> Column | None:
    different = list(counts)
    told = cells.day_first(different)
    first = bool(told)
    once = column.once()
    odd = list(once[np.isnat(cells.dates(once, first))].counts())
    n_odd = sum(counts[text] for text in odd)
    if not few_are_odd(len(odd), len(different), n_odd, len(column) - n_missing):
        return None
    why = ""
    if any(map(cells.is_ambiguous, different[:10])):
        order = "day/month" if first else "month/day"
        why = f"read as {order}" if told is not None else f"read as {order}: no date tells which"
    more: dict[str, Any] = {"n_odd": n_odd, "odd": odd[0] if odd else None}
    return Column(name, "date", n_missing, why=why, day_first=first, n_different=len(different), **more)


def _categories(name: str, column: Texts, n_missing: int, forced: bool = False) -> Column:
    different = column.counts()
    n, n_rows = len(different), len(column) - n_missing
    if n == 1:
        return Column(name, "constant", n_missing, why=f"always {_quoted(next(iter(different)))}")
    if not forced:
        if n == n_rows and n_rows > 2:
            kind: Kind = "text" if _mean_length(different) > LONG_TEXT else "identifier"
            return Column(name, kind, n_missing, why="a different value in every row", n_different=n)
        if n > FEW_VALUES and (n > MOST_DIFFERENT * n_rows or _mean_length(different) > LONG_TEXT):
            return Column(name, "text", n_missing, why=f"{n:,} different texts in {n_rows:,} rows", n_different=n)
    return Column(name, "category", n_missing, n_different=n)


def _mean_length(texts: Iterable[str]) -> float:
    lengths = [len(text) for text in texts]
    return sum(lengths) / len(lengths)


def _quoted(text: str) -> str:
    return repr(text if len(text) <= 24 else text[:23] + "…")
