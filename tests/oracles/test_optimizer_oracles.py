"""Every optimizer against PyTorch's or SciPy's: fifty steps in float64 from the same start, on PyTorch's cost."""

import dataclasses

import numpy as np
import pytest
from conftest import public_optimizers
from fit_samples import minimize

import fastbp
from fastbp.formulations.step_options import StepOptions

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

SIZES, SAMPLES, STEPS = [4, 7, 3], 19, 50
FORMULATIONS = ["tiles", "loops", "vectorized"]
rng = np.random.default_rng(3)
X, Y = rng.uniform(-1, 1, (SAMPLES, SIZES[0])), rng.uniform(-1, 1, (SAMPLES, SIZES[-1]))

PAIRS = {
    "SGD": (fastbp.SGD(0.2), lambda w: torch.optim.SGD(w, 0.2)),
    "Momentum": (fastbp.Momentum(0.1, momentum=0.8), lambda w: torch.optim.SGD(w, 0.1, momentum=0.8)),
    "Nesterov": (fastbp.Nesterov(0.1, momentum=0.8), lambda w: torch.optim.SGD(w, 0.1, momentum=0.8, nesterov=True)),
    "Adam": (fastbp.Adam(), lambda w: torch.optim.Adam(w)),
    "Adam 2": (
        fastbp.Adam(0.02, beta_1=0.7, beta_2=0.95, epsilon=1e-4),
        lambda w: torch.optim.Adam(w, 0.02, betas=(0.7, 0.95), eps=1e-4),
    ),
    "AdamW, no decay": (fastbp.AdamW(weight_decay=0), lambda w: torch.optim.AdamW(w, weight_decay=0)),
    "AdamW": (fastbp.AdamW(), lambda w: torch.optim.AdamW(decaying(w))),
    "AdamW 2": (fastbp.AdamW(0.02, weight_decay=0.3), lambda w: torch.optim.AdamW(decaying(w), 0.02, weight_decay=0.3)),
    "RMSProp": (fastbp.RMSProp(), lambda w: torch.optim.RMSprop(w)),
    "RMSProp 2": (
        fastbp.RMSProp(0.02, alpha=0.8, epsilon=1e-4),
        lambda w: torch.optim.RMSprop(w, 0.02, alpha=0.8, eps=1e-4),
    ),
    "RMSProp, momentum": (
        fastbp.RMSProp(0.002, momentum=0.7),
        lambda w: torch.optim.RMSprop(w, 0.002, momentum=0.7),
    ),
    "RMSProp, centered": (
        fastbp.RMSProp(0.005, alpha=0.9, epsilon=1e-3, centered=True),
        lambda w: torch.optim.RMSprop(w, 0.005, alpha=0.9, eps=1e-3, centered=True),
    ),
    "Adagrad": (fastbp.Adagrad(), lambda w: torch.optim.Adagrad(w)),
    "Adagrad 2": (
        fastbp.Adagrad(0.1, rate_decay=0.2, epsilon=1e-4),
        lambda w: torch.optim.Adagrad(w, 0.1, lr_decay=0.2, eps=1e-4),
    ),
    "Rprop": (fastbp.Rprop(), lambda w: torch.optim.Rprop(w)),
    "Rprop 2": (
        fastbp.Rprop(0.05, decrease=0.3, increase=1.4, smallest_step=0.001, largest_step=0.1),
        lambda w: torch.optim.Rprop(w, 0.05, etas=(0.3, 1.4), step_sizes=(0.001, 0.1)),
    ),
}
LINE_SEARCHES = {
    "L-BFGS": (fastbp.LBFGS(gradient_tolerance=0, cost_tolerance=0), "L-BFGS-B", {"gtol": 0, "ftol": 0}),
    "L-BFGS, m = 3": (
        fastbp.LBFGS(memory=3, gradient_tolerance=0, cost_tolerance=0),
        "L-BFGS-B",
        {"gtol": 0, "ftol": 0, "maxcor": 3},
    ),
    "conjugate gradient": (fastbp.ConjugateGradient(gradient_tolerance=0), "CG", {"gtol": 0}),
}


def decaying(tensors):
    """Two groups of parameters: the weights decay, the biases do not."""
    return [{"params": tensors[0::2]}, {"params": tensors[1::2], "weight_decay": 0.0}]


def network(formulation, sizes=SIZES):
    return fastbp.Network(sizes, activation="tanh", cost="quadratic", dtype="float64", seed=5, formulation=formulation)


def tensors_of(net):
    """w(1), b(1), … as PyTorch tensors with their own memory."""
    layers = zip(net.weights, net.biases, strict=True)
    return [torch.tensor(array, requires_grad=True) for layer in layers for array in layer]


def cost_of(tensors, X, Y):
    """The mean of ½ Σ (a − y)² for a network with tanh in its hidden layers."""
    a = torch.from_numpy(X)
    for l in range(0, len(tensors), 2):
        a = a @ tensors[l].T + tensors[l + 1]
        if l + 2 < len(tensors):
            a = torch.tanh(a)
    return 0.5 * ((a - torch.from_numpy(Y)) ** 2).sum(1).mean()


def flat(tensors):
    return np.concatenate([tensor.detach().numpy().ravel() for tensor in tensors])


@pytest.fixture(scope="module")
def reference():
    """The parameters that PyTorch's optimizer reaches, by its name in PAIRS."""
    known = {}

    def parameters(name):
        if name not in known:
            tensors = tensors_of(network("vectorized"))
            optimizer = PAIRS[name][1](tensors)
            for _ in range(STEPS):
                optimizer.zero_grad()
                cost_of(tensors, X, Y).backward()
                optimizer.step()
            known[name] = flat(tensors)
        return known[name]

    return parameters


@pytest.mark.parametrize("formulation", FORMULATIONS)
@pytest.mark.parametrize("name", PAIRS)
def test_fifty_steps_are_those_of_pytorch(name, formulation, reference):
    net = network(formulation)
    start = net.parameters.copy()
    train(net, PAIRS[name][0])
    assert np.abs(net.parameters - reference(name)).max() <= 1e-10
    assert np.abs(net.parameters - start).max() > 0.02


@pytest.mark.parametrize("formulation", FORMULATIONS)
@pytest.mark.parametrize("name", [name for name in PAIRS if "Rprop" not in name])
def test_layers_with_rates_of_their_own_are_groups_of_pytorch(name, formulation):
    net, factors = network(formulation), [0.5, 1.0, 0.0, 2.0]
    ours, theirs = PAIRS[name]
    tensors = tensors_of(net)
    optimizer = theirs(tensors)
    known = [(tensor, group) for group in optimizer.param_groups for tensor in group["params"]]
    groups = [
        {**group, "params": [tensor], "lr": group["lr"] * factors[next(i for i in range(4) if tensors[i] is tensor)]}
        for tensor, group in known
    ]
    optimizer = type(optimizer)(groups)
    for _ in range(STEPS):
        optimizer.zero_grad()
        cost_of(tensors, X, Y).backward()
        optimizer.step()
    train(net, dataclasses.replace(ours, layer_rates=[(0.5, 1), (0, 2)]))
    assert np.abs(net.parameters - flat(tensors)).max() <= 1e-10


def train(net, optimizer):
    state, samples = optimizer.new_state(net.parameters.size, net.dtype), net._samples(X, Y)
    options = StepOptions(decay=getattr(optimizer, "weight_decay", 0.0))
    trainer = net._formulation.trainer(net._model, optimizer, state, samples.X, samples.Y, SAMPLES, options)
    trainer.begin()
    for _ in range(STEPS):
        trainer.train(np.arange(SAMPLES))
    trainer.end_epoch()


@pytest.mark.parametrize("name", PAIRS)
def test_ten_public_steps_are_those_of_pytorch(name):
    """On one vector with the cost Σ k (θ − c)². `step` leaves weight decay to the test; PyTorch decays the vector."""
    optimizer, their_optimizer = PAIRS[name]
    theta, target, k = np.linspace(-1, 1, 9), np.linspace(2, -3, 9), np.linspace(0.1, 3, 9)
    tensor = torch.tensor(theta, requires_grad=True)
    theirs, state = their_optimizer([tensor]), optimizer.new_state(9, theta.dtype)
    for step in range(1, 11):
        theirs.zero_grad()
        (torch.tensor(k) * (tensor - torch.tensor(target)) ** 2).sum().backward()
        theirs.step()
        gradient = 2 * k * (theta - target)
        theta *= 1 - float(state.rate[0]) * getattr(optimizer, "weight_decay", 0.0)
        optimizer.step(theta, gradient, state)
        assert state.t[0] == step
        np.testing.assert_allclose(theta, tensor.detach().numpy(), rtol=1e-12)


def scipy_result(net, method, settings, l2):
    """SciPy's result with PyTorch's gradient."""
    optimize = pytest.importorskip("scipy.optimize", reason="SciPy is not installed")
    tensors = tensors_of(net)

    def cost_and_gradient(theta):
        start = 0
        for tensor in tensors:
            tensor.data = torch.tensor(theta[start : start + tensor.numel()]).reshape(tensor.shape)
            tensor.grad, start = None, start + tensor.numel()
        cost = cost_of(tensors, X, Y) + l2 / (2 * SAMPLES) * sum((w**2).sum() for w in tensors[0::2])
        cost.backward()
        return cost.item(), np.concatenate([tensor.grad.numpy().ravel() for tensor in tensors])

    return optimize.minimize(cost_and_gradient, flat(tensors), jac=True, method=method, options=settings)


def our_result(net, optimizer, options, epochs):
    """The cost after each iteration; the network holds the result."""
    costs = []

    def epoch_done(epoch, cost):
        assert epoch == len(costs) + 1
        costs.append(cost)
        return False

    state, samples = optimizer.new_state(net.parameters.size, net.dtype), net._samples(X, Y)
    minimize(net, optimizer, state, samples, epochs, epoch_done, options)
    return costs


@pytest.mark.parametrize("formulation", FORMULATIONS)
@pytest.mark.parametrize("name", LINE_SEARCHES)
@pytest.mark.parametrize("l2", [0.0, 0.3])
def test_iterations_are_those_of_scipy(name, formulation, l2):
    """Fifty iterations, or fifteen where each one amplifies rounding: conjugate gradient, or with a penalty.

    Two runs of fifty iterations of SciPy's conjugate gradient end 1e-8 apart if their starts differ in the last bit.
    """
    optimizer, method, settings = LINE_SEARCHES[name]
    n = 15 if method == "CG" or l2 else STEPS
    net = network(formulation)
    expected = scipy_result(net, method, {**settings, "maxiter": n}, l2)
    costs = our_result(net, optimizer, StepOptions(l2=l2 / SAMPLES), n)
    penalty = l2 / (2 * SAMPLES) * sum((w**2).sum() for w in net.weights)
    assert len(costs) == expected.nit == n
    assert np.abs(net.parameters - expected.x).max() <= 1e-10
    assert costs[-1] == pytest.approx(expected.fun - penalty, rel=1e-10)


@pytest.mark.parametrize("formulation", FORMULATIONS)
@pytest.mark.parametrize("name", LINE_SEARCHES)
def test_fifty_iterations_are_those_of_scipy_with_the_same_gradients(name, formulation):
    optimize = pytest.importorskip("scipy.optimize", reason="SciPy is not installed")
    optimizer, method, settings = LINE_SEARCHES[name]
    net, other = network(formulation), network(formulation)

    def cost_and_gradient(theta):
        other.parameters = theta
        gradient = np.empty_like(theta)
        return other._formulation.gradient(other._model, X, Y, gradient), gradient

    start, settings = net.parameters.copy(), {**settings, "maxiter": STEPS}
    expected = optimize.minimize(cost_and_gradient, start, jac=True, method=method, options=settings)
    costs = our_result(net, optimizer, None, STEPS)
    assert len(costs) == expected.nit == STEPS
    assert np.abs(net.parameters - expected.x).max() <= (1e-6 if method == "CG" else 1e-10)


def test_every_optimizer_has_its_reference():
    ours = {type(optimizer) for optimizer, *_ in [*PAIRS.values(), *LINE_SEARCHES.values()]}
    elsewhere = {fastbp.LevenbergMarquardt}  # test_levenberg_marquardt.py
    assert public_optimizers() - elsewhere == ours
