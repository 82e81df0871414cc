"""Short epochs that are trained together: the bits, the history and the errors of one epoch at a time."""

import numpy as np
import pytest
from fit_samples import HELD_OUT, X, Y, fit, network, state
from pieces_of_epochs import at_most, pieces  # noqa: F401

import fastbp
from fastbp import validation
from fastbp.batches import sources
from fastbp.progress import Progress
from fastbp.training import loop as training
from fastbp.training import steps

EPOCHS, N = 7, len(X)


def both(formulation="loops", make=network, **options):
    """Networks after the same training, with epochs together and one at a time."""
    nets = make(formulation), make(formulation)
    fit(nets[0], EPOCHS, **options)
    with at_most(0):
        fit(nets[1], EPOCHS, **options)
    return nets


def check_the_same(one, other):
    assert state(one) == state(other)
    assert one.history.cost == other.history.cost and one.history.learning_rate == other.history.learning_rate
    assert one.history.stopped == other.history.stopped
    for net in (one, other):
        seconds, speed = net.history.seconds, net.history.samples_per_second
        assert len(seconds) == len(speed) == len(net.history)
        assert sum(seconds) * max(speed, default=0.0) >= len(seconds) * N * (
            1 - 1e-9
        )  # seconds are of more than training


@pytest.mark.parametrize(
    "options",
    [
        {}, {"dropout": 0.3}, {"sample_weight": np.arange(1.0, N + 1), "l2": 0.1, "clip_norm": 0.1}, {"shuffle": False},
        {"batch_size": 1, "optimizer": fastbp.SGD(0.1)}, {"batch_size": N, "optimizer": "rprop"},
        {"optimizer": fastbp.Adam(layer_rates=[1, 0.5])},
    ],
    ids=str,
)  # fmt: skip
def test_the_bits_of_one_at_a_time(options, formulation, pieces):  # noqa: F811
    one, other = both(formulation, **options)
    assert pieces == [EPOCHS, *[1] * EPOCHS]
    check_the_same(one, other)


def test_as_many_as_have_so_many_samples(pieces):  # noqa: F811
    with at_most(3 * N):
        fit(network(), EPOCHS)
    assert pieces == [3, 3, 1]


def test_no_more_than_a_part_of_a_call(pieces, monkeypatch):  # noqa: F811
    net = network()
    of_epoch = net._model.flops_per_sample * 25  # of whole mini-batches
    monkeypatch.setattr(sources, "FLOPS_BETWEEN_LOOKS", 2 * of_epoch / sources.PART_TOGETHER)
    fit(net, 4)
    assert pieces == [2, 2]


class Looks(fastbp.Callback):
    """Does nothing, but is called."""


def chunks():
    yield X, Y


@pytest.mark.parametrize(
    "options",
    [
        {"validation_data": HELD_OUT}, {"schedule": fastbp.CosineDecay(EPOCHS)}, {"callbacks": [Looks()]},
        {"early_stopping": fastbp.EarlyStopping("cost", patience=3)},
        {"schedule": {"learning_rate": fastbp.ByStep(fastbp.CosineDecay(EPOCHS))}},
        {"shuffle": [np.arange(N)] * EPOCHS},
    ],
    ids=lambda options: next(iter(options)),
)  # fmt: skip
def test_one_at_a_time_where_somebody_looks(options, pieces):  # noqa: F811
    history = fit(network(), EPOCHS, **options)
    assert len(history) == EPOCHS and set(pieces) == {1}


def test_one_at_a_time_from_files_and_chunks(tmp_path, pieces):  # noqa: F811
    np.save(tmp_path / "X.npy", X)
    network().fit(np.load(tmp_path / "X.npy", mmap_mode="r"), Y, epochs=EPOCHS)
    network().fit(chunks, None, epochs=EPOCHS)
    assert pieces == [1] * 2 * EPOCHS


def growing(formulation):
    """A network whose weights grow a little in every step, until they are not finite."""
    net = fastbp.Network([3, 2], cost="quadratic", output_activation="identity", seed=0, formulation=formulation)
    net.parameters[:] *= 1e3
    return net


@pytest.mark.parametrize("options", [{"dropout": None}, {"l2": 0.1}])
def test_a_divergence_among_them(formulation, options, pieces):  # noqa: F811
    options = {"optimizer": fastbp.SGD(60.0), **options}
    nets, said = (growing(formulation), growing(formulation)), []
    for net, samples in zip(nets, (sources.SAMPLES_TOGETHER, 0), strict=True):
        with at_most(samples), pytest.raises(fastbp.DivergenceError) as error:
            fit(net, 20, **options)
        said.append(str(error.value))
    assert pieces[0] == 20 and 1 < len(nets[1].history) < 18
    assert said[0] == said[1] and f"in epoch {len(nets[1].history) + 1}:" in said[0]
    check_the_same(*nets)


def test_weights_that_are_not_finite_after_finite_costs(monkeypatch):
    """The third epoch of five ends with such weights, and costs say nothing: only a look after each epoch finds it."""
    looks = validation.all_finite
    net, other = network(), network()
    fit(other, 2)
    third = network()
    fit(third, 3)
    bad = third.parameters.tobytes(), third._training.steps[0]
    monkeypatch.setattr(
        validation, "all_finite",
        lambda theta: looks(theta) and theta.tobytes() != bad[0] and net._training.steps[0] <= bad[1],
    )  # fmt: skip
    with pytest.raises(fastbp.DivergenceError, match="in epoch 3"):
        fit(net, 5)
    check_the_same(net, other)


class BookOfNobody:
    """Lets three epochs be trained together; notes their costs."""

    def __init__(self):
        self.costs, self.ends = [], []

    def together(self):
        return 3

    def begin_epoch(self, epoch):
        assert epoch == len(self.costs) + 1

    def advance(self, n_samples):
        pass

    def epochs_done(self, epoch, costs, n_samples):
        self.costs += costs
        self.ends.append(epoch)
        return False


class TrainerOfNobody:
    """Trains nothing: the cost is in the order, 0 for one that is not finite."""

    def train(self, order):
        return float(order[0]) or np.inf


def test_orders_behind_a_cost_that_is_not_finite_are_those_of_the_next_epochs():
    book, costs = BookOfNobody(), [1, 2, 3, 4, 0, 6, 7, 8, 9]
    drawn = iter(costs)
    training_steps = steps.in_pieces(TrainerOfNobody(), None, lambda: [np.array([next(drawn)])], 9, book)
    steps.drive(training_steps)
    assert book.costs == [cost or np.inf for cost in costs]
    assert book.ends == [3, 5, 8, 9]


class Counts(Progress):
    """Counts samples and epochs, and raises KeyboardInterrupt at the n-th call of either."""

    def __init__(self, at=0):
        super().__init__(False, 1, 1)
        self.samples, self.epochs, self.calls, self.at = 0, 0, 0, at

    def _count(self):
        self.calls += 1
        if self.calls == self.at:
            raise KeyboardInterrupt

    def advance(self, n):
        self.samples += n
        self._count()

    def epochs_done(self, n, description):
        self.epochs += n
        self._count()


def test_progress_counts_all_samples(monkeypatch):
    progress = Counts()
    monkeypatch.setattr(training, "Progress", lambda *_: progress)
    with at_most(3 * N):
        fit(network(), EPOCHS)
    assert (progress.samples, progress.epochs, progress.calls) == (EPOCHS * N, EPOCHS, 6)


@pytest.mark.parametrize("at", range(1, 7))
def test_ctrl_c_keeps_whole_epochs(at, formulation, monkeypatch):
    net, other = network(formulation), network(formulation)
    with monkeypatch.context() as patch, at_most(3 * N):
        patch.setattr(training, "Progress", lambda *_: Counts(at))
        with pytest.warns(RuntimeWarning, match=rf"interrupted after {min(3 * (at // 2), EPOCHS)} of 7 epochs"):
            history = fit(net, EPOCHS, optimizer=fastbp.Adam(0.01))
    done = min(3 * (at // 2), EPOCHS)
    assert len(history) == len(history.seconds) == len(history.learning_rate) == done and history.interrupted
    if done:
        fit(other, done, optimizer=fastbp.Adam(0.01))
        check_the_same(net, other)
    if done < EPOCHS:
        net.fit(X, Y, epochs=EPOCHS - done, batch_size=5)
    whole = network(formulation)
    fit(whole, EPOCHS, optimizer=fastbp.Adam(0.01))
    assert state(net) == state(whole)
