"""The speed of a whole gradient, a whole epoch and a step of an optimizer."""

from typing import Any

import numpy as np

import fastbp
from suite.common import (
    FORMULATIONS,
    NETS,
    Sampled,
    fit,
    limit_threads,
    missing_is_skipped,
    network,
    optimizer,
    workload,
)


class Gradient(Sampled):
    """`Network.gradient` of one mini-batch."""

    params = (FORMULATIONS, list(NETS), ["float32", "float64"])
    param_names = ("formulation", "net", "dtype")

    @missing_is_skipped
    def setup(self, formulation: str, net: str, dtype: str) -> None:
        limit_threads(1)
        work = workload(net)
        self.net = network(work, formulation, dtype)
        m = work.case.batch_size
        self.X, self.Y = work.X[:m].astype(dtype), work.Y[:m].astype(dtype)
        self.time_gradient()

    def time_gradient(self, *_: str) -> None:
        self.net.gradient(self.X, self.Y)


class Epoch(Sampled):
    """`Network.fit` for one epoch of 20 mini-batches, from the same weights each time."""

    params = (FORMULATIONS, list(NETS), [1, 2])
    param_names = ("formulation", "net", "threads")

    @missing_is_skipped
    def setup(self, formulation: str, net: str, threads: int) -> None:
        limit_threads(threads)
        self.work = workload(net)
        self.net, self.start = network(self.work, formulation), self.work.parameters
        self.optimizer = optimizer(self.work.case)
        self.time_epoch()

    def time_epoch(self, *_: Any) -> None:
        self.net.parameters[:] = self.start
        fit(self.net, self.work, self.optimizer)


class Optimizers(Sampled):
    """One step for 100,000 parameters: compiled, as in `loops` and `tiles`, and in NumPy."""

    params = (["SGD", "Momentum", "Nesterov", "Adam"], ["compiled", "numpy"])
    param_names = ("optimizer", "how")

    @missing_is_skipped
    def setup(self, name: str, how: str) -> None:
        from fastbp.compiler.call import call
        from fastbp.compiler.options import njit
        from fastbp.formulations import array_functions

        rng, n = np.random.default_rng(0), 100_000
        rule = getattr(fastbp, name)(0.001)
        theta, gradient = (rng.standard_normal(n, dtype=np.float32) for _ in range(2))
        state, hyper = rule.new_state(n, np.float32), rule.hyper
        begin_step, update = array_functions.update_functions(rule.update, np.dtype("float32"))

        @njit(on_disk=False)
        def step(begin_step, update, theta, first, second, hyper, t, gradient):
            t[0] += 1
            call(begin_step, hyper, t)
            call(update, theta, first, second, hyper, t, gradient)

        def numpy_step() -> None:
            state.t[0] += 1
            rule.step(theta, gradient, state)

        def compiled_step() -> None:
            step(begin_step, update, theta, state.first, state.second, hyper, state.t, gradient)

        self.step = compiled_step if how == "compiled" else numpy_step
        self.step()

    def time_step(self, *_: str) -> None:
        self.step()
