"""The derivatives of `benchmarks/derivatives.py` by JAX's transformations, each compiled as a whole by jit."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

Calls = dict[str, dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]]]
leaves = jax.tree_util.tree_leaves


def calls(weights: Sequence[Any], biases: Sequence[Any], X: Any, Y: Any, max_norm: float) -> Calls:
    """Return for each derivative a call for each layout of the weights, and a function from its result to an array."""
    X, Y, found = jnp.asarray(X), jnp.asarray(Y), {}
    for form, transposed in (("(n_in, n_out)", True), ("(n_out, n_in)", False)):
        theta = [(jnp.array(w.T if transposed else w), jnp.array(b)) for w, b in zip(weights, biases, strict=True)]
        for name, (function, read) in derivatives(transposed, max_norm).items():
            found.setdefault(name, {})[f"JAX {name} {form}"] = (ready(jax.jit(function), theta, X, Y), read)
    return found


def ready(function: Any, *arguments: Any) -> Callable[[], Any]:
    return lambda: jax.block_until_ready(function(*arguments))


def derivatives(transposed: bool, max_norm: float) -> dict[str, tuple[Any, Any]]:
    """Return functions of θ, X and Y, each with a function from its result to an array in fastbp's order."""

    def outputs(theta: Any, x: Any) -> Any:
        (w1, b1), (w2, b2) = theta
        if transposed:
            return jax.nn.sigmoid(x @ w1 + b1) @ w2 + b2
        return w2 @ jax.nn.sigmoid(w1 @ x + b1) + b2

    def cost(theta: Any, x: Any, y: Any) -> Any:
        return -(y * jax.nn.log_softmax(outputs(theta, x))).sum()

    def norm(gradient: Any) -> Any:
        return jnp.sqrt(sum((g * g).sum() for g in leaves(gradient)))

    def clipped(theta: Any, x: Any, y: Any) -> Any:
        gradient = jax.grad(cost)(theta, x, y)
        factor = jnp.minimum(1, max_norm / norm(gradient))
        return jax.tree_util.tree_map(lambda g: g * factor, gradient)

    def mean_of_clipped(theta: Any, X: Any, Y: Any) -> Any:
        return jax.tree_util.tree_map(lambda g: g.mean(axis=0), jax.vmap(clipped, (None, 0, 0))(theta, X, Y))

    def rows(result: Any) -> Any:
        (w1, b1), (w2, b2) = jax.tree_util.tree_map(np.asarray, result)
        parts = [w1, b1, w2, b2] if not transposed else [w1.swapaxes(-1, -2), b1, w2.swapaxes(-1, -2), b2]
        return np.concatenate([part.reshape((*b1.shape[:-1], -1)) for part in parts], axis=-1)

    def norms(theta: Any, x: Any, y: Any) -> Any:
        return norm(jax.grad(cost)(theta, x, y))

    def jacobian(theta: Any, X: Any, Y: Any) -> Any:
        return jax.vmap(jax.jacrev(lambda x: jax.nn.softmax(outputs(theta, x))))(X)

    return {
        "per-sample gradients": (jax.vmap(jax.grad(cost), (None, 0, 0)), rows),
        "norms of them": (jax.vmap(norms, (None, 0, 0)), np.asarray),
        "mean of clipped ones": (mean_of_clipped, rows),
        "gradients by the inputs": (jax.vmap(jax.grad(cost, 1), (None, 0, 0)), np.asarray),
        "Jacobians": (jacobian, np.asarray),
    }
