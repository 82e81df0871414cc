"""One step of gradient descent, worked by hand.

The network has two inputs, two sigmoid neurons and one sigmoid output; the cost is ½(a − y)², the learning rate 2.
All weights are multiples of L = log 3, because σ(L) = 1 / (1 + 1/3) = 3/4 and σ(−L) = 1 / (1 + 3) = 1/4.

    x = (1, 2)         w(1) = |  3L  −L |    b(1) = |  0  |      w(2) = | L  5L |    b(2) = −L     y = 0
                              |  −L   L |           | −2L |

Forward:

    z(1)_1 = 3L·1 − L·2 + 0 = L              a(1)_1 = 3/4
    z(1)_2 = −L·1 + L·2 − 2L = −L            a(1)_2 = 1/4
    z(2)   = L·3/4 + 5L·1/4 − L = L          a(2)   = 3/4
    C      = ½ (3/4 − 0)² = 9/32

Backward; σ′ = a(1 − a) is 3/16 for all three neurons:

    BP1    δ(2)   = (a − y) σ′ = 3/4 · 3/16 = 9/64
    BP4    ∂C/∂w(2) = a(1) δ(2) = (3/4 · 9/64, 1/4 · 9/64) = (27/256, 9/256)
    BP3    ∂C/∂b(2) = δ(2) = 9/64
    BP2    δ(1)_1 = L · 9/64 · 3/16 = 27L/1024
           δ(1)_2 = 5L · 9/64 · 3/16 = 135L/1024
    BP4    ∂C/∂w(1) = x_k δ(1)_j = | 27L/1024   54L/1024 |
                                   | 135L/1024  270L/1024 |
    BP3    ∂C/∂b(1) = (27L/1024, 135L/1024)

Step, θ ← θ − 2 ∂C/∂θ:

    w(1) = | 3L − 54L/1024     −L − 108L/1024 |    b(1) = | −54L/1024        |
           | −L − 270L/1024     L − 540L/1024 |           | −2L − 270L/1024  |
    w(2) = | L − 54/256   5L − 18/256 |            b(2) = −L − 18/64

The next forward pass, in decimals (L = 1.09861229):

    w(1) = | 3.23790165  −1.21447843 |    b(1) = (−0.05793463, −2.48689774)
           | −1.38828545  0.51926594 |             … and so on, below as formulas
"""

import math

import numpy as np
import pytest

import fastbp

L = math.log(3)
X, Y = [[1, 2]], [[0]]
THETA = [3 * L, -L, -L, L, 0, -2 * L, L, 5 * L, -L]  # w(1) row by row, b(1), w(2), b(2)
GRADIENT = [
    27 * L / 1024,
    54 * L / 1024,
    135 * L / 1024,
    270 * L / 1024,
    27 * L / 1024,
    135 * L / 1024,
    27 / 256,
    9 / 256,
    9 / 64,
]
AFTER = [
    3 * L - 54 * L / 1024,
    -L - 108 * L / 1024,
    -L - 270 * L / 1024,
    L - 540 * L / 1024,
    -54 * L / 1024,
    -2 * L - 270 * L / 1024,
    L - 54 / 256,
    5 * L - 18 / 256,
    -L - 18 / 64,
]


@pytest.fixture(params=["float64", "float32"])
def net(request, formulation):
    net = fastbp.Network(
        [2, 2, 1],
        activation="sigmoid",
        output_activation="sigmoid",
        cost="quadratic",
        dtype=request.param,
        formulation=formulation,
        seed=0,
    )
    net.parameters = THETA
    return net


def close(given, expected):
    tolerance = 1e-14 if np.asarray(given).dtype == np.float64 else 1e-6
    return given == pytest.approx(np.array(expected), rel=tolerance, abs=tolerance)


def test_parameters_are_where_the_text_has_them(net):
    assert close(net.weights[0], [[3 * L, -L], [-L, L]])
    assert close(net.biases[0], [0, -2 * L])
    assert close(net.weights[1], [[L, 5 * L]])
    assert close(net.biases[1], [-L])


def test_forward(net):
    assert close(net.predict(X), [[3 / 4]])
    assert net.evaluate(X, Y).cost == pytest.approx(9 / 32, rel=1e-6)


def test_backward(net):
    gradient = net.gradient(X, Y)
    assert close(gradient.vector, GRADIENT)
    assert close(gradient.weights[0], [[27 * L / 1024, 54 * L / 1024], [135 * L / 1024, 270 * L / 1024]])
    assert close(gradient.biases[0], [27 * L / 1024, 135 * L / 1024])
    assert close(gradient.weights[1], [[27 / 256, 9 / 256]])
    assert close(gradient.biases[1], [9 / 64])


def test_step(net):
    history = net.fit(X, Y, epochs=1, batch_size=1, optimizer=fastbp.SGD(2.0))
    assert history.cost == pytest.approx([9 / 32], rel=1e-6)
    assert close(net.parameters, AFTER)
    assert close(
        net.weights[0], [[3 * L - 54 * L / 1024, -L - 108 * L / 1024], [-L - 270 * L / 1024, L - 540 * L / 1024]]
    )


def test_squared_error_doubles_the_gradient(formulation):
    """3Blue1Brown's cost has no ½."""
    net = fastbp.Network(
        [2, 2, 1], activation="sigmoid", cost="squared_error", dtype="float64", formulation=formulation
    )
    net.parameters = THETA
    assert net.evaluate(X, Y).cost == pytest.approx(9 / 16, rel=1e-14)
    assert close(net.gradient(X, Y).vector, 2 * np.array(GRADIENT))


def test_cross_entropy_cancels_the_derivative_of_the_output(formulation):
    """δ(2) = a − y = 3/4 instead of 9/64: all entries are 16/3 times as large; C = −log(1 − 3/4) = 2 log 2."""
    net = fastbp.Network(
        [2, 2, 1], activation="sigmoid", cost="cross_entropy", dtype="float64", formulation=formulation
    )
    net.parameters = THETA
    assert net.evaluate(X, Y).cost == pytest.approx(2 * math.log(2), rel=1e-14)
    assert close(net.gradient(X, Y).vector, 16 / 3 * np.array(GRADIENT))
