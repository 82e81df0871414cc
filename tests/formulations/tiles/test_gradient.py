"""How the weights are shared out among threads: every weight once, and as many to each thread."""

import numpy as np
import pytest
from numba import config
from numpy.testing import assert_array_equal

import fastbp
from fastbp.compiler.options import LEAN, njit
from fastbp.formulations.tiles.gradient import PATCH, patch_of, share_of
from fastbp.formulations.tiles.panels import pack
from fastbp.formulations.tiles.registers import VECTOR_BYTES
from fastbp.formulations.tiles.tile import wide
from fastbp.formulations.tiles.tiled import tiled_network

SIZES = [(784, 64, 10), (784, 100, 10), (64, 128, 128, 10), (3, 1), (2, 5, 40, 1)]


@njit(on_disk=False, **LEAN)
def count(found, n_threads, lowest, net):
    for thread in range(n_threads):
        share = share_of(thread, n_threads, lowest, net)
        for l in range(lowest, net.L + 1):
            for j in range(0, net.layers[l].n, wide(found)):
                for k in range(0, net.layers[l - 1].n, PATCH * wide(found)):
                    patch = patch_of(found, net, l, j, k, PATCH * wide(found), share)
                    if patch.n > 0:
                        for i in range(patch.start, patch.start + patch.size):
                            found[thread, i] += 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("lowest", [1, 2])
@pytest.mark.parametrize("n_threads", [1, 2, 3, 8])
@pytest.mark.parametrize("sizes", SIZES[3:] if config.DISABLE_JIT else SIZES, ids=str)
def test_every_weight_is_one_thread_s_and_all_have_as_many(lowest, sizes, n_threads, dtype):
    model = fastbp.Network(sizes, dtype=dtype, seed=0)._model
    net = tiled_network(model)
    found = np.zeros((n_threads, net.layers["panels_at"][-1]), dtype)  # how often each thread computes each number
    lowest = min(lowest, net.L)
    count(found, n_threads, lowest, net)
    is_weight = np.zeros(found.shape[1], dtype)
    pack(is_weight, np.ones(model.parameters.vector.size, dtype), net)
    is_weight[: net.layers["panels_at"][lowest]] = 0  # of a frozen layer
    assert_array_equal(found.sum(axis=0)[is_weight == 1], 1)
    assert found.sum(axis=0).max() == 1
    square = (2 * VECTOR_BYTES // np.dtype(dtype).itemsize) ** 2  # weights from a panel of inputs to one of neurons
    biases = net.layers["columns"][lowest:-1].sum()  # as many as one thread may have too many, and another too few
    assert np.ptp(found.sum(axis=1)) <= 2 * (square + biases)
