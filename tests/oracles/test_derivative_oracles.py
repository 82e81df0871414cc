"""First derivatives besides the gradient against torch.func, in float64: all activations and costs."""

import numpy as np
import pytest
from conftest import relative_difference

import fastbp
from fastbp.functions.activations import ACTIVATIONS
from fastbp.functions.costs import COSTS

torch = pytest.importorskip("torch", reason="PyTorch is not installed: it comes with the extra `oracles`")

TOLERANCE = 1e-9
SAMPLES = 3
# The output activations that a cost allows; other costs allow all.
OUTPUTS = {"cross_entropy": ["sigmoid", "softmax"], "poisson": ["exponential", "sigmoid", "softmax", "softplus"]}
SIGMA = {
    "identity": lambda z: z, "sigmoid": torch.sigmoid, "tanh": torch.tanh, "relu": torch.relu,
    "leaky_relu": lambda z: torch.nn.functional.leaky_relu(z, 0.01), "elu": torch.nn.functional.elu,
    "softplus": torch.nn.functional.softplus, "silu": torch.nn.functional.silu, "gelu": torch.nn.functional.gelu,
    "selu": torch.selu, "mish": torch.nn.functional.mish,
    "exponential": torch.exp, "softmax": lambda z: torch.softmax(z, dim=-1),
}  # fmt: skip
COST = {
    "quadratic": lambda a, y: (a - y) ** 2 / 2,
    "squared_error": lambda a, y: (a - y) ** 2,
    "absolute": lambda a, y: abs(a - y),
    "huber": lambda a, y: torch.nn.functional.huber_loss(a, y, reduction="none"),
    "quantile": lambda a, y: torch.maximum(0.5 * (y - a), -0.5 * (y - a)),
    "poisson": lambda a, y: a - y * torch.log(a),
}


def random_net(hidden, output, cost, rng):
    """A network of depth 1–5 and width 1–70, with weights so small that exponentials of exponentials stay finite."""
    sizes = rng.integers(1, 71, rng.integers(2, 7)).tolist()
    sizes[-1] = max(sizes[-1], 2 if output == "softmax" else 1)  # softmax of one number is always 1
    net = fastbp.Network(sizes, activation=hidden, output_activation=output, cost=cost, dtype="float64", seed=0)
    for w, b in zip(net.weights, net.biases, strict=True):
        w[:] = rng.standard_normal(w.shape) * (0.4 / np.sqrt(w.shape[1]))
        b[:] = rng.standard_normal(b.size) / 4
    X, Y = rng.standard_normal((SAMPLES, sizes[0])), rng.random((SAMPLES, sizes[-1])) + 0.01
    return net, X, Y / Y.sum(axis=1, keepdims=True)


class InTorch:
    """The same network, written with PyTorch's functions."""

    def __init__(self, net):
        self.names, self.cost_name = [sigma.name for sigma in net.activations], net.cost.name
        self.theta = [torch.tensor(p) for pair in zip(net.weights, net.biases, strict=True) for p in pair]

    def through(self, theta, a, wrt, of):
        z = a
        for l in range(wrt, of):
            z = theta[2 * l] @ a + theta[2 * l + 1]
            a = SIGMA[self.names[l]](z)
        return a, z

    def cost(self, theta, x, y):
        a, z = self.through(theta, x, 0, len(self.names))
        if self.cost_name != "cross_entropy":
            return COST[self.cost_name](a, y).sum()
        if self.names[-1] == "softmax":
            return -(y * torch.log_softmax(z, dim=0)).sum()
        return torch.nn.functional.binary_cross_entropy_with_logits(z, y, reduction="sum")

    def gradients(self, X, Y):
        parts = torch.func.vmap(torch.func.grad(self.cost), (None, 0, 0))(self.theta, X, Y)
        return torch.cat([part.reshape(len(X), -1) for part in parts], dim=1).numpy()

    def input_gradient(self, X, Y):
        return torch.func.vmap(torch.func.grad(self.cost, 1), (None, 0, 0))(self.theta, X, Y).numpy()

    def jacobian(self, X, of, wrt):
        A = torch.stack([self.through(self.theta, x, 0, wrt)[0] for x in X])
        return torch.func.vmap(torch.func.jacrev(lambda a: self.through(self.theta, a, wrt, of)[0]))(A).numpy()


def cases(activation):
    """Every cost with this activation in the hidden layers, and at the output if the cost allows it."""
    for cost in COSTS:
        outputs = OUTPUTS.get(cost, list(ACTIVATIONS))
        if activation != "softmax":
            yield activation, outputs[0] if cost in OUTPUTS else "identity", cost
        if activation in outputs:
            yield "tanh" if activation == "softmax" else activation, activation, cost


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_first_derivatives_are_torchs(activation):
    rng = np.random.default_rng(len(activation))
    for hidden, output, cost in cases(activation):
        net, X, Y = random_net(hidden, output, cost, rng)
        theirs, x, y = InTorch(net), torch.tensor(X), torch.tensor(Y)
        n_layers = len(net.sizes) - 1
        of = int(rng.integers(1, n_layers + 1))
        wrt = int(rng.integers(0, of))
        gradients, J = theirs.gradients(x, y), theirs.jacobian(x, n_layers, 0)
        norms = np.linalg.norm(gradients, axis=1)
        limit = float(np.median(norms))
        for ours, expected in (
            (net.per_sample_gradients(X, Y), gradients),
            (net.per_sample_gradient_norms(X, Y), norms),
            (net.clipped_gradient(X, Y, limit).vector, (gradients * np.minimum(1, limit / norms)[:, None]).mean(0)),
            (net.input_gradient(X, Y), theirs.input_gradient(x, y)),
            (net.jacobian(X), J),
            (net.jacobian(X, of=of, wrt=wrt), theirs.jacobian(x, of, wrt)),
            (net.vjp(X, Y), np.einsum("si,sik->sk", Y, J)),
        ):
            assert np.abs(expected).max() > 1e-20, (hidden, output, cost, net.sizes)
            assert relative_difference(ours, expected) < TOLERANCE, (hidden, output, cost, net.sizes)


def test_every_activation_meets_every_cost():
    met = {(hidden, cost) for activation in ACTIVATIONS for hidden, _, cost in cases(activation)}
    assert met >= {(activation, cost) for activation in ACTIVATIONS if activation != "softmax" for cost in COSTS}
    assert {cost for _, output, cost in cases("softmax") if output == "softmax"} == set(COSTS)
