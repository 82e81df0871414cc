"""The Python side of a compiled formulation: builds what its loops need, picks the serial or the parallel form."""

from functools import cache
from itertools import pairwise
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from fastbp.formulations.interface import Trainer, mean_of_blocks
from fastbp.kernels import array_functions
from fastbp.kernels.compile_options import njit, rebind
from fastbp.kernels.network_data import NetworkData, OptimizerData, Workspace, costs_of_rows, layer
from fastbp.kernels.threads import parallel_region
from fastbp.optimizers import Optimizer, OptimizerState
from fastbp.parameters import Array, Model, ParameterVector, aligned_empty

ROWS_AT_ONCE = 1024  # how many samples are held in memory where any number could be asked for


class Compiled:
    """A formulation whose module has the compiled loops `gradient`, `update`, `train_epoch` and `forward_rows`."""

    def __init__(self, name: str, loops: ModuleType):
        self.name = name
        self._loops = loops

    def outputs(self, model: Model, X: Array) -> Array:
        """Return a⁽ᴸ⁾ of every row."""
        return self._forward(model, X, None)[0]

    def costs(self, model: Model, X: Array, Y: Array) -> tuple[Array, Array]:
        """Return a⁽ᴸ⁾ and the cost of every row."""
        return self._forward(model, X, Y)

    def _forward(self, model: Model, X: Array, Y: Array | None) -> tuple[Array, Array]:
        n, rows = len(X), min(len(X), ROWS_AT_ONCE)
        net, work = network_data(model), workspace(model, rows)
        outputs, costs = np.empty((n, model.sizes[-1]), model.dtype), np.empty(n)
        with parallel_region(model.flops_per_sample / 3 * rows) as parallel:
            forward_rows = self._form("forward_rows", parallel)
            for start in range(0, n, rows):
                stop = min(n, start + rows)
                forward_rows(work, model.parameters.vector, X[start:stop], net)
                outputs[start:stop] = layer(work.a, net, model.n_layers)[: stop - start]
                if Y is not None:
                    costs_of_rows(costs[start:stop], work, Y[start:stop], net)
        return outputs, costs

    def gradient(self, model: Model, X: Array, Y: Array, gradient: Array) -> float:
        """Write the gradient of the mean cost, return the mean cost."""
        n, rows = len(X), min(len(X), ROWS_AT_ONCE)
        net, work, samples = network_data(model), workspace(model, rows), np.arange(n)
        with parallel_region(model.flops_per_sample * rows) as parallel:
            gradient_of_samples = self._form("gradient", parallel)

            def block(start: int, stop: int) -> tuple[Array, float]:
                gradient_of_samples(work, model.parameters.vector, X, Y, samples[start:stop], net)
                return work.gradient, float(work.costs[: stop - start].sum())

            return mean_of_blocks(gradient, n, rows, block)

    def trainer(
        self, model: Model, optimizer: Optimizer, state: OptimizerState, X: Array, Y: Array, batch_size: int
    ) -> Trainer:
        """Return what trains the model in place; a step allocates nothing."""
        net, work = network_data(model), workspace(model, batch_size)
        update = array_functions.update_function(optimizer.update, model.dtype)
        data = OptimizerData(state.first, state.second, optimizer.hyper, state.t, update)

        def train(order: npt.NDArray[np.int64]) -> float:
            with parallel_region(model.flops_per_sample * batch_size) as parallel:
                train_epoch = self._form("train_epoch", parallel)
                return float(train_epoch(model.parameters.vector, data, work, X, Y, order, batch_size, net))

        return train

    def _form(self, name: str, parallel: bool) -> Any:
        return getattr(self._loops, name) if parallel else _serial(self._loops, name)


@cache
def _serial(loops: ModuleType, name: str) -> Any:
    """The serial twin of a loop: the same source, in which prange is range, and which calls serial twins."""
    callees = {"train_epoch": ("gradient", "update")}.get(name, ())
    return njit(
        rebind(getattr(loops, name), f"{name}_serial", **{callee: _serial(loops, callee) for callee in callees})
    )


def network_data(model: Model) -> NetworkData:
    """Return what a compiled loop needs to know of a network."""
    sizes = np.array(model.sizes)
    n_weights = np.array([0, *(n_in * n_out for n_in, n_out in pairwise(model.sizes))])
    biases_at = np.cumsum(n_weights + np.array([0, 0, *model.sizes[1:-1]]))
    weights_at = biases_at - n_weights
    cost, cost_gradient, output_derivative = array_functions.cost_functions(
        model.cost, model.activations[-1], model.dtype
    )
    hidden = model.activations[:-1]
    return NetworkData(
        sizes=sizes,
        neurons_before=np.concatenate([[0], np.cumsum(sizes)]),
        weights_at=weights_at,
        biases_at=biases_at,
        activation=_table([array_functions.activation_function(s, model.dtype) for s in model.activations]),
        derivative=_table([*(array_functions.derivative_function(s, model.dtype) for s in hidden), output_derivative]),
        cost=cost,
        cost_gradient=cost_gradient,
    )


def _table(functions: list[Any]) -> Any:
    """What `call` takes for layers 1…L, by layer: addresses, or the functions themselves where nothing is compiled."""
    return np.array([0, *functions]) if isinstance(functions[0], int) else [None, *functions]


def workspace(model: Model, rows: int) -> Workspace:
    """Return the memory for a mini-batch of `rows` samples."""
    z, a, delta = (aligned_empty(rows * sum(model.sizes), model.dtype) for _ in range(3))
    return Workspace(z, a, delta, np.empty(rows), aligned_empty(ParameterVector.count(model.sizes), model.dtype))
