"""Every member of a population has the bits of the same network trained alone."""

import numpy as np
import pytest
from conftest import OPTIMIZERS
from population_samples import HELD_OUT, X, Y, check_as_alone, n_threads, network, networks  # noqa: F401

import fastbp
from fastbp.batches import sources
from fastbp.formulations import FORMULATIONS

pytestmark = pytest.mark.usefixtures("n_threads")
ADAM = fastbp.Adam(0.03)


@pytest.mark.parametrize("name, dtype", [*((name, "float32") for name in OPTIMIZERS), ("Adam", "float64")])
def test_every_optimizer(name, dtype):
    """With one object for all members, whose states are each its own; the second fit continues from them."""
    check_as_alone(networks(dtype=dtype), epochs=2, batch_size=8, optimizer=OPTIMIZERS[name](), fits=2)


@pytest.mark.parametrize("formulation", list(FORMULATIONS))
def test_every_formulation(formulation):
    options = {"epochs": 2, "batch_size": 8, "optimizer": ADAM, "validation_data": HELD_OUT}
    check_as_alone(networks(formulation=formulation), **options, fits=2)


def test_all_formulations_in_one_population():
    nets = [network(seed, formulation=name) for seed, name in enumerate(FORMULATIONS)]
    check_as_alone(nets, epochs=3, batch_size=8, optimizer=ADAM, validation_data=HELD_OUT)


@pytest.mark.parametrize("optimizer", [fastbp.LBFGS(), fastbp.ConjugateGradient(), fastbp.LevenbergMarquardt(),
                                       fastbp.Rprop()])  # fmt: skip
def test_full_batch_optimizers(optimizer):
    """In one population with a member that learns in mini-batches; the rows are a copy for those that need one."""
    nets = networks(3, cost="squared_error", output_activation="sigmoid")
    own = [{"optimizer": optimizer, "samples": np.arange(30)}, {"optimizer": optimizer}, {"optimizer": ADAM}]
    check_as_alone(nets, own, epochs=3, fits=2, validation_split=0.2)


def test_different_sizes_activations_and_costs():
    nets = [
        network(0, (3,), activation="relu"), network(1, (40, 17), activation=["tanh", "gelu"]), network(2, ()),
        network(3, (1,), cost="quadratic", output_activation="sigmoid"), network(4, (64,), cost="squared_error"),
    ]  # fmt: skip
    nets[4] = network(4, (64,), cost="squared_error", output_activation="softmax")
    check_as_alone(nets, epochs=2, batch_size=8, optimizer=ADAM, validation_data=HELD_OUT)


@pytest.mark.parametrize("formulation", ["tiles", "loops"])
def test_one_sample_a_step(formulation):
    check_as_alone(networks(3, formulation=formulation), epochs=2, batch_size=1, optimizer=fastbp.SGD(0.1))


def test_options_of_each():
    own = [
        {"dropout": 0.3, "l2": 0.1, "epochs": 1, "batch_size": 4},
        {"clip_norm": 0.1, "l2": 0.0, "epochs": 3, "batch_size": None},
        {"max_norm": 0.5, "l2": 0.0, "epochs": 2, "batch_size": 100},
        {"sample_weight": np.linspace(0, 2, len(X)), "l2": 1.0, "epochs": 2, "batch_size": 7},
        {"class_weight": "balanced", "l2": 1.0, "epochs": 4, "batch_size": 7, "shuffle": False},
        {"optimizer": fastbp.Adam(layer_rates=[0, 1]), "l2": 0.0, "epochs": 2, "batch_size": 3},
    ]
    for of_one in own:
        of_one.setdefault("shuffle", True)
    check_as_alone(networks(6), own, fits=2, l1=0.01)


def test_rates_and_schedules_of_each():
    schedule = fastbp.ReduceOnPlateau(factor=0.5, patience=0, threshold=0.3)
    own = [{"optimizer": fastbp.SGD(rate)} for rate in (0.5, 0.1, 0.02)]
    check_as_alone(networks(3), own, epochs=5, batch_size=8, schedule=schedule)


def test_early_stopping_of_each():
    stopping = fastbp.EarlyStopping("accuracy", patience=1)
    histories = check_as_alone(
        networks(), epochs=12, batch_size=4, optimizer=fastbp.Adam(0.1), validation_split=0.3, early_stopping=stopping,
        metrics=("log_loss", "f1_macro"),
    )  # fmt: skip
    assert len({len(history) for history in histories}) > 1
    assert any(history.stopped for history in histories)


def test_a_callback_that_changes_weights_or_stops():
    class Changes(fastbp.Callback):
        def on_epoch_begin(self, run):
            run.net.parameters[run.epoch] = 0.5
            run.stop = run.epoch == 3

    check_as_alone(networks(3), epochs=4, batch_size=8, optimizer=ADAM, callbacks=Changes())


def test_pieces_of_an_epoch(monkeypatch):
    """A round takes only some mini-batches of some members."""
    monkeypatch.setattr(sources, "FLOPS_BETWEEN_LOOKS", 20_000)
    check_as_alone(networks(7), epochs=2, batch_size=4, optimizer=ADAM)


def test_inputs_that_are_mostly_zero():
    """`tiles` lists them, if it looks at enough samples."""
    rng = np.random.default_rng(0)
    sparse = np.where(rng.random((64, 40)) < 0.9, 0, 1.0)
    labels = rng.integers(0, 2, 64)
    made = [[fastbp.Network([40, 9, 2], cost="cross_entropy", seed=s) for s in range(3)] for _ in range(2)]
    fastbp.Population(made[0]).fit(sparse, labels, epochs=2, batch_size=32, optimizer=ADAM)
    for net, other in zip(*made, strict=True):
        other.fit(sparse, labels, epochs=2, batch_size=32, optimizer=ADAM)
        assert net.parameters.tobytes() == other.parameters.tobytes()


def test_a_member_continues_alone_and_back():
    nets, alone = networks(3), networks(3)
    pop = fastbp.Population(nets)
    for _ in range(2):
        pop.fit(X, Y, epochs=1, optimizer=ADAM)
        pop[1].train_on_batch(X[:8], Y[:8], optimizer=ADAM)
    for i, net in enumerate(alone):
        for _ in range(2):
            net.fit(X, Y, epochs=1, optimizer=ADAM)
            if i == 1:
                net.train_on_batch(X[:8], Y[:8], optimizer=ADAM)
        assert net.parameters.tobytes() == nets[i].parameters.tobytes()


def test_one_member():
    check_as_alone(networks(1), epochs=2, batch_size=8, optimizer=ADAM)
