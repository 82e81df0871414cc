"""A training has no subnormal results, with the same bits on any number of threads; what comes after it has them."""

from pathlib import Path
from platform import machine

import numpy as np
import pytest
from conftest import run_python
from numba import config, njit, prange

import fastbp
from fastbp.compiler.subnormals import compute_as, flush_subnormals, keep_subnormals
from fastbp.formulations.lanes.trainer import lanes_of

pytestmark = [
    pytest.mark.skipif(bool(config.DISABLE_JIT), reason="nothing is compiled"),
    pytest.mark.filterwarnings("ignore:networks learn from numbers around 0"),
    pytest.mark.skipif(machine() not in ("x86_64", "AMD64"), reason="other processors are as fast with them"),
]


def saturated(sizes, formulation="tiles"):
    """Return a network whose hidden δ is subnormal, unless it becomes 0.

    Its weights of the first layer are 0 and remain so only then: for inputs so large, their gradient is not subnormal.
    """
    net = fastbp.Network(sizes, activation="sigmoid", cost="quadratic", seed=0, formulation=formulation)
    net.weights[0][:], net.biases[0][:] = 0, -85
    return net


def samples(n, n_in, n_out):
    rng = np.random.default_rng(0)
    return 1e6 * rng.random((n, n_in), dtype=np.float32), rng.random((n, n_out), dtype=np.float32)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_flush_and_restore(dtype):
    @njit
    def products(x, y, results):
        results[0] = x[0] * y[0]
        before = flush_subnormals()
        results[1] = x[0] * y[0]
        results[2] = x[1] * y[1]  # of a subnormal number: no other one becomes 0
        word = keep_subnormals()
        results[3] = x[0] * y[0]
        compute_as(word)
        results[4] = x[0] * y[0]
        compute_as(before)
        results[5] = x[0] * y[0]

    smallest = np.finfo(dtype).smallest_normal
    results = np.ones(6, dtype)
    products(np.array([smallest, smallest / 4], dtype), np.array([0.25, 4], dtype), results)
    np.testing.assert_array_equal(results, [smallest / 4, 0, smallest, smallest / 4, 0, smallest / 4])


@njit(parallel=True)
def products_on_all_threads(x, y):
    for i in prange(x.size):
        y[i] = x[i] * 0.25


@pytest.mark.parametrize("formulation", ["tiles", "loops"])
def test_after_a_training_subnormal_numbers_are_numbers_again(formulation):
    X, Y = samples(1024, 64, 10)
    saturated([64, 256, 10], formulation).fit(X, Y, epochs=2, batch_size=512, progress=False)
    tiny = np.full(100_000, np.finfo(np.float64).smallest_normal)
    result = np.empty_like(tiny)
    products_on_all_threads(tiny, result)
    np.testing.assert_array_equal(result, tiny / 4)
    assert tiny[0] / 4 > 0


@pytest.mark.parametrize("formulation", ["tiles", "loops"])
@pytest.mark.parametrize("sizes", [[64, 256, 10], [2, 24, 1]], ids=str)
def test_the_bits_do_not_depend_on_threads(sizes, formulation):
    """The second one sums its gradient in parts."""
    n = 512 if sizes[0] == 64 else 65536
    X, Y = samples(n, sizes[0], sizes[-1])
    bits = set()
    for n_threads in (1, 2):
        net = saturated(sizes, formulation)
        with fastbp.threads(n_threads):
            net.fit(X, Y, epochs=2, batch_size=n, optimizer=fastbp.Momentum(0.1), progress=False)
        bits.add(net.parameters.tobytes())
        assert (formulation == "loops") or not net.weights[0].any()
    assert len(bits) == 1


@pytest.mark.parametrize("formulation", ["tiles", "loops"])
def test_moments_become_0_on_all_threads(formulation):
    net, (X, Y) = saturated([64, 256, 10], formulation), samples(512, 64, 10)
    options = {"batch_size": 512, "optimizer": fastbp.Momentum(0.1, 0.5), "progress": False}
    net.fit(0 * X, Y, epochs=1, **options)
    net._training.state.first[:] = 4 * np.finfo(np.float32).smallest_normal
    net.fit(0 * X, Y, epochs=4, **options)
    assert not net._training.state.first[: net.weights[0].size].any()


@pytest.mark.parametrize("batch_size", [1, 16])
@pytest.mark.parametrize("optimizer", [fastbp.SGD(0.1), fastbp.Adam(0.1)], ids=repr)
def test_the_bits_do_not_depend_on_who_takes_the_step(optimizer, batch_size):
    X, Y = samples(64, 8, 1)
    options = {"optimizer": optimizer, "batch_size": batch_size, "shuffle": False, "progress": False}
    net, alone = saturated([8, 16, 1]), saturated([8, 16, 1])
    net.fit(X, Y, epochs=3, **options)
    assert not net.weights[0].any()
    assert net.weights[1].any()
    for start in range(0, 3 * 64, batch_size):
        rows = slice(start % 64, start % 64 + batch_size)
        alone.train_on_batch(X[rows], Y[rows], optimizer=optimizer)
    assert alone.parameters.tobytes() == net.parameters.tobytes()
    together = fastbp.Population([saturated([8, 16, 1]) for _ in range(lanes_of(np.dtype(np.float32)))])
    together.fit(X, Y, epochs=3, **options)
    assert all(one.parameters.tobytes() == net.parameters.tobytes() for one in together)


FIRST_REGION = """
import sys
import warnings
import numpy as np
warnings.simplefilter("ignore")
sys.path[:0] = {folders}
from test_subnormals import products_on_all_threads, samples, saturated
X, Y = samples(1024, 64, 10)
saturated([64, 256, 10]).fit(X, Y, epochs=1, batch_size=512, progress=False)
tiny = np.full(100_000, np.finfo(np.float64).smallest_normal)
products_on_all_threads(tiny, tiny)
assert tiny.all()
"""


def test_threads_that_begin_in_a_training_have_subnormal_numbers_later():
    """The threads of OpenMP begin in the first region."""
    program = FIRST_REGION.format(folders=[str(folder) for folder in Path(__file__).parents[:2]])
    run_python(program, NUMBA_THREADING_LAYER="omp", NUMBA_NUM_THREADS="2")
