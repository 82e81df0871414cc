"""Tables as learning problems: classes or numbers, the split, the scaling, and its folding into the weights."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastbp
from fastbp.cli import tables as tabular
from fastbp.cli.tables import Scaling
from fastbp.data import Table

RNG = np.random.default_rng(0)


def table(X: Any, y: Any) -> Table:
    X = np.asarray(X, dtype=float)
    return Table(X, np.asarray(y), tuple(f"c{j}" for j in range(X.shape[1])), "t")


# Scaling


def test_scaled_columns_have_mean_0_and_deviation_1() -> None:
    X = RNG.normal(size=(500, 4)) * [1, 1e6, 1e-9, 3] + [0, 1e7, 5, -2]
    scaled = Scaling.of(X).apply(X)
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-5)  # float64 keeps only so many digits of 5 ± 1e-9
    np.testing.assert_allclose(scaled.std(axis=0), 1, rtol=1e-6)


@pytest.mark.parametrize("value", [0.0, 0.1, -7.3, 1e300, 5e-324])
def test_a_constant_column_is_scaled_to_0_whatever_it_is_later(value: float) -> None:
    # The mean of many 0.1 is not exactly 0.1: dividing by a deviation of 1e-17 would blow up every later value.
    X = np.column_stack([np.full(31, value), np.arange(31.0)])
    scaling = Scaling.of(X)
    assert scaling.deviation[0] == 0 and scaling.factor[0] == 0 and scaling.deviation[1] > 0
    assert scaling.apply(np.array([[value + 1, 15.0]])).tolist() == [[0, 0]]


def test_huge_and_tiny_columns_neither_overflow_nor_vanish() -> None:
    X = np.outer(np.arange(10.0), [1e300, 1e-300])
    with np.errstate(all="raise", under="ignore"):
        scaled = Scaling.of(X).apply(X)
    np.testing.assert_allclose(scaled[:, 0], scaled[:, 1], rtol=1e-12)
    np.testing.assert_allclose(scaled.std(axis=0), 1)


# Folding


@settings(max_examples=25, deadline=None)
@given(
    hidden=st.lists(st.integers(1, 9), max_size=3),
    n_in=st.integers(1, 7),
    n_out=st.integers(1, 4),
    seed=st.integers(0, 2**32 - 1),
)
def test_folding_changes_no_prediction(hidden: list[int], n_in: int, n_out: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    net = fastbp.Network([n_in, *hidden, n_out], activation="tanh", dtype="float64", seed=seed)
    net.parameters = rng.normal(size=net.parameters.size)
    X = rng.normal(size=(40, n_in)) * 10 ** rng.uniform(-6, 6, n_in)
    X += X.std(axis=0) * rng.uniform(-10, 10, n_in)
    Y = rng.normal(size=(40, n_out)) * 10 ** rng.uniform(-6, 6, n_out)
    inputs, targets = Scaling.of(X), Scaling.of(Y)
    before = net.predict(inputs.apply(X)) * targets.deviation + targets.mean
    parameters = net.parameters.copy()
    after = tabular.folded(net, inputs, targets).predict(X)
    np.testing.assert_allclose(after, before, rtol=1e-12, atol=1e-12 * np.abs(before).max())
    assert (net.parameters == parameters).all()


@pytest.mark.parametrize("output", ["softmax", "sigmoid"])
def test_folding_the_inputs_only_keeps_probabilities(output: str) -> None:
    net = fastbp.Network([3, 8, 4], output_activation=output, dtype="float64", seed=1)
    X = RNG.normal(size=(50, 3)) * [1, 1e3, 1e-3] + [5, 1e4, 0]
    scaling = Scaling.of(X)
    folded = tabular.folded(net, scaling)
    np.testing.assert_allclose(folded.predict(X), net.predict(scaling.apply(X)), rtol=1e-12)
    assert [a.name for a in folded.activations] == [a.name for a in net.activations]
    assert folded.cost is net.cost and folded.formulation == net.formulation


def test_a_constant_column_has_no_weight_after_folding() -> None:
    net = fastbp.Network([2, 5, 1], dtype="float64", seed=2)
    X = np.column_stack([np.full(20, 0.1), np.arange(20.0)])
    folded = tabular.folded(net, Scaling.of(X), Scaling.of(X[:, 1:]))
    assert (folded.weights[0][:, 0] == 0).all() and (folded.weights[0][:, 1] != 0).all()
    np.testing.assert_array_equal(folded.predict([[0.1, 3]]), folded.predict([[1e6, 3]]))


def test_a_constant_target_is_predicted_as_it_is() -> None:
    net = fastbp.Network([1, 5, 1], dtype="float64", seed=2)
    X = np.arange(20.0)[:, None]
    folded = tabular.folded(net, Scaling.of(X), Scaling.of(np.full((20, 1), 0.1)))
    np.testing.assert_array_equal(folded.predict(X), np.full((20, 1), 0.1))


def test_a_float32_network_is_folded_in_float64() -> None:
    # At a mean of 1.7e9, float32 cannot tell the seconds of a day apart.
    net = fastbp.Network([1, 6, 1], activation="tanh", seed=3)
    X = 1.7e9 + np.arange(100.0)[:, None]
    inputs = Scaling.of(X)
    folded = tabular.folded(net, inputs, Scaling(np.zeros(1), np.ones(1)))
    assert folded.dtype == np.float64
    np.testing.assert_allclose(folded.predict(X), net.predict(inputs.apply(X)), atol=1e-5)
    assert len(np.unique(folded.predict(X))) == 100


def test_targets_cannot_be_folded_into_other_outputs() -> None:
    net = fastbp.Network([1, 1], output_activation="sigmoid")
    with pytest.raises(ValueError, match="'sigmoid'; only identity"):
        tabular.folded(net, Scaling(np.zeros(1), np.ones(1)), Scaling(np.zeros(1), np.ones(1)))


# Targets


@pytest.mark.parametrize(
    ("y", "classes"),
    [
        (np.array(["a", "b"]), True),
        (np.array([True, False]), True),
        (np.arange(100) % 20, True),
        (np.arange(105) % 21, False),  # too many different values
        (np.arange(10) % 2, True),
        (np.arange(9) % 2, False),  # too few rows
        (np.arange(100) % 3 + 0.5, False),
        (np.zeros(100), False),
        ((np.arange(100) % 3)[:, None], True),
        (np.ones((100, 2)), False),
    ],
)
def test_targets_that_mean_classes(y: Any, classes: bool) -> None:
    assert tabular.means_classes(y) is classes


def test_classes_are_in_order_and_named() -> None:
    labels, names = tabular.encode_classes(np.array([10.0, 9.0, 10.0, -1.0]), "t")
    assert labels.tolist() == [2, 1, 2, 0] and names == ["-1", "9", "10"]
    labels, names = tabular.encode_classes(np.array([[0.5], [2.0]]), "t")
    assert labels.tolist() == [0, 1] and names == ["0.5", "2"]


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.array(["a", "a"]), "has 1 different value; .*name the right column"),
        (np.arange(1001).astype(str), "has 1001 different values; .*1000 are required: name the right column"),
        (np.arange(1001), "1001 different values; .*regress"),
        (np.ones((3, 2)), "has 2 columns"),
    ],
)
def test_targets_that_cannot_be_classes(y: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tabular.encode_classes(y, "t")


# Splits


@given(n=st.integers(2, 300), share=st.floats(0.001, 0.999), seed=st.integers(0, 99))
def test_every_row_is_on_one_side(n: int, share: float, seed: int) -> None:
    train, test = tabular.split_rows(n, share, seed)
    assert sorted([*train, *test]) == list(range(n))
    assert len(train) >= 1 and len(test) >= 1 and abs(len(test) - n * share) <= 1
    again = tabular.split_rows(n, share, seed)
    assert (again[0] == train).all() and (again[1] == test).all()


def test_another_seed_is_another_split() -> None:
    assert tabular.split_rows(100, 0.2, 0)[1].tolist() != tabular.split_rows(100, 0.2, 1)[1].tolist()


@pytest.mark.parametrize(("n", "share", "message"), [(10, 0, "is 0;"), (10, 1, "is 1;"), (1, 0.5, "has 1 row")])
def test_impossible_splits(n: int, share: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tabular.split_rows(n, share, 0)


# Problems


def test_the_scaling_is_that_of_the_training_rows() -> None:
    problem = tabular.problem_of_table(table(RNG.normal(size=(50, 2)), RNG.normal(size=50)))
    assert problem.inputs is not None and problem.targets is not None and problem.classes is None
    np.testing.assert_allclose(problem.inputs.mean, problem.X_train.mean(axis=0))
    X, y = problem.scaled(problem.X_train, problem.y_train)
    np.testing.assert_allclose([X.std(), y.std()], 1)
    assert problem.n_outputs == 1 and problem.metadata == {"features": ["c0", "c1"], "target": "t"}


def test_kinds_overrule_the_look_of_the_target() -> None:
    rows = table(np.arange(60.0)[:, None], np.arange(60) % 3)
    assert tabular.problem_of_table(rows).classes == ["0", "1", "2"]
    assert tabular.problem_of_table(rows, "regress").classes is None
    many = table(np.arange(60.0)[:, None], np.arange(60) % 30)
    assert tabular.problem_of_table(many).classes is None
    assert len(tabular.problem_of_table(many, "classify").classes or []) == 30


def test_a_finished_network_takes_and_gives_raw_numbers() -> None:
    X = RNG.normal(size=(200, 2)) * [1, 1000]
    problem = tabular.problem_of_table(table(X, 5000 + 300 * X[:, 0] + X[:, 1]))
    net = fastbp.Network([2, 1], dtype="float64", seed=0)
    net.fit(*problem.scaled(problem.X_train, problem.y_train), epochs=60, optimizer=fastbp.SGD(0.1), progress=False)
    np.testing.assert_allclose(problem.finished(net).predict(problem.X_test), problem.y_test, rtol=1e-6)


@pytest.mark.parametrize(
    ("X", "y", "kind", "message"),
    [
        (np.ones((20, 2)), np.arange(20.0), None, "no feature varies"),
        (np.arange(20.0)[:, None], np.array(["a", "b"] * 10), "regress", "'t' is text"),
    ],
)
def test_impossible_problems(X: Any, y: Any, kind: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tabular.problem_of_table(table(X, y), kind)
