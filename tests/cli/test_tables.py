"""Tables as learning problems: rows without a target, the split, and doubts."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastbp.cli import tables as tabular
from fastbp.data import Table
from fastbp.tables import Preprocessor

RNG = np.random.default_rng(0)


def table(n: int = 200, **more: Any) -> Table:
    X = np.random.default_rng(1).normal(size=(n, 2))
    return Table({"a": X[:, 0], "b": X[:, 1] * 1000, "t": (3 * X[:, 0]).tolist(), **more})


@given(n=st.integers(2, 300), share=st.floats(0.001, 0.999), seed=st.integers(0, 99), k=st.integers(1, 30))
def test_every_row_is_on_one_side(n: int, share: float, seed: int, k: int) -> None:
    labels = np.random.default_rng(seed).integers(0, k, n)
    for given_labels in (None, labels):
        train, test = tabular.split_rows(n, share, seed, given_labels)
        assert sorted([*train, *test]) == list(range(n))
        assert len(train) >= 1 and len(test) >= 1
        again = tabular.split_rows(n, share, seed, given_labels)
        assert (again[0] == train).all() and (again[1] == test).all()
        if given_labels is None:
            assert abs(len(test) - n * share) <= 1


@given(seed=st.integers(0, 99), share=st.floats(0.1, 0.5))
def test_classes_have_the_same_share_of_both_sides(seed: int, share: float) -> None:
    labels = np.repeat([0, 1, 2], [100, 40, 10])
    _, test = tabular.split_rows(150, share, seed, labels)
    for k, n in ((0, 100), (1, 40), (2, 10)):
        assert abs((labels[test] == k).sum() - n * len(test) / 150) <= 1


def test_the_only_row_of_a_class_is_learned() -> None:
    labels = np.array([0] * 9 + [1] + [2] * 11)
    assert all(9 in tabular.split_rows(21, share, 0, labels)[0] for share in np.linspace(0.1, 0.7, 30))


def test_another_seed_is_another_split() -> None:
    assert tabular.split_rows(100, 0.2, 0)[1].tolist() != tabular.split_rows(100, 0.2, 1)[1].tolist()


@pytest.mark.parametrize(("n", "share", "message"), [(10, 0, "is 0;"), (10, 1, "is 1;"), (1, 0.5, "has 1 row")])
def test_impossible_splits(n: int, share: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tabular.split_rows(n, share, 0)


def test_the_rows_are_shared_out() -> None:
    problem = tabular.problem_of_table(table(), ["t"])
    assert (len(problem.training), len(problem.y), len(problem.test), len(problem.y_test)) == (160, 160, 40, 40)
    assert problem.training.names == problem.test.names == ("a", "b") and problem.table is not None
    expected = np.sort(problem.table["t"])
    np.testing.assert_array_equal(np.sort(np.concatenate([problem.y, problem.y_test])[:, 0]), expected)
    assert problem.n_outputs == 1 and problem.classes is None and problem.metadata["target"] == "t"


def test_kinds_overrule_the_look_of_the_target() -> None:
    rows = table(60, t=np.arange(60) % 3)
    assert tabular.problem_of_table(rows, ["t"]).classes == ["0", "1", "2"]
    assert tabular.problem_of_table(rows, ["t"], "regress").classes is None
    assert len(tabular.problem_of_table(table(60, t=np.arange(60) % 30), ["t"], "classify").classes or []) == 30


def test_rows_without_a_target_are_left_out_and_counted() -> None:
    t = [*range(197), None, None, ">5"]
    problem = tabular.problem_of_table(table(t=t), ["t"])
    assert problem.classes is None and problem.table is not None and len(problem.table) == 197
    assert problem.notes == [
        "2 rows without a target left out", "1 row left out, whose target is not a number (row 200: '>5')"
    ]  # fmt: skip
    with pytest.raises(ValueError, match="no value in any row"):
        tabular.problem_of_table(table(t=[None] * 200), ["t"])


def test_a_test_table() -> None:
    test = table(50, t=[*range(48), None, 1], more=["x"] * 50)
    problem = tabular.problem_of_table(table(), ["t"], test=test)
    assert len(problem.test) == 49 and len(problem.training) == 200
    assert problem.notes == ["1 row of the test file without a target left out"]
    labels = table(50, t=["p", "q", "z"] + ["p"] * 47)
    problem = tabular.problem_of_table(table(t=["p", "q"] * 100), ["t"], test=labels)
    assert problem.notes == ["1 row of the test file left out, whose target is not one of the classes (row 3: 'z')"]


@pytest.mark.parametrize(
    ("columns", "n", "warning"),
    [
        ({}, 60, "only 12 rows to test on"),
        ({"t": ["a", "b"] * 99 + ["c", "a"]}, 200, "classes with one row only: 'c'"),
        ({"t": ["a", "b"] * 100, "alive": ["yes", "no"] * 100}, 200, "'alive' alone tells the target in every row"),
        ({f"c{j}": RNG.normal(size=200) for j in range(180)}, 200, "182 features for 160 training rows"),
    ],
)
def test_doubts(columns: dict[str, Any], n: int, warning: str) -> None:
    def doubts(given: Table) -> list[str]:
        problem = tabular.problem_of_table(given, ["t"])
        return tabular.doubts(problem, Preprocessor(numbers="both").fit(problem.training))

    found = doubts(table(n, **columns))
    assert any(line.startswith(warning) for line in found), found
    assert doubts(table()) == []


def test_an_impossible_problem() -> None:
    with pytest.raises(ValueError, match="'t' is text"):
        tabular.problem_of_table(table(t=["a", "b"] * 100), ["t"], "regress")


def test_targets_by_name_and_place() -> None:
    rows = Table({"a": [1], "2": [1], "Z_0": [1], "Z_1": [1]})
    found = [tabular.targets_of(asked, rows) for asked in ("a", "2", "3", "-1", "Z")]
    assert found == [["a"], ["2"], ["Z_0"], ["Z_1"], ["Z_0", "Z_1"]]
    assert tabular.targets_of(None, Table({"x0": [1], "y": [1]})) == ["y"]
    for asked in ("5", "-5", "b"):
        with pytest.raises(ValueError, match="no column is named"):
            tabular.targets_of(asked, rows)
    with pytest.raises(ValueError, match=r"give --target, .*'a', '2'"):
        tabular.targets_of(None, rows)
