"""z and a of every layer for many samples: what a forward pass leaves in the workspace, without panels."""

import numpy as np

from fastbp.compiler.options import LEAN, njit
from fastbp.compiler.threads import max_threads, parallel_region
from fastbp.compiler.variants import variant
from fastbp.compiler.views import stretch
from fastbp.formulations.tiles import steps
from fastbp.formulations.tiles.panel_functions import add_functions
from fastbp.formulations.tiles.panel_sums import BLOCK
from fastbp.formulations.tiles.panels import layer, pack
from fastbp.formulations.tiles.prepared import samples_of
from fastbp.formulations.tiles.rows import take_layer
from fastbp.formulations.tiles.tiled import borrowed_workspace, tiled_network
from fastbp.model import Array, Model


@njit(**LEAN)
def take_values(values, buffer, l, start, m, net):
    """z or a of layer l for m samples of the workspace. Shapes: values (n, n_l). Writes: m rows of it from `start`."""
    of_layer = layer(buffer, net, l)
    take_layer(stretch(values, start * of_layer.n, m * of_layer.n), of_layer, 0, m, net)


def layer_values(model: Model, X: Array) -> tuple[list[Array], list[Array]]:
    """Return z, and a, of the layers 1…L, (n, n_l) each. No row depends on the others, to the last bit."""
    n, rows, net = len(X), min(len(X), BLOCK * max_threads()), tiled_network(model)
    zs, activations = ([np.empty((n, n_l), model.dtype) for n_l in model.sizes[1:]] for _ in range(2))
    outputs, data = activations[-1], samples_of(X, activations[-1])
    with (
        borrowed_workspace(model, max(2, rows), training=False) as work,  # sums of one row have another order
        parallel_region(model.flops_per_sample / 3 * rows) as n_threads,
    ):
        add_functions(net, ["forward_share", "take_rows"], model.dtype, W=work, A=data, N=net)
        forward_blocks = variant(steps.forward_blocks, n_threads)
        pack(work.theta, model.parameters.vector, net)
        for start in range(0, n, rows):
            stop = min(n, start + rows)
            forward_blocks(n_threads, outputs, work, data, start, stop, net)
            for l, (z, a) in enumerate(zip(zs, activations, strict=True), 1):
                take_values(z, work.z, l, start, stop - start, net)
                if a is not outputs:
                    take_values(a, work.a, l, start, stop - start, net)
    return zs, activations
