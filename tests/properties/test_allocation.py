"""A step allocates no memory: Numba counts the allocations of compiled code."""

import numba
from conftest import COMPILED, run_python

# Prints the counts of one step, one step and a thousand, for each of the cases that it is given.
PROGRAM = """
import sys
import numpy as np
import numba
import fastbp
from numba.core.runtime import rtsys
from fastbp.compiler import threads

def counts_of(formulation, form, dtype, optimizer):
    if form == "parallel":
        threads.PARALLEL_FROM.update(omp=0, tbb=0, workqueue=0)
    rng = np.random.default_rng(0)
    net = fastbp.Network([20, 10, 5, 3], activation="tanh", cost="cross_entropy", dtype=dtype, formulation=formulation)
    X, Y = rng.uniform(-1, 1, (4000, 20)).astype(dtype), np.eye(3, dtype=dtype)[rng.integers(0, 3, 4000)]
    X.flags.writeable = Y.flags.writeable = False
    made = {"SGD": fastbp.SGD(0.01), "Adam": fastbp.Adam()}[optimizer]
    state = made.new_state(net.parameters.size, dtype)
    trainer = net._formulation.trainer(net._model, made, state, X, Y, 4)
    trainer.begin()
    train = trainer.train
    counts = []
    train(np.arange(4))  # compiles
    for samples in (4, 4, 4000):
        before = rtsys.get_allocation_stats()
        train(np.arange(samples))
        after = rtsys.get_allocation_stats()
        counts.append((after.alloc - before.alloc, after.mi_alloc - before.mi_alloc))
    assert int(state.t[0]) == 1003
    return counts

allocate = numba.njit(lambda n: np.zeros(n).sum())
allocate(3)
before = rtsys.get_allocation_stats()
allocate(3)
assert rtsys.get_allocation_stats().alloc - before.alloc == 1, "Numba does not count"
for case in sys.argv[1:]:
    counts = counts_of(*case.split())
    print(case, counts[0] == counts[1] == counts[2], counts)
"""


def test_a_thousand_steps_allocate_no_more_than_one():
    parallel = ["parallel float32 Adam"] if numba.config.NUMBA_NUM_THREADS > 1 else []
    forms = ["serial float32 Adam", "serial float64 SGD", *parallel]
    cases = [f"{name} {form}" for form in forms for name in COMPILED]
    results = run_python(PROGRAM, *cases, NUMBA_NRT_STATS="1").splitlines()
    assert len(results) == len(cases)
    for case, result in zip(cases, results, strict=True):
        assert result.startswith(f"{case} True"), result
