"""Metrics: their values by hand, and the data sets on which they are measured."""

import numpy as np
import pytest
from conftest import state_of
from fit_samples import HELD_OUT, X, Y, fit, network

import fastbp
from fastbp.training import metrics


def value(name, outputs, Y):
    (metric,) = metrics.chosen(name, outputs.shape[1])
    return metric(outputs, Y)


def test_by_hand():
    outputs = np.array([[0.9, 0.1, 0.0], [0.2, 0.3, 0.5], [0.4, 0.4, 0.2], [0.1, 0.8, 0.1]])
    Y = np.eye(3)[[0, 1, 1, 1]]
    assert value("accuracy", outputs, Y) == 0.5  # the first of equal outputs is the prediction
    assert value("top_2", outputs, Y) == 1
    assert value("top_1", outputs, Y) == 0.5
    assert value("f1_macro", outputs, Y) == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
    assert value("precision_macro", outputs, Y) == pytest.approx((1 / 2 + 1 + 0) / 3)
    assert value("recall_macro", outputs, Y) == pytest.approx((1 + 1 / 3 + 0) / 3)
    assert value("roc_auc", outputs, np.eye(3)[[0, 0, 1, 1]]) == (3 / 4 + 1) / 2  # no sample is in class 2
    assert value("log_loss", outputs, Y) == pytest.approx(-np.log([0.9, 0.3, 0.4, 0.8]).mean())
    single, yes = outputs[:, 1:2], Y[:, 1:2]
    assert [value(name, single, yes) for name in ("precision_binary", "recall_binary")] == [1, pytest.approx(1 / 3)]
    assert value("log_loss", single, yes) == pytest.approx(-np.log([0.9, 0.3, 0.4, 0.8]).mean())
    assert value("roc_auc", np.array([[0.5], [0.5], [0.2]]), np.array([[1], [0], [0]])) == (0.5 + 1) / 2  # a tie
    assert value("mae", outputs[:, :1], Y[:, :1]) == pytest.approx((0.1 + 0.2 + 0.4 + 0.1) / 4)
    assert value("r2", np.array([[1.0], [3.0]]), np.array([[1.0], [2.0]])) == pytest.approx(1 - 1 / 0.5)


def test_edges_that_divide_by_zero():
    constant = np.ones((3, 1))
    assert value("r2", constant, constant) == 1
    assert value("r2", constant + 1, constant) == 0
    for name in ("f1_binary", "precision_binary", "recall_binary"):
        assert value(name, np.zeros((3, 1)), np.zeros((3, 1))) == 0
    assert np.isnan(value("roc_auc", np.ones((3, 1)), np.zeros((3, 1))))
    assert np.isfinite(value("log_loss", np.eye(2, dtype=np.float32), np.eye(2)[::-1]))


def test_metrics_are_measured_on_every_data_set(formulation):
    net = network(formulation)

    def right(outputs, Y):
        return (outputs.argmax(axis=1) == Y.argmax(axis=1)).sum()

    history = fit(
        net, 2, metrics=["accuracy", "f1_macro", right], validation_data={"training": (X, Y), "test": HELD_OUT}
    )
    assert set(history.as_dict()) == {
        "cost", "seconds", "samples_per_second", "learning_rate",
        *(f"{data}_{name}" for data in ("training", "test") for name in ("cost", "accuracy", "f1_macro", "right")),
    }  # fmt: skip
    for data, given in (("training", (X, Y)), ("test", HELD_OUT)):
        evaluation = net.evaluate(*given)
        assert history[f"{data}_cost"][-1] == evaluation.cost
        assert history[f"{data}_accuracy"][-1] == evaluation.accuracy
        assert history[f"{data}_right"][-1] == round(evaluation.accuracy * len(given[0]))
    assert history.validation_cost == []


def test_every_metric_by_name_can_be_watched():
    names = [*metrics.METRICS, "top_1"]
    for name in names:
        stopping = fastbp.EarlyStopping(name, patience=1)
        history = fit(network(), 3, metrics=names, validation_data=HELD_OUT, early_stopping=stopping)
        best = np.argmin if name in ("mae", "log_loss") else np.argmax
        assert history.best_epoch == 1 + best(history[f"validation_{name}"])


def test_validation_data_and_metrics_do_not_change_a_bit():
    plain, measured = network(), network()
    fit(plain)
    fit(measured, validation_data={"training": (X, Y)}, metrics=["mae", "r2"])
    assert plain.parameters.tobytes() == measured.parameters.tobytes()


def test_own_metrics_have_names():
    history = fit(
        network(), 1, validation_data=HELD_OUT, metrics={"first": lambda A, Y: A[0, 0], "half": lambda *_: 0.5}
    )
    assert history["validation_half"].tolist() == [0.5] and len(history["validation_first"]) == 1


def test_a_metric_that_returns_no_number_ends_the_training_with_the_last_whole_epoch():
    net, calls = network(), []

    def moody(outputs, Y):
        calls.append(1)
        return "many" if len(calls) == 3 else 1.0

    with pytest.raises(TypeError, match="the metric 'moody' returned 'many'; it must return a number"):
        fit(net, 4, validation_data=HELD_OUT, metrics=[moody])
    assert len(net.history) == 2 and net.history["validation_moody"].tolist() == [1, 1]


WRONG = {
    "unknown": ({"metrics": ["acuracy"]}, ValueError, "unknown metric 'acuracy'; did you mean 'accuracy'"),
    "k too large": ({"metrics": ["top_2"]}, ValueError, "'top_2' is always 1 for 2 outputs"),
    "a number": ({"metrics": 3}, TypeError, "metrics is 3; it must be a list of names and functions"),
    "a number in a list": ({"metrics": [3]}, TypeError, "the metric 'int' is 3; it must be a function"),
    "twice": ({"metrics": ["mae", "mae"]}, ValueError, "the name 'mae' twice"),
    "cost": ({"metrics": {"cost": max}}, ValueError, "the name 'cost' twice"),
    "no validation data": ({"validation_data": None, "metrics": ["mae"]}, ValueError, "give validation_data or valid"),
    "no pair": ({"validation_data": {"test": X}}, ValueError, r"validation_data\['test'\] must be a pair \(X, Y\)"),
    "no words": ({"validation_data": {1: HELD_OUT}}, TypeError, "validation_data has the key 1"),
    "another width": ({"validation_data": (X[:, :2], Y)}, ValueError, "validation X has 2 features, but the network"),
    "another length": ({"validation_data": {"test": (X, Y[:4])}}, ValueError, "test Y has 4 rows, but X has 23"),
    "no classes": (
        {"validation_data": (X, np.full((23, 2), 0.5)), "metrics": ["f1_macro"]}, ValueError,
        "'f1_macro' needs classes",
    ),
    "same series": (
        {"validation_data": {"learning": HELD_OUT}, "metrics": {"rate": max}}, ValueError, "'learning_rate'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments_are_refused_before_anything_changes(name):
    options, error, message = WRONG[name]
    net = network()
    fit(net, 1)
    before = state_of(net)
    with pytest.raises(error, match=message):
        fit(net, 3, **{"validation_data": HELD_OUT, **options})
    assert state_of(net) == before


def test_metrics_of_class_one_are_for_two_classes():
    for name in ("f1", "precision", "recall"):
        with pytest.raises(ValueError, match=f"'{name}_binary' is for two classes, but .* 3: use '{name}_macro'"):
            metrics.chosen([f"{name}_binary"], 3)


def test_an_evaluation_has_what_was_asked_for():
    assert fastbp.Evaluation(0.5, None, {"r2": 0.25}).values() == {"cost": 0.5, "r2": 0.25}
