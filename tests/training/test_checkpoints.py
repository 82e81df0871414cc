"""Resuming: a training that continues from a file gives the bits of one that stays in memory."""

import json
from typing import ClassVar

import numpy as np
import pytest
from conftest import OPTIMIZERS, run_python, state_of
from model_files import replaced

import fastbp
from fastbp.files import container
from fastbp.formulations import FORMULATIONS
from fastbp.optimizers import AdamEpsilonHat, Optimizer
from fastbp.training import checkpoints as resuming

FULL_BATCH = {
    "Rprop": fastbp.Rprop, "LBFGS": fastbp.LBFGS, "ConjugateGradient": fastbp.ConjugateGradient,
    "LevenbergMarquardt": fastbp.LevenbergMarquardt,
}  # fmt: skip
EVERY_OPTIMIZER = {**OPTIMIZERS, "AdamEpsilonHat": AdamEpsilonHat, **FULL_BATCH}
DROPOUT = {"dropout": [0.3, 0.2], "l2": 0.1, "clip_norm": 1.0}


class Signs(Optimizer):
    """A user's optimizer: θ ← θ − η sign(g)."""

    def step(self, theta, gradient, state):
        theta -= float(state.rate[0]) * np.sign(gradient)


def data(rng, n):
    return rng.random((n, 3)), rng.integers(2, size=(n, 2)).astype(float)


def new_net(seed, **options):
    functions = {"activation": "tanh", "output_activation": "sigmoid", "cost": "cross_entropy"}
    return fastbp.Network([3, 9, 5, 2], seed=seed, **(functions | options))


def bits_of(net):
    state = state_of(net) | {"own seed": net._own_seed, "rate": float(net._training.state.rate[0])}
    state["history"] = {name: v for name, v in state["history"].items() if "second" not in name}
    return {name: value for name, value in state.items() if name != "optimizer"}


def through_a_file(net, path, **options):
    net.save(path, training_state=True)
    return fastbp.load(path, **options)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.safetensors"


@pytest.mark.parametrize("name", EVERY_OPTIMIZER)
def test_every_optimizer_goes_on_with_the_same_bits(name, path):
    """Stopped at random steps, with dropout: weights, moments, generator and history are those before the file."""
    rng = np.random.default_rng([*name.encode()])
    for dtype in ("float32", "float64"):
        n, first, then = (int(v) for v in rng.integers([8, 1, 1], [40, 5, 4]))
        X, Y = data(rng, n)
        if name in FULL_BATCH:
            options = {"batch_size": n, **DROPOUT} if name == "Rprop" else {"l2": 0.1}  # the others have no dropout
        else:
            options = {"batch_size": int(rng.integers(1, 9)), "validation_split": 0.25, **DROPOUT}
        cost = "quadratic" if name == "LevenbergMarquardt" else "cross_entropy"
        never, net, at_once = (new_net(7, dtype=dtype, cost=cost) for _ in range(3))
        net.fit(X, Y, epochs=first, optimizer=EVERY_OPTIMIZER[name](), **options)
        optimizer = EVERY_OPTIMIZER[name]()
        never.fit(X, Y, epochs=first, optimizer=optimizer, **options)
        resumed = through_a_file(net, path)
        assert bits_of(resumed) == bits_of(net) == bits_of(never)
        assert repr(resumed.optimizer) == repr(optimizer) and resumed.history == net.history
        for each in (resumed, never):
            each.fit(X, Y, epochs=then, **options)
        assert bits_of(resumed) == bits_of(never), (n, first, then, options)
        assert resumed._training.state.t[0] > 0
        at_once.fit(X, Y, epochs=first + then, optimizer=optimizer, **options)
        assert at_once.parameters.tobytes() == resumed.parameters.tobytes()


def test_every_optimizer_of_fastbp_is_tested_here():
    assert {type(make()).__name__ for make in EVERY_OPTIMIZER.values()} == set(resuming.OURS) - {"LineSearch"}


@pytest.mark.parametrize("formulation_", FORMULATIONS)
def test_every_formulation_stopped_at_any_step_of_a_stream(formulation_, path):
    """One epoch of a stream of samples, against the same epoch cut in two by a file."""
    X, Y = data(np.random.default_rng(3), 30)
    optimizer = fastbp.Adam(0.05)

    def stream(start):
        rows = (np.arange(2) + 2 * step for step in range(start, 10**6))
        return ((X[at % 30], Y[at % 30]) for at in rows)

    for stop in (1, 4):
        net, never = (new_net(5, formulation=formulation_) for _ in range(2))
        net.fit(stream(0), steps_per_epoch=stop, batch_size=2, epochs=1, optimizer=optimizer)
        never.fit(stream(0), steps_per_epoch=stop + 3, batch_size=2, epochs=1, optimizer=optimizer)
        resumed = through_a_file(net, path)
        resumed.fit(stream(stop), steps_per_epoch=3, batch_size=2, epochs=1)
        assert resumed.parameters.tobytes() == never.parameters.tobytes()
        assert resumed._training.state.t[0] == stop + 3


def test_a_checkpoint_of_a_running_fit_in_another_process(path):
    """One process is killed after its second epoch, and another continues from the checkpoint."""
    script = """
import os, sys, numpy as np, fastbp
X, Y = np.random.default_rng(0).random((20, 3)), np.arange(20) % 2
class Die(fastbp.Callback):
    def on_epoch_end(self, run):
        if run.epoch == 2 and sys.argv[2] == "die":
            os._exit(0)
for what in sys.argv[2:]:
    resumes = what == "resume"
    net = fastbp.load(sys.argv[1]) if resumes else fastbp.Network([3, 9, 2], cost="cross_entropy", seed=3)
    net.fit(X, Y, epochs=2 if resumes else 4, batch_size=3, dropout=0.3, validation_split=0.2,
            callbacks=[fastbp.Checkpoint(sys.argv[1], training_state=True), Die()])
    print(net.parameters.tobytes().hex(), net.history.cost[-1])
"""
    assert run_python(script, str(path), "die") == ""
    assert len(fastbp.load(path).history) == 2
    resumed, whole = run_python(script, str(path), "resume", "whole").splitlines()
    assert resumed == whole


@pytest.mark.parametrize("name", ["PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"])
def test_every_random_generator(name, path):
    X, Y = data(np.random.default_rng(0), 12)
    bits = getattr(np.random, name)(5)
    net = fastbp.Network([3, 2], cost="squared_error", seed=np.random.Generator(bits))
    net._rng.integers(2**31, size=3, dtype=np.uint32)  # some generators then have half a number in their buffer
    resumed = through_a_file(net, path)
    assert resumed.history is None and resumed.optimizer is None
    for each in (net, resumed):
        each.fit(X, Y, epochs=2, batch_size=5, optimizer=fastbp.SGD(0.1))
    assert resumed.parameters.tobytes() == net.parameters.tobytes()
    assert resumed._rng.bytes(9) == net._rng.bytes(9)


def test_the_whole_history_comes_back(path):
    X, Y = data(np.random.default_rng(1), 30)
    net = new_net(0)
    net.fit(
        X, Y, epochs=9, metrics={"mine": lambda A, Y: float("nan"), "one": lambda A, Y: 1},
        validation_data={"a": (X, Y), "b": (X, Y)},
        early_stopping=fastbp.EarlyStopping("b_one", mode="max", patience=2),
    )  # fmt: skip
    resumed = through_a_file(net, path)
    assert repr(vars(resumed.history)) == repr(
        vars(net.history)
    )  # compares the texts, because NaN does not equal itself
    assert resumed.history.stopped and str(resumed.history) == str(net.history)


def test_without_training_state_nothing_of_it_is_in_the_file(path):
    net = new_net(0)
    net.fit(*data(np.random.default_rng(1), 8), epochs=1)
    net.save(path)
    arrays, _ = container.decode(path.read_bytes())
    assert sorted(arrays) == [f"{name}.{l}" for name in ("biases", "weights") for l in (1, 2, 3)]
    loaded = fastbp.load(path)
    assert loaded.optimizer is None and loaded.history is None


# A user's own optimizer


def test_a_users_own_optimizer_must_be_given(path):
    X, Y = data(np.random.default_rng(1), 8)
    net = new_net(0, formulation="vectorized")
    net.fit(X, Y, epochs=2, batch_size=3, optimizer=Signs(np.float32(0.125)), dropout=0.2)
    net.save(path, training_state=True)
    with pytest.raises(
        fastbp.ModelFileError, match=r"the optimizer 'Signs', which is not one of fastbp's: give its cla"
    ):
        fastbp.load(path, custom=[fastbp.Huber(1)])
    resumed = fastbp.load(path, custom=[Signs])
    for each in (net, resumed):
        each.fit(X, Y, epochs=2, batch_size=3, dropout=0.2)
    assert bits_of(resumed) == bits_of(net)


def test_a_users_own_optimizer_under_a_name_of_fastbp_is_refused(path):
    class Adam(Signs):
        n_moments: ClassVar[int] = 2

    net = new_net(0, formulation="vectorized")
    net.fit(*data(np.random.default_rng(1), 8), epochs=1, optimizer=Adam(0.1))
    with pytest.raises(ValueError, match="Adam is your own optimizer, but fastbp has one of that name"):
        net.save(path, training_state=True)
    assert not path.exists()


def test_training_state_is_true_or_false(path):
    with pytest.raises(TypeError, match="training_state is 'yes'"):
        new_net(0).save(path, training_state="yes")


# Files that lie


def written(path, bits="PCG64"):
    X, Y = data(np.random.default_rng(1), 8)
    net = fastbp.Network([3, 2], cost="quadratic", seed=np.random.Generator(getattr(np.random, bits)(5)))
    net.fit(X, Y, epochs=2, validation_data=(X, Y))
    net.save(path, training_state=True)
    arrays, words = container.decode(path.read_bytes())
    return arrays, json.loads(words["fastbp"])


ODD = [None, True, -1, 1.5, 1e400, 2**64, 10**60, "", "x", [], [1], [[]], {}, {"a": 1}, ["cost"], float("nan")]


def places(value, at=()):
    yield at
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(min(2, len(value))):
            yield from places(value[key], (*at, key))


@pytest.mark.parametrize("bits", ["MT19937", "Philox"])
def test_a_state_that_lies_is_refused_or_can_be_used(bits, path):
    """Each entry of the state is replaced by an odd value: ModelFileError, or a state that can be used."""
    arrays, content = written(path, bits)
    refused = 0
    for at in places(content["training"], ("training",)):
        for odd in ODD:
            path.write_bytes(container.encode(arrays, json.dumps(replaced(content, at, odd))))
            try:
                net = fastbp.load(path)
            except fastbp.ModelFileError as error:
                assert str(path) in str(error)
                refused += 1
                continue
            net._rng.permutation(20)
            str(net.history), repr(net.optimizer)
    assert refused > 300


@pytest.mark.parametrize(("bits", "name", "value"), [("MT19937", "pos", 625), ("Philox", "buffer_pos", 5)])
def test_a_place_beyond_the_generators_buffer_is_refused(bits, name, value, path):
    """NumPy would accept it, and then read beyond the buffer."""
    arrays, content = written(path, bits)
    generator = content["training"]["generator"]
    (generator["state"] if name == "pos" else generator)[name] = value
    path.write_bytes(container.encode(arrays, json.dumps(content)))
    with pytest.raises(fastbp.ModelFileError, match=f"its generator.*{name} is not a whole number from 0 to"):
        fastbp.load(path)


@pytest.mark.parametrize("name", ["first", "second", "t", "rate"])
def test_moments_of_another_network_are_refused(name, path):
    arrays, content = written(path)
    for wrong in (arrays[f"optimizer.{name}"][1:], arrays[f"optimizer.{name}"].astype(np.float64).repeat(2), None):
        lie = {**arrays, f"optimizer.{name}": wrong}
        if wrong is None:
            del lie[f"optimizer.{name}"]
        path.write_bytes(container.encode(lie, json.dumps(content)))
        with pytest.raises(fastbp.ModelFileError, match=f"optimizer.{name}"):
            fastbp.load(path)
    arrays["optimizer.t"] = -arrays["optimizer.t"]
    path.write_bytes(container.encode(arrays, json.dumps(content)))
    with pytest.raises(fastbp.ModelFileError, match="it has taken -2 steps"):
        fastbp.load(path)
