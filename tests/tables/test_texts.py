"""A column of text: codes, and what they mean."""

import numpy as np

from fastbp.tables import Table
from fastbp.tables.texts import Texts


def test_equal_values_become_one_and_missing_ones_none() -> None:
    texts = Texts.coded(np.array([0, 1, 2, 3, -1]), ["b", None, "b", "a"])
    assert texts.values == ["b", "a"] and texts.tolist() == ["b", None, "b", "a", None]
    assert texts.missing.tolist() == [False, True, False, False, True]
    assert len(texts) == 5 and texts.counts() == {"b": 2, "a": 1}


def test_some_rows_have_the_values_of_all_and_their_own_counts() -> None:
    some = Texts.of(["a", "b", None, "a"])[1:]
    assert some.values == ["a", "b"] and some.counts() == {"b": 1, "a": 1}
    assert some[np.array([1])].counts() == {}


def test_each_text_of_some_rows_once() -> None:
    texts = Texts.of(["a", "b", None, "a", "c", "b"])
    length = texts.each("length", lambda values: np.array([len(value) for value in values]), 0)
    some = texts[2:]
    assert some.once().tolist() == list(some.counts()) == ["a", "b", "c"] and texts[1:3].once().tolist() == ["b"]
    assert some.once().each("length", lambda values: length[:0], 0).tolist() == [1, 1, 1]  # is known already


def test_a_meaning_is_found_once_for_all_rows() -> None:
    asked = []

    def lengths(values: list[str]) -> np.ndarray:
        asked.append(values)
        return np.array([len(value) for value in values], float)

    texts = Texts.of(["a", "bcd", None])
    assert texts.each("length", lengths, np.nan)[:2].tolist() == [1, 3]
    assert texts[1:].each("length", lengths, np.nan)[:1].tolist() == [3]
    assert asked == [["a", "bcd"]]


def test_a_column_without_texts() -> None:
    texts = Texts.of([None, None])
    assert texts.counts() == {} and texts.tolist() == [None, None] and texts.expanded().dtype == object
    assert np.isnan(texts.each("x", lambda values: np.array(values, float), np.nan)).all()


def test_a_table_gives_objects() -> None:
    table = Table({"a": ["x", "?", " y"]})
    assert table["a"].tolist() == ["x", None, "y"] and table.rows(slice(1, 3))["a"].tolist() == [None, "y"]
    assert table.renamed(["b"])["b"].tolist() == ["x", None, "y"]
