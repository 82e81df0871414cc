"""JAX with a whole epoch in one jitted lax.scan: no Python between two steps."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sidebyside.cases import BETA_1, BETA_2, EPSILON, Array, Workload, flat

VERSION = jax.__version__

SIGMA = {"sigmoid": jax.nn.sigmoid, "tanh": jnp.tanh, "relu": jax.nn.relu}
tree_map = jax.tree_util.tree_map


def refusal(work: Workload) -> str | None:
    """Return why this peer cannot do the case: it can do all."""
    return None


class Peer:
    """Weights are (n_in, n_out), and each step gathers its samples: the fastest of the forms that were tried."""

    def __init__(self, work: Workload, threads: int):
        self.work, self.case = work, work.case
        self.X, self.Y = jnp.asarray(work.X), jnp.asarray(work.Y)
        self.orders = [jnp.asarray(order) for order in work.orders]
        self.epoch = jax.jit(partial(epoch, self.case), donate_argnums=0)
        self.forward = jax.jit(partial(outputs, self.case))

    def restart(self) -> None:
        """Go back to the initial parameters."""
        pairs = zip(self.work.weights, self.work.biases, strict=True)
        self.theta = [(jnp.array(w.T), jnp.array(b)) for w, b in pairs]
        moments = [tree_map(jnp.zeros_like, self.theta) if self.case.optimizer == "adam" else () for _ in range(2)]
        self.state = (self.theta, *moments, jnp.float32(0))

    def train(self, epochs: int) -> None:
        """Train with the first orders, one for each epoch."""
        for order in self.orders[:epochs]:
            self.state, self.costs = self.epoch(self.state, order, self.X, self.Y)
        jax.block_until_ready((self.state, self.costs))
        self.theta = self.state[0]

    def parameters(self) -> Array:
        """Return all parameters as one vector."""
        return flat([np.asarray(w).T for w, _ in self.theta], [np.asarray(b) for _, b in self.theta])

    def predict(self, x: Array) -> Array:
        """Return the outputs for one row."""
        return np.asarray(self.forward(self.theta, x))


def outputs(case: Any, theta: Any, x: Any) -> Any:
    """Return the outputs of the net, before a softmax."""
    *hidden, (w_last, b_last) = theta
    for w, b in hidden:
        x = SIGMA[case.hidden](x @ w + b)
    z = x @ w_last + b_last
    return jax.nn.sigmoid(z) if case.output == "sigmoid" else z


def cost(case: Any, theta: Any, x: Any, y: Any) -> Any:
    """Return the mean cost of a mini-batch."""
    a = outputs(case, theta, x)
    costs = -y * jax.nn.log_softmax(a) if case.output == "softmax" else 0.5 * (a - y) ** 2
    return costs.sum() / case.batch_size


def epoch(case: Any, state: Any, order: Any, X: Any, Y: Any) -> Any:
    """Take a step for each row of `order`; return the new state and the cost before each step."""

    def step(state: Any, batch: Any) -> Any:
        theta, first, second, t = state
        value, gradient = jax.value_and_grad(partial(cost, case))(theta, X[batch], Y[batch])
        if case.optimizer == "sgd":
            return (tree_map(lambda p, g: p - case.learning_rate * g, theta, gradient), first, second, t), value
        t = t + 1
        first = tree_map(lambda m, g: BETA_1 * m + (1 - BETA_1) * g, first, gradient)
        second = tree_map(lambda v, g: BETA_2 * v + (1 - BETA_2) * g * g, second, gradient)
        eta, root = case.learning_rate / (1 - BETA_1**t), jnp.sqrt(1 - BETA_2**t)
        theta = tree_map(lambda p, m, v: p - eta * m / (jnp.sqrt(v) / root + EPSILON), theta, first, second)
        return (theta, first, second, t), value

    return jax.lax.scan(step, state, order)
