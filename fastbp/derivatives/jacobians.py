"""Jacobians of layers, and their products with vectors from the left: the callers of `jacobian_steps.py`.

X (n, n_in) has been checked, as for a formulation.
"""

from fastbp.compiler.threads import max_threads, parallel_region
from fastbp.compiler.variants import variant
from fastbp.derivatives import jacobian_steps, per_sample
from fastbp.derivatives.by_address import functions_of
from fastbp.formulations.tiles import formulation, tiled
from fastbp.formulations.tiles.prepared import samples_of
from fastbp.functions.costs import Cost
from fastbp.model import Array, Model, aligned_empty

ROWS = 192  # rows of Jacobians that go back through all layers together


def weighted(a, y):  # type: ignore[no-untyped-def]
    return a * y


def weighted_prime(a, y):  # type: ignore[no-untyped-def]
    return y


WEIGHTED = Cost("weighted", weighted, weighted_prime)


def of_outputs(model: Model) -> Model:
    """Return the same network with the cost Σ_j y_j a_j, so that ∂C/∂a = y."""
    if "of_outputs" not in model.prepared:
        model.prepared["of_outputs"] = Model(model.sizes, model.activations, WEIGHTED, model.parameters)
    same: Model = model.prepared["of_outputs"]
    return same


def vjp(model: Model, X: Array, U: Array) -> Array:
    """Return u_s J_s of every sample, (n, n_in); J_s is the Jacobian of its outputs by its inputs."""
    return per_sample.input_gradients(of_outputs(model), X, U)


def parameter_vjp(model: Model, X: Array, U: Array, out: Array) -> None:
    """Write Σ_s u_sᵀ ∂a_s/∂θ into `out`, (n_parameters,): the gradient of the sum of the costs Σ_j u_sj a_sj."""
    formulation.Tiled().weighted_gradient(of_outputs(model), X, U, out, None, 1.0)


def jacobian(model: Model, X: Array, of: int, wrt: int) -> Array:
    """Return ∂a⁽ᵒᶠ⁾/∂a⁽ʷʳᵗ⁾ of every sample, (n, n_of, n_wrt); 0 ≤ wrt < of ≤ L."""
    n, n_of, n_wrt = len(X), model.sizes[of], model.sizes[wrt]
    net = tiled.tiled_network(model)
    rows = min(ROWS, -(-n * n_of // 4) * 4)
    widest = int(net.layers["columns"][wrt : of + 1].max())
    buffers = aligned_empty(max_threads() * 2 * rows * widest, model.dtype).reshape(max_threads(), 2, rows, widest)
    out = aligned_empty(n * n_of * n_wrt, model.dtype).reshape(n, n_of, n_wrt)
    with (
        per_sample.packed(of_outputs(model), n) as (net, work),
        parallel_region(_flops(model, of, wrt) * min(n, tiled.ROWS)) as n_threads,
    ):
        jacobians = variant(jacobian_steps.jacobians, n_threads)
        data = samples_of(X, X)
        functions = functions_of(model, "first order", ["slopes_share", "rows_share"], work, data)
        jacobians(n_threads, out, buffers, work, data, (of, wrt), net, functions)
    return out


def _flops(model: Model, of: int, wrt: int) -> float:
    """Return the floating-point operations of a sample: a matrix product for every layer from `wrt` to `of`."""
    pairs = zip(model.sizes[wrt:of], model.sizes[wrt + 1 : of + 1], strict=True)
    return model.flops_per_sample / 3 + 2.0 * model.sizes[of] * sum(n_in * n_out for n_in, n_out in pairs)
