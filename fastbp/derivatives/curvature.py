"""Matrices of second derivatives: their products with vectors, diagonals and eigenvalues. The callers of the loops."""

import numpy as np

from fastbp.compiler.threads import parallel_region
from fastbp.compiler.variants import variant
from fastbp.derivatives import output_sweeps, tangent_steps, tangents
from fastbp.derivatives.by_address import Kind, functions_of, own_pair
from fastbp.derivatives.workspaces import borrowed_workspaces, workspaces, zeros
from fastbp.formulations.tiles.panel_functions import add_functions
from fastbp.formulations.tiles.panels import TiledWorkspace, pack, unpack
from fastbp.formulations.tiles.prepared import samples_of
from fastbp.formulations.tiles.tiled import ROWS, add_gradient_functions, tiled_network
from fastbp.model import Array, Model, aligned_empty

_CODES = {
    "hessian": tangents.HESSIAN,
    "gauss_newton": tangents.GAUSS_NEWTON,
    "fisher": tangents.GAUSS_NEWTON,
    "empirical_fisher": tangents.EMPIRICAL_FISHER,
}


class Product:
    """v ↦ M v for a matrix M of second derivatives, a mean over the samples, at θ when the product is made.

    `memory` is that of `workspaces`, allocated here if it is not given; many products use it again.
    """

    def __init__(
        self, model: Model, X: Array, Y: Array, kind: Kind, memory: tuple[TiledWorkspace, TiledWorkspace] | None = None
    ):
        self._model, self._data, self._kind = model, samples_of(X, Y), _CODES[kind]
        self._net, (self._work, self._dot) = tiled_network(model), memory or workspaces(model, len(X))
        add_gradient_functions(model, ["take_rows", "put_rows"])
        shares = ["product_part_share"] if self._work.in_parts else ["tangent_share", "products_share"]
        self._functions = functions_of(model, kind, shares, self._work, self._data)
        pack(self._work.theta, model.parameters.vector, self._net)

    def __call__(self, v: Array) -> Array:
        """Return M v for a contiguous v of the model's dtype."""
        result = aligned_empty(v.size, self._model.dtype)
        pack(self._dot.theta, v, self._net)
        flops = 2 * self._model.flops_per_sample * min(self._data.order.size, self._work.rows)
        with parallel_region(flops) as n_threads:
            loop = tangent_steps.product_in_parts if self._work.in_parts else tangent_steps.product
            variant(loop, n_threads)(
                n_threads, self._work, self._dot, self._data, self._kind, self._net, self._functions
            )
        unpack(result, self._work.gradient, self._net)
        return result


def product(model: Model, X: Array, Y: Array, kind: Kind, v: Array) -> Array:
    """Return M v of a single `Product`, in memory that the model keeps for the next call."""
    with borrowed_workspaces(model, len(X)) as memory:
        return Product(model, X, Y, kind, memory)(v)


def jvp(model: Model, X: Array, V: Array) -> Array:
    """Return ∂a⁽ᴸ⁾/∂x v for every row of X and V, (n, n_out)."""
    n = len(X)
    net, (work, dot) = tiled_network(model), workspaces(model, n, parameters_move=False, gradient=False)
    outputs, data = np.empty((n, model.sizes[-1]), model.dtype), samples_of(X, V)
    add_functions(net, ["take_rows", "put_rows"], model.dtype)
    functions = functions_of(model, "jvp", ["jvp_share"], work, data)
    pack(work.theta, model.parameters.vector, net)
    with parallel_region(model.flops_per_sample * 2 / 3 * min(n, work.rows)) as n_threads:
        jvp_blocks = variant(tangent_steps.jvp_blocks, n_threads)
        for start in range(0, n, work.rows):
            some = start, min(n, start + work.rows)
            jvp_blocks(n_threads, outputs, work, dot, data, some, net, functions)
    return outputs


def gauss_newton_diagonal(model: Model, X: Array, Y: Array) -> Array:
    """Return the diagonal of the Gauss–Newton matrix, (P,), by a backward pass from each output."""
    n, net, at_z = len(X), tiled_network(model), own_pair(model) is not None
    data, (work, squares) = samples_of(X, Y), workspaces(model, n, parts=False)
    add_gradient_functions(model, ["take_rows", "put_rows"])
    functions = functions_of(model, "diagonal", ["diagonal_share", "products_share"], work, data)
    pack(work.theta, model.parameters.vector, net)
    with parallel_region(model.flops_per_sample * min(n, work.rows)) as n_threads:
        diagonal_blocks = variant(output_sweeps.diagonal_blocks, n_threads)
        sum_products, kind = variant(tangent_steps.sum_products, n_threads), tangents.GAUSS_NEWTON
        for start in range(0, n, work.rows):
            some = start, min(n, start + work.rows)
            for c in range(model.sizes[-1]):
                diagonal_blocks(n_threads, c, work, squares, data, some, at_z, net, functions)
                sum_products(n_threads, work.gradient, squares, squares, kind, some[1] - start, net, functions)
    result = aligned_empty(model.parameters.vector.size, model.dtype)
    unpack(result, work.gradient, net)
    return result


class OutputJacobian:
    """∂a⁽ᴸ⁾/∂θ for blocks of samples, with the θ that the model has at each call. Allocates all memory once."""

    def __init__(self, model: Model, X: Array, samples_at_once: int):
        self._model, self._X, self.samples_at_once = model, X, min(samples_at_once, len(X), ROWS)
        self._net = tiled_network(model)
        self._work, _ = workspaces(model, self.samples_at_once, gradient=False)
        add_functions(self._net, ["take_rows", "put_rows"], model.dtype)
        n_rows = self.samples_at_once * model.sizes[-1]
        self._J = zeros(n_rows * model.parameters.vector.size, model.dtype).reshape(n_rows, -1)
        self._outputs = np.empty((self.samples_at_once, model.sizes[-1]), model.dtype)

    def __call__(self, start: int, stop: int | None = None) -> tuple[Array, Array]:
        """Return J, (m n_out, P), and the outputs, (m, n_out), from `start` on; the next call overwrites them.

        They are of as many samples as there is room for, before `stop`, or before the end.
        """
        stop, n_out = len(self._X) if stop is None else stop, self._model.sizes[-1]
        order = np.arange(start, min(start + self.samples_at_once, stop))
        m, data = len(order), samples_of(self._X, self._outputs, order=order)
        functions = functions_of(self._model, "jvp", ["output_jacobian_share"], self._work, data)
        pack(self._work.theta, self._model.parameters.vector, self._net)
        J, outputs = self._J[: m * n_out], self._outputs[:m]
        with parallel_region(self._model.flops_per_sample * m * n_out) as n_threads:
            jacobian_blocks = variant(output_sweeps.jacobian_blocks, n_threads)
            jacobian_blocks(n_threads, J, outputs, self._work, data, self._net, functions)
        return J, outputs


def hessian(model: Model, X: Array, Y: Array) -> Array:
    """Return ∂²C/∂θ², (P, P): a product with each unit vector, then the mean of the matrix and its transpose."""
    product, n = Product(model, X, Y, "hessian"), model.parameters.vector.size
    matrix, unit = np.empty((n, n), model.dtype), np.zeros(n, model.dtype)
    for i in range(n):
        unit[i] = 1
        matrix[i] = product(unit)
        unit[i] = 0
    for i in range(1, n):  # the two halves differ by rounding
        matrix[i, :i] = matrix[:i, i] = (matrix[i, :i] + matrix[:i, i]) / 2
    return matrix


def top_eigenvalues(model: Model, X: Array, Y: Array, k: int, kind: Kind) -> Array:
    """Return the k largest eigenvalues in descending order, by SciPy's Lanczos iteration.

    Raises ImportError without SciPy, ArithmeticError if the iteration does not converge.
    """
    try:
        import scipy.sparse.linalg as linalg
    except ImportError:
        raise ImportError("top_eigenvalues needs SciPy: install it with `pip install 'fastbp[scipy]'`") from None
    product, n = Product(model, X, Y, kind), model.parameters.vector.size
    operator = linalg.LinearOperator(
        (n, n), matvec=lambda v: product(np.ascontiguousarray(v, model.dtype).reshape(n)), dtype=model.dtype
    )
    start = np.random.default_rng(0).standard_normal(n).astype(model.dtype)
    try:
        values = linalg.eigsh(operator, k, which="LA", v0=start, return_eigenvectors=False)
    except linalg.ArpackError as error:  # also raised when it does not converge
        raise ArithmeticError(f"the largest eigenvalues were not found: {error}") from None
    result: Array = np.sort(values)[::-1].astype(model.dtype)
    return result
