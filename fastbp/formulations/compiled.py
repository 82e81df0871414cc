"""The Python side of a compiled formulation: builds what its loops need, picks the serial or the parallel form."""

from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from fastbp.compiler.options import njit, rebind
from fastbp.compiler.threads import parallel_region
from fastbp.formulations import array_functions, loops
from fastbp.formulations.interface import PLAIN, InPlaceTrainer, Trainer, mean_of_blocks
from fastbp.formulations.network_data import NetworkData, OptimizerData, Workspace, table
from fastbp.formulations.step_options import StepOptions
from fastbp.model import Array, Model, ParameterVector, aligned_empty
from fastbp.optimizers import Optimizer, OptimizerState

ROWS_AT_ONCE = 1024  # how many samples are held in memory where any number could be asked for


class Compiled:
    """`loops`, and what every compiled formulation shares."""

    name = "loops"
    _loops: ModuleType = loops

    def outputs(self, model: Model, X: Array) -> Array:
        """Return a⁽ᴸ⁾ of every row."""
        if len(X) > 1:
            return self._forward(model, X, None)[0]
        output, scratch = np.empty((1, model.sizes[-1]), model.dtype), np.empty(3 * max(model.sizes), model.dtype)
        loops.forward_one(output, scratch, model.parameters.vector, X, network_data(model).layers)
        return output

    def costs(self, model: Model, X: Array, Y: Array) -> tuple[Array, Array]:
        """Return a⁽ᴸ⁾ and the cost of every row."""
        return self._forward(model, X, Y)

    def _forward(self, model: Model, X: Array, Y: Array | None) -> tuple[Array, Array]:
        n, rows = len(X), min(len(X), ROWS_AT_ONCE)
        net, work = network_data(model), workspace(model, rows)
        outputs, costs = np.empty((n, model.sizes[-1]), model.dtype), np.empty(n)
        with parallel_region(model.flops_per_sample / 3 * rows) as n_threads:
            forward_rows, costs_of_rows = self._form("forward_rows", n_threads), self._loops.costs_of_rows
            for start in range(0, n, rows):
                stop = min(n, start + rows)
                forward_rows(outputs[start:stop], work, model.parameters.vector, X[start:stop], net)
                if Y is not None:
                    costs_of_rows(costs[start:stop], work, Y[start:stop], net)
        return outputs, costs

    def gradient(self, model: Model, X: Array, Y: Array, gradient: Array) -> float:
        """Write the gradient of the mean cost, return the mean cost."""
        n, rows = len(X), min(len(X), ROWS_AT_ONCE)
        net, work, samples = network_data(model), workspace(model, rows), np.arange(n)
        with parallel_region(model.flops_per_sample * rows) as n_threads:
            gradient_of_samples = self._form("gradient", n_threads)

            def block(start: int, stop: int) -> tuple[Array, float]:
                gradient_of_samples(work, model.parameters.vector, X, Y, samples[start:stop], net)
                return work.gradient, float(work.costs[: stop - start].sum())

            return mean_of_blocks(gradient, n, rows, block)

    def step_bytes(self, model: Model, optimizer: Optimizer, batch_size: int, options: StepOptions = PLAIN) -> int:
        """Return how much memory a trainer allocates: z, a and δ of a mini-batch, ∇C."""
        return 3 * batch_size * sum(model.sizes) * model.dtype.itemsize + model.parameters.vector.nbytes

    def trainer(
        self,
        model: Model,
        optimizer: Optimizer,
        state: OptimizerState,
        X: Array,
        Y: Array,
        batch_size: int,
        options: StepOptions = PLAIN,
    ) -> Trainer:
        """Return what trains the model in place; a step allocates nothing."""
        net, work = network_data(model), workspace(model, batch_size, options.of_samples(model.dtype))
        functions = array_functions.update_functions(optimizer.update, model.dtype)
        rest = optimizer.hyper, state.t, *functions, optimizer.update == "sgd"
        data = OptimizerData(state.first, state.second, *rest, **options.rules)

        def train(order: npt.NDArray[np.int64]) -> float:
            data.hyper[0] = state.rate[0]
            with parallel_region(model.flops_per_sample * batch_size) as n_threads:
                train_epoch = self._form("train_epoch", n_threads)
                return float(train_epoch(model.parameters.vector, data, work, X, Y, order, batch_size, net))

        return InPlaceTrainer(train)

    def _form(self, name: str, n_threads: int) -> Any:
        return form(self._loops, name, n_threads)


def form(loops: ModuleType, name: str, n_threads: int) -> Any:
    """Return a loop of the module `loops`: as it is, on several threads, or its serial twin."""
    return getattr(loops, name) if n_threads > 1 else _serial(loops, name)


@cache
def _serial(loops: ModuleType, name: str, called_by: str = "TWIN") -> Any:
    """The serial twin of a loop: the same source, in which prange is range, and which calls serial twins.

    One that Python calls and one that loops call have names of their own: code compiled for loops has no way in from
    Python, and taken from disk in place of the other it would end the process.
    """
    loop = getattr(loops, name)
    names = getattr(loop, "py_func", loop).__code__.co_names  # those of attributes as well, such as work.gradient
    twins = {
        region: _serial(loops, region, "INNER_TWIN") for region in loops.REGIONS if region in names and region != name
    }
    twin = f"{name}_serial" if called_by == "TWIN" else f"{name}_serial_inside"
    return njit(rebind(loop, twin, **twins), **getattr(loops, called_by))


def network_data(model: Model) -> NetworkData:
    """Return what a compiled loop needs to know of a network."""
    if "loops" not in model.prepared:
        made = NetworkData(table("layers", layer_rows(model)), table("functions", [costs(model)]))
        model.prepared.setdefault("loops", made)  # of two threads that make one, both take the first
    net: NetworkData = model.prepared["loops"]
    return net


def costs(model: Model) -> dict[str, Any]:
    """Return the functions of the cost and its parameter, by their names in `NetworkData`."""
    cost, cost_gradient, _ = array_functions.cost_functions(model.cost, model.activations[-1], model.dtype)
    return {"cost": cost, "cost_gradient": cost_gradient, "parameter": model.cost.parameter or 0}


def layer_rows(model: Model) -> list[dict[str, Any]]:
    """Return the rows of `NetworkData.layers`, but not what is about panels."""
    hidden = model.activations[:-1]
    _, _, output_derivative = array_functions.cost_functions(model.cost, model.activations[-1], model.dtype)
    derivatives = [*(array_functions.derivative_function(sigma, model.dtype) for sigma in hidden), output_derivative]
    # The input has no σ: δ⁽⁰⁾ = ∂C/∂x, which error propagation leaves as it is.
    rows: list[dict[str, Any]] = [{"n": model.sizes[0], "derivative": array_functions.no_derivative(model.dtype)}]
    neurons_before, weights_at = model.sizes[0], 0
    for n_in, n, sigma, derivative in zip(
        model.sizes[:-1], model.sizes[1:], model.activations, derivatives, strict=True
    ):
        rows.append({
            "n": n, "neurons_before": neurons_before, "weights_at": weights_at, "biases_at": weights_at + n_in * n,
            "activation": array_functions.activation_function(sigma, model.dtype), "derivative": derivative,
            "elementwise": not sigma.whole_layer,
        })  # fmt: skip
        neurons_before, weights_at = neurons_before + n, weights_at + (n_in + 1) * n
    return [*rows, {"neurons_before": neurons_before, "weights_at": weights_at}]


def workspace(model: Model, rows: int, of_samples: dict[str, Any] | None = None) -> Workspace:
    """Return the memory of `loops` for a mini-batch of `rows` samples."""
    z, a, delta = (aligned_empty(rows * sum(model.sizes), model.dtype) for _ in range(3))
    gradient = aligned_empty(ParameterVector.count(model.sizes), model.dtype)
    return Workspace(z, a, delta, np.empty(rows), gradient, **(of_samples or nothing_of_samples(model)))


def nothing_of_samples(model: Model) -> dict[str, Any]:
    """Return the fields of a workspace where no neuron is dropped and all samples weigh the same."""
    return PLAIN.of_samples(model.dtype)
