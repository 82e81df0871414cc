"""The history: its series, its table, its picture."""

import json

import numpy as np
import pytest
from fit_samples import HELD_OUT, X, Y, fit, network

import fastbp
from fastbp import EarlyStopping, History


def a_history(epochs=60):
    falling = np.geomspace(1, 0.1, epochs).tolist()
    measured = {"test_cost": falling, "test_accuracy": falling, "test_f1_macro": falling, "training_accuracy": falling}
    return History(
        falling, seconds=[1.0] * epochs, learning_rate=[0.5] * epochs, metrics=measured, best_epoch=31,
        data_sets={"test": ("cost", "accuracy", "f1_macro"), "training": ("accuracy",)}, stopped="early stopping: why",
    )  # fmt: skip


def test_series_by_name():
    history = fit(network(), 2, validation_data={"test": HELD_OUT}, metrics=["mae"])
    assert history["cost"].tolist() == history.cost and history["test_mae"].shape == (2,)
    assert history.names == ["cost", "test_cost", "test_accuracy", "test_mae"]
    with pytest.raises(KeyError, match="no series 'mae'; there are cost, "):
        history["mae"]
    assert [row[0] for row in history.rows()] == [1, 2]


def test_it_is_a_mapping_of_series_and_a_table_of_epochs():
    history = fit(network(), 2, validation_data={"test": HELD_OUT}, metrics=["mae"])
    as_dict = dict(history)
    assert list(as_dict) == list(history.keys()) == list(history.as_dict())
    assert {**history}["test_mae"].tolist() == history["test_mae"].tolist() == as_dict["test_mae"].tolist()
    assert [name for name, _ in history.items()] == list(as_dict) and len(history.values()) == len(as_dict)
    assert "cost" in history and "validation_cost" not in history and 3 not in history
    assert json.loads(json.dumps(list(history)))[1]["cost"] == history.cost[1] and len(list(history)) == 2
    assert list(History()) == []


def test_pandas_makes_a_table_of_it():
    pandas = pytest.importorskip("pandas")
    history = fit(network(), 3, validation_data=HELD_OUT)
    table = pandas.DataFrame(history)
    assert list(table) == list(history.keys()) and table["validation_cost"].tolist() == history.validation_cost


def test_keep_shortens_every_series():
    history = a_history()
    history.keep(3)
    assert all(len(values) == 3 for values in history.as_dict().values()) and len(history) == 3


@pytest.mark.parametrize(("epochs", "rows"), [(1, 1), (2, 2), (25, 25), (26, 26), (400, 26)])
def test_a_table_of_any_length(epochs, rows):
    history = a_history(epochs)
    history.best_epoch = min(31, epochs)
    lines = history.table().splitlines()
    assert rows - 1 <= len(lines) - 3 <= rows and max(map(len, lines)) <= 100
    numbers = [int(line.split()[0]) for line in lines[2:-1]]
    assert (
        numbers[0] == 1 and numbers[-1] == epochs and history.best_epoch in numbers and numbers == sorted(set(numbers))
    )
    assert [line.split()[0] for line in lines[2:-1] if " * " in line] == [str(history.best_epoch)]
    assert lines[-1] == "early stopping: why"


def test_the_table_of_a_fit_is_what_is_printed():
    history = fit(network(), 30, validation_data=HELD_OUT, early_stopping=EarlyStopping(patience=3))
    assert str(history) == history.table()
    head = history.table().splitlines()
    assert head[0].split() == ["epoch", "cost", "validation", "validation", "seconds", "samples", "learning"]
    assert str(History()) == "History(0 epochs)"


def test_the_picture_has_a_panel_for_everything_that_is_measured(tmp_path):
    pytest.importorskip("matplotlib")
    figure = a_history().plot(tmp_path / "history.png")
    assert (tmp_path / "history.png").stat().st_size > 10_000
    panels = {axes.get_ylabel(): [line.get_label() for line in axes.lines] for axes in figure.axes}
    assert panels == {"cost": ["during training", "test"], "accuracy (%)": ["test", "training"], "f1 macro": ["test"]}


def test_the_picture_of_one_data_set_is_as_it_was():
    pytest.importorskip("matplotlib")
    history = network().fit(X, Y, epochs=2, validation_data=HELD_OUT, metrics=["mae"])
    figure = history.plot()
    assert [axes.get_ylabel() for axes in figure.axes] == ["cost", "validation accuracy (%)", "mae"]


ALWAYS = {"cost", "seconds", "samples_per_second", "learning_rate"}


def test_history_with_validation_classes(formulation):
    net = network(formulation)
    history = fit(net, 4, validation_data=HELD_OUT)
    assert net.history is history and len(history) == 4 and not history.interrupted
    assert set(history.as_dict()) == ALWAYS | {"validation_cost", "validation_accuracy"}
    assert all(len(series) == 4 for series in history.as_dict().values())
    assert all(np.isfinite(series).all() for series in history.as_dict().values())
    evaluation = net.evaluate(*HELD_OUT)
    assert history.validation_cost[-1] == evaluation.cost
    assert history.validation_accuracy[-1] == evaluation.accuracy
    assert min(history.seconds) > 0 and min(history.samples_per_second) > 0


def test_history_without_validation(formulation):
    history = fit(network(formulation), 2)
    assert history.validation_cost == history.validation_accuracy == []
    assert set(history.as_dict()) == ALWAYS


def test_history_of_targets_that_are_no_classes():
    net = fastbp.Network([3, 2], cost="quadratic", seed=0)
    history = net.fit(X, X[:, :2], epochs=2, validation_data=(X, X[:, :2]))
    assert len(history.validation_cost) == 2 and history.validation_accuracy == []
    assert net.evaluate(X, X[:, :2]).accuracy is None


def test_the_cost_of_an_epoch_is_the_mean_of_the_costs_before_each_step(formulation):
    """Each mini-batch is weighted by its samples, also the last, shorter one."""
    net, by_hand = network(formulation, "float64"), network(formulation, "float64")
    history = fit(net, 1, optimizer=fastbp.SGD(0.5))
    order, total = by_hand._rng.permutation(23), 0.0
    for start in range(0, 23, 5):
        rows = order[start : start + 5]
        total += by_hand.evaluate(X[rows], Y[rows]).cost * len(rows)
        by_hand.parameters = by_hand.parameters - 0.5 * by_hand.gradient(X[rows], Y[rows]).vector
    assert history.cost == pytest.approx([total / 23], rel=1e-12)


def test_a_new_fit_has_a_new_history():
    net = network()
    first = fit(net, 3)
    second = fit(net, 2)
    assert net.history is second and len(first) == 3 and len(second) == 2


def test_repr_and_str():
    history = fit(network(), 2)
    assert repr(history).startswith("History(2 epochs; last: cost 0.")
    assert repr(History()) == "History(0 epochs)"
    assert str(fastbp.Evaluation(0.5, 0.25)) == "cost 0.5  accuracy 25.00%"
    assert str(fastbp.Evaluation(0.5)) == "cost 0.5"
