"""The training that all peers do: nets, data, initial parameters and the order of the samples, from one seed."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

BETA_1, BETA_2 = 0.9, 0.999
# scikit-learn adds Adam's ε before it corrects the bias of v, as if ε were up to 30 times larger. With the usual 1e-8
# this changes parameters whose gradients are about 1e-7, and the final cost of `medium` by 0.7 %; with this ε by 1e-7.
EPSILON = 1e-10
COST_SAMPLES = 1000


@dataclass(frozen=True)
class Case:
    """A net and its training. Quadratic is ½ Σ (a − y)²; gradients are means over the mini-batch."""

    name: str
    sizes: tuple[int, ...]
    hidden: str  # sigmoid, tanh or relu
    output: str  # sigmoid or identity, with the quadratic cost; softmax, with cross-entropy
    optimizer: str  # sgd or adam
    learning_rate: float
    batch_size: int
    steps: int  # per epoch
    epochs: int = 2  # of one measurement, which starts from the initial parameters

    @property
    def n_samples(self) -> int:
        """The number of samples of an epoch, a multiple of the mini-batch."""
        return self.steps * self.batch_size

    @property
    def cost(self) -> str:
        """The cost that goes with the output."""
        return "cross_entropy" if self.output == "softmax" else "quadratic"

    @property
    def weights_per_layer(self) -> list[int]:
        """The number of weights of each layer, the first layer first."""
        return [n_in * n_out for n_in, n_out in pairwise(self.sizes)]

    @property
    def flops_per_step(self) -> int:
        """Floating-point operations that a step needs: a multiply-add for each weight and sample in each sum.

        Each layer has three sums; the first has two, because it propagates no error.
        """
        return 2 * self.batch_size * (3 * sum(self.weights_per_layer) - self.weights_per_layer[0])

    @property
    def flops_per_step_of_three_sums(self) -> int:
        """The same with three sums for every layer: 6 for each weight and sample."""
        return 6 * self.batch_size * sum(self.weights_per_layer)

    def __str__(self) -> str:
        layers = ",".join(map(str, self.sizes))
        m = "1 sample per step" if self.batch_size == 1 else f"mini-batch {self.batch_size}"
        rule = {"sgd": "SGD", "adam": "Adam"}[self.optimizer]
        output = "cross-entropy" if self.output == "softmax" else f"{self.output} output, quadratic"
        return f"[{layers}] {self.hidden}, {output}, {rule}, {m}"


CASES = {
    case.name: case
    for case in (
        Case("book", (784, 30, 10), "sigmoid", "sigmoid", "sgd", 0.5, 10, 500),
        Case("online", (784, 30, 10), "sigmoid", "sigmoid", "sgd", 0.05, 1, 1000),
        Case("small", (8, 16, 16, 1), "tanh", "identity", "adam", 0.001, 32, 500),
        Case("medium", (784, 100, 10), "relu", "softmax", "adam", 0.001, 200, 50),
        Case("large", (784, 512, 512, 10), "relu", "softmax", "adam", 0.0002, 128, 40),
        Case("wide", (1024, 2048, 2048, 1024), "relu", "softmax", "sgd", 0.05, 256, 4, epochs=1),
    )
}
QUICK_CASES = ("book", "small")
PREDICT = Case("predict", (10, 32, 32, 1), "relu", "identity", "sgd", 0.1, 1, 1)


def quick(case: Case) -> Case:
    """Return the case with a fifth of the steps."""
    return replace(case, steps=max(1, case.steps // 5))


def large(case: Case, megabytes: float) -> Case:
    """Return the case with one epoch of so many samples that X has at least this size."""
    steps = int(megabytes * 1e6 / (4 * case.sizes[0] * case.batch_size)) + 1
    return replace(case, steps=max(case.steps, steps), epochs=1)


class Workload:
    """The data, initial parameters and orders of a case. Every process draws the same from the same seed.

    Attributes
    ----------
    X, Y : (n_samples, n_in) and (n_samples, n_out) float32 arrays
        Inputs, uniform on [0, 1), and targets from a random linear map; one-hot for softmax and sigmoid.
    weights, biases : lists of float32 arrays, (n_out, n_in) and (n_out,)
        The initial parameters of each layer.
    orders : (epochs, steps, batch_size) array of int
        The samples of each mini-batch of each epoch.
    """

    def __init__(self, case: Case, seed: int):
        self.case = case
        rng = np.random.default_rng(seed)
        self.X: Array = rng.random((case.n_samples, case.sizes[0]), dtype=np.float32)
        teacher = rng.standard_normal((case.sizes[0], case.sizes[-1]), dtype=np.float32)
        scores = (self.X - 0.5) @ teacher * (12 / case.sizes[0]) ** 0.5
        self.Y = _targets(case, scores.astype(np.float32))
        self.weights: list[Array] = []
        self.biases: list[Array] = []
        for n_in, n_out in pairwise(case.sizes):
            spread = np.float32(((2 if case.hidden == "relu" else 1) / n_in) ** 0.5)
            self.weights.append(rng.standard_normal((n_out, n_in), dtype=np.float32) * spread)
            self.biases.append(rng.standard_normal(n_out, dtype=np.float32) * np.float32(0.1))
        shape = (case.steps, case.batch_size)
        self.orders = np.stack([rng.permutation(case.n_samples).reshape(shape) for _ in range(case.epochs)])

    @cached_property
    def labels(self) -> npt.NDArray[np.int64]:
        """The classes of the rows of Y."""
        return np.asarray(self.Y.argmax(axis=1))

    @property
    def parameters(self) -> Array:
        """All initial parameters as one vector: w(1), b(1), …, w(L), b(L), each w row by row."""
        return flat(self.weights, self.biases)

    def cost(self, parameters: npt.ArrayLike) -> float:
        """Return the mean cost of the first samples in float64, computed in the same way for all peers."""
        theta = np.asarray(parameters, np.float64).ravel()
        A, Y = self.X[:COST_SAMPLES].astype(np.float64), self.Y[:COST_SAMPLES].astype(np.float64)
        start = 0
        for l, (n_in, n_out) in enumerate(pairwise(self.case.sizes)):
            w = theta[start : start + n_in * n_out].reshape(n_out, n_in)
            start += n_in * n_out
            Z = A @ w.T + theta[start : start + n_out]
            start += n_out
            A = _activated(self.case.hidden if l < len(self.weights) - 1 else self.case.output, Z)
        if theta.size != start:
            raise ValueError(f"{theta.size} parameters; the net has {start}")
        costs = -Y * np.log(np.maximum(A, 1e-300)) if self.case.output == "softmax" else (A - Y) ** 2 / 2
        return float(costs.sum(axis=1).mean())


def flat(weights: list[Array], biases: list[Array]) -> Array:
    """Return w(1), b(1), …, w(L), b(L) as one vector, from w of shape (n_out, n_in)."""
    return np.concatenate([np.ravel(part) for pair in zip(weights, biases, strict=True) for part in pair])


def _targets(case: Case, scores: Array) -> Array:
    if case.output == "identity":
        return np.asarray(np.tanh(scores))
    return np.eye(case.sizes[-1], dtype=np.float32)[scores.argmax(axis=1)]


def _activated(name: str, Z: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    if name == "softmax":
        e = np.exp(Z - Z.max(axis=1, keepdims=True))
        return np.asarray(e / e.sum(axis=1, keepdims=True))
    functions: dict[str, Callable[..., Any]] = {
        "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
        "tanh": np.tanh,
        "relu": lambda z: np.maximum(z, 0),
        "identity": lambda z: z,
    }
    return np.asarray(functions[name](Z))
