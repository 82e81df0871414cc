"""Many small nets at once, each in a lane of the registers: ``python benchmarks/lanes.py`` (`--help`: sizes, JAX).

The time of a step of one net, mini-batch 32, Adam, float32, one thread, and the share of the machine's multiply-adds
that are those of the three sums. Beside it the same nets one after the other in `tiles`, and JAX's vmap and lax.map
over them, if JAX is installed. A time is the least of many epochs of all nets, in turns, so that other work on the
machine counts little; the orders of the samples are each net's own, JAX's are the same for all.

"of a step" is the time of what no arrangement of the sums takes away, on the numbers of one net, one behind the other
in the first-level cache: tanh of the hidden neurons, σ′ times their errors, and Adam's update.
"""

import argparse
import os
import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

BATCH, STEPS, RATE = 32, 20, 1e-3


def fastbp_epochs(sizes: list[int], n_nets: int, X: Any, Y: Any) -> tuple[dict[str, Callable[[], None]], int]:
    """Return an epoch of all nets, in lanes and in tiles, and the floating-point operations of a step."""
    import numpy as np

    import fastbp
    from fastbp.formulations import FORMULATIONS
    from fastbp.formulations.lanes.trainer import lanes_of, lanes_trainer
    from fastbp.formulations.rounds import prepared
    from fastbp.formulations.step_options import StepOptions

    choices = {"activation": "tanh", "output_activation": "identity", "cost": "quadratic"}
    models = [fastbp.Network(sizes, seed=i, **choices)._model for i in range(n_nets)]
    adams = [fastbp.Adam(RATE * (1 + i % 10)) for i in range(n_nets)]
    n_parameters, width = models[0].parameters.vector.size, lanes_of(X.dtype)
    states = [[adam.new_state(n_parameters, X.dtype) for adam in adams] for _ in range(2)]
    orders = np.array([np.random.default_rng(i).permutation(len(X)) for i in range(n_nets)])
    groups = [slice(i, i + width) for i in range(0, n_nets, width)]
    options = [StepOptions() for _ in range(n_nets)]
    in_lanes = [lanes_trainer(models[g], adams[g], states[0][g], X, Y, BATCH, options[g]) for g in groups]
    in_tiles = [
        FORMULATIONS["tiles"].trainer(model, adam, state, X, Y, BATCH)
        for model, adam, state in zip(models, adams, states[1], strict=True)
    ]
    for trainer in in_lanes + in_tiles:
        trainer.begin()
    kept: dict[Any, Any] = {}
    rows = [trainer.row(orders[None, group], kept) for trainer, group in zip(in_lanes, groups, strict=True)]
    run_lanes = prepared(rows)
    run_tiles = prepared([trainer.row([order]) for trainer, order in zip(in_tiles, orders, strict=True)])

    def lanes(kept: Any = in_lanes) -> None:  # a row is addresses of what its trainer keeps
        run_lanes()

    def tiles(kept: Any = in_tiles) -> None:
        run_tiles()

    products = models[0].flops_per_sample - 2 * sizes[0] * sizes[1]  # no errors of the inputs
    return {"fastbp, lanes": lanes, "fastbp, tiles one by one": tiles}, BATCH * products


def parts(sizes: list[int], n_nets: int, dtype: Any) -> dict[str, Callable[[], None]]:
    """Return tanh of the hidden neurons, their σ′ and Adam's update, each as often as an epoch of all nets has it."""
    import numpy as np

    import fastbp
    from fastbp.compiler.call import call
    from fastbp.compiler.options import LEAN, njit
    from fastbp.formulations import array_functions
    from fastbp.functions.activations import ACTIVATIONS

    tanh, adam = ACTIVATIONS["tanh"], fastbp.Adam(RATE)
    state = adam.new_state(sum((n_in + 1) * n for n_in, n in pairwise(sizes)), dtype)
    a, z, delta = np.random.default_rng(0).standard_normal((3, BATCH * sum(sizes[1:-1]))).astype(dtype)
    theta, gradient = np.ones_like(state.first), np.ones_like(state.first)
    begin_step, update = array_functions.update_functions("adam", dtype)
    begin_once = adam.hyper, np.ones(1, np.int64)

    @njit(on_disk=False, **LEAN)
    def repeat(function: Any, times: int, arrays: Any) -> None:
        for _ in range(times):
            call(function, *arrays)

    repeat(begin_step, 1, begin_once)
    calls = {
        "of a step, tanh": (array_functions.activation_function(tanh, dtype), (a, z)),
        "of a step, its derivative": (array_functions.derivative_function(tanh, dtype), (delta, z, a)),
        "of a step, Adam": (update, (theta, state.first, state.second, adam.hyper, state.t, gradient)),
    }
    return {name: partial(repeat, function, n_nets * STEPS, arrays) for name, (function, arrays) in calls.items()}


def jax_epochs(sizes: list[int], n_nets: int, X: Any, Y: Any) -> dict[str, Callable[[], Any]]:
    """Return the same in JAX: a scan over the mini-batches, of all nets by vmap and by lax.map."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    tree_map, rng = jax.tree_util.tree_map, np.random.default_rng(0)
    theta = [(rng.standard_normal((n_nets, i, j)) / i**0.5, np.zeros((n_nets, j))) for i, j in pairwise(sizes)]
    theta = tree_map(lambda w: jnp.asarray(w, X.dtype), theta)
    batches = X.reshape(STEPS, BATCH, -1), Y.reshape(STEPS, BATCH, -1)

    def cost(theta: Any, x: Any, y: Any) -> Any:
        for w, b in theta[:-1]:
            x = jnp.tanh(x @ w + b)
        w, b = theta[-1]
        return ((x @ w + b - y) ** 2).sum() / (2 * BATCH)

    def step(state: Any, batch: Any) -> tuple[Any, Any]:
        theta, m, v, t = state
        value, g = jax.value_and_grad(cost)(theta, *batch)
        m = tree_map(lambda m, g: 0.9 * m + 0.1 * g, m, g)
        v = tree_map(lambda v, g: 0.999 * v + 0.001 * g * g, v, g)
        rate, root = RATE / (1 - 0.9 ** (t + 1)), jnp.sqrt(1 - 0.999 ** (t + 1))
        theta = tree_map(lambda w, m, v: w - rate * m / (jnp.sqrt(v) / root + 1e-8), theta, m, v)
        return (theta, m, v, t + 1), value

    def epoch(state: Any) -> Any:
        return jax.lax.scan(step, state, batches)[0]

    zeros = tree_map(jnp.zeros_like, theta)
    state = theta, zeros, zeros, jnp.zeros(n_nets, X.dtype)
    forms = {"JAX, vmap": jax.jit(jax.vmap(epoch)), "JAX, lax.map": jax.jit(lambda s: jax.lax.map(epoch, s))}
    return {name: lambda f=form: jax.block_until_ready(f(state)) for name, form in forms.items()}


def main() -> None:
    """Measure all forms and print the table."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[8, 16, 16, 1])
    parser.add_argument("--nets", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=10.0, help="for all together")
    parser.add_argument("--without-jax", action="store_true")
    asked = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-1:])
    import numpy as np

    from fastbp.comparison.machine import gflops

    rng, n = np.random.default_rng(0), BATCH * STEPS
    X, Y = (rng.standard_normal((n, size)).astype("float32") for size in (asked.sizes[0], asked.sizes[-1]))
    epochs, flops = fastbp_epochs(asked.sizes, asked.nets, X, Y)
    if find_spec("jax") and not asked.without_jax:
        epochs |= jax_epochs(asked.sizes, asked.nets, X, Y)
    of_a_step = parts(asked.sizes, asked.nets, X.dtype)
    epochs |= of_a_step
    took, peak = dict.fromkeys(epochs, float("inf")), 0.0
    for epoch in epochs.values():
        epoch()  # compiles
    end = time.perf_counter() + asked.seconds
    while time.perf_counter() < end:
        for name, epoch in epochs.items():
            start = time.perf_counter()
            epoch()
            took[name] = min(took[name], (time.perf_counter() - start) / (asked.nets * STEPS))
        peak = max(peak, gflops("float32", seconds=0.02))
    print(f"{asked.nets} nets {asked.sizes}, mini-batch {BATCH}, Adam, float32, one thread; peak {peak:.0f} GFLOP/s")
    first = next(iter(took.values()))
    for name, seconds in took.items():
        share = "" if name in of_a_step else f"{flops / seconds / 1e9 / peak:8.0%} of the peak{seconds / first:8.2f} ×"
        print(f"{name:26}{1e6 * seconds:8.2f} µs a net and step{share}")
    print(f"{'of a step, the sums':26}{flops / peak / 1e3:8.2f} µs at the peak")


if __name__ == "__main__":
    main()
