"""L-BFGS and conjugate gradient: the known minimum, their gradients, their line search, and how they end."""

import numpy as np
import pytest
from conftest import central_difference, relative_difference
from fit_samples import minimize

import fastbp
from fastbp.formulations.step_options import StepOptions
from fastbp.optimizers.directions import Conjugate, Place, QuasiNewton
from fastbp.optimizers.line_search import Point, wolfe_step
from fastbp.training.full_batch import Objective

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
    """Train; return the cost after each iteration, and the reason for the end."""
    costs = []

    def epoch_done(epoch, cost):
        costs.append(cost)
        assert epoch == len(costs)
        assert cost == pytest.approx(net.evaluate(X, Y).cost, rel=1e-5 if net.dtype == np.float32 else 1e-12)
        return epoch == stop_at

    state, checked = optimizer.new_state(net.parameters.size, net.dtype), net._samples(X, Y)
    words = minimize(net, optimizer, state, checked, epochs, epoch_done, options)
    assert state.t[0] == len(costs)
    return costs, words


@pytest.mark.parametrize("n_out", [1, 2, 3, 5])
@pytest.mark.parametrize("l2", [0.0, 3.0])
def test_a_linear_network_gets_to_the_solution_of_the_normal_equations(optimizer, n_out, l2, formulation):
    """Least squares or ridge: (X̃ᵀX̃ + λ I₀) w = X̃ᵀ y, where X̃ has a column of ones, which I₀ does not penalize."""
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
    """The cost is the mean over samples of the sum over outputs, without a factor of the number of outputs."""
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
    """A line search does not always take the point that it tried last."""
    X, Y = samples(2)
    net, costs = network(2, [6], dtype="float32"), []
    costs, _ = train(net, optimizer, X, Y, epochs=3000)
    assert net.evaluate(X, Y).cost == pytest.approx(costs[-1], rel=1e-6)


def test_an_error_of_epoch_done_reaches_the_caller(optimizer):
    X, Y = samples(2)
    net, calls = network(2, [6]), []

    def epoch_done(epoch, cost):
        calls.append(epoch)
        if epoch == 3:
            raise KeyboardInterrupt

    state = optimizer.new_state(net.parameters.size, net.dtype)
    with pytest.raises(KeyboardInterrupt):
        minimize(net, optimizer, state, net._samples(X, Y), 10, epoch_done)
    assert calls == [1, 2, 3]


@pytest.mark.parametrize("start", [1e160, 1e308])
def test_a_start_without_a_finite_cost_is_a_divergence(optimizer, start):
    """At 1e160 the gradient is finite, but the cost is not."""
    X, Y = samples(2)
    net = network(2, activation="relu")
    net.parameters[:] = start
    with pytest.raises(fastbp.DivergenceError, match=r"epoch 1: .* Scale X and Y, or begin with smaller weights"):
        net.fit(X, Y, optimizer=optimizer)
    assert (net.parameters == start).all() and len(net.history) == 0


@pytest.mark.parametrize("start", [np.inf, 1e200])
def test_a_cost_that_is_not_finite_ends_the_search(optimizer, start):
    """Either nothing moves, or the caller gets the cost that is not finite; there is no warning."""
    X, Y = samples(2)
    net = network(2, [6], activation="relu")
    net.parameters[:] = start
    costs = []
    state = optimizer.new_state(net.parameters.size, net.dtype)
    minimize(net, optimizer, state, net._samples(X, Y), 10, lambda _, c: costs.append(c))
    assert (net.parameters == start).all() or not np.isfinite(costs[-1])


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"l1": 0.1}, "l1"),
        ({"clip_norm": 1.0, "l2": 0.1}, "clip_norm"),
        ({"clip_value": 1.0, "max_norm": 2.0}, "clip_value and max_norm"),
        ({"dropout": (0.5,)}, "dropout"),
        ({"decay": 0.1}, "decay"),
        ({"per_batch": True}, "per_batch"),
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


# From one fit to the next


def fits(net, optimizer, X, Y, epochs, **options):
    """One fit for each entry of `epochs`; return the costs of all epochs."""
    return [cost for n in epochs for cost in net.fit(X, Y, epochs=n, optimizer=optimizer, **options).cost]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("l2", [0.0, 0.5])
def test_fits_of_one_epoch_are_one_fit(optimizer, dtype, l2, formulation):
    X, Y = samples(2)
    at_once, in_parts = (network(2, [6], formulation, dtype) for _ in range(2))
    costs = fits(at_once, optimizer, X, Y, [12], l2=l2)
    assert fits(in_parts, optimizer, X, Y, [1] * 8 + [3, 1], l2=l2) == costs
    assert in_parts.parameters.tobytes() == at_once.parameters.tobytes()
    assert in_parts._training.state.first.any() and in_parts._training.state.first.dtype == np.float64


def test_many_fits_of_one_epoch_get_as_low_as_one_fit(optimizer):
    X, Y = samples(2)
    forgetful, net = network(2, [6]), network(2, [6])
    fits(net, optimizer, X, Y, [1] * 60)
    for _ in range(60):
        forgetful.fit(X, Y, epochs=1, optimizer=type(optimizer)())
    assert net.history.cost[-1] < 0.75 * forgetful.history.cost[-1]


def test_between_fits_everything_may_change(optimizer):
    """With other data, another penalty or other weights, the cost is that of the present ones, and falls."""
    X, Y = samples(2)
    net = network(2, [6])
    fits(net, optimizer, X, Y, [5])
    for change in ({}, {"l2": 2.0}, {"negated": True}, {"written": True}):
        if change.pop("written", False):
            net.parameters[:] = -3 * net.parameters[::-1]
        targets = -Y if change.pop("negated", False) else Y
        l2 = change.get("l2", 0.0) / (2 * N)

        def total(targets=targets, l2=l2):
            return net.evaluate(X, targets).cost + l2 * sum((w**2).sum() for w in net.weights)

        for epochs in (1, 1, 20):
            before = total()
            costs = fits(net, optimizer, X, targets, [epochs], **change)
            assert total() < before and len(costs) == epochs
            assert costs[-1] == pytest.approx(net.evaluate(X, targets).cost, rel=1e-12)


def test_weights_that_a_callback_writes_are_those_it_goes_on_from(optimizer):
    class Double(fastbp.Callback):
        def on_epoch_end(self, run):
            run.net.parameters[:] *= 2 if run.epoch == 3 else 1

    X, Y = samples(2)
    net, other = network(2, [6]), network(2, [6])
    net.fit(X, Y, epochs=7, optimizer=optimizer, callbacks=[Double()])
    other.fit(X, Y, epochs=3, optimizer=optimizer)
    other.parameters *= 2
    other.fit(X, Y, epochs=4, optimizer=optimizer)
    assert net.parameters.tobytes() == other.parameters.tobytes()


def test_ctrl_c_restores_the_memory_too(optimizer):
    class Interrupt(fastbp.Callback):
        def on_epoch_begin(self, run):
            if run.epoch == 4:
                run.net.parameters[0] += 1
                raise KeyboardInterrupt

    X, Y = samples(2)
    net, whole = network(2, [6]), network(2, [6])
    with pytest.warns(RuntimeWarning, match="interrupted after 3 of 9 epochs"):
        net.fit(X, Y, epochs=9, optimizer=optimizer, callbacks=[Interrupt()])
    fits(whole, optimizer, X, Y, [3])
    for name, mine in vars(net._training.state).items():
        assert mine.tobytes() == getattr(whole._training.state, name).tobytes()


def test_the_threads_do_not_change_a_bit(optimizer, compiled):
    rng, nets = np.random.default_rng(0), []
    X, Y = rng.standard_normal((300, 4)), rng.standard_normal((300, 2))
    for n in (1, 2):
        net = network(2, [2500], compiled, "float32")
        with fastbp.threads(n):
            fits(net, optimizer, X, Y, [4])
        nets.append(net)
    assert nets[0].parameters.tobytes() == nets[1].parameters.tobytes()


# The search along a line


def along(function, derivative):
    def phi(alpha):
        alpha = np.float64(alpha)
        return Point(alpha, np.float64(function(alpha)), np.float64(derivative(alpha)), np.empty(0))

    return phi


@pytest.mark.parametrize("first", [1e-6, 1e-3, 0.1, 1.0, 10.0, 1e3])
@pytest.mark.parametrize(("decrease", "curvature"), [(1e-3, 0.9), (1e-4, 0.4), (0.1, 0.1)])
def test_the_step_satisfies_the_conditions_of_wolfe(first, decrease, curvature):
    """Functions of the paper and others: also one undefined beyond 1, and one with hills."""
    b = 1.0
    cases = {
        "-α / (α² + 2)": (lambda a: -a / (a * a + 2), lambda a: (a * a - 2) / (a * a + 2) ** 2),
        "(α + b)⁵ − 2 (α + b)⁴": (
            lambda a: (a + b) ** 5 - 2 * (a + b) ** 4, lambda a: 5 * (a + b) ** 4 - 8 * (a + b) ** 3
        ),
        "a hill": (lambda a: 0.05 * a * a - np.sin(a), lambda a: 0.1 * a - np.cos(a)),
        "a barrier": (lambda a: -3 * a - np.log(1 - a), lambda a: -3 + 1 / (1 - a)),
    }  # fmt: skip
    for name, (function, derivative) in cases.items():
        phi = along(function, derivative)
        with np.errstate(all="ignore"):
            start, found = phi(0.0), wolfe_step(phi, phi(0.0), first, decrease, curvature)
        assert found is not None, name
        assert found.value <= start.value + decrease * found.alpha * start.slope, name
        assert abs(found.slope) <= -curvature * start.slope, name


def test_no_step_is_found_if_no_point_is_lower():
    phi = along(lambda a: 1.0 if a > 0 else 0.0, lambda a: -1.0)
    assert wolfe_step(phi, phi(0.0), 1.0, 1e-3, 0.9) is None
    nowhere = along(lambda a: np.nan if a > 0 else 0.0, lambda a: -1.0)
    assert wolfe_step(nowhere, nowhere(0.0), 1.0, 1e-3, 0.9) is None


def test_a_pair_that_bends_down_is_not_remembered():
    state = fastbp.LBFGS(memory=2).new_state(2, np.float64)
    directions, steps = QuasiNewton(state), np.array([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0], [3.0, 1.0]])
    here, zero = Place(np.zeros(2), 0.0, np.array([-1.0, -2.0])), np.zeros(2)
    assert directions.next(here)[0].tolist() == [1.0, 2.0]
    for change in (np.array([1.0, 0.5]), -np.ones(2), np.array([0.5, 2.0])):
        directions.went(here, Place(steps[0], 0.0, here.gradient + change), zero)
    assert state.second.tolist() == [[1.0, 0.5], [0.5, 2.0]] and (state.first == steps[0]).all()
    assert directions.forget() and not directions.forget()


def test_lbfgs_direction_is_that_of_the_matrix():
    """−H g, with the BFGS update H ← (I − ρ s yᵀ) H (I − ρ y sᵀ) + ρ s sᵀ, beginning with (sᵀy / yᵀy) I."""
    rng, n = np.random.default_rng(3), 6
    A = rng.standard_normal((n, n))
    A = A @ A.T + np.eye(n)
    state = fastbp.LBFGS(memory=3).new_state(n, np.float64)
    directions, pairs = QuasiNewton(state), []
    for _ in range(5):
        s = rng.standard_normal(n)
        pairs.append((s, A @ s))
        g = rng.standard_normal(n)
        directions.went(Place(np.zeros(n), 0.0, g), Place(s, 0.0, g + A @ s), s)
    s, y = pairs[-1]
    H = np.eye(n) * (s @ y) / (y @ y)
    for s, y in pairs[-3:]:
        V = np.eye(n) - np.outer(y, s) / (s @ y)
        H = V.T @ H @ V + np.outer(s, s) / (s @ y)
    direction, first = directions.next(Place(np.zeros(n), 0.0, g))
    assert direction == pytest.approx(-H @ g, rel=1e-10) and first == 1.0


@pytest.mark.parametrize("kind", [QuasiNewton, Conjugate])
def test_gradients_whose_squares_vanish_are_no_division_by_zero(kind):
    made = fastbp.LBFGS() if kind is QuasiNewton else fastbp.ConjugateGradient()
    tiny = Place(np.zeros(2), 0.0, np.full(2, 1e-170))
    with np.errstate(all="ignore"):
        direction, first = kind(made.new_state(2, np.float64)).next(tiny)
    assert (direction == -tiny.gradient).all() and first > 0
