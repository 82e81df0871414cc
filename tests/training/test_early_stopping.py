"""Early stopping: when it stops, the best epoch comes back bit for bit, the held-out samples."""

import numpy as np
import pytest
from conftest import OPTIMIZERS, state_of
from fit_samples import HELD_OUT, X, Y, fit, network, state

import fastbp
from fastbp import EarlyStopping
from fastbp.training.early_stopping import Best


def scripted(values):
    """A metric that returns these values, epoch by epoch."""
    left = iter(values)
    return {"said": lambda outputs, Y: next(left)}


def stopped_by(values, epochs=20, **options):
    net = network()
    stopping = EarlyStopping("said", **{"patience": 2, "mode": "max", **options})
    return net, fit(net, epochs, validation_data=HELD_OUT, metrics=scripted(values), early_stopping=stopping)


@pytest.mark.parametrize(
    ("values", "options", "epochs", "best"),
    [
        ([1, 2, 3, 3, 3, 9], {}, 5, 3),
        ([1, 2, 3, 2, 4, 4, 4, 9], {}, 7, 5),
        ([3, 2, 1, 1, 1, 0], {"mode": "min"}, 5, 3),
        ([1, 1.5, 2.5, 2.6, 9], {"min_delta": 1}, 5, 5),
        ([1, 2, 1, 1, 1, 1, 9], {"patience": 4}, 6, 2),
        ([np.nan, 1, np.nan, np.nan, 9], {}, 4, 2),
        ([1, 1, 9], {"patience": 1}, 2, 1),
    ],
)
def test_when_it_stops(values, options, epochs, best):
    net, history = stopped_by(
        [*values, 0, 0, 0, 0], **options, epochs=epochs if values[-1] == 9 and best == epochs else 20
    )
    assert len(history) == epochs and history.best_epoch == best
    if best < epochs:
        assert f"validation_said has not improved for {options.get('patience', 2)} epoch" in history.stopped
    whole = network()
    fit(whole, best)
    assert state(net) == state(whole)


def test_the_last_epoch_is_no_early_stop():
    net, history = stopped_by([1, 0, 0], epochs=3)
    assert len(history) == 3 and history.stopped is None and history.best_epoch == 1
    whole = network()
    fit(whole, 1)
    assert state(net) == state(whole)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_same_bits_as_a_fit_of_so_many_epochs(formulation, optimizer):
    """Weights, moments and generator are equal, and further training gives equal bits too."""
    net, whole = network(formulation), network(formulation)
    mine, other = OPTIMIZERS[optimizer](), OPTIMIZERS[optimizer]()
    history = fit(net, 60, optimizer=mine, validation_data=HELD_OUT, early_stopping=EarlyStopping(patience=2))
    fit(whole, history.best_epoch, optimizer=other)
    assert state(net) == state(whole)
    assert net.evaluate(*HELD_OUT).cost == min(history.validation_cost)
    fit(net, 2, optimizer=mine)
    fit(whole, 2, optimizer=other)
    assert state(net) == state(whole)


def test_without_restoring_the_last_epoch_stays():
    net, history = stopped_by([1, 0, 0, 9], restore_best=False)
    whole = network()
    fit(whole, 3)
    assert len(history) == 3 and history.best_epoch == 1 and state(net) == state(whole)


def test_ctrl_c_leaves_the_last_whole_epoch():
    net = network()

    def said(outputs, Y):
        if len(net.history) == 2:
            raise KeyboardInterrupt
        return -len(net.history)

    stopping = EarlyStopping("said", mode="max")
    with pytest.warns(RuntimeWarning, match="interrupted after 2 of 9 epochs"):
        history = fit(net, 9, validation_data=HELD_OUT, metrics={"said": said}, early_stopping=stopping)
    whole = network()
    fit(whole, 2)
    assert state(net) == state(whole) and history.best_epoch == 1


def test_which_series_is_watched():
    for monitor, data, series in (
        ("cost", HELD_OUT, "validation_cost"),
        ("accuracy", HELD_OUT, "validation_accuracy"),
        ("validation_mae", HELD_OUT, "validation_mae"),
        ("test_cost", {"training": (X, Y), "test": HELD_OUT}, "test_cost"),
        ("cost", {"training": (X, Y), "validation": HELD_OUT}, "validation_cost"),
        ("mae", {"test": HELD_OUT}, "test_mae"),
        ("training_cost", {"training": (X, Y), "test": HELD_OUT}, "training_cost"),
    ):
        history = fit(
            network(), 200, optimizer=fastbp.SGD(3.0), validation_data=data, metrics=["mae"],
            early_stopping=EarlyStopping(monitor, patience=3),
        )  # fmt: skip
        assert series in history.stopped
        best = np.argmax(history[series]) if "accuracy" in series else np.argmin(history[series])
        assert history.best_epoch == best + 1


# A goal


@pytest.mark.parametrize(
    ("values", "options", "epochs", "best"),
    [
        ([1, 2, 3, 9], {"goal": 3}, 3, 3),
        ([3, 2, 1, 0], {"goal": 1.5, "mode": "min"}, 3, 3),
        ([1, 3, 2, 2, 3, 9], {"goal": 9, "patience": None}, 6, 6),
        ([1, 2, 2, 2, 9], {"goal": 9}, 4, 2),  # patience ends first
        ([1, 2, 3, 9], {"goal": 2.5, "min_delta": 5}, 3, 3),  # the goal is an improvement, however small
        ([np.nan, -1, 9], {"goal": 0, "patience": 9}, 3, 3),
    ],
)
def test_a_goal_ends_the_training(values, options, epochs, best):
    net, history = stopped_by([*values, 0, 0], **options)
    assert len(history) == epochs and history.best_epoch == best
    last = values[epochs - 1]
    reached, waited = f"goal reached: validation_said is {last}", "early stopping: validation_said has not improved"
    assert history.stopped == (reached if best == epochs else f"{waited} for 2 epochs")
    whole = network()
    fit(whole, best)
    assert state(net) == state(whole)


@pytest.mark.parametrize("optimizer", ["rmsprop", "rprop", "lbfgs", "conjugate_gradient", "levenberg_marquardt"])
@pytest.mark.parametrize("data", [{}, {"validation_data": HELD_OUT}], ids=["", "with validation data"])
def test_the_training_cost_reaches_a_goal_with_every_kind_of_optimizer(optimizer, data):
    net = fastbp.Network([3, 4, 2], activation="tanh", cost="squared_error", dtype="float64", seed=0)
    stopping = EarlyStopping("training_cost", patience=None, goal=0.4)
    history = net.fit(X, Y, epochs=300, optimizer=optimizer, early_stopping=stopping, **data)
    assert 1 < len(history) < 300 and history.best_epoch == len(history)
    assert history.cost[-1] <= 0.4 < min(history.cost[:-1])
    assert history.stopped == f"goal reached: cost is {history.cost[-1]:.4g}"


def test_without_patience_all_epochs_are_done_and_the_best_comes_back():
    net, history = stopped_by([1, 3, 0, 0, 0, 0], epochs=6, patience=None)
    assert len(history) == 6 and history.best_epoch == 2 and history.stopped is None
    whole = network()
    fit(whole, 2)
    assert state(net) == state(whole)


# The share that is held out


def test_the_held_out_share_is_the_same_in_every_fit_and_takes_no_part():
    once, twice, by_hand = network(), network(), network()
    fit(once, 4, validation_split=0.25)
    optimizer = fastbp.Momentum(0.1)
    first = fit(twice, 2, optimizer=optimizer, validation_split=0.25)
    second = fit(twice, 2, optimizer=optimizer, validation_split=0.25)
    assert state(once) == state(twice)
    assert once.history.validation_cost == first.validation_cost + second.validation_cost
    shuffled = np.random.default_rng(by_hand._own_seed).permutation(23)
    held_out, kept = np.sort(shuffled[:6]), np.sort(shuffled[6:])
    by_hand.fit(X[kept], Y[kept], epochs=4, batch_size=5, optimizer=fastbp.Momentum(0.1))
    assert state(once) == state(by_hand)
    assert once.history.validation_cost[-1] == once.evaluate(X[held_out], Y[held_out]).cost


def test_another_seed_holds_out_other_samples():
    assert network(seed=1)._own_seed != network(seed=2)._own_seed
    assert network(seed=1)._own_seed == network(seed=1)._own_seed


WRONG = {
    "patience 0": (lambda: EarlyStopping(patience=0), ValueError, "patience is 0; it must be at least 1"),
    "patience 1.5": (lambda: EarlyStopping(patience=1.5), TypeError, "patience is 1.5; it must be a whole number"),
    "min_delta": (lambda: EarlyStopping(min_delta=-1), ValueError, "min_delta is -1; it must be at least 0"),
    "min_delta NaN": (lambda: EarlyStopping(min_delta=float("nan")), ValueError, "min_delta is nan"),
    "goal": (lambda: EarlyStopping(goal="low"), TypeError, "goal is 'low'"),
    "goal NaN": (lambda: EarlyStopping(goal=float("nan")), ValueError, "goal is nan"),
    "mode": (lambda: EarlyStopping(mode="up"), ValueError, "mode is 'up'; it must be 'min' or 'max'"),
    "restore": (lambda: EarlyStopping(restore_best=1), TypeError, "restore_best is 1"),
    "monitor": (lambda: EarlyStopping(3), TypeError, "monitor is 3"),
    "unknown": (lambda: EarlyStopping("r2"), ValueError, "monitor is 'r2'; there is no such series, only cost, valid"),
    "no object": (lambda: 3, TypeError, "early_stopping is 3; it must be a fastbp.EarlyStopping"),
    "own metric": (
        lambda: EarlyStopping("own"),
        ValueError,
        "greater values of 'validation_own' are better: give mode",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments_are_refused_before_anything_changes(name):
    make, error, message = WRONG[name]
    net = network()
    fit(net, 1)
    before = state_of(net)
    with pytest.raises(error, match=message):
        fit(net, 3, validation_data=HELD_OUT, early_stopping=make(), metrics={"own": lambda *_: 1.0})
    assert state_of(net) == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"early_stopping": EarlyStopping()}, "early_stopping needs validation data"),
        (
            {"early_stopping": EarlyStopping(), "validation_data": {"a": HELD_OUT, "b": HELD_OUT}},
            "monitor is 'cost', which could be any of a_cost, b_cost: give the whole name",
        ),
        ({"validation_split": 0.2, "validation_data": HELD_OUT}, "both validation_data and validation_split"),
        ({"validation_split": 0.01}, "holds out 0 of 23 samples; at least one"),
        ({"validation_split": 0.99}, "holds out 23 of 23 samples; at least one"),
        ({"validation_split": 1}, "validation_split is 1; it must be at least 0 and less than 1"),
        ({"validation_split": -0.5}, "validation_split is -0.5"),
    ],
)
def test_wrong_combinations(options, message):
    net = network()
    before = state_of(net)
    with pytest.raises(ValueError, match=message):
        fit(net, **options)
    assert state_of(net) == before


def test_best_by_hand():
    best = Best("x", greater=False, min_delta=0.5)
    assert best.improves(2.0)
    best.keep(2.0, 1)
    assert not best.improves(1.5) and best.waited == 1  # not by more than 0.5
    assert best.improves(1.4) and best.waited == 0


def test_without_validation_data_the_cost_of_training_is_watched_when_asked_for():
    net = network()
    history = fit(net, 60, optimizer=fastbp.SGD(30.0), early_stopping=EarlyStopping("cost", patience=3))
    assert history.best_epoch == 1 + int(np.argmin(history.cost)) and len(history) == history.best_epoch + 3
    assert history.stopped == "early stopping: cost has not improved for 3 epochs"
    for monitor in (None, "accuracy"):
        with pytest.raises(ValueError, match=r"needs validation data: .* EarlyStopping\(monitor=\"cost\"\)"):
            fit(network(), 1, early_stopping=EarlyStopping(monitor))
