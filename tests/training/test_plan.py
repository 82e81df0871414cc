"""Parameters of `fit`: the options of a step that they become, and refusals."""

import inspect
import math

import numpy as np
import pytest
from conftest import relative_difference, state_of
from fit_samples import X, Y, fit, network

import fastbp
from fastbp.training import plan as plans


def options(**given):
    net = fastbp.Network([3, 4, 4, 1], seed=7)
    X = np.zeros((50, 3))
    asked = inspect.signature(net.fit).bind(X, X[:, :1], **given)
    asked.apply_defaults()
    return plans.checked(net, X, X[:, :1], plans.Asked(**asked.arguments)).options


def test_options_that_are_left_out_are_off():
    assert options().plain


def test_penalties_are_divided_by_the_number_of_samples():
    made = options(l2=5, l1=np.float32(0.5))
    assert (made.l2, made.l1) == (0.1, 0.01)


def test_limits_and_dropout():
    made = options(max_norm=3, clip_norm=2.0, dropout=0.5)
    assert (made.max_norm, made.clip_norm, made.clip_value) == (3.0, 2.0, math.inf)
    assert made.dropout.tolist() == [0.0, 0.5, 0.5]
    assert options(dropout=[0, 0.25]).dropout.tolist() == [0.0, 0.0, 0.25]  # the first is of the input


def test_the_books_update(formulation):
    """w ← (1 − ηλ/n) w − (η/m) Σ ∂C/∂w; b ← b − (η/m) Σ ∂C/∂b; n counts the samples in training."""
    net, by_hand = network(formulation, "float64"), network(formulation, "float64")
    fit(net, 1, optimizer=fastbp.SGD(0.5), shuffle=False, l2=2.0, batch_size=23)
    gradient = by_hand.gradient(X, Y)
    for w, b, dw, db in zip(by_hand.weights, by_hand.biases, gradient.weights, gradient.biases, strict=True):
        w[:] = (1 - 0.5 * 2.0 / 23) * w - 0.5 * dw
        b -= 0.5 * db
    assert relative_difference(net.parameters, by_hand.parameters) < 1e-14


def test_weight_decay_of_the_optimizer_reaches_the_step(formulation):
    decayed, plain = network(formulation), network(formulation)
    fit(decayed, 1, optimizer=fastbp.AdamW(0.1, weight_decay=0.5), batch_size=23, shuffle=False)
    fit(plain, 1, optimizer=fastbp.AdamW(0.1, weight_decay=0), batch_size=23, shuffle=False)
    start = network(formulation)
    assert relative_difference(decayed.weights[0], plain.weights[0] - 0.05 * start.weights[0]) < 1e-6
    np.testing.assert_allclose(decayed.biases[0], plain.biases[0], rtol=1e-6)


def test_dropout_is_the_same_in_one_fit_as_in_two(formulation):
    once, twice, other, optimizer = network(formulation), network(formulation), network(formulation), fastbp.SGD(0.1)
    fit(once, 2, optimizer=fastbp.SGD(0.1), dropout=0.5)
    fit(twice, 1, optimizer=optimizer, dropout=0.5)
    fit(twice, 1, optimizer=optimizer, dropout=[0.5])
    fit(other, 2, optimizer=fastbp.SGD(0.1))
    assert once.parameters.tobytes() == twice.parameters.tobytes() != other.parameters.tobytes()
    other.parameters = once.parameters
    np.testing.assert_array_equal(once.predict(X), other.predict(X))  # predictions drop nothing


@pytest.mark.parametrize("batch_size", [1, 23])
def test_a_new_optimizer_drops_other_neurons_than_the_last(batch_size, formulation):
    """SGD has no memory, so a new object changes nothing: the network counts the steps that choose the neurons."""
    new, same, optimizer = network(formulation), network(formulation), fastbp.SGD(0.1)
    for epoch in range(4):
        options = {"epochs": 1, "batch_size": batch_size, "dropout": 0.5 if epoch % 2 else None}
        fit(new, optimizer=fastbp.SGD(0.1), **options)
        fit(same, optimizer=optimizer, **options)
        assert new._training.steps[0] == (epoch + 1) * math.ceil(23 / batch_size)
    assert new.parameters.tobytes() == same.parameters.tobytes()


def test_no_neuron_is_dropped_in_every_one_of_thirty_fits(formulation):
    net = fastbp.Network([3, 64, 2], activation="tanh", seed=0, formulation=formulation)
    before = net.weights[0].copy()
    for _ in range(30):
        net.fit(X[:1], [[1, -1]], epochs=1, dropout=0.5, optimizer=fastbp.SGD(0.1))
    assert (net.weights[0] != before).any(axis=1).all()


WRONG = {
    "l2": ({"l2": -1}, ValueError, "l2 is -1; it must be at least 0 and finite"),
    "l2 NaN": ({"l2": math.nan}, ValueError, "l2 is nan"),
    "l2 word": ({"l2": "5"}, TypeError, "l2 is '5'; it must be a number"),
    "l1": ({"l1": math.inf}, ValueError, "l1 is inf; .* finite"),
    "l1 truth": ({"l1": True}, TypeError, "l1 is True; it must be a number"),
    "max_norm": ({"max_norm": 0}, ValueError, "max_norm is 0; it must be a finite number greater than 0"),
    "clip_norm": ({"clip_norm": -2}, ValueError, "clip_norm is -2"),
    "clip_value": ({"clip_value": "1"}, TypeError, "clip_value is '1'"),
    "dropout 1": ({"dropout": 1}, ValueError, r"dropout\[0\] is 1; it must be at least 0 and less than 1"),
    "dropout -1": ({"dropout": -0.1}, ValueError, r"dropout\[0\] is -0.1"),
    "dropout of too many": ({"dropout": [0.5, 0.5]}, ValueError, "dropout has 2 entries, but there are 1"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments_are_refused_before_anything_changes(name):
    given, error, message = WRONG[name]
    net = network()
    fit(net, 1)
    before = state_of(net)
    with pytest.raises(error, match=message):
        fit(net, 1, **given)
    assert state_of(net) == before


def test_dropout_needs_hidden_layers():
    with pytest.raises(ValueError, match=r"dropout is 0.5, but the network has no hidden layers"):
        fastbp.Network([3, 2], cost="cross_entropy").fit(X, Y, dropout=0.5)
