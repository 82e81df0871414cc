"""What one layer computed for one sample, forward and back, taken from the loops of `tiles`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastbp.compiler.variants import variant
from fastbp.formulations import numpy_functions
from fastbp.formulations.tiles import steps as tile_steps
from fastbp.formulations.tiles.panel_functions import add_functions
from fastbp.formulations.tiles.panels import pack
from fastbp.formulations.tiles.tiled import samples_of, tiled_network, tiled_workspace
from fastbp.functions.activations import Activation
from fastbp.model import Array, Model, ParameterVector


@dataclass(frozen=True)
class LayerTrace:
    """One layer of n neurons, with n_in in the layer before it, for one sample. Of the input there are a and ∂C/∂a.

    Attributes
    ----------
    l : int
        Which layer, 0 for the input.
    activation : Activation or None
        Its σ; None for the input, as all below but `a` and `dC_da`.
    w : (n, n_in) array
    b : (n,) array
        The weights and biases, as they were.
    z : (n,) array
        z = w a + b, with a of the layer before.
    a : (n,) array
        a = σ(z); the input itself for layer 0.
    da_dz : (n,) array
        σ′(z). Of softmax, where every output depends on every z, the matrix (n, n): ``da_dz[i, j]`` = ∂a_i/∂z_j.
    dC_da : (n,) array
        ∂C/∂a, of layer 0 ∂C/∂x. Of the output layer it can be infinite or NaN, where the cost divides by an a that
        has been rounded to 0 or 1; δ does not come from it then.
    delta : (n,) array
        δ = ∂C/∂z.
    dC_dw : (n, n_in) array
        ∂C/∂w_jk = a_k δ_j.
    dC_db : (n,) array
        ∂C/∂b_j = δ_j.
    a_before : (n_in,) array
        a of the layer before.
    is_output : bool
        Whether it is the last layer.
    """

    l: int
    activation: Activation | None
    a: Array
    dC_da: Array
    w: Any = None
    b: Any = None
    z: Any = None
    da_dz: Any = None
    delta: Any = None
    a_before: Any = None
    is_output: bool = False

    @property
    def n(self) -> int:
        """The number of neurons."""
        return len(self.a)

    @property
    def dC_dw(self) -> Any:
        """BP4: ∂C/∂w_jk = a_k δ_j."""
        return None if self.delta is None else np.outer(self.delta, self.a_before)

    @property
    def dC_db(self) -> Any:
        """BP3: ∂C/∂b_j = δ_j."""
        return None if self.delta is None else self.delta.copy()

    def __repr__(self) -> str:
        return f"LayerTrace(l={self.l}, {self.n} {self.activation.name if self.activation else 'input'})"


@numpy_functions.as_if_compiled
def layers_of_sample(model: Model, x: Array, y: Array) -> tuple[float, tuple[LayerTrace, ...]]:
    """Return C and layers 0…L for one sample, x (n_in,) and y (n_out,).

    z, a and δ are what the loops of `tiles` computed, so ∂C/∂w and ∂C/∂b are those of the gradient to the last bit.
    """
    cost, zs, activations, deltas = _forward_and_back(model, x, y)
    theta = ParameterVector(model.sizes, model.parameters.vector.copy())
    return cost, put_together(model, theta, y, zs, activations, deltas)


def put_together(
    model: Model,
    theta: ParameterVector,
    y: Array,
    zs: Sequence[Array],
    activations: Sequence[Array],
    deltas: Sequence[Array],
) -> tuple[LayerTrace, ...]:
    """Return layers 0…L from their a and the z and δ of layers 1…L, which are the last L of `zs` and `deltas`."""
    after = numpy_functions.cost_gradient(model.cost, model.activations[-1])(activations[-1], y)
    layers = []
    for l in range(model.n_layers, 0, -1):
        i = l - 1 - model.n_layers  # from the end
        sigma, w, z, a, delta = model.activations[i], theta.weights[i], zs[i], activations[l], deltas[i]
        da_dz = numpy_functions.backward(sigma)(np.ones_like(z), z, a) if not sigma.whole_layer else _softmax_matrix(a)
        is_output, before = l == model.n_layers, activations[l - 1]
        layers.append(LayerTrace(l, sigma, a, after, w, theta.biases[i], z, da_dz, delta, before, is_output))
        after = w.T @ delta
    layers.append(LayerTrace(0, None, activations[0], after))
    return tuple(reversed(layers))


def _forward_and_back(model: Model, x: Array, y: Array) -> tuple[float, list[Array], list[Array], list[Array]]:
    net, work, data = tiled_network(model), tiled_workspace(model, 1), samples_of(x[None, :], y[None, :])
    add_functions(net.functions, ["errors_share"], model.dtype, W=work, A=data, N=net)
    pack(work.theta, model.parameters.vector, net)
    variant(tile_steps.errors, 1)(1, work, data, 0, 1, model.dtype.type(1), net)

    def by_layer(panels: Array) -> list[Array]:  # of one sample, the panels of a layer are its row
        starts = net.layers["columns_before"]
        return [panels[starts[l] : starts[l] + n].copy() for l, n in enumerate(model.sizes)]

    return float(work.costs[0]), by_layer(work.z), by_layer(work.a), by_layer(work.delta)


def _softmax_matrix(a: Array) -> Array:
    """∂a_i/∂z_j = a_i ([i = j] − a_j)."""
    return np.asarray(np.diag(a) - np.outer(a, a))
