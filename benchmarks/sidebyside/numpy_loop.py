"""NumPy written by hand for speed: mini-batches as matrices, all memory allocated once."""

import numpy as np
import numpy.typing as npt

from sidebyside.cases import BETA_1, BETA_2, EPSILON, Array, Workload

VERSION = np.__version__


def refusal(work: Workload) -> str | None:
    """Return why this peer cannot do the case: it can do all."""
    return None


class Peer:
    """The parameters are one vector, so that an update is a few calls for all layers together."""

    def __init__(self, work: Workload, threads: int, dtype: npt.DTypeLike = np.float32):
        self.work, self.case = work, work.case
        self.X, self.Y = work.X.astype(dtype), work.Y.astype(dtype)
        self.theta = work.parameters.astype(dtype)
        self.gradient, self.first, self.second, self.scratch = (np.zeros_like(self.theta) for _ in range(4))
        self.w, self.b = self._views(self.theta)
        self.dw, self.db = self._views(self.gradient)
        m = self.case.batch_size
        self.a = [np.empty((m, n), dtype) for n in self.case.sizes]
        self.delta = [np.empty((m, n), dtype) for n in self.case.sizes]
        self.y = np.empty((m, self.case.sizes[-1]), dtype)

    def _views(self, vector: Array) -> tuple[list[Array], list[Array]]:
        weights, biases, start = [], [], 0
        for w in self.work.weights:
            weights.append(vector[start : start + w.size].reshape(w.shape))
            start += w.size
            biases.append(vector[start : start + len(w)])
            start += len(w)
        return weights, biases

    def restart(self) -> None:
        """Go back to the initial parameters."""
        self.theta[:] = self.work.parameters
        self.first[:], self.second[:], self.t = 0, 0, 0

    def train(self, epochs: int) -> None:
        """Train with the first orders, one for each epoch; `costs` has the mean cost of each epoch."""
        self.costs = [sum(self._step(batch) for batch in order) / len(order) for order in self.work.orders[:epochs]]

    def parameters(self) -> Array:
        """Return all parameters as one vector."""
        return self.theta

    def predict(self, x: Array) -> Array:
        """Return the outputs for one row."""
        for l, (w, b) in enumerate(zip(self.w, self.b, strict=True)):
            x = w @ x + b
            if l < len(self.w) - 1:
                x = np.maximum(x, 0)
        return x

    def _step(self, batch: npt.NDArray[np.int64]) -> float:
        a, delta, last = self.a, self.delta, len(self.w)
        np.take(self.X, batch, axis=0, out=a[0], mode="clip")
        np.take(self.Y, batch, axis=0, out=self.y, mode="clip")
        for l in range(last):
            np.matmul(a[l], self.w[l].T, out=a[l + 1])
            a[l + 1] += self.b[l]
            activate(self.case.hidden if l < last - 1 else self.case.output, a[l + 1])
        np.subtract(a[last], self.y, out=delta[last])
        cost = self._cost(a[last], delta[last])
        if self.case.output != "softmax":
            times_derivative(self.case.output, delta[last], a[last])
        delta[last] *= self.theta.dtype.type(1 / len(batch))
        for l in range(last - 1, -1, -1):
            np.matmul(delta[l + 1].T, a[l], out=self.dw[l])
            np.sum(delta[l + 1], axis=0, out=self.db[l])
            if l > 0:
                np.matmul(delta[l + 1], self.w[l], out=delta[l])
                times_derivative(self.case.hidden, delta[l], a[l])
        self._update()
        return cost

    def _cost(self, a: Array, difference: Array) -> float:
        if self.case.output == "softmax":
            return float(-np.log(np.einsum("ij,ij->i", a, self.y)).mean())
        return float(0.5 * np.vdot(difference, difference) / len(a))

    def _update(self) -> None:
        g, eta = self.gradient, self.case.learning_rate
        if self.case.optimizer == "sgd":
            g *= eta
            self.theta -= g
            return
        m, v, scratch = self.first, self.second, self.scratch
        self.t += 1
        m *= BETA_1
        np.multiply(g, 1 - BETA_1, out=scratch)
        m += scratch
        v *= BETA_2
        g *= g
        g *= 1 - BETA_2
        v += g
        np.sqrt(v, out=scratch)
        scratch *= 1 / (1 - BETA_2**self.t) ** 0.5
        scratch += EPSILON
        np.divide(m, scratch, out=scratch)
        scratch *= eta / (1 - BETA_1**self.t)
        self.theta -= scratch


def activate(name: str, z: Array) -> None:
    """z ← σ(z)."""
    if name == "sigmoid":
        np.negative(z, out=z)
        np.exp(z, out=z)
        z += 1
        np.reciprocal(z, out=z)
    elif name == "tanh":
        np.tanh(z, out=z)
    elif name == "relu":
        np.maximum(z, 0, out=z)
    elif name == "softmax":
        z -= z.max(axis=1, keepdims=True)
        np.exp(z, out=z)
        z /= z.sum(axis=1, keepdims=True)


def times_derivative(name: str, delta: Array, a: Array) -> None:
    """δ ← δ ⊙ σ′, with σ′ as a function of the outputs a."""
    if name == "sigmoid":
        delta *= a
        delta *= 1 - a
    elif name == "tanh":
        delta *= 1 - a * a
    elif name == "relu":
        delta *= a > 0
