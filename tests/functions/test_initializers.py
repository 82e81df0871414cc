"""Initializers: their distributions, the seed, float32 and float64, a user's own, and refusals."""

import math

import numpy as np
import pytest

import fastbp
from fastbp.functions.activations import ACTIVATIONS
from fastbp.functions.initializers import INITIALIZERS, default_initializer

N_IN, N_OUT = 400, 300
NORM = 0.7 * N_OUT ** (1 / N_IN)  # of the weights of a neuron, of nguyen_widrow

# Standard deviations of weights and biases; whether the weights are uniform.
EXPECTED = {
    "nielsen_large": (1, 1, False),
    "nielsen": (1 / math.sqrt(N_IN), 1, False),
    "glorot": (math.sqrt(2 / (N_IN + N_OUT)), 0, True),
    "he": (math.sqrt(2 / N_IN), 0, False),
    "lecun": (1 / math.sqrt(N_IN), 0, False),
    "nguyen_widrow": (NORM / math.sqrt(N_IN), NORM / math.sqrt(3), False),
    "zeros": (0, 0, False),
}


@pytest.mark.parametrize("name", INITIALIZERS)
def test_moments(name):
    """The moments of 120,000 weights and 300 biases are within five standard errors, at a fixed seed."""
    deviation, bias_deviation, uniform = EXPECTED[name]
    net = fastbp.Network([N_IN, N_OUT], initializer=name, dtype="float64", seed=1)
    w, b = net.weights[0].ravel(), net.biases[0]
    n = w.size
    assert abs(w.mean()) <= 5 * deviation / math.sqrt(n)
    assert abs(w.std() - deviation) <= 5 * deviation / math.sqrt(2 * n)
    assert abs(b.mean()) <= 5 * bias_deviation / math.sqrt(b.size)
    assert abs(b.std() - bias_deviation) <= 5 * bias_deviation / math.sqrt(2 * b.size)
    if deviation:
        kurtosis = ((w - w.mean()) ** 4).mean() / w.std() ** 4
        assert kurtosis == pytest.approx(1.8 if uniform else 3, abs=0.1)
        assert abs((w > 0).mean() - 0.5) < 5 * 0.5 / math.sqrt(n)
        assert len(np.unique(w)) == n
    if uniform:
        assert np.abs(w).max() <= math.sqrt(6 / (N_IN + N_OUT))


def test_every_initializer_is_tested_here():
    assert set(EXPECTED) == set(INITIALIZERS)


@pytest.mark.parametrize("name", INITIALIZERS)
def test_the_seed_decides(name):
    def parameters(seed):
        return fastbp.Network([7, 5, 3], initializer=name, seed=seed).parameters.tobytes()

    assert parameters(3) == parameters(3)
    assert parameters(3) == parameters(np.random.SeedSequence(3)) == parameters(np.random.default_rng(3))
    if name != "zeros":
        assert parameters(3) != parameters(4)
        assert parameters(None) != parameters(None)


@pytest.mark.parametrize("name", INITIALIZERS)
def test_float32_is_float64_rounded(name):
    wide, narrow = (fastbp.Network([7, 5, 3], initializer=name, seed=5, dtype=d) for d in ("float64", "float32"))
    assert narrow.parameters.dtype == np.float32
    assert (wide.parameters.astype(np.float32) == narrow.parameters).all()
    assert wide._rng.bit_generator.state == narrow._rng.bit_generator.state


@pytest.mark.parametrize("name", [name for name in INITIALIZERS if name != "zeros"])
def test_layers_are_drawn_anew(name):
    net = fastbp.Network([4, 4, 4], initializer=name, seed=0)
    assert not np.array_equal(net.weights[0], net.weights[1])


@pytest.mark.parametrize("activation", [name for name, a in ACTIVATIONS.items() if not a.whole_layer])
def test_the_default_follows_the_activation_of_the_layer(activation):
    he = activation in {"relu", "leaky_relu", "elu", "softplus", "silu", "mish", "gelu"}
    expected = "lecun" if activation == "selu" else "he" if he else "glorot"
    assert default_initializer(activation).name == expected
    left_out = fastbp.Network([5, 4, 3], activation=activation, output_activation="tanh", seed=2)
    hidden = fastbp.Network([5, 4, 3], activation=activation, initializer=expected, seed=2, output_activation="tanh")
    assert (left_out.weights[0] == hidden.weights[0]).all()
    assert np.abs(left_out.weights[1]).max() <= math.sqrt(6 / 7)


def test_nguyen_widrow_spreads_the_bends_of_neurons_over_the_inputs():
    net = fastbp.Network([2, 9, 1], activation="tanh", initializer="nguyen_widrow", dtype="float64", seed=0)
    np.testing.assert_allclose(np.linalg.norm(net.weights[0], axis=1), 0.7 * 3)
    np.testing.assert_allclose(np.abs(net.biases[0]), np.abs(0.7 * 3 * np.linspace(-1, 1, 9)))
    assert net.biases[1] == 0


def test_a_users_own_initializer():
    calls = []

    def draw(rng, n_out, n_in):
        calls.append((n_out, n_in))
        return rng.integers(0, 10, (n_out, n_in)), [float(j) for j in range(n_out)]

    net = fastbp.Network([4, 3, 2], initializer=fastbp.Initializer("own", draw), seed=6)
    assert calls == [(3, 4), (2, 3)]
    rng = np.random.default_rng(6)
    assert (net.weights[0] == rng.integers(0, 10, (3, 4))).all() and (
        net.weights[1] == rng.integers(0, 10, (2, 3))
    ).all()
    assert net.biases[0].tolist() == [0, 1, 2] and net.biases[1].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("w", "b", "message"),
    [
        (np.zeros((2, 3)), np.zeros(3), r"gave weights of shape \(2, 3\); needed: \(3, 2\)"),
        (np.zeros(6), np.zeros(3), r"gave weights of shape \(6,\); needed: \(3, 2\)"),
        (np.zeros((3, 2)), np.zeros(2), r"gave biases of shape \(2,\); needed: \(3,\)"),
        (np.zeros((3, 2)), 0.0, r"gave biases of shape \(\); needed: \(3,\)"),
        (np.full((3, 2), np.nan), np.zeros(3), "gave weights that are not all finite"),
        (np.zeros((3, 2)), np.array([0, np.inf, 0]), "gave biases that are not all finite"),
    ],
)
def test_arrays_that_do_not_fit_the_layer_are_refused(w, b, message):
    own = fastbp.Initializer("own", lambda rng, n_out, n_in: (w, b))
    with pytest.raises(ValueError, match=f"initializer 'own' {message}"):
        fastbp.Network([2, 3], initializer=own)


def test_numbers_that_overflow_float32_are_refused():
    """1e300 is finite as drawn, but infinite in a float32 network."""
    own = fastbp.Initializer("own", lambda rng, n_out, n_in: (np.full((n_out, n_in), 1e300), np.zeros(n_out)))
    assert np.isfinite(fastbp.Network([2, 3], initializer=own, dtype="float64").parameters).all()
    with pytest.raises(ValueError, match="initializer 'own' gave weights that are not all finite"):
        fastbp.Network([2, 3], initializer=own, dtype="float32")


def test_malformed_initializers_are_refused():
    with pytest.raises(TypeError, match="the draw of initializer 'own' is not callable: 3"):
        fastbp.Initializer("own", 3)
    with pytest.raises(ValueError, match="unknown initializer 'glorod'; did you mean 'glorot'"):
        fastbp.Network([2, 3], initializer="glorod")
    with pytest.raises(TypeError, match=r"initializer is 3; it must be a name or a fastbp\.Initializer"):
        fastbp.Network([2, 3], initializer=3)
