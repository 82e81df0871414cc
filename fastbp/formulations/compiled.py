"""The Python side of a compiled formulation: builds what its loops need, picks the parallel or the serial variant."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from fastbp.compiler.threads import parallel_region
from fastbp.compiler.together import at_once, to_call
from fastbp.compiler.variants import entry, serial_variant, variant
from fastbp.formulations import array_functions, loops, rates
from fastbp.formulations.borrowing import borrowed
from fastbp.formulations.interface import PLAIN, InPlaceTrainer, Trainer, mean_of_blocks, of_weights
from fastbp.formulations.network_data import NetworkData, OptimizerData, Workspace, layer_table
from fastbp.formulations.output_weights import weighted_costs_of_rows
from fastbp.formulations.rounds import Row, RowOfArrays
from fastbp.formulations.step_options import StepOptions
from fastbp.functions.cost_pairs import PAIRS
from fastbp.model import Array, Model, ParameterVector, aligned_empty
from fastbp.optimizers import Optimizer, OptimizerState, layer_rates

ROWS_AT_ONCE = 1024  # how many samples are held in memory where any number could be asked for
NO_RATES = np.empty((0, 2))


class Compiled:
    """`loops`, and what every compiled formulation shares."""

    name = "loops"
    _forward_row = staticmethod(loops.forward_row)

    def outputs(self, model: Model, X: Array, out: Array | None = None) -> Array:
        """Return a⁽ᴸ⁾ of every row, in `out` if that is given."""
        if out is None:
            out = np.empty((len(X), model.sizes[-1]), model.dtype)
        if len(X) > 1:
            self._outputs_of_rows(model, X, out)
        else:
            kind, loop = f"row, {self.name}", self._forward_row
            with borrowed(model, kind, None, _for_row, loop, model, X, out) as (forward_row, scratch, net):
                forward_row(out, scratch, model.parameters.vector, X, net)
        return out

    def _outputs_of_rows(self, model: Model, X: Array, outputs: Array) -> None:
        """Write a⁽ᴸ⁾ of two rows or more."""
        self._forward(model, X, None, outputs)

    def costs(self, model: Model, X: Array, Y: Array, sample_weight: Array | None = None) -> tuple[Array, Array]:
        """Return a⁽ᴸ⁾ and the cost of every row."""
        outputs = np.empty((len(X), model.sizes[-1]), model.dtype)
        if sample_weight is not None and sample_weight.ndim == 1:
            return outputs, sample_weight * self._forward(model, X, Y, outputs)
        weights = None if sample_weight is None else np.ascontiguousarray(sample_weight, model.dtype)
        return outputs, self._forward(model, X, Y, outputs, weights)

    def _forward(self, model: Model, X: Array, Y: Array | None, outputs: Array, weights: Array | None = None) -> Array:
        """Write the outputs of every row; return the costs, if there are targets."""
        n, rows = len(X), min(len(X), ROWS_AT_ONCE)
        net, work = network_data(model), workspace(model, rows)
        costs = np.empty(0 if Y is None else n)
        with parallel_region(model.flops_per_sample / 3 * rows) as n_threads:
            forward_rows, costs_of_rows = self._variant(loops.forward_rows, n_threads), to_call(loops.costs_of_rows)
            for start in range(0, n, rows):
                stop = min(n, start + rows)
                forward_rows(outputs[start:stop], work, model.parameters.vector, X[start:stop], net)
                if weights is not None and Y is not None:
                    to_call(weighted_costs_of_rows)(costs[start:stop], work, Y[start:stop], weights[start:stop], net)
                elif Y is not None:
                    costs_of_rows(costs[start:stop], work, Y[start:stop], net)
        return costs

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
        """Return what trains the model; a step allocates nothing."""
        rest = X, Y, batch_size, options
        with at_once(lambda: self._dry_run(model, optimizer, *rest)):
            return self._trainer(model, optimizer, state, *rest)

    def _dry_run(self, model: Model, optimizer: Optimizer, X: Array, Y: Array, m: int, options: StepOptions) -> None:
        """Do what a training does, with a copy of the network."""
        state = optimizer.new_state(model.parameters.vector.size, model.dtype)
        trainer = self._trainer(
            model.unprepared(), optimizer, state, X, Y, m, replace(options, steps=np.zeros(1, np.int64))
        )
        trainer.begin()
        trainer.train(np.arange(min(m, len(X))))
        trainer.end_epoch()

    def _trainer(
        self,
        model: Model,
        optimizer: Optimizer,
        state: OptimizerState,
        X: Array,
        Y: Array,
        batch_size: int,
        options: StepOptions,
    ) -> Trainer:
        net, work = network_data(model), workspace(model, batch_size, options)
        data = optimizer_data(model, optimizer, state, options)

        loop = rates.train_epoch if data.rates.size > 0 else loops.train_epoch

        def train(order: npt.NDArray[np.int64]) -> float:
            data.hyper[0] = state.rate[0]
            with parallel_region(model.flops_per_sample * batch_size) as n_threads:
                train_epoch = self._variant(loop, n_threads)
                return float(train_epoch(model.parameters.vector, data, work, X, Y, order, batch_size, net))

        rows = RowOfArrays(serial_variant(loop), model.parameters.vector, data, work, X, Y, batch_size, net)

        def row(orders: Sequence[npt.NDArray[np.int64]]) -> Row | None:
            data.hyper[0] = state.rate[0]
            return rows(orders)

        return InPlaceTrainer(train, row)

    def apply(
        self, model: Model, optimizer: Optimizer, state: OptimizerState, gradient: Array, options: StepOptions
    ) -> None:
        """Take one step down a gradient."""
        theta, make = model.parameters.vector, partial(_for_update, model, optimizer, state, options)
        rules = options.l2, options.l1, options.clip_value, options.clip_norm, options.max_norm
        with borrowed(model, "update", (id(state), rules), make) as (apply_gradient, data, steps, net, _):
            data.hyper[0], data.decay[0] = state.rate[0], options.decay[0]
            is_written = data.changes_gradient or data.l2 > 0 or data.clip_norm < np.inf
            gradient = gradient.copy() if is_written or data.rates.size > 0 else gradient  # 0 where a layer is frozen
            apply_gradient(theta, gradient, data, steps, net)

    def _variant(self, loop: Any, n_threads: int) -> Any:
        return variant(loop, n_threads)


def _for_row(loop: Any, model: Model, X: Array, output: Array) -> tuple[Any, Array, NetworkData]:
    """Return `loops.forward_row` or its like, and what it needs besides a row, X (1, n_in), and its output."""
    scratch, net = np.empty(2 * sum(model.sizes), model.dtype), network_data(model)
    return entry(loop, output, scratch, model.parameters.vector, X, net), scratch, net


def _for_update(
    model: Model, optimizer: Optimizer, state: OptimizerState, options: StepOptions
) -> tuple[Any, OptimizerData, Array, NetworkData, OptimizerState]:
    """Return what `loops.apply_gradient` needs; and the state, so that no other one can have its id."""
    own = replace(options, decay=options.decay.copy())  # the options of the next call may be others
    data, net = optimizer_data(model, optimizer, state, own), network_data(model)
    like_theta = model.parameters.vector
    apply = rates.apply_gradient if data.rates.size > 0 else loops.apply_gradient
    loop = entry(variant(apply, 1), like_theta, like_theta, data, options.steps, net)
    return loop, data, options.steps, net, state


def optimizer_data(
    model: Model, optimizer: Optimizer, state: OptimizerState, options: StepOptions, *moments: Array
) -> OptimizerData:
    """Return what a compiled loop needs to know of an optimizer, with the state's moments or others in their place."""
    first, second = moments or (state.first, state.second)
    functions = array_functions.update_functions(optimizer.update, model.dtype)
    rest = optimizer.hyper, state.t, *functions, optimizer.update == "sgd", rates_of(optimizer, model)
    return OptimizerData(first, second, *rest, **options.rules)


def rates_of(optimizer: Optimizer, model: Model) -> npt.NDArray[np.float64]:
    """Return `OptimizerData.rates`."""
    if optimizer.layer_rates is None:
        return NO_RATES
    found = layer_rates.of_layers(optimizer, model.n_layers)
    return NO_RATES if (found == 1).all() else found


def network_data(model: Model) -> NetworkData:
    """Return what a compiled loop needs to know of a network."""
    if "loops" not in model.prepared:
        layers = with_functions(layer_table(layer_places(model)), model)
        made = NetworkData(*of_network(model), layers, np.empty(0), 0)
        model.prepared.setdefault("loops", made)  # of two threads that make one, both take the first
    net: NetworkData = model.prepared["loops"]
    return net


def of_network(model: Model) -> tuple[int, Any, Any, float, Any, bool]:
    """Return the first fields of `NetworkData`: L, the cost, and the output layer."""
    output, pair = model.activations[-1], PAIRS.get((model.activations[-1].function, model.cost.function))
    cost, cost_gradient, _ = array_functions.cost_functions(model.cost, output, model.dtype)
    parameter = model.cost.parameter if isinstance(model.cost.parameter, float) else 0.0  # levels are compiled in
    by_sample = output.whole_layer or model.cost.whole_sample
    rows = array_functions.rows_function(output, model.dtype) if by_sample else 0
    return model.n_layers, cost, cost_gradient, parameter, rows, by_sample and not (pair and pair.is_fused)


def layer_places(model: Model) -> list[dict[str, Any]]:
    """Return the rows of `NetworkData.layers`, but neither functions nor what is about panels."""
    rows: list[dict[str, Any]] = [{"n": model.sizes[0]}]
    neurons_before, weights_at, last = model.sizes[0], 0, model.n_layers
    for l, (n_in, n, sigma) in enumerate(zip(model.sizes[:-1], model.sizes[1:], model.activations, strict=True), 1):
        by_sample = sigma.whole_layer or (l == last and model.cost.whole_sample)
        rows.append({
            "n": n, "neurons_before": neurons_before, "weights_at": weights_at, "biases_at": weights_at + n_in * n,
            "elementwise": not by_sample,
        })  # fmt: skip
        neurons_before, weights_at = neurons_before + n, weights_at + (n_in + 1) * n
    return [*rows, {"neurons_before": neurons_before, "weights_at": weights_at}]


def with_functions(layers: npt.NDArray[Any], model: Model, *, in_rows: bool = False) -> npt.NDArray[Any]:
    """Return a copy of `NetworkData.layers` that has σ and σ′ of each layer.

    `in_rows` says that `NetworkData.output_activation` is used, where there is one: then that layer has no σ here.
    """
    dtype, layers = model.dtype, layers.copy()
    *hidden, output = model.activations
    for l, sigma in enumerate(model.activations, 1):
        if layers["elementwise"][l] or not in_rows:
            layers["activation"][l] = array_functions.activation_function(sigma, dtype)
    # The input has no σ: δ⁽⁰⁾ = ∂C/∂x, which error propagation leaves as it is.
    layers["derivative"][0] = array_functions.no_derivative(dtype)
    layers["derivative"][1:-2] = [array_functions.derivative_function(sigma, dtype) for sigma in hidden]
    layers["derivative"][-2] = array_functions.cost_functions(model.cost, output, dtype)[2]
    return layers


def workspace(model: Model, rows: int, options: StepOptions = PLAIN) -> Workspace:
    """Return the memory of `loops` for a mini-batch of `rows` samples."""
    z, a, delta = (aligned_empty(rows * sum(model.sizes), model.dtype) for _ in range(3))
    passed_on = aligned_empty(a.size, model.dtype) if any(options.dropout) else a
    gradient = aligned_empty(ParameterVector.count(model.sizes), model.dtype)
    return Workspace(z, a, passed_on, delta, np.empty(rows), gradient, **options.of_samples(model.dtype))
