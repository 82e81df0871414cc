"""Sums that skip inputs of 0 (`lists.py`) give the same bits as sums over all inputs."""

import numpy as np
import pytest
from numba import config, njit
from numpy.testing import assert_array_equal

import fastbp
from fastbp.compiler import threads
from fastbp.compiler.variants import variant
from fastbp.formulations.array_functions import update_functions
from fastbp.formulations.network_data import OptimizerData
from fastbp.formulations.tiles import descent, panel_sums, tiled
from fastbp.formulations.tiles import lists as tile_lists
from fastbp.formulations.tiles import steps as tile_steps
from fastbp.formulations.tiles.panel_sums import BLOCK, LEAST
from fastbp.formulations.tiles.panels import pack, unpack
from fastbp.formulations.tiles.prepared import samples_of
from fastbp.formulations.tiles.registers import VECTOR_BYTES
from fastbp.formulations.tiles.tiled import (
    add_gradient_functions,
    tiled_network,
    tiled_workspace,
    with_lists,
)

both = pytest.mark.parametrize("dtype", ["float32", "float64"])
SOME = [([64, 20, 3], 40, 24), ([33, 40, 3], 60, 30)]
if not config.DISABLE_JIT:
    SOME += [([300, 105, 7], 90, 37), ([784, 33], 300, 300), ([45, 600, 3], 1100, 1100), ([150, 1], 60, 30)]


def data(sizes, m, dtype, seed=0):
    """Inputs in clusters: most are 0, some of these −0, and one column is always 0."""
    rng = np.random.default_rng(seed)
    X = (
        rng.standard_normal((m, sizes[0]))
        * np.repeat(rng.random((m, -(-sizes[0] // 5))) < 0.3, 5, axis=1)[:, : sizes[0]]
    )
    X[rng.random(X.shape) < 0.2] *= -1.0
    X[:, 3] = 0
    return X.astype(dtype), rng.random((m, sizes[-1])).astype(dtype)


def fit(sizes, X, Y, batch_size, dtype, optimizer, **options):
    net = fastbp.Network(sizes, activation="tanh", cost="quadratic", dtype=dtype, seed=1, formulation="tiles")
    history = net.fit(X, Y, epochs=2, batch_size=batch_size, optimizer=optimizer, progress=False, **options)
    return net.parameters, history.cost


@both
@pytest.mark.parametrize(("sizes", "m", "batch_size"), SOME, ids=str)
def test_same_bits_as_the_sums_over_all(sizes, m, batch_size, dtype, monkeypatch):
    X, Y = data(sizes, m, dtype)
    results = []
    for share in (-1, 1):  # never, always
        monkeypatch.setattr(tile_lists, "SHARE", share)
        results.append([
            fit(sizes, X, Y, batch_size, dtype, fastbp.SGD(0.1)),
            fit(sizes, X, Y, batch_size, dtype, fastbp.SGD(0.1), l2=0.1, dropout=0.3 if len(sizes) > 2 else None),
            fit(sizes, X, Y, batch_size, dtype, fastbp.Momentum(0.01), clip_norm=0.5),
        ])  # fmt: skip
    for (parameters, costs), (theirs, their_costs) in zip(*results, strict=True):
        assert_array_equal(parameters, theirs)
        assert costs == their_costs


@both
def test_same_bits_where_padding_holds_anything(dtype, monkeypatch):
    sizes, make = [45, 19, 3], tiled_workspace
    X, Y = data(sizes, 70, dtype)
    clean = fit(sizes, X, Y, 35, dtype, fastbp.SGD(0.1))[0]

    def poisoned(*arguments, **options):
        work = make(*arguments, **options)
        for buffer in (work.theta, work.z, work.a, work.delta, work.scratch):
            buffer[:] = np.nan
        return work

    monkeypatch.setattr(tiled, "tiled_workspace", poisoned)
    assert_array_equal(fit(sizes, X, Y, 35, dtype, fastbp.SGD(0.1))[0], clean)


@pytest.mark.skipif(config.DISABLE_JIT or config.NUMBA_NUM_THREADS < 2, reason="needs threads")
@both
def test_same_bits_on_two_threads(dtype, monkeypatch):
    monkeypatch.setattr(threads, "PARALLEL_FROM", dict.fromkeys(threads.PARALLEL_FROM, 0))
    sizes = [130, 70, 3]
    X, Y = data(sizes, 300, dtype)
    results = []
    for n in (1, 2):
        with fastbp.threads(n):
            results.append(fit(sizes, X, Y, 150, dtype, fastbp.Adam(0.01))[0])
    assert_array_equal(*results)


def prepared(net, X, Y):
    """A workspace for all samples, with lists if it pays, θ in it, and `errors` compiled for it."""
    work, samples = with_lists(net._model, tiled_workspace(net._model, len(X)), X, np.arange(len(X))), samples_of(X, Y)
    pack(work.theta, net.parameters, tiled_network(net._model))
    add_gradient_functions(net._model, ["errors_share"], W=work, A=samples)
    return work, samples


def errors(net, work, samples):
    """Run `errors` for all samples."""
    share = work.theta.dtype.type(1)
    variant(tile_steps.errors, 1)(1, work, samples, 0, len(samples.order), share, tiled_network(net._model))


@pytest.mark.parametrize("shift", [0, 1])
def test_lists_are_used_where_inputs_are_0_and_only_there(shift):
    """The weights of an input that is always 0 are NaN: sums that skip the input stay finite."""
    net = fastbp.Network([64, 20, 3], activation="tanh", cost="quadratic", dtype="float64", seed=1)
    X, Y = data([64, 20, 3], 60, "float64")
    X = np.where(np.arange(64) == 3, 0, X + shift)
    net.weights[0][:, 3] = np.nan
    work, samples = prepared(net, X, Y)
    errors(net, work, samples)
    assert (work.noted.size > 0) == (shift == 0)
    assert np.isnan(work.costs).all() == (shift == 1)


@pytest.mark.parametrize("shift", [0, 1])
def test_lists_are_used_for_the_gradient_too(shift):
    """The error of a sample whose first panel of inputs is 0 is NaN: sums that skip it there stay finite."""
    net = fastbp.Network([64, 4, 3], activation="tanh", cost="quadratic", dtype="float64", seed=1)
    (X, Y), columns, network = data([64, 4, 3], 60, "float64"), 2 * VECTOR_BYTES // 8, tiled_network(net._model)
    X = X + shift
    X[7] = np.arange(64) >= columns
    work, samples = prepared(net, X, Y)
    rest = fastbp.SGD(0.1).hyper, np.zeros(1, np.int64), *update_functions("sgd", X.dtype)
    optimizer = OptimizerData(work.first, work.second, *rest, plain_descent=True)
    add_gradient_functions(net._model, ["descend_share"], W=work, A=samples, O=optimizer)
    errors(net, work, samples)
    of_layer = [int(work.rows * network.layers["columns_before"][l]) for l in (1, 2)]
    work.delta[slice(*of_layer)].reshape(work.rows, -1)[7] = np.nan  # four neurons: all of one panel
    variant(descent.descend, 1)(1, optimizer, work, 60, descent.FIRST | descent.LAST, network)
    unpack(net.parameters, work.theta, network)
    assert (work.noted.size > 0) == (shift == 0)
    assert np.isnan(net.weights[0][:, :columns]).all() == np.isnan(net.weights[0][:, :columns]).any() == (shift == 1)
    assert np.isnan(net.weights[0][:, columns:]).all()


@pytest.mark.skipif(config.DISABLE_JIT, reason="calls the compiled form")
@both
def test_lists_hold_the_nonzero_inputs_only(dtype):
    columns, m = 2 * VECTOR_BYTES // np.dtype(dtype).itemsize, 30
    n = max(10, tile_lists.INPUTS // columns) * columns + 3  # two chunks, and a last panel that is not full
    net = fastbp.Network([n, 20, 3], dtype=dtype, seed=0)
    X, Y = data([n, 3], m, dtype)
    work, samples = prepared(net, X, Y)
    errors(net, work, samples)
    next_rows = getattr(panel_sums.next_rows, "py_func", panel_sums.next_rows)
    chunk, whole = panel_sums.CACHED // (2 * VECTOR_BYTES), n - n % columns  # a last, narrow panel is in no list
    lists, s = work.listed_inputs.reshape(-(-n // chunk), work.rows // LEAST, 1 + chunk), 0
    while s < m:
        size = next_rows(m - s, 2)
        for i, listed in enumerate(lists[:, s // LEAST]):
            inputs = X[s : s + size, i * chunk : min(whole, (i + 1) * chunk)]
            assert_array_equal(listed[1 : 1 + listed[0]], np.flatnonzero((inputs != 0).any(axis=0)))
        s += size
    of_samples, k = np.zeros((columns // LEAST, 1 + BLOCK), np.uint32), 0
    njit(tile_lists.list_samples)(of_samples.reshape(-1), work.noted.reshape(-1, work.rows)[1], m, columns)
    while k < columns:
        size, listed = min(panel_sums.LISTED_ROWS, columns - k), of_samples[k // LEAST]
        expected = np.flatnonzero((X[:, columns + k : columns + k + size] != 0).any(axis=1))
        assert_array_equal(listed[1 : 1 + listed[0]], expected)
        k += size
