"""Training on derivatives as well as values: what stands in place of a formulation, and carries the derivatives.

Known derivatives lie behind the targets, Y | d | v: so they are split, shuffled and put in blocks with them. Their
loops are those of `tiles`, whatever the formulation of the network; see `sobolev_steps.py`.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from fastbp.compiler.together import to_call
from fastbp.compiler.variants import entry, variant
from fastbp.derivatives import curvature, sobolev_steps
from fastbp.derivatives.sobolev_steps import Derivatives
from fastbp.derivatives.workspaces import workspaces, zeros
from fastbp.formulations import array_functions
from fastbp.formulations.compiled import network_data, optimizer_data
from fastbp.formulations.interface import PLAIN, InPlaceTrainer
from fastbp.formulations.network_data import table
from fastbp.formulations.step_options import StepOptions
from fastbp.formulations.tiles.formulation import Tiled
from fastbp.formulations.tiles.panel_functions import add_functions
from fastbp.formulations.tiles.panels import TiledWorkspace, pack, unpack
from fastbp.formulations.tiles.prepared import samples_of
from fastbp.formulations.tiles.registers import VECS, VECTOR_BYTES
from fastbp.formulations.tiles.tiled import add_gradient_functions, tiled_network
from fastbp.functions.activations import identity, no_curvature
from fastbp.functions.costs import squared_error
from fastbp.model import Array, Model
from fastbp.optimizers import Optimizer, OptimizerState

BLOCK, MOST_ROWS = 128, 1024  # samples, and tangents of samples, that go through all layers together


def refusal(model: Model) -> str | None:
    """Why a model cannot be trained on derivatives; None if it can."""
    for activation in model.activations:
        if activation.whole_layer:
            return (
                f"{activation.name} outputs depend on one another; derivatives need an output activation of one number"
            )
        if activation.second_derivative is None:
            return f"the activation {activation.name!r} has no second_derivative, but the gradient needs it: give it"
        if activation.second_derivative is no_curvature and activation.function is not identity:
            return (
                f"{activation.name} has no second derivative at its corner and 0 elsewhere, so a derivative of the "
                "network is constant between corners: use a smooth activation, such as tanh, softplus, silu or gelu"
            )
    if model.cost.whole_sample:
        return f"the cost {model.cost.name!r} couples the outputs of a sample; derivatives need a cost of one output"
    return None


def extended(Y: Array, D: Array, weight: Array, sample_weight: Array | None, model: Model) -> tuple[Array, Array]:
    """Return Y | d | v, and the inputs k with a known derivative.

    Shapes: D (n, n_out, n_in) with NaN where it is not known; weight broadcast to it; sample_weight (n,) or (n, n_out).
    """
    known = ~np.isnan(D)
    inputs = np.flatnonzero(known.any(axis=(0, 1)))
    v = np.where(known, np.broadcast_to(weight, D.shape), 0.0) * (2.0 if model.cost.function is squared_error else 1.0)
    if sample_weight is not None:
        v *= sample_weight.reshape(len(Y), -1, 1)
    d = np.where(known, D, 0.0)
    both = [array[:, :, inputs].reshape(len(Y), -1) for array in (d, v)]
    whole = np.concatenate([Y, *both], axis=1).astype(model.dtype)
    whole.flags.writeable = False
    return whole, inputs.astype(np.int64)


@dataclass
class _Memory:
    work: TiledWorkspace
    dot: TiledWorkspace
    of: Derivatives


@dataclass(eq=False)
class WithDerivatives:
    """A formulation for targets Y | d | v, with the derivatives by these inputs; and for plain Y that of `tiles`."""

    inputs: npt.NDArray[np.int64]
    name: str = "tiles"
    base: Tiled = field(default_factory=Tiled)
    _memory: dict[int, _Memory] = field(default_factory=dict)

    def parts(self, model: Model, Y: Array) -> tuple[Array, Array, Array]:
        """Return Y, d and v, contiguous; d and v have no columns if Y is plain."""
        n, n_d = model.sizes[-1], (Y.shape[1] - model.sizes[-1]) // 2
        pieces = [np.ascontiguousarray(part) for part in np.split(Y, [n, n + n_d], axis=1)]
        for piece in pieces:
            piece.flags.writeable = False
        return pieces[0], pieces[1], pieces[2]

    def outputs(self, model: Model, X: Array, out: Array | None = None) -> Array:
        """Return a⁽ᴸ⁾ of every row."""
        return self.base.outputs(model, X, out)

    def costs(self, model: Model, X: Array, Y: Array, sample_weight: Array | None = None) -> tuple[Array, Array]:
        """Return a⁽ᴸ⁾ and the cost of every row, with that of its derivatives."""
        y, d, v = self.parts(model, Y)
        outputs, costs = self.base.costs(model, X, y, sample_weight)
        if d.shape[1]:
            costs = costs + self.of_derivatives(model, X, d, v)
        return outputs, costs

    def of_derivatives(self, model: Model, X: Array, d: Array, v: Array) -> Array:
        """Return E of every row, in float64."""
        total, unit, n_k = np.zeros(len(X)), np.zeros_like(X), len(self.inputs)
        for k, i in enumerate(self.inputs):
            unit[:, i] = 1
            distance = curvature.jvp(model, X, unit).astype(np.float64) - d[:, k::n_k]
            total += 0.5 * (v[:, k::n_k] * distance * distance).sum(axis=1)
            unit[:, i] = 0
        return total

    def gradient(self, model: Model, X: Array, Y: Array, gradient: Array, sample_weight: Array | None = None) -> float:
        """Write the gradient of the mean cost, return the mean cost."""
        y, d, v = self.parts(model, Y)
        if not d.shape[1]:
            return self.base.gradient(model, X, y, gradient, sample_weight)
        memory, net, tangents = self._prepared(model, len(X)), tiled_network(model), _table(model)
        data, n = samples_of(X, y, sample_weight), len(X)
        if sample_weight is not None:
            add_functions(net, ["weigh_samples"], model.dtype, A=data, N=net)
        memory.of._put(d=d.reshape(-1), v=v.reshape(-1))
        pack(memory.work.theta, model.parameters.vector, net)
        loop = to_call(sobolev_steps.gradient_of_samples)
        total = float(loop(memory.dot, memory.work, data, memory.of, 0, n, 1 / n, net, tangents))
        unpack(gradient, memory.work.gradient, net)
        return total / n

    def jacobian(self, model: Model, X: Array, Y: Array) -> tuple[Array, Array]:
        """Return √v ∂(∂a/∂x)/∂θ, (n n_out n_k, P), and √v (∂a/∂x − d), (n n_out n_k,), in float64."""
        _, d, v = self.parts(model, Y)
        memory, net, tangents = self._prepared(model, len(X)), tiled_network(model), _table(model)
        n_rows, n = d.size, model.parameters.vector.size
        J, slopes = np.empty(n_rows * n, model.dtype), np.empty(n_rows, model.dtype)
        pack(memory.work.theta, model.parameters.vector, net)
        data = samples_of(X, X)
        to_call(sobolev_steps.slope_jacobian)(J, slopes, memory.dot, memory.work, data, memory.of, net, tangents)
        root = np.sqrt(v.reshape(-1).astype(np.float64))
        return J.reshape(n_rows, n) * root[:, None], root * (slopes.astype(np.float64) - d.reshape(-1))

    def _prepared(self, model: Model, samples: int) -> _Memory:
        rows = self._rows(samples)
        if rows not in self._memory:
            add_gradient_functions(model, ["take_rows", "put_rows"])
            work, _ = workspaces(model, rows, parts=False)
            tall, _ = workspaces(model, rows * len(self.inputs), gradient=False)
            number = np.zeros(0, model.dtype)
            sums = zeros(2 * work.rows * VECS * VECTOR_BYTES // model.dtype.itemsize, model.dtype)
            self._memory[rows] = _Memory(work, tall, Derivatives(number, number, self.inputs, sums))
        return self._memory[rows]

    def _rows(self, samples: int) -> int:
        most = max(4, min(BLOCK, MOST_ROWS // len(self.inputs) // 4 * 4))
        return min(most, -(-max(2, samples) // 4) * 4)

    def step_bytes(self, model: Model, optimizer: Optimizer, batch_size: int, options: StepOptions = PLAIN) -> int:
        """Return how much memory a trainer allocates."""
        tall = self.base.step_bytes(model, optimizer, min(MOST_ROWS, batch_size * len(self.inputs)), options)
        return self.base.step_bytes(model, optimizer, batch_size, options) + tall

    def trainer(
        self,
        model: Model,
        optimizer: Optimizer,
        state: OptimizerState,
        X: Array,
        Y: Array,
        batch_size: int,
        options: StepOptions = PLAIN,
    ) -> Any:
        """Return a trainer that works on the parameters of the model itself; of plain Y, that of `tiles`."""
        y, d, v = self.parts(model, Y)
        if not d.shape[1]:
            return self.base.trainer(model, optimizer, state, X, y, batch_size, options)
        memory, net, tangents = self._prepared(model, batch_size), tiled_network(model), _table(model)
        weight = options.sample_weight if options.sample_weight.size > 0 else None
        data, gradient = samples_of(X, y, weight), np.empty_like(model.parameters.vector)
        if weight is not None:
            add_functions(net, ["weigh_samples"], model.dtype, A=data, N=net)
        memory.of._put(d=d.reshape(-1), v=v.reshape(-1))
        packed, flat, theta = (
            optimizer_data(model, optimizer, state, options),
            network_data(model),
            model.parameters.vector,
        )
        work = memory.work._replace(steps=options.steps)

        given = theta, gradient, packed, memory.dot, work, data, memory.of, batch_size, net, flat, tangents
        loop = entry(variant(sobolev_steps.train_epoch, 1), *given)

        def train(order: npt.NDArray[np.int64]) -> float:
            packed.hyper[0] = state.rate[0]
            data._put(order=np.ascontiguousarray(order, np.int64))
            return float(loop(*given))

        return _Trainer(train, data=data, of=memory.of)

    def apply(self, *arguments: Any) -> None:
        """Take one step down a gradient."""
        self.base.apply(*arguments)


@dataclass(eq=False)
class _Trainer(InPlaceTrainer):
    """A trainer that lets go of the samples in the end."""

    data: Any = None
    of: Any = None

    def let_go(self) -> None:
        """Release the samples and their derivatives: they are the caller's, and may be large."""
        self.data._put(X=self.data.X[:0].copy(), Y=self.data.Y[:0].copy())
        self.of._put(d=self.of.d[:0].copy(), v=self.of.v[:0].copy())


def _table(model: Model) -> Any:
    """Return σ′, and σ′ with σ″, of each layer, a row for each as in `NetworkData.layers`."""
    if "sobolev" not in model.prepared:
        dtype = model.dtype
        rows = [
            {
                "derivative": array_functions.derivative_function(sigma, dtype),
                "bend": array_functions.bend_function(sigma, dtype),
            }
            for sigma in model.activations
        ]
        model.prepared["sobolev"] = table([{}, *rows, {}], functions=("derivative", "bend"))
    return model.prepared["sobolev"]
