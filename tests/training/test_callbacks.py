"""Callbacks: when they are called, what they can do, and what remains if one raises; CSVLogger and Checkpoint."""

import csv

import numpy as np
import pytest
from conftest import OPTIMIZERS, state_of
from fit_samples import HELD_OUT, X, Y, fit, network, state

import fastbp
from fastbp import Callback, Checkpoint, CSVLogger


class Diary(Callback):
    def __init__(self):
        self.entries = []

    def on_train_begin(self, run):
        self.entries.append(("train begins", run.epoch, len(run.history)))

    def on_epoch_begin(self, run):
        self.entries.append(("begins", run.epoch, len(run.history)))

    def on_epoch_end(self, run):
        self.entries.append(("ends", run.epoch, len(run.history)))
        assert run.net.history is run.history and run.epochs == 2
        assert (
            run.history.validation_cost[-1] == run.net.evaluate(*HELD_OUT).cost
        )  # measured with the weights of this epoch

    def on_train_end(self, run):
        self.entries.append(("train ends", run.epoch, len(run.history)))


def test_when_callbacks_are_called(formulation):
    diary, plain, watched = Diary(), network(formulation), network(formulation)
    fit(plain, 2)
    fit(watched, 2, validation_data=HELD_OUT, callbacks=[diary, Callback()])
    assert diary.entries == [
        ("train begins", 0, 0), ("begins", 1, 0), ("ends", 1, 1), ("begins", 2, 1), ("ends", 2, 2),
        ("train ends", 2, 2),
    ]  # fmt: skip
    assert state(plain) == state(watched)


class StopAfter(Callback):
    def __init__(self, epochs):
        self.epochs = epochs

    def on_epoch_end(self, run):
        run.stop = run.epoch == self.epochs


@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_a_callback_can_stop_the_training(epochs, formulation):
    net, whole = network(formulation), network(formulation)
    history = fit(net, 3, callbacks=[StopAfter(epochs)])
    fit(whole, epochs)
    assert len(history) == epochs and state(net) == state(whole)
    assert history.stopped == (None if epochs == 3 else "stopped by a callback")


def raising(method, epoch, error):
    class Raising(Callback):
        pass

    def raises(self, run):
        if run.epoch == epoch:
            raise error

    setattr(Raising, method, raises)
    return Raising()


@pytest.mark.parametrize(
    ("method", "epoch", "left"),
    [
        ("on_train_begin", 0, 0), ("on_epoch_begin", 1, 0), ("on_epoch_begin", 3, 2), ("on_epoch_end", 1, 1),
        ("on_epoch_end", 2, 2), ("on_epoch_end", 4, 4), ("on_train_end", 4, 4),
    ],
)  # fmt: skip
@pytest.mark.parametrize("error", [ZeroDivisionError("on purpose"), KeyboardInterrupt("on purpose")])
def test_a_callback_that_raises_leaves_the_last_whole_epoch(method, epoch, left, error, formulation):
    net, whole = network(formulation), network(formulation)
    arguments = {"validation_data": HELD_OUT, "callbacks": [raising(method, epoch, error)]}
    if isinstance(error, KeyboardInterrupt) and method != "on_train_end":
        with pytest.warns(RuntimeWarning, match=f"interrupted after {left} of 4 epochs"):
            fit(net, 4, **arguments)
    else:
        with pytest.raises(type(error), match="on purpose"):
            fit(net, 4, **arguments)
    assert len(net.history) == len(net.history.validation_cost) == left
    if left:
        fit(whole, left)
        assert state(net) == state(whole)
    else:
        assert net.parameters.tobytes() == whole.parameters.tobytes()


class Negate(Callback):
    """Negates all weights after the first epoch."""

    def on_epoch_end(self, run):
        if run.epoch == 1:
            run.net.parameters[:] *= -1


def test_weights_that_a_callback_changes_are_trained_on(formulation):
    net, by_hand, optimizer = network(formulation), network(formulation), fastbp.Momentum(0.1)
    fit(net, 3, callbacks=[Negate()])
    fit(by_hand, 1, optimizer=optimizer)
    by_hand.parameters[:] *= -1
    fit(by_hand, 2, optimizer=optimizer)
    assert state(net) == state(by_hand)


@pytest.mark.parametrize("given", [3, [3], [Callback], [lambda run: None]])
def test_other_objects_are_refused_as_callbacks(given):
    net = network()
    before = state_of(net)
    with pytest.raises(TypeError, match=r"callbacks.* must be a"):
        fit(net, callbacks=given)
    assert state_of(net) == before


# The CSV logger


def test_the_csv_has_the_history(tmp_path):
    path = tmp_path / "log.csv"
    history = fit(network(), 3, validation_data={"test": HELD_OUT}, metrics=["mae"], callbacks=[CSVLogger(path)])
    with path.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    for name, values in history.as_dict().items():
        assert [float(row[name]) for row in rows] == values.tolist()  # with all digits
    assert list(tmp_path.iterdir()) == [path]


def test_the_csv_is_there_after_every_epoch(tmp_path):
    path, lines = tmp_path / "log.csv", []

    class Reads(Callback):
        def on_epoch_end(self, run):
            lines.append(len(path.read_text().splitlines()))

    fit(network(), 3, callbacks=[CSVLogger(path), Reads()])
    assert lines == [2, 3, 4]


def test_a_place_that_cannot_be_written_is_found_before_the_training(tmp_path):
    net = network()
    before = net.parameters.tobytes()
    with pytest.raises(OSError, match="nowhere"):
        fit(net, callbacks=[CSVLogger(tmp_path / "nowhere" / "log.csv")])
    assert net.parameters.tobytes() == before


# Checkpoints


def test_a_checkpoint_for_every_epoch(tmp_path):
    net, one = network(), network()
    fit(net, 3, callbacks=[Checkpoint(tmp_path / "net-{epoch:02}.safetensors")])
    fit(one, 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"net-0{i}.safetensors" for i in (1, 2, 3)]
    assert fastbp.load(tmp_path / "net-01.safetensors").parameters.tobytes() == one.parameters.tobytes()
    assert fastbp.load(tmp_path / "net-03.safetensors").parameters.tobytes() == net.parameters.tobytes()


@pytest.mark.parametrize(
    ("monitor", "mode", "best"), [("said", "max", 3), ("validation_said", "min", 2), (None, None, 0)]
)
def test_only_the_best(tmp_path, monitor, mode, best):
    values, path, whole = iter([1, 0, 2, 1]), tmp_path / "best", network()
    history = fit(
        network(), 4, validation_data=HELD_OUT, metrics={"said": lambda *_: next(values)},
        callbacks=[Checkpoint(path, monitor, save_best_only=True, mode=mode)],
    )  # fmt: skip
    fit(whole, best or int(np.argmin(history.validation_cost)) + 1)
    assert fastbp.load(path).parameters.tobytes() == whole.parameters.tobytes()


def test_the_best_by_the_training_cost_where_there_is_no_other(tmp_path):
    fit(network(), 2, callbacks=[Checkpoint(tmp_path / "best", save_best_only=True)])
    assert (tmp_path / "best").exists()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"path": "net-{cost}"}, ValueError, "only {epoch} is allowed in braces"),
        ({"path": "net-{"}, ValueError, "only {epoch} is allowed in braces"),
        ({"path": 3}, TypeError, "pathlib.Path"),
        ({"path": "net", "monitor": 3}, TypeError, "monitor is 3"),
        ({"path": "net", "mode": "up"}, ValueError, "mode is 'up'"),
        ({"path": "net", "save_best_only": 1}, TypeError, "save_best_only is 1"),
    ],
)
def test_wrong_checkpoints(arguments, error, message):
    with pytest.raises(error, match=message):
        Checkpoint(**arguments)


def test_a_series_that_is_not_there_is_found_before_the_training(tmp_path):
    net = network()
    before = net.parameters.tobytes()
    with pytest.raises(ValueError, match="monitor is 'accuracy'; there is no such series, only cost"):
        net.fit(X, Y, callbacks=[Checkpoint(tmp_path / "best", "accuracy", save_best_only=True)])
    assert net.parameters.tobytes() == before and not list(tmp_path.iterdir())


# Schedules


def test_a_schedule_that_gives_no_rate_ends_the_training_with_the_last_whole_epoch():
    for wrong, error in ((float("nan"), ValueError), (-1.0, ValueError), ("fast", TypeError)):
        net = network()
        with pytest.raises(error, match="the learning rate that schedule gives for epoch 3 is"):
            fit(net, 4, schedule=lambda epoch, base: base if epoch < 2 else wrong)  # noqa: B023
        assert len(net.history) == 2
    with pytest.raises(TypeError, match=r"schedule is 0\.5; it must be a function"):
        fit(network(), schedule=0.5)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_schedule_says_the_rate_of_each_epoch(optimizer, formulation):
    """Equal to fits of one epoch each, with the rate set by hand."""
    net, by_hand, made = network(formulation), network(formulation), OPTIMIZERS[optimizer]()
    history = fit(net, 3, optimizer=OPTIMIZERS[optimizer](), schedule=lambda epoch, base: base / (1 + epoch))
    for epoch in range(3):
        last = fit(by_hand, 1, optimizer=made, schedule=lambda _, base: base / (1 + epoch))  # noqa: B023
        assert last.learning_rate == [made.learning_rate / (1 + epoch)] == [history.learning_rate[epoch]]
    assert state(net) == state(by_hand)


def test_without_a_schedule_the_rate_is_the_optimizers_again():
    net, other, optimizer, second = network(), network(), fastbp.SGD(0.5), fastbp.SGD(0.5)
    fit(net, 1, optimizer=optimizer, schedule=lambda epoch, base: 0.0)
    assert fit(net, 2, optimizer=optimizer).learning_rate == [0.5, 0.5]
    other._rng.permutation(23)  # the order that the epoch of rate 0 has drawn
    fit(other, 2, optimizer=second)
    assert net.parameters.tobytes() == other.parameters.tobytes()


# Full-batch optimizers


@pytest.mark.parametrize("optimizer", [fastbp.LBFGS(), fastbp.ConjugateGradient()])
def test_line_searches_have_epochs_too(optimizer, formulation):
    diary, net = Diary(), network(formulation, "float64")
    history = fit(net, 2, optimizer=optimizer, validation_data=HELD_OUT, callbacks=[diary])
    assert len(diary.entries) == 6 and len(history) == len(history.validation_cost) == 2
    assert history.cost[-1] == pytest.approx(net.evaluate(X, Y).cost, rel=1e-12)
    whole = network(formulation, "float64")
    stopped = fit(
        whole, 9, optimizer=fastbp.LBFGS() if "LBFGS" in repr(optimizer) else optimizer, callbacks=[StopAfter(2)]
    )
    assert stopped.stopped == "stopped by a callback" and net.parameters.tobytes() == whole.parameters.tobytes()


def test_a_line_search_that_converges_says_so_and_one_that_overfits_is_stopped():
    history = fit(network(dtype="float64"), 5000, optimizer=fastbp.LBFGS(), l2=3.0)
    assert len(history) < 5000 and history.stopped.startswith("converged: ")
    net, stopping = network(dtype="float64"), fastbp.EarlyStopping(patience=2)
    history = fit(net, 5000, optimizer=fastbp.LBFGS(), validation_data=HELD_OUT, early_stopping=stopping)
    assert history.stopped.startswith("early stopping")
    assert net.evaluate(*HELD_OUT).cost == min(history.validation_cost)


@pytest.mark.parametrize(
    ("optimizer", "options", "message"),
    [
        (fastbp.LBFGS(), {"dropout": 0.5}, "dropout given with LBFGS"),
        (fastbp.LBFGS(), {"clip_norm": 1.0}, "clip_norm given with LBFGS"),
        (fastbp.Rprop(), {}, "batch_size is 5 of 23 samples; Rprop needs the gradient of all"),
    ],
)
def test_options_that_full_batch_optimizers_lack_are_refused_before_anything_changes(optimizer, options, message):
    net = network()
    fit(net, 1)
    before = state_of(net)
    with pytest.raises(ValueError, match=message):
        fit(net, optimizer=optimizer, **options)
    assert state_of(net) == before


def test_a_schedule_that_observes_is_told_the_validation_cost():
    class Observes:
        def __init__(self):
            self.seen = []

        def __call__(self, epoch, base):
            return base

        def observe(self, cost):
            self.seen.append(cost)

    first, second = Observes(), Observes()
    history = fit(network(), schedule=first, validation_data=HELD_OUT)
    assert first.seen == history.validation_cost
    history = fit(network(), schedule=second)
    assert second.seen == history.cost
