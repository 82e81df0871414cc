"""`tiles` against the textbook: all sizes around a register, all optimizers, other machines."""

import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import config
from numpy.testing import assert_array_equal

import fastbp
from fastbp.compiler import threads
from fastbp.formulations.tiles import formulation, panel_sums, tiled
from fastbp.formulations.tiles.panels import pack, unpack
from fastbp.formulations.tiles.registers import VECTOR_BYTES
from fastbp.formulations.tiles.tiled import tiled_network, tiled_workspace

TOLERANCE = {"float32": 1e-5, "float64": 1e-12}
EXAMPLES = 5 if config.DISABLE_JIT else 20 if "FASTBP_TARGET" in os.environ else 60
LARGEST = 9 if config.DISABLE_JIT else 35
OPTIMIZERS = [fastbp.SGD(0.1), fastbp.Momentum(0.1), fastbp.Nesterov(0.1), fastbp.Adam(0.01)]
both = pytest.mark.parametrize("dtype", ["float32", "float64"])


def data(sizes, m, seed=0):
    rng = np.random.default_rng(seed)
    Y = rng.random((m, sizes[-1]))
    return rng.standard_normal((m, sizes[0])), Y / Y.sum(axis=1, keepdims=True)


def pair(sizes, dtype, **choices):
    return [fastbp.Network(sizes, dtype=dtype, seed=1, formulation=name, **choices) for name in ("tiles", "textbook")]


def assert_close(ours, theirs, dtype):
    assert np.abs(ours - theirs).max() <= TOLERANCE[dtype] * max(1e-3, np.abs(theirs).max())


def check_gradient_and_fit(sizes, m, batch_size, dtype, optimizer, **choices):
    X, Y = data(sizes, m)
    tiles, textbook = pair(sizes, dtype, **choices)
    assert_close(tiles.gradient(X, Y).vector, textbook.gradient(X, Y).vector, dtype)
    assert_close(tiles.predict(X), textbook.predict(X), dtype)
    histories = [
        net.fit(X, Y, epochs=2, batch_size=batch_size, optimizer=optimizer, progress=False) for net in (tiles, textbook)
    ]
    assert_close(tiles.parameters, textbook.parameters, dtype)
    assert_close(np.array(histories[0].cost), np.array(histories[1].cost), dtype)


@both
@settings(max_examples=EXAMPLES, deadline=None, derandomize=True)
@given(data=st.data())
def test_agrees_with_the_textbook(dtype, data):
    sizes = data.draw(st.lists(st.integers(1, LARGEST), min_size=2, max_size=4))
    m = data.draw(st.integers(1, 2 * LARGEST))
    check_gradient_and_fit(sizes, m, data.draw(st.integers(1, m)), dtype, fastbp.SGD(0.1), activation="tanh")


@both
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda optimizer: type(optimizer).__name__)
def test_every_optimizer(optimizer, dtype):
    check_gradient_and_fit([5, 9, 3], 7, 3, dtype, optimizer, activation="sigmoid")


@both
@pytest.mark.parametrize("cost", ["quadratic", "cross_entropy", "poisson"])
@pytest.mark.parametrize("activation", ["sigmoid", "relu", "softplus"])
def test_activations_and_costs(activation, cost, dtype):
    check_gradient_and_fit([4, 6, 5], 6, 4, dtype, fastbp.SGD(0.1), activation=activation, cost=cost)


@pytest.mark.skipif(config.DISABLE_JIT, reason="slow")
@both
@pytest.mark.parametrize(
    ("sizes", "m"),
    [([800, 40, 70], 3), ([401, 33, 20], 25), ([600, 33, 5], 1), ([16, 512, 3], 70), ([40, 300, 200], 30)],
)
def test_blocks_of_depth_and_long_rows(sizes, m, dtype):
    check_gradient_and_fit(sizes, m, m, dtype, fastbp.SGD(0.01), activation="tanh")


@pytest.mark.skipif(config.DISABLE_JIT, reason="slow")
@both
@pytest.mark.parametrize(
    ("sizes", "m", "batch_size", "in_parts"),
    [([100, 90, 3], 1100, 1100, False), ([4, 20, 3], 1100, 1000, True), ([4, 5, 40], 2600, 2600, True)],
)
def test_many_samples_a_step(sizes, m, batch_size, in_parts, dtype):
    net = fastbp.Network(sizes, dtype=dtype)
    assert tiled.sums_in_parts(net._model, batch_size) == in_parts
    check_gradient_and_fit(sizes, m, batch_size, dtype, fastbp.Adam(0.01), activation="tanh")


@both
@pytest.mark.parametrize("sizes", [[37, 1], [16, 1], [1, 1], [5, 19, 1], [9, 1, 3]], ids=str)
def test_one_neuron(sizes, dtype):
    """The sums of one neuron run along rows (`column_sums.py`), with a full and a partly filled last panel."""
    check_gradient_and_fit(sizes, 11, 7, dtype, fastbp.SGD(0.1), activation="tanh", cost="quadratic")
    check_gradient_and_fit(sizes, 11, 7, dtype, fastbp.Adam(0.01), activation="tanh", cost="quadratic")


@both
@pytest.mark.parametrize("sizes", [[9, 40, 3], [40, 12], [20, 1]], ids=str)
def test_steps_of_one_sample_with_and_without_a_shared_pass(sizes, dtype):
    """The update of one step and the first layer of the next share a pass over the weights, or do not."""
    X, Y = data(sizes, 30)
    shared, apart, textbook = (
        fastbp.Network(sizes, dtype=dtype, seed=1, activation="tanh", formulation=name)
        for name in ("tiles", "tiles", "textbook")
    )
    shared.fit(X, Y, epochs=2, batch_size=1, optimizer=fastbp.SGD(0.01), progress=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(formulation, "ONE_BY_ONE_UNTIL", 0)
        apart.fit(X, Y, epochs=2, batch_size=1, optimizer=fastbp.SGD(0.01), progress=False)
    textbook.fit(X, Y, epochs=2, batch_size=1, optimizer=fastbp.SGD(0.01), progress=False)
    assert_close(shared.parameters, textbook.parameters, dtype)
    assert_close(apart.parameters, textbook.parameters, dtype)


@both
@pytest.mark.parametrize("output", ["softmax", "identity"])
def test_one_row_alone_and_among_others(output, dtype):
    net = fastbp.Network([9, 40, 3], dtype=dtype, seed=1, activation="tanh", output_activation=output)
    X, _ = data([9, 3], 20)
    together = net.predict(X)
    alone = np.concatenate([net.predict(X[s : s + 1]) for s in range(20)])
    assert alone.shape == together.shape and alone.dtype == together.dtype
    assert_close(alone, together, dtype)


@both
def test_loops_share_their_python_side(dtype):
    X, Y = data([5, 9, 3], 7)
    nets = [fastbp.Network([5, 9, 3], dtype=dtype, seed=1, formulation=name) for name in ("tiles", "loops")]
    for net in nets:
        net.fit(X, Y, epochs=2, batch_size=3, optimizer=fastbp.Adam(0.01), progress=False)
    assert_close(nets[0].parameters, nets[1].parameters, dtype)
    assert_close(nets[0].gradient(X, Y).vector, nets[1].gradient(X, Y).vector, dtype)
    assert_close(nets[0].predict(X), nets[1].predict(X), dtype)


@both
@pytest.mark.parametrize("n_out", [3, 16, 33, 49, 70])
def test_panels_hold_the_parameters(n_out, dtype):
    n_in = 37
    net = fastbp.Network([n_in, n_out], dtype=dtype, seed=0)
    network, work = tiled_network(net._model), tiled_workspace(net._model, 4)
    net.biases[0][:] = np.arange(n_out)
    pack(work.theta, net.parameters, network)
    lanes = VECTOR_BYTES // np.dtype(dtype).itemsize
    n_rows = 1 + tiled.panel_columns(n_in, net.dtype)
    j = n_out - 1 - (n_out - 1) % (2 * lanes)  # the last panel begins here; it is narrow if that is wide enough
    width = lanes if n_out - j <= lanes and lanes >= 4 else 2 * lanes
    panel = work.theta[n_rows * j : n_rows * (j + width)].reshape(n_rows, width)
    assert_array_equal(panel[0, : n_out - j], net.biases[0][j:])
    assert_array_equal(panel[1 : 1 + n_in, : n_out - j], net.weights[0][j:].T)
    back = np.empty_like(net.parameters)
    unpack(back, work.theta, network)
    assert_array_equal(back, net.parameters)


@pytest.mark.parametrize("vecs", [1, 2])
def test_rows_of_tiles_add_up(vecs):
    next_rows = getattr(panel_sums.next_rows, "py_func", panel_sums.next_rows)
    for rows in range(1, 300):
        left = rows
        while left > 0:
            size = next_rows(left, vecs)
            assert size in panel_sums.sizes_of_tiles("forward_panel", vecs) and size * vecs <= 2 * panel_sums.ROWS
            assert size in panel_sums.sizes_of_tiles("gradient_panel", vecs) or rows % 4 > 0
            assert size in panel_sums.sizes_of_tiles("forward_listed", vecs) or vecs == 1
            assert size <= -(-left // 4) * 4  # the excess is padding to a multiple of 4
            left -= size


@both
@pytest.mark.parametrize("m", [1, 2, 5, 17])
@pytest.mark.parametrize("sizes", [[5, 19, 3], [5, 19, 1]], ids=str)
def test_padding_never_enters_a_result(sizes, m, dtype, monkeypatch):
    X, Y = data(sizes, m)
    tiles, textbook = pair(sizes, dtype, activation="tanh", cost="quadratic")

    def poisoned(*arguments, **options):
        work = tiled_workspace(*arguments, **options)
        for buffer in (work.theta, work.first, work.second, work.z, work.a, work.delta, work.scratch):
            buffer[:] = np.nan
        return work

    monkeypatch.setattr(formulation, "tiled_workspace", poisoned)
    assert_close(tiles.gradient(X, Y).vector, textbook.gradient(X, Y).vector, dtype)
    assert_close(tiles.predict(X), textbook.predict(X), dtype)
    for optimizer in (fastbp.SGD(0.1), fastbp.Adam(0.01)):
        for net in (tiles, textbook):
            net.fit(X, Y, epochs=1, batch_size=m, optimizer=optimizer, progress=False)
        assert_close(tiles.parameters, textbook.parameters, dtype)


@pytest.mark.skipif(config.DISABLE_JIT or config.NUMBA_NUM_THREADS < 2, reason="needs threads")
@both
@pytest.mark.parametrize(
    ("sizes", "m", "batch_size"), [([20, 70, 35, 4], 150, 70), ([3, 12, 4], 1500, 1500), ([20, 35, 1], 150, 70)]
)
def test_same_bits_on_one_and_two_threads(sizes, m, batch_size, dtype, monkeypatch):
    X, Y = data(sizes, m)

    def results(flops, n_threads):
        monkeypatch.setattr(threads, "PARALLEL_FROM", dict.fromkeys(threads.PARALLEL_FROM, flops))
        net = fastbp.Network(sizes, activation="tanh", cost="quadratic", dtype=dtype, seed=1, formulation="tiles")
        with fastbp.threads(n_threads):
            gradient = net.gradient(X, Y).vector
            net.fit(X, Y, epochs=2, batch_size=batch_size, optimizer=fastbp.Adam(0.01), progress=False)
            return gradient, net.parameters, net.predict(X)

    serial, one, two = results(np.inf, 2), results(0, 1), results(0, 2)
    for a, b, c in zip(serial, one, two, strict=True):
        assert_array_equal(a, b)
        assert_array_equal(a, c)
