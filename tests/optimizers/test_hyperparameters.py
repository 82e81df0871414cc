"""Hyperparameters: their ranges, their kinds, and what is refused."""

import math

import numpy as np
import pytest
from conftest import OPTIMIZERS
from fit_samples import network, samples

import fastbp
from fastbp.optimizers import LineSearch


def test_optimizers_are_compared_by_identity():
    assert fastbp.Adam() != fastbp.Adam()
    assert len({fastbp.SGD(1.0), fastbp.SGD(1.0)}) == 2


def test_hyperparameters_are_frozen():
    with pytest.raises(AttributeError):
        fastbp.SGD(1.0).learning_rate = 2.0


WITH_A_RATE = sorted({type(make()) for make in [*OPTIMIZERS.values(), fastbp.Rprop]}, key=lambda cls: cls.__name__)


@pytest.mark.parametrize("cls", WITH_A_RATE)
@pytest.mark.parametrize("value", [0, -0.1, math.inf, -math.inf, math.nan])
def test_learning_rate_is_positive_and_finite(cls, value):
    with pytest.raises(ValueError, match=r"must be a finite number greater than 0") as error:
        cls(value)
    assert f"{cls.__name__}: learning_rate is {value}" in str(error.value)


@pytest.mark.parametrize("cls", WITH_A_RATE)
@pytest.mark.parametrize("value", ["0.1", None, True, [0.1], 1j, np.array([0.1])])
def test_learning_rate_is_a_number(cls, value):
    with pytest.raises(TypeError, match=f"{cls.__name__}: learning_rate is .*; it must be a number"):
        cls(value)


SHARES = [
    (fastbp.Momentum, "momentum"), (fastbp.Nesterov, "momentum"), (fastbp.Adam, "beta_1"), (fastbp.Adam, "beta_2"),
    (fastbp.AdamW, "beta_1"), (fastbp.RMSProp, "alpha"), (fastbp.RMSProp, "momentum"),
]  # fmt: skip


@pytest.mark.parametrize(("cls", "name"), SHARES)
@pytest.mark.parametrize("value", [-0.1, 1, 1.0, 2, math.nan, math.inf])
def test_shares_are_at_least_0_and_less_than_1(cls, name, value):
    with pytest.raises(ValueError, match="must be at least 0 and less than 1") as error:
        cls(0.1, **{name: value})
    assert f"{cls.__name__}: {name} is {value}" in str(error.value)


@pytest.mark.parametrize("cls", [fastbp.Adam, fastbp.AdamW, fastbp.RMSProp, fastbp.Adagrad])
@pytest.mark.parametrize("value", [0, -1e-8, math.nan, math.inf])
def test_epsilon_is_positive_and_finite(cls, value):
    with pytest.raises(ValueError, match=f"{cls.__name__}: epsilon is"):
        cls(epsilon=value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: fastbp.AdamW(weight_decay=-0.1), "weight_decay is -0.1; it must be a finite number of at least 0"),
        (lambda: fastbp.Adagrad(rate_decay=math.nan), "Adagrad: rate_decay is nan; it must be a finite number of at"),
        (lambda: fastbp.Rprop(decrease=1), "Rprop: decrease is 1; it must be greater than 0 and less than 1"),
        (lambda: fastbp.Rprop(increase=1), "Rprop: increase is 1; it must be a finite number greater than 1"),
        (lambda: fastbp.Rprop(smallest_step=-1), "Rprop: smallest_step is -1; it must be a finite number of at least"),
        (lambda: fastbp.Rprop(largest_step=0), "Rprop: largest_step is 0; it must be a finite number greater than 0"),
        (lambda: fastbp.Rprop(smallest_step=1, largest_step=0.5), "smallest_step is 1; it must be at most largest"),
        (lambda: fastbp.RMSProp(momentum=0.5, centered=True), "momentum is 0.5 and centered is True.*choose one"),
        (lambda: fastbp.LBFGS(memory=0), "LBFGS: memory is 0; it must be a whole number of at least 1"),
        (lambda: fastbp.LBFGS(cost_tolerance=-1), "LBFGS: cost_tolerance is -1; it must be a finite number of"),
        (lambda: fastbp.ConjugateGradient(math.inf), "ConjugateGradient: gradient_tolerance is inf; it must be"),
    ],
)  # fmt: skip
def test_other_hyperparameters_are_in_their_ranges(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: fastbp.RMSProp(centered=1), "RMSProp: centered is 1; it must be True or False"),
        (lambda: fastbp.LBFGS(memory=2.5), "LBFGS: memory is 2.5; it must be a whole number"),
        (lambda: fastbp.LBFGS(memory=True), "LBFGS: memory is True; it must be a whole number"),
        (lambda: LineSearch(), "use LBFGS or ConjugateGradient"),
        (lambda: fastbp.ConjugateGradient().update, "takes no steps of its own"),
    ],
)
def test_hyperparameters_of_the_wrong_kind(make, message):
    with pytest.raises(TypeError, match=message):
        make()


def test_rprop_wants_all_samples():
    fastbp.Rprop().check(10, 10)
    fastbp.Rprop().check(32, 10)
    with pytest.raises(ValueError, match=r"batch_size is 9 of 10 samples; Rprop needs .* leave batch_size out, or"):
        fastbp.Rprop().check(9, 10)
    for make in [*OPTIMIZERS.values(), fastbp.LBFGS, fastbp.ConjugateGradient, fastbp.LevenbergMarquardt]:
        make().check(1, 10)


def test_numpy_numbers_are_hyperparameters(formulation):
    X, Y = samples()
    parameters = []
    for learning_rate in (0.1, np.float64(0.1)):
        net = network(formulation, "float64")
        net.fit(
            X, Y, epochs=1, batch_size=5, optimizer=fastbp.Momentum(learning_rate, momentum=type(learning_rate)(0.5))
        )
        parameters.append(net.parameters.tobytes())
    assert parameters[0] == parameters[1]
