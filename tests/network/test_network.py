"""`Network` as an object: copies, pickles, its description, assignments."""

import copy
import pickle

import numpy as np
import pytest
from conftest import OPTIMIZERS, received

import fastbp

X = np.random.default_rng(0).random((30, 4), dtype=np.float32)
Y = np.arange(30) % 3


def trained(**choices):
    net = fastbp.Network([4, 5, 3], **({"cost": "cross_entropy", "seed": 0} | choices))
    net.fit(X, Y, epochs=2, batch_size=7)
    return net


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_a_copy_goes_on_like_the_original_and_shares_nothing(duplicate):
    net = trained()
    other = duplicate(net)
    before = net.parameters.tobytes()
    assert other.parameters.tobytes() == before
    other.weights[0][1, 2] = 7
    assert 7 in other.parameters, "the weights of the copy are no longer views of its parameters"
    assert net.parameters.tobytes() == before
    other.parameters = net.parameters
    net.fit(X, Y, epochs=1, batch_size=7)
    other.fit(X, Y, epochs=1, batch_size=7)
    assert other.parameters.tobytes() == net.parameters.tobytes()


@pytest.mark.parametrize("cost", [fastbp.Huber(0.3), fastbp.Quantile(0.8)])
def test_costs_with_a_number_are_pickled_with_it(cost):
    other = pickle.loads(pickle.dumps(cost))
    assert other.parameter == cost.parameter and other == cost
    assert other.function(2.5, 0.5) == cost.function(2.5, 0.5) != fastbp.Huber(0.5).function(2.5, 0.5)


def test_parameters_can_be_assigned_whole_and_only_whole():
    net = trained()
    net.parameters = np.arange(net.parameters.size)
    assert net.weights[0][0].tolist() == [0, 1, 2, 3]
    assert net.biases[0].tolist() == [20, 21, 22, 23, 24]
    before = net.parameters.tobytes()
    with pytest.raises(ValueError, match=r"shape \(3,\); this network has \(43,\)"):
        net.parameters = [1, 2, 3]
    with pytest.raises(ValueError, match=r"parameters\[2\] is nan"):
        net.parameters = [np.nan if i == 2 else 0 for i in range(43)]
    assert net.parameters.tobytes() == before


def test_formulation_can_be_changed_and_keeps_the_weights():
    net = trained(dtype="float64")
    expected = net.predict(X)
    for name in fastbp.formulations.FORMULATIONS:
        net.formulation = name
        assert net.formulation == name
        np.testing.assert_allclose(net.predict(X), expected, rtol=1e-12)
    with pytest.raises(ValueError, match="unknown formulation 'lops'; did you mean 'loops'"):
        net.formulation = "lops"
    assert net.formulation == name


def test_repr_says_what_it_is():
    text = repr(trained(activation="tanh"))
    for word in ("[4, 5, 3]", "tanh", "softmax", "cross_entropy", "float32"):
        assert word in text


FULL_BATCH = {"Rprop": fastbp.Rprop, "LBFGS": fastbp.LBFGS, "ConjugateGradient": fastbp.ConjugateGradient}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", [*OPTIMIZERS, *FULL_BATCH, "LevenbergMarquardt"])
def test_copies_that_arrive_read_only_continue_like_the_original(name, dtype, tmp_path):
    """Ray, joblib's workers and joblib.load(mmap_mode=) send read-only arrays, which may begin at any byte."""
    make = {**OPTIMIZERS, **FULL_BATCH, "LevenbergMarquardt": fastbp.LevenbergMarquardt}[name]
    options = {"batch_size": 30} if name == "Rprop" else {} if make().full_batch else {"batch_size": 7, "dropout": 0.3}
    cost = {"cost": "quadratic"} if name == "LevenbergMarquardt" else {}
    original = fastbp.Network([4, 5, 3], **{"cost": "cross_entropy", "seed": 0, "dtype": dtype} | cost)
    targets = np.eye(3)[Y]
    original.fit(X, targets, epochs=2, optimizer=make(), **options)
    others = received(original, tmp_path)
    original.fit(X, targets, epochs=2, **options)
    for other in others:
        training = other._training
        for array in (other.parameters, training.steps, *vars(training.state).values()):
            assert array.flags.writeable and array.flags.aligned and type(array) is np.ndarray
        assert all(np.shares_memory(w, other.parameters) for w in (*other.weights, *other.biases))
        other.fit(X, targets, epochs=2, **options)
        assert other.parameters.tobytes() == original.parameters.tobytes()
        assert other.history.cost == original.history.cost and training.steps[0] == original._training.steps[0]
