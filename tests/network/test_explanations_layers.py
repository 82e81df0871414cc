"""`Network.layers_of`: z and a of every layer are those of the textbook, of `trace` and of `predict`."""

import numpy as np
import pytest
from conftest import state_of
from naive_first_order import in_double

import fastbp
from fastbp import memory
from fastbp.compiler.threads import threads
from fastbp.formulations.textbook import feedforward
from fastbp.formulations.tiles.panel_sums import BLOCK
from fastbp.functions.activations import ACTIVATIONS

SIZES = [[3, 2], [5, 1], [7, 40, 33, 1, 10], [2, 17, 3], [4, 300, 2]]


def net_of(sizes, activation="tanh", output=None, dtype="float64"):
    return fastbp.Network(sizes, activation=activation, output_activation=output, dtype=dtype, seed=0)


def inputs(n, n_in, seed=0):
    return np.random.default_rng(seed).normal(size=(n, n_in))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_the_textbook_has_the_same(sizes, dtype):
    net, tolerance = net_of(sizes, dtype=dtype, output="softmax"), 2e-5 if dtype == "float32" else 1e-12
    for n in (1, 2, 5, 2 * BLOCK + 3):
        X = inputs(n, sizes[0])
        layers = net.layers_of(X)
        assert len(layers) == len(sizes) and layers[0].z is None
        np.testing.assert_array_equal(layers[0].a, X.astype(dtype))
        for s in {0, n // 2, n - 1}:
            zs, activations = feedforward(in_double(net), X[s])
            for layer, z, a in zip(layers[1:], zs, activations[1:], strict=True):
                assert layer.z.dtype == layer.a.dtype == dtype and len(layer.z) == n
                np.testing.assert_allclose(layer.z[s], z, tolerance, tolerance)
                np.testing.assert_allclose(layer.a[s], a, tolerance, tolerance)


@pytest.mark.parametrize("activation", [name for name in ACTIVATIONS if name != "softmax"])
def test_every_activation_as_in_trace_and_predict(activation):
    net, X = net_of([6, 20, 5, 3], activation, activation), inputs(7, 6)
    layers = net.layers_of(X)
    for s, x in enumerate(X):
        for mine, traced in zip(layers, net.trace(x, [1, 1, 1]).layers, strict=True):
            np.testing.assert_allclose(mine.a[s], traced.a, 1e-12, 1e-14)
            assert traced.z is None or np.allclose(mine.z[s], traced.z, 1e-12, 1e-14)
    np.testing.assert_allclose(layers[-1].a, net.predict(X), 1e-12, 1e-14)


def test_no_bit_depends_on_other_samples_or_threads():
    net, X = net_of([9, 70, 30, 4], dtype="float32"), inputs(5 * BLOCK, 9).astype(np.float32)
    whole = net.layers_of(X)
    for some in (slice(0, 1), slice(3, 5), slice(7, 4 * BLOCK)):
        for mine, part in zip(whole[1:], net.layers_of(X[some])[1:], strict=True):
            assert np.array_equal(mine.z[some], part.z) and np.array_equal(mine.a[some], part.a)
    with threads(1):
        alone = net.layers_of(X)
    assert all(np.array_equal(a.z, b.z) for a, b in zip(whole[1:], alone[1:], strict=True))
    assert np.array_equal(whole[-1].a, net.predict(X))


def test_nothing_changes_and_the_results_are_new():
    net, X = net_of([3, 4, 2]), inputs(5, 3)
    before, kept = state_of(net), X.copy()
    first, second = net.layers_of(X), net.layers_of(X)
    first[1].a[:], first[-1].z[:] = 9, 9
    assert not (second[1].a == 9).any() and not (net.layers_of(X)[-1].z == 9).any()
    assert state_of(net) == before and np.array_equal(X, kept)
    with pytest.raises(ValueError, match="read-only"):
        first[0].a[:] = 0


def test_more_than_the_memory_is_refused(monkeypatch):
    net, X = net_of([3, 4, 2]), inputs(5, 3)
    monkeypatch.setattr(memory, "physical_memory", lambda: 2 * 5 * 6 * 8 - 1)
    with pytest.raises(MemoryError, match=r"z and a of 5 samples by 6 neurons needs 480 bytes.*: take fewer samples"):
        net.layers_of(X)


def test_with_an_activation_of_ones_own():
    double = fastbp.Activation("double", lambda z: 2 * z, lambda z: 2.0)
    layers = net_of([3, 20, 2], double, double).layers_of(inputs(6, 3))
    assert all(np.array_equal(layer.a, 2 * layer.z) for layer in layers[1:])
