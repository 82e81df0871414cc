"""Data from which a network will hardly learn give one warning, ordinary data none."""

import warnings

import numpy as np
import pytest

import fastbp
from fastbp.validation import hints

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(50, 3)), RNG.uniform(0.1, 0.9, size=(50, 1))


def warned(net, X, Y, **options):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        net.fit(X, Y, epochs=1, **options)
    assert all(warning.category is UserWarning and warning.filename == __file__ for warning in caught)
    return [str(warning.message) for warning in caught]


@pytest.mark.parametrize(
    ("output", "targets", "said"),
    [
        ("sigmoid", Y + 10, r"50 of 50 targets are outside (0, 1), .* 'sigmoid', such as Y[0, 0] = 10."),
        ("tanh", 1.2 * np.sign(Y - 0.5), "50 of 50 targets are outside (-1, 1)"),
        ("exponential", np.where(np.arange(50)[:, None] == 7, -2, Y), "1 of 50 targets are outside (0, inf)"),
        ("relu", -Y, "targets are outside [0, inf)"),
    ],
)
def test_targets_that_no_output_reaches(output, targets, said):
    net = fastbp.Network([3, 2, 1], output_activation=output, cost="quadratic", seed=0)
    (message,) = warned(net, X, targets)
    assert all(part in message for part in said.split(".*")) and "output_activation='identity'" in message
    assert len(net.history) == 1
    assert np.isfinite(net.evaluate(X, targets).cost)  # without a warning


def test_the_default_sigmoid_output():
    (message,) = warned(fastbp.Network([3, 8, 1], activation="sigmoid"), X, Y + 10)
    assert "output activation 'sigmoid'" in message


def test_the_ends_of_the_range_give_no_warning():
    for output, ends in (("sigmoid", [0, 1]), ("tanh", [-1, 1]), ("exponential", [0, 3]), ("relu", [0, 3])):
        net = fastbp.Network([3, 2, 1], output_activation=output, cost="quadratic", seed=0)
        assert warned(net, X, np.resize(ends, (50, 1))) == []


def test_the_warning_names_the_range_of_a_users_own_activation():
    half = fastbp.Activation("half", lambda z: 0.5, lambda z: 0.0, output_range="[0, 0.5]")
    assert "outside [0, 0.5]" in warned(fastbp.Network([3, 1], output_activation=half, cost="quadratic"), X, Y + 1)[0]


UNSCALED = {
    "inputs in the thousands": (X * [1, 5000, 1], Y, "X[:, 1] has the mean"),
    "inputs far from 0": (X + 1e4, Y, "and 2 more columns are as large"),
    "huge targets": (X, 1e8 * Y, "Y[:, 0] has the mean"),
    "targets far from 0": (X, 1e6 + 2 * (Y > 0.5), "Y[:, 0] has the mean"),
    "both": (X * 1e30, Y * 1e20, "standardise the targets"),
}


@pytest.mark.parametrize("name", UNSCALED)
def test_numbers_far_from_1(name):
    x, y, said = UNSCALED[name]
    (message,) = warned(fastbp.Network([3, 4, 1], cost="absolute", seed=0), x, y)
    assert said in message and "standardise" in message and "StandardScaler" in message


ORDINARY = {
    "pixels": (RNG.integers(0, 256, (50, 3)), Y),
    "digits": (RNG.integers(0, 17, (50, 3)), Y),
    "one-hot columns": (np.eye(3)[RNG.integers(0, 3, 50)], Y),
    "counts": (RNG.poisson(20, (50, 3)), Y),
    "a constant column": (np.ones((50, 3)), Y),
    "the same target": (X, np.full((50, 1), 7.0)),
    "thermometers": (X + 300, 300 + 10 * Y),
    "one sample": (X[:1], Y[:1]),
}


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_numbers(name):
    assert warned(fastbp.Network([3, 4, 1], cost="absolute", seed=0), *ORDINARY[name]) == []


def test_rows_are_sampled_from_the_whole_of_large_data(monkeypatch):
    monkeypatch.setattr(hints, "LOOKED_AT", 30)
    sorted_by_size = np.concatenate([np.zeros((500, 3)), np.full((500, 3), 1e5)])
    output = fastbp.Network([3, 1]).activations[-1]
    assert "X[:, 0]" in hints.scales(sorted_by_size, np.zeros((1000, 1)), output)


def test_a_warning_that_is_an_error_changes_nothing():
    net = fastbp.Network([3, 1], output_activation="sigmoid", cost="quadratic", seed=0)
    before = net.parameters.copy()
    with pytest.raises(UserWarning, match="targets are outside"):
        net.fit(X, Y + 10)
    assert net.history is None and net.optimizer is None and (net.parameters == before).all()
