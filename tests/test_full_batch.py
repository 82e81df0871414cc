"""L-BFGS and conjugate gradient: the minimum that algebra knows, what they are given, and how they end."""

import numpy as np
import pytest
from conftest import central_difference, relative_difference

import fastbp
from fastbp.full_batch import Objective, minimize
from fastbp.step_options import StepOptions

OPTIMIZERS = {
    "LBFGS": lambda: fastbp.LBFGS(gradient_tolerance=1e-10, cost_tolerance=0),
    "ConjugateGradient": lambda: fastbp.ConjugateGradient(1e-10),
}
N = 40


@pytest.fixture(params=list(OPTIMIZERS))
def optimizer(request):
    return OPTIMIZERS[request.param]()


def samples(n_out, n=N):
    rng = np.random.default_rng(8)
    X = rng.uniform(-1, 1, (n, 4))
    return X, X @ rng.standard_normal((4, n_out)) + 0.3 + 0.1 * rng.standard_normal((n, n_out))


def network(n_out, hidden=(), formulation="tiles", dtype="float64", **choices):
    choices = {"activation": "tanh", "cost": "quadratic", **choices}
    return fastbp.Network([4, *hidden, n_out], dtype=dtype, seed=2, formulation=formulation, **choices)


def train(net, optimizer, X, Y, epochs=500, options=None, stop_at=None):
    """The costs after the iterations, and why it ended."""
    costs = []

    def epoch_done(epoch, cost):
        costs.append(cost)
        assert epoch == len(costs)
        assert cost == pytest.approx(net.evaluate(X, Y).cost, rel=1e-5 if net.dtype == np.float32 else 1e-12)
        return epoch == stop_at

    state, checked = optimizer.new_state(net.parameters.size, net.dtype), net._samples(X, Y)
    words = minimize(net._formulation, net._model, optimizer, state, checked, epochs, epoch_done, options)
    assert state.t[0] == len(costs)
    return costs, words


@pytest.mark.parametrize("n_out", [1, 2, 3, 5])
@pytest.mark.parametrize("l2", [0.0, 3.0])
def test_a_linear_network_gets_to_the_solution_of_the_normal_equations(optimizer, n_out, l2, formulation):
    """Least squares, or ridge: (X̃ᵀX̃ + λ I₀) w = X̃ᵀ y, where X̃ has a column of ones that I₀ leaves alone."""
    X, Y = samples(n_out)
    net = network(n_out, formulation=formulation)
    given = X.copy(), Y.copy()
    costs, _ = train(net, optimizer, X, Y, options=StepOptions(l2=l2 / N))
    extended, penalized = np.column_stack([X, np.ones(N)]), np.diag([l2] * 4 + [0.0])
    expected = np.linalg.solve(extended.T @ extended + penalized, extended.T @ Y)
    assert net.weights[0] == pytest.approx(expected[:4].T, abs=1e-7)
    assert net.biases[0] == pytest.approx(expected[4], abs=1e-7)
    assert costs[-1] == pytest.approx(0.5 * ((X @ expected[:4] + expected[4] - Y) ** 2).sum(axis=1).mean(), rel=1e-6)
    assert (X == given[0]).all() and (Y == given[1]).all()


@pytest.mark.parametrize("n_out", [1, 2, 3, 5])
@pytest.mark.parametrize("l2", [0.0, 3.0])
def test_the_gradient_is_that_of_the_cost(n_out, l2, formulation):
    """Of the mean over samples of the sum over outputs, by central differences: no factor of the number of outputs."""
    X, Y = samples(n_out, 7)
    net = network(n_out, [5], formulation)
    objective = Objective(net._formulation, net._model, net._samples(X, Y), l2 / len(X))
    theta = net.parameters.copy()
    cost, gradient = objective(theta)
    assert cost == pytest.approx(
        0.5 * ((net.predict(X) - Y) ** 2).sum(axis=1).mean() + l2 / 14 * sum((w**2).sum() for w in net.weights)
    )
    assert relative_difference(gradient, central_difference(lambda t: objective(t)[0], theta)) <= 1e-9


def test_float32_gets_as_far_as_its_digits(optimizer, formulation):
    X, Y = samples(2)
    single, double = network(2, formulation=formulation, dtype="float32"), network(2, formulation=formulation)
    for net in (single, double):
        train(net, optimizer, X, Y)
    assert single.parameters.dtype == np.float32
    assert single.parameters == pytest.approx(double.parameters, abs=3e-3)


def test_an_epoch_is_an_iteration(optimizer):
    X, Y = samples(2)
    net = network(2, [6])
    costs, _ = train(net, optimizer, X, Y, epochs=7)
    assert len(costs) == 7
    assert costs == sorted(costs, reverse=True) and costs[-1] < costs[0]


def test_it_stops_when_told_to(optimizer):
    X, Y = samples(2)
    stopped, whole = network(2, [6]), network(2, [6])
    costs, _ = train(stopped, optimizer, X, Y, stop_at=4)
    assert len(costs) == 4
    train(whole, optimizer, X, Y, epochs=4)
    assert stopped.parameters.tobytes() == whole.parameters.tobytes()


def test_it_ends_where_it_has_converged():
    X, Y = samples(2)
    net = network(2)
    costs, words = train(net, fastbp.LBFGS(), X, Y)
    assert 3 < len(costs) < 100 and words.startswith("converged: no element of the gradient is larger")
    before = net.parameters.copy()
    again, _ = train(net, fastbp.LBFGS(), X, Y)
    assert len(again) <= 1 and net.parameters == pytest.approx(before, abs=1e-4)


def test_after_an_unfinished_line_search_the_last_good_parameters_stand(optimizer):
    """What the search tried last, it does not always take."""
    X, Y = samples(2)
    net, costs = network(2, [6], dtype="float32"), []
    costs, _ = train(net, optimizer, X, Y, epochs=3000)
    assert net.evaluate(X, Y).cost == pytest.approx(costs[-1], rel=1e-6)


def test_what_epoch_done_raises_comes_through(optimizer):
    X, Y = samples(2)
    net, calls = network(2, [6]), []

    def epoch_done(epoch, cost):
        calls.append(epoch)
        if epoch == 3:
            raise KeyboardInterrupt

    state = optimizer.new_state(net.parameters.size, net.dtype)
    with pytest.raises(KeyboardInterrupt):
        minimize(net._formulation, net._model, optimizer, state, net._samples(X, Y), 10, epoch_done)
    assert calls == [1, 2, 3]


@pytest.mark.parametrize("start", [1e160, 1e308])
def test_where_there_is_nowhere_to_begin_is_a_divergence(optimizer, start):
    """At 1e160 the gradient is finite, only the cost is not."""
    X, Y = samples(2)
    net = network(2, activation="relu")
    net.parameters[:] = start
    with pytest.raises(fastbp.DivergenceError, match=r"epoch 1: .* Scale X and Y, or begin with smaller weights"):
        net.fit(X, Y, optimizer=optimizer)
    assert (net.parameters == start).all() and len(net.history) == 0


@pytest.mark.parametrize("start", [np.inf, 1e200])
def test_a_cost_that_is_not_finite_moves_nothing(optimizer, start):
    """The caller sees no iteration, or a cost that is not finite; there is no warning, and no endless search."""
    X, Y = samples(2)
    net = network(2, [6], activation="relu")
    net.parameters[:] = start
    costs = []
    state = optimizer.new_state(net.parameters.size, net.dtype)
    minimize(net._formulation, net._model, optimizer, state, net._samples(X, Y), 10, lambda _, c: costs.append(c))
    assert (net.parameters == start).all() or not np.isfinite(costs[-1])


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"l1": 0.1}, "l1"),
        ({"clip_norm": 1.0, "l2": 0.1}, "clip_norm"),
        ({"clip_value": 1.0, "max_norm": 2.0}, "clip_value and max_norm"),
        ({"dropout": (0.5,)}, "dropout"),
        ({"decay": 0.1}, "decay"),
        ({"sample_weight": np.ones(N)}, "sample_weight"),
    ],
)
def test_other_options_are_refused(optimizer, options, names):
    X, Y = samples(2)
    net = network(2, [6])
    before = net.parameters.copy()
    with pytest.raises(ValueError, match=f"^{names} given with {type(optimizer).__name__}, which minimizes"):
        train(net, optimizer, X, Y, options=StepOptions(**options))
    assert (net.parameters == before).all()


def test_options_that_are_off_are_not_refused(optimizer):
    costs, _ = train(network(2, [6]), optimizer, *samples(2), epochs=2, options=StepOptions(dropout=(0.0,), seed=7))
    assert len(costs) == 2
