"""`Table`: the four kinds of columns, what they are made of, and rows and columns of it."""

import datetime
import decimal
from typing import Any

import numpy as np
import pytest

from fastbp.tables import Table

DATE = datetime.datetime(2024, 2, 3, 4, 5)


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([1, None, 2.5], "f", [1, None, 2.5]),
        ([decimal.Decimal("1.5"), None], "f", [1.5, None]),
        (np.array([1, 2], ">i4"), "f", [1, 2]),
        (np.array([1, np.nan], np.float16), "f", [1, None]),
        (np.ma.masked_array([1, 2], [False, True]), "f", [1, None]),
        ([2**60, 2**60 + 1], "O", ["1152921504606846976", "1152921504606846977"]),
        (np.array([2**60, 2**60 + 1]), "O", ["1152921504606846976", "1152921504606846977"]),
        (np.array([2**64 - 1], np.uint64), "O", ["18446744073709551615"]),
        (["a ", "NA", "?", "", "-", None, float("nan")], "O", ["a", None, None, None, None, None, None]),
        (np.array(["a", "n/a"]), "O", ["a", None]),
        ([1, "a", 2.0, True], "O", ["1", "a", "2", "True"]),
        ([True, False], "b", [True, False]),
        ([True, None], "O", ["True", None]),
        ([DATE, None], "M", [DATE, None]),
        (np.array(["2024-02-03T04:05", "NaT"], "M8[s]"), "M", [DATE, None]),
        (np.array([1, 2], "m8[D]"), "f", [1, 2]),
        ([], "O", []),
    ],
)
def test_kinds_of_columns(values: Any, kind: str, expected: list[Any]) -> None:
    column = Table({"column": values})["column"]
    assert column.dtype.kind == kind
    assert [None if x != x else x for x in column.tolist()] == expected
    table = Table({"c": values})
    assert table.missing("c").tolist() == [x is None for x in expected] and len(table) == len(expected)


def test_what_is_no_column() -> None:
    for values, message in (
        ("text", "must be a sequence"), (3, "must be a sequence"), (np.zeros((2, 2)), "must have one axis"),
        ([[1], [2]], "holds lists"), (np.array([1j]), "complex128"),
    ):  # fmt: skip
        with pytest.raises((TypeError, ValueError), match=message):
            Table({"c": values})
    with pytest.raises(ValueError, match="column 'a' has 1 rows, but 'b' has 2"):
        Table({"a": [1], "b": [1, 2]})
    with pytest.raises(TypeError, match="name 1 is a int"):
        Table({1: [1]})  # type: ignore[dict-item]


def test_rows_and_columns() -> None:
    table = Table({"a": [1, 2, 3], "b": ["x", "y", "z"]})
    table.lines, table.bad_rows = np.array([2, 4, 5]), {1: "why"}
    part = table.rows(np.array([False, True, True]))
    assert part["a"].tolist() == [2, 3] and part.where(0) == "line 4" and part.bad_rows == {0: "why"}
    assert table.select(["b"]).names == ("b",) and table.drop(["b"]).names == ("a",) and "a" in table
    assert table.select(["b", "a"]).names == ("b", "a") and table.names == ("a", "b")
    assert np.shares_memory(table.drop(["b"])["a"], table["a"])
    for ask in (lambda: table["bb"], lambda: table.drop(["bb"]), lambda: table.select(["bb"])):
        with pytest.raises(ValueError, match="no column is named 'bb'; did you mean 'b'"):
            ask()


def test_of_rows() -> None:
    assert Table.of([[1, "a"], [2, None]])["x1"].tolist() == ["a", None]
    assert Table.of(np.array([[1, 2]]), ["p", "q"]).names == ("p", "q")
    table = Table.of(np.zeros((0, 2)))
    assert Table.of(table) is table and len(table) == 0
    for data, names, message in (
        (np.zeros(3), None, r"shape \(3,\)"), ([[1], [2, 3]], None, "cannot be read"),
        (np.eye(2), ["a"], "a different text for each of the 2"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            Table.of(data, names)
