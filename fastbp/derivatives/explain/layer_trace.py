"""The forward and backward pass of one sample, layer by layer, computed by the loops of `tiles`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastbp.compiler.variants import variant
from fastbp.formulations import numpy_functions
from fastbp.formulations.tiles import steps as tile_steps
from fastbp.formulations.tiles.panel_functions import add_functions
from fastbp.formulations.tiles.panels import pack
from fastbp.formulations.tiles.prepared import samples_of
from fastbp.formulations.tiles.tiled import tiled_network, tiled_workspace
from fastbp.functions.activations import Activation
from fastbp.functions.softmax import softmax
from fastbp.model import Array, Model, ParameterVector

Arrays = Sequence[Array]  # one for each layer


@dataclass(frozen=True)
class LayerTrace:
    """One layer of n neurons, with n_in neurons in the layer before it, for one sample.

    Attributes
    ----------
    l : int
        The number of the layer, 0 for the input.
    activation : Activation or None
        Its σ. The input has only `a` and `dC_da`; all else is None for it.
    w, b : (n, n_in) and (n,) arrays
        The weights and biases at the time of the trace.
    z, a : (n,) arrays
        z = w a + b, with a of the layer before, and a = σ(z). For layer 0, a is the input.
    da_dz : (n,) array
        σ′(z). Of softmax, where every output depends on every z, the matrix (n, n): ``da_dz[i, j]`` = ∂a_i/∂z_j.
    dC_da : (n,) array
        ∂C/∂a; for layer 0, ∂C/∂x. In the output layer it can be infinite or NaN, where the cost divides by an a that
        has been rounded to 0 or 1; δ is not computed from it then.
    delta : (n,) array
        δ = ∂C/∂z.
    dC_dw, dC_db : (n, n_in) and (n,) arrays
        ∂C/∂w_jk = a_k δ_j and ∂C/∂b_j = δ_j.
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

    z, a and δ come from the loops of `tiles`, so ∂C/∂w and ∂C/∂b equal the gradient to the last bit.
    """
    net, work, data = tiled_network(model), tiled_workspace(model, 1), samples_of(x[None, :], y[None, :])
    add_functions(net, ["errors_share", "forward_share", "take_rows"], model.dtype, W=work, A=data, N=net)
    pack(work.theta, model.parameters.vector, net)
    variant(tile_steps.errors, 1)(1, work, data, 0, 1, model.dtype.type(1), net)
    variant(tile_steps.forward_blocks, 1)(1, np.empty((1, model.sizes[-1]), model.dtype), work, data, 0, 1, net)
    starts = net.layers["columns_before"]  # the panels of a layer are one row, that of the sample
    zs, activations, deltas = (
        [panels[starts[l] : starts[l] + n].copy() for l, n in enumerate(model.sizes)]
        for panels in (work.z, work.a, work.delta)
    )
    theta = ParameterVector(model.sizes, model.parameters.vector.copy())
    return float(work.costs[0]), put_together(model, theta, y, zs, activations, deltas)


def put_together(
    model: Model, theta: ParameterVector, y: Array, zs: Arrays, activations: Arrays, deltas: Arrays
) -> tuple[LayerTrace, ...]:
    """Return layers 0…L from a of layers 0…L and z and δ of layers 1…L, the last L of `zs` and `deltas`."""
    dC_da = numpy_functions.cost_gradient(model.cost, model.activations[-1])(activations[-1], y)
    layers = []
    for l in range(model.n_layers, 0, -1):
        i = l - 1 - model.n_layers  # from the end
        sigma, w, z, a, delta = model.activations[i], theta.weights[i], zs[i], activations[l], deltas[i]
        if sigma.function is softmax:
            da_dz = np.diag(a) - np.outer(a, a)  # ∂a_i/∂z_j = a_i ([i = j] − a_j)
        elif sigma.whole_layer:
            da_dz = np.stack([numpy_functions.backward(sigma)(unit, z, a) for unit in np.eye(len(a), dtype=a.dtype)])
        else:
            da_dz = numpy_functions.backward(sigma)(np.ones_like(z), z, a)
        is_output, before = l == model.n_layers, activations[l - 1]
        layers.append(LayerTrace(l, sigma, a, dC_da, w, theta.biases[i], z, da_dz, delta, before, is_output))
        dC_da = w.T @ delta
    layers.append(LayerTrace(0, None, activations[0], dC_da))
    return tuple(reversed(layers))
