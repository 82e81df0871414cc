"""The Python side of a compiled formulation: builds what its loops need, picks the parallel or the serial variant."""

from typing import Any

import numpy as np
import numpy.typing as npt

from fastbp.compiler.threads import parallel_region
from fastbp.compiler.variants import variant
from fastbp.formulations import array_functions, loops, rates
from fastbp.formulations.interface import PLAIN, InPlaceTrainer, Trainer, mean_of_blocks, of_weights
from fastbp.formulations.network_data import NetworkData, OptimizerData, Workspace, layer_table
from fastbp.formulations.output_weights import weighted_costs_of_rows
from fastbp.formulations.step_options import StepOptions
from fastbp.model import Array, Model, ParameterVector, aligned_empty
from fastbp.optimizers import Optimizer, OptimizerState, layer_rates

ROWS_AT_ONCE = 1024  # how many samples are held in memory where any number could be asked for


class Compiled:
    """`loops`, and what every compiled formulation shares."""

    name = "loops"

    def outputs(self, model: Model, X: Array) -> Array:
        """Return a⁽ᴸ⁾ of every row."""
        if len(X) > 1:
            return self._forward(model, X, None)[0]
        output, scratch = np.empty((1, model.sizes[-1]), model.dtype), np.empty(2 * sum(model.sizes), model.dtype)
        loops.forward_row(output, scratch, model.parameters.vector, X, network_data(model))
        return output

    def costs(self, model: Model, X: Array, Y: Array, sample_weight: Array | None = None) -> tuple[Array, Array]:
        """Return a⁽ᴸ⁾ and the cost of every row."""
        if sample_weight is None or sample_weight.ndim == 2:
            weights = None if sample_weight is None else np.ascontiguousarray(sample_weight, model.dtype)
            return self._forward(model, X, Y, weights)
        outputs, costs = self._forward(model, X, Y)
        return outputs, sample_weight * costs

    def _forward(self, model: Model, X: Array, Y: Array | None, weights: Array | None = None) -> tuple[Array, Array]:
        n, rows = len(X), min(len(X), ROWS_AT_ONCE)
        net, work = network_data(model), workspace(model, rows)
        outputs, costs = np.empty((n, model.sizes[-1]), model.dtype), np.empty(n)
        with parallel_region(model.flops_per_sample / 3 * rows) as n_threads:
            forward_rows, costs_of_rows = self._variant(loops.forward_rows, n_threads), loops.costs_of_rows
            for start in range(0, n, rows):
                stop = min(n, start + rows)
                forward_rows(outputs[start:stop], work, model.parameters.vector, X[start:stop], net)
                if weights is not None and Y is not None:
                    weighted_costs_of_rows(costs[start:stop], work, Y[start:stop], weights[start:stop], net)
                elif Y is not None:
                    costs_of_rows(costs[start:stop], work, Y[start:stop], net)
        return outputs, costs

    def gradient(self, model: Model, X: Array, Y: Array, gradient: Array, sample_weight: Array | None = None) -> float:
        """Write the gradient of the mean cost, return the mean cost."""
        n, rows = len(X), min(len(X), ROWS_AT_ONCE)
        net, work, samples = network_data(model), workspace(model, rows, of_weights(sample_weight)), np.arange(n)
        with parallel_region(model.flops_per_sample * rows) as n_threads:
            gradient_of_samples = self._variant(loops.gradient, n_threads)

            def block(start: int, stop: int) -> tuple[Array, float]:
                gradient_of_samples(work, model.parameters.vector, X, Y, samples[start:stop], net)
                return work.gradient, float(work.costs[: stop - start].sum())

            return mean_of_blocks(gradient, n, rows, block)

    def step_bytes(self, model: Model, optimizer: Optimizer, batch_size: int, options: StepOptions = PLAIN) -> int:
        """Return how much memory a trainer allocates: z, a and δ of a mini-batch, what is passed on of a, ∇C."""
        return (3 + any(options.dropout)) * batch_size * sum(
            model.sizes
        ) * model.dtype.itemsize + model.parameters.vector.nbytes

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
        net, work = network_data(model), workspace(model, batch_size, options)
        functions = array_functions.update_functions(optimizer.update, model.dtype)
        rest = optimizer.hyper, state.t, *functions, optimizer.update == "sgd", rates_of(optimizer, model)
        data = OptimizerData(state.first, state.second, *rest, **options.rules)

        loop = rates.train_epoch if data.rates.size > 0 else loops.train_epoch

        def train(order: npt.NDArray[np.int64]) -> float:
            data.hyper[0] = state.rate[0]
            with parallel_region(model.flops_per_sample * batch_size) as n_threads:
                train_epoch = self._variant(loop, n_threads)
                return float(train_epoch(model.parameters.vector, data, work, X, Y, order, batch_size, net))

        return InPlaceTrainer(train)

    def _variant(self, loop: Any, n_threads: int) -> Any:
        return variant(loop, n_threads)


def rates_of(optimizer: Optimizer, model: Model) -> npt.NDArray[np.float64]:
    """Return `OptimizerData.rates`."""
    found = layer_rates.of_layers(optimizer, model.n_layers)
    return found[:0] if (found == 1).all() else found


def network_data(model: Model) -> NetworkData:
    """Return what a compiled loop needs to know of a network."""
    if "loops" not in model.prepared:
        made = NetworkData(*of_network(model), layer_table(layer_rows(model)), np.empty(0), 0)
        model.prepared.setdefault("loops", made)  # of two threads that make one, both take the first
    net: NetworkData = model.prepared["loops"]
    return net


def of_network(model: Model) -> tuple[int, Any, Any, float]:
    """Return the first fields of `NetworkData`: L, and the cost."""
    cost, cost_gradient, _ = array_functions.cost_functions(model.cost, model.activations[-1], model.dtype)
    return model.n_layers, cost, cost_gradient, float(model.cost.parameter or 0)


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


def workspace(model: Model, rows: int, options: StepOptions = PLAIN) -> Workspace:
    """Return the memory of `loops` for a mini-batch of `rows` samples."""
    z, a, delta = (aligned_empty(rows * sum(model.sizes), model.dtype) for _ in range(3))
    passed_on = aligned_empty(a.size, model.dtype) if any(options.dropout) else a
    gradient = aligned_empty(ParameterVector.count(model.sizes), model.dtype)
    return Workspace(z, a, passed_on, delta, np.empty(rows), gradient, **options.of_samples(model.dtype))
