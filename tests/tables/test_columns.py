"""What columns are taken for."""

from typing import Any

import numpy as np
import pytest

from fastbp.tables import Table
from fastbp.tables.columns import describe

NUMBERS = [str(i) for i in range(40)]
NAMES = [f"name {i % 38}" for i in range(40)]


@pytest.mark.parametrize(
    ("name", "values", "kind", "why"),
    [
        ("a", [1.5, 2, None] * 9, "number", ""),
        ("a", [0, 1] * 9, "number", ""),
        ("a", ["1,234.5", "2", None] * 9, "number", "written with ,"),
        ("a", ["$3", "€ 4", "(5)"] * 9, "number", "written with $ or €"),
        ("a", ["10 %", "20%", "3%"] * 9, "number", "written with %"),
        ("a", ["red", "blue"] * 9, "category", ""),
        ("a", ["1", "2", "red"] * 9, "category", ""),
        ("a", ["Yes", "no", None] * 9, "boolean", "yes or no"),
        ("a", [True, False] * 9, "boolean", "true or false"),
        ("a", ["2024-01-02", "2024-05-06 07:08"] * 9, "date", ""),
        ("a", ["31/12/2020", "01/02/2020"] * 9, "date", "read as day/month"),
        ("a", ["12/31/2020", "01/02/2020"] * 9, "date", "read as month/day"),
        ("a", ["01/02/2020", "03/04/2020"] * 9, "date", "read as month/day: no date tells which"),
        ("a", ["Jan 3 2001", "February 4, 2002"] * 9, "date", ""),
        ("a", ["2001-02-30", "2001-02-28", "2002-01-01"] + ["2002-01-02"] * 30, "date", ""),
        ("a", [5.0] * 9, "constant", "always 5"),
        ("a", ["m", None] * 9, "constant", "always 'm'"),
        ("a", [True] * 9, "constant", "always True"),
        ("a", [None, "?"] * 9, "empty", "no value in any row"),
        ("", list(range(1, 41)), "index", "the numbers of the rows"),
        ("", [f"car {i}" for i in range(40)], "index", "a name for every row"),
        ("Unnamed: 0", list(range(40)), "index", "the numbers of the rows"),
        ("PassengerId", [i * 37 % 41 for i in range(40)], "identifier", "a number of its own in every row"),
        ("patient_id", [1, 1, 2, 2] * 10, "number", ""),
        ("width", list(range(40)), "number", ""),
        ("humid", list(range(40)), "number", ""),
        ("name", [f"name {i}" for i in range(40)], "identifier", "a different value in every row"),
        ("name", NAMES, "text", "38 different texts in 40 rows"),
        ("remark", ["so many words that nobody could take them for a category " * 2, "x" * 99] * 20, "category", ""),
    ],
)  # fmt: skip
def test_kinds(name: str, values: list[Any], kind: str, why: str) -> None:
    (column,) = describe(Table({name: values}))
    assert (column.kind, column.why) == (kind, why)
    assert column.used == (kind in ("number", "category", "boolean", "date"))
    assert column.n_missing == sum(value in (None, "?") for value in values)


@pytest.mark.parametrize("odd", [">5", "1.2.3", "unknown"])
def test_few_odd_cells_do_not_make_categories_of_numbers(odd: str) -> None:
    (column,) = describe(Table({"a": [*NUMBERS, odd]}))
    assert (column.kind, column.n_odd, column.odd) == ("number", 1, odd)
    (column,) = describe(Table({"a": [*NUMBERS, *[odd, "other", "more"] * 8]}))
    assert column.kind in ("category", "text") and column.n_odd == 0


def test_a_word_among_many_numbers_means_missing() -> None:
    (column,) = describe(Table({"a": [*NUMBERS, *["n/k"] * 15]}))
    assert (column.kind, column.n_odd, column.odd) == ("number", 15, "n/k")
    (column,) = describe(Table({"a": [*NUMBERS, *["n/k"] * 50]}))
    assert (column.kind, column.n_odd) == ("category", 0)


def test_infinite_numbers_are_odd() -> None:
    (column,) = describe(Table({"a": [1.0, 2.0, np.inf, -np.inf, np.nan]}))
    assert (column.kind, column.n_odd, column.n_missing) == ("number", 2, 1)
    (column,) = describe(Table({"a": [np.inf, np.nan]}))
    assert column.kind == "empty"


def test_what_is_asked() -> None:
    table = Table({"zip": [1, 2, 3] * 3, "b": list(range(9)), "c": list(range(9))})
    kinds = [column.kind for column in describe(table, drop=["b"], categorical=["zip"])]
    assert kinds == ["category", "dropped", "number"]
    for wrong in ({"drop": ["bb"]}, {"categorical": ["bb"]}):
        with pytest.raises(ValueError, match="no column is named 'bb'"):
            describe(table, **wrong)  # type: ignore[arg-type]
