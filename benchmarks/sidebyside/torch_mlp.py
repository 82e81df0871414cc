"""PyTorch, eager as in its tutorials, or with the whole step (gradient and update) as one compiled function."""

import shutil
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn

from sidebyside.cases import BETA_1, BETA_2, EPSILON, Array, Case, Workload, flat

VERSION = torch.__version__

MODULES = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "relu": nn.ReLU}
FUNCTIONS = {"sigmoid": torch.sigmoid, "tanh": torch.tanh, "relu": torch.relu}
Tensors = list[torch.Tensor]


def refusal(work: Workload) -> str | None:
    """Return why this peer cannot do the case: it can do all."""
    return None


class Peer:
    """Eager: nn.Sequential, autograd, torch.optim."""

    def __init__(self, work: Workload, threads: int):
        torch.set_num_threads(threads)
        torch.set_num_interop_threads(1)
        self.work, self.case = work, work.case
        self.X, self.orders = torch.from_numpy(work.X), torch.from_numpy(work.orders)
        self.Y = torch.from_numpy(work.labels if self.case.output == "softmax" else work.Y)
        layers: list[nn.Module] = []
        for n_in, n_out in zip(self.case.sizes, self.case.sizes[1:], strict=False):
            layers += [nn.Linear(n_in, n_out), MODULES[self.case.hidden]()]
        layers.pop()
        if self.case.output == "sigmoid":
            layers.append(nn.Sigmoid())
        self.model = nn.Sequential(*layers)
        self.linear = [layer for layer in layers if isinstance(layer, nn.Linear)]

    def restart(self) -> None:
        """Go back to the initial parameters."""
        with torch.no_grad():
            for layer, w, b in zip(self.linear, self.work.weights, self.work.biases, strict=True):
                layer.weight.copy_(torch.from_numpy(w))
                layer.bias.copy_(torch.from_numpy(b))
        rate = self.case.learning_rate
        if self.case.optimizer == "sgd":
            self.optimizer: Any = torch.optim.SGD(self.model.parameters(), lr=rate)
        else:
            self.optimizer = torch.optim.Adam(self.model.parameters(), lr=rate, betas=(BETA_1, BETA_2), eps=EPSILON)

    def train(self, epochs: int) -> None:
        """Train with the first orders, one for each epoch."""
        for order in self.orders[:epochs]:
            total = torch.zeros(())
            for batch in order:
                self.optimizer.zero_grad()
                cost = mean_cost(self.case, self.model(self.X[batch]), self.Y[batch])
                cost.backward()
                self.optimizer.step()
                total += cost.detach()

    def parameters(self) -> Array:
        """Return all parameters as one vector."""
        return flat(
            [layer.weight.detach().numpy() for layer in self.linear],
            [layer.bias.detach().numpy() for layer in self.linear],
        )

    def predict(self, x: Array) -> Array:
        """Return the outputs for one row."""
        with torch.inference_mode():
            output: Array = self.model(torch.from_numpy(x)).numpy()
        return output


class Compiled(Peer):
    """One torch.compile of torch.func's gradient and a hand-written update, as functions of plain tensors.

    A step takes several times as long if the model with the cost and the optimizer are compiled separately.
    """

    def __init__(self, work: Workload, threads: int):
        super().__init__(work, threads)
        self.theta = [p.detach() for p in self.model.parameters()]  # w(1), b(1), …, w(L), b(L)
        self.first, self.second = ([torch.zeros_like(p) for p in self.theta] for _ in range(2))
        self.t = torch.zeros(())
        self.step = torch.compile(step_of(self.case))
        self.forward = torch.compile(partial(outputs, self.case))

    def restart(self) -> None:
        """Go back to the initial parameters."""
        super().restart()
        for moment in (*self.first, *self.second, self.t):
            moment.zero_()

    def train(self, epochs: int) -> None:
        """Train with the first orders, one for each epoch."""
        for order in self.orders[:epochs]:
            total = torch.zeros(())
            for batch in order:
                total += self.step(self.theta, self.first, self.second, self.t, self.X, self.Y, batch)

    def predict(self, x: Array) -> Array:
        """Return the outputs for one row."""
        output: Array = self.forward(self.theta, torch.from_numpy(x)).numpy()
        return output


def outputs(case: Case, theta: Tensors, a: torch.Tensor) -> torch.Tensor:
    """Return the outputs of the net, before a softmax."""
    for l in range(0, len(theta) - 2, 2):
        a = FUNCTIONS[case.hidden](nn.functional.linear(a, theta[l], theta[l + 1]))
    z = nn.functional.linear(a, theta[-2], theta[-1])
    return torch.sigmoid(z) if case.output == "sigmoid" else z


def mean_cost(case: Case, a: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return the mean cost of a mini-batch; y are labels where the output is softmax."""
    return nn.functional.cross_entropy(a, y) if case.output == "softmax" else 0.5 * ((a - y) ** 2).sum() / len(y)


def step_of(case: Case) -> Callable[..., torch.Tensor]:
    """Return a function that does one step in place and returns the cost before it."""
    rate = case.learning_rate

    def step(theta: Tensors, first: Tensors, second: Tensors, t: Any, X: Any, Y: Any, batch: Any) -> torch.Tensor:
        x, y = X[batch], Y[batch]
        gradient, cost = torch.func.grad_and_value(lambda p: mean_cost(case, outputs(case, p, x), y))(theta)
        t.add_(1)
        for p, m, v, g in zip(theta, first, second, gradient, strict=True):
            if case.optimizer == "sgd":
                p.sub_(rate * g)
                continue
            m.mul_(BETA_1).add_((1 - BETA_1) * g)
            v.mul_(BETA_2).add_((1 - BETA_2) * g * g)
            p.sub_(rate / (1 - BETA_1**t) * m / (v.sqrt() / (1 - BETA_2**t).sqrt() + EPSILON))
        return cost

    return step


def compiler_missing() -> str | None:
    """Return why torch.compile cannot run here, or None."""
    if any(shutil.which(name) for name in ("g++", "c++", "clang++", "cl")):
        return None
    return "torch.compile needs a C++ compiler, and none was found"
