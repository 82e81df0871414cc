"""Second derivatives against torch.func, which composes forward and reverse mode: random networks in float64."""

from itertools import pairwise

import numpy as np
import pytest
from conftest import relative_difference

import fastbp
from fastbp.functions.activations import ACTIVATIONS
from fastbp.functions.costs import COSTS

torch = pytest.importorskip("torch", reason="PyTorch is not installed: it comes with the extra `peers`")

# PyTorch gives this warning about itself when its forward mode starts.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script`:DeprecationWarning")
TOLERANCE = 1e-9
FITTING = {"cross_entropy": ("sigmoid", "softmax"), "poisson": ("exponential", "softplus", "sigmoid", "softmax")}
FUSED = {("sigmoid", "cross_entropy"), ("softmax", "cross_entropy"), ("exponential", "poisson")}
SIGMAS = {
    "identity": lambda z: z,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "leaky_relu": lambda z: torch.where(z > 0, z, 0.01 * z),
    "elu": lambda z: torch.where(z > 0, z, torch.expm1(torch.clamp(z, max=0.0))),
    "softplus": lambda z: torch.logaddexp(z, torch.zeros_like(z)),
    "silu": lambda z: z * torch.sigmoid(z),
    "selu": lambda z: (
        1.0507009873554805 * torch.where(z > 0, z, 1.6732632423543772 * torch.expm1(torch.clamp(z, max=0.0)))
    ),
    "mish": lambda z: z * torch.tanh(torch.logaddexp(z, torch.zeros_like(z))),
    "gelu": lambda z: z * 0.5 * (1 + torch.erf(z * 0.5**0.5)),
    "exponential": torch.exp,
    "softmax": lambda z: torch.softmax(z, dim=1),
}
C = {  # summed over outputs and samples
    "quadratic": lambda a, y: ((a - y) ** 2).sum() / 2,
    "squared_error": lambda a, y: ((a - y) ** 2).sum(),
    "cross_entropy": lambda a, y: -(y * torch.log(a) + (1 - y) * torch.log1p(-a)).sum(),
    "absolute": lambda a, y: (a - y).abs().sum(),
    "huber": lambda a, y: torch.where((a - y).abs() <= 1, (a - y) ** 2 / 2, (a - y).abs() - 0.5).sum(),
    "quantile": lambda a, y: torch.maximum(0.5 * (y - a), 0.5 * (a - y)).sum(),
    "poisson": lambda a, y: (a - y * torch.log(a)).sum(),
}
C_OF_Z = {
    ("sigmoid", "cross_entropy"): lambda z, y: (y * SIGMAS["softplus"](-z) + (1 - y) * SIGMAS["softplus"](z)).sum(),
    ("softmax", "cross_entropy"): lambda z, y: -(y * torch.log_softmax(z, dim=1)).sum(),
    ("exponential", "poisson"): lambda z, y: (torch.exp(z) - y * z).sum(),
}


@pytest.fixture(autouse=True)
def one_thread():
    """Give PyTorch one thread: the networks are too small for more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Twin:
    """A network of random depth and widths in fastbp and in PyTorch, with samples."""

    def __init__(self, hidden: str, output: str, cost: str, rng: np.random.Generator, widest: int = 70):
        self.sizes = [int(n) for n in rng.integers(1, widest + 1, rng.integers(2, 7))]
        self.sizes[-1] += output == "softmax"  # softmax of one output is always 1
        self.hidden, self.output, self.cost = hidden, output, cost
        self.net = fastbp.Network(
            self.sizes, activation=hidden, output_activation=output, cost=cost, dtype="float64", initializer="glorot",
            seed=int(rng.integers(1000)),
        )  # fmt: skip
        for w, b in zip(self.net.weights, self.net.biases, strict=True):
            w *= 0.3 if hidden == "exponential" else 1.0  # five exponentials in a row soon overflow
            b[:] = rng.standard_normal(b.size) / 4
        self.n = int(rng.integers(1, 30))
        self.X = rng.standard_normal((self.n, self.sizes[0]))
        self.Y = rng.random((self.n, self.sizes[-1])) + (0.5 if cost == "poisson" else 0)
        if output == "softmax":
            self.Y /= self.Y.sum(axis=1, keepdims=True)
        self.theta, self.v = torch.tensor(self.net.parameters), rng.standard_normal(self.net.parameters.size)
        self.x, self.y = torch.tensor(self.X), torch.tensor(self.Y)

    def outputs(self, theta, x, of="a"):
        a, start = x, 0
        for l, (n_in, n_out) in enumerate(pairwise(self.sizes)):
            w = theta[start : start + n_in * n_out].reshape(n_out, n_in)
            start += n_in * n_out
            z = a @ w.T + theta[start : start + n_out]
            start += n_out
            a = SIGMAS[self.hidden if l < len(self.sizes) - 2 else self.output](z)
        return a if of == "a" else z

    @property
    def split(self):
        return ("z", C_OF_Z[self.output, self.cost]) if (self.output, self.cost) in FUSED else ("a", C[self.cost])

    def mean_cost(self, theta):
        of, cost = self.split
        return cost(self.outputs(theta, self.x, of), self.y) / self.n

    def hessian_product(self):
        return torch.func.jvp(torch.func.grad(self.mean_cost), (self.theta,), (torch.tensor(self.v),))[1].numpy()

    def gauss_newton_product(self):
        of, cost = self.split
        out, along = torch.func.jvp(lambda t: self.outputs(t, self.x, of), (self.theta,), (torch.tensor(self.v),))
        _, bent = torch.func.jvp(torch.func.grad(lambda o: cost(o, self.y) / self.n), (out,), (along,))
        return torch.func.vjp(lambda t: self.outputs(t, self.x, of), self.theta)[1](bent)[0].numpy()


def close(given, expected) -> bool:
    """Compare relative to the largest number; if all are 0, as for `absolute`, `given` must be 0."""
    return relative_difference(given, expected) <= TOLERANCE if np.abs(expected).max() > 0 else not given.any()


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_products_and_tangents_are_pytorchs(activation):
    """For every cost, with the activation in all layers that it and the cost allow."""
    rng = np.random.default_rng(list(activation.encode()))
    hidden = "tanh" if ACTIVATIONS[activation].whole_layer else activation
    for cost in COSTS:
        allowed = FITTING.get(cost, (activation,))
        for output in (activation,) if activation in allowed else allowed:
            twin = Twin(hidden, output, cost, rng)
            net, X, Y, v = twin.net, twin.X, twin.Y, twin.v
            where = (cost, output, twin.sizes, twin.n)
            assert close(net.hessian_vector_product(X, Y, v).vector, twin.hessian_product()), where
            assert close(net.gauss_newton_vector_product(X, Y, v).vector, twin.gauss_newton_product()), where
            V = rng.standard_normal(X.shape)
            _, along = torch.func.jvp(lambda x, t=twin: t.outputs(t.theta, x), (twin.x,), (torch.tensor(V),))
            assert close(net.jvp(X, V), along.numpy()), where


@pytest.mark.parametrize("activation", ["tanh", "softmax", "gelu"])
def test_the_whole_hessian_is_pytorchs(activation):
    rng = np.random.default_rng(7)
    hidden = "tanh" if activation == "softmax" else activation
    for cost in ("quadratic", "cross_entropy") if activation == "softmax" else ("huber", "quadratic"):
        twin = Twin(hidden, activation, cost, rng, widest=6)
        assert close(twin.net.hessian(twin.X, twin.Y), torch.func.hessian(twin.mean_cost)(twin.theta).numpy())
