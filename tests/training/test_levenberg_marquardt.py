"""Levenberg–Marquardt: one step by hand, the minimum that others find, its damping, its end, refusals."""

import numpy as np
import pytest
from conftest import relative_difference
from naive_second_order import gauss_newton, output_jacobian

import fastbp
from fastbp import memory
from fastbp.training import levenberg_marquardt

N = 30


def samples(n_out=2, n=N):
    rng = np.random.default_rng(8)
    X = rng.uniform(-1, 1, (n, 3))
    return X, np.sin(2 * X @ rng.standard_normal((3, n_out))) + 0.05 * rng.standard_normal((n, n_out))


def network(n_out=2, hidden=(5,), cost="quadratic", dtype="float64", **choices):
    return fastbp.Network([3, *hidden, n_out], activation="tanh", cost=cost, dtype=dtype, seed=2, **choices)


@pytest.mark.parametrize("cost", ["quadratic", "squared_error"])
@pytest.mark.parametrize("l2", [0.0, 3.0])
def test_a_step_solves_the_damped_normal_equations(cost, l2, monkeypatch):
    """(G + μ I) d = −g, with G and g from their definitions, and J in several blocks of samples."""
    X, Y = samples()
    net = network(cost=cost)
    monkeypatch.setattr(levenberg_marquardt, "JACOBIAN_BYTES", 7 * 8 * 2 * net.parameters.size)  # 7 of the 30 samples
    theta, penalized = net.parameters.copy(), fastbp.ParameterVector(net.sizes, np.zeros(net.parameters.size))
    for w in penalized.weights:
        w[:] = l2 / N
    G = gauss_newton(net, X, Y) + np.diag(penalized.vector)
    g = net.gradient(X, Y).vector + penalized.vector * theta
    optimizer = fastbp.LevenbergMarquardt(damping=0.5)
    net.fit(X, Y, epochs=1, optimizer=optimizer, l2=l2)
    expected = np.linalg.solve(G + 0.5 * np.eye(len(g)), -g)
    assert relative_difference(net.parameters - theta, expected) < 1e-11
    assert net._training.state.first[0] == pytest.approx(0.05)  # μ after an accepted step


@pytest.mark.parametrize("weighted", [False, True])
def test_a_linear_network_is_done_in_two_steps(weighted):
    """Almost without damping, the first step is the solution of the normal equations."""
    X, Y = samples()
    net, weight = network(hidden=(), cost="squared_error"), np.arange(N) % 4.0 if weighted else np.ones(N)
    options = {"sample_weight": weight} if weighted else {}
    history = net.fit(X, Y, epochs=2, optimizer=fastbp.LevenbergMarquardt(damping=1e-12), **options)
    extended, root = np.column_stack([X, np.ones(N)]), np.sqrt(weight)[:, None]
    expected = np.linalg.lstsq(root * extended, root * Y, rcond=None)[0]
    squares = weight[:, None] * (extended @ expected - Y) ** 2
    assert history.cost[-1] == pytest.approx(squares.sum() / N, rel=1e-12)
    assert net.weights[0] == pytest.approx(expected[:3].T, abs=1e-9)
    assert net.biases[0] == pytest.approx(expected[3], abs=1e-9)


def test_it_reaches_the_minimum_that_scipy_reaches():
    """MINPACK's Levenberg–Marquardt from the same start, with the penalty as residuals and the naive Jacobian."""
    optimize = pytest.importorskip("scipy.optimize", reason="SciPy is not installed")
    X, Y = samples(1)
    net, other = network(1, (3,)), network(1, (3,))
    is_weight = fastbp.ParameterVector(net.sizes, np.zeros(net.parameters.size))
    for w in is_weight.weights:
        w[:] = 1

    def residuals(theta):
        other.parameters[:] = theta
        return np.concatenate([(other.predict(X) - Y).ravel(), is_weight.vector * theta])

    def jacobian(theta):
        other.parameters[:] = theta
        return np.concatenate([*(output_jacobian(other, x) for x in X), np.diag(is_weight.vector)])

    tight = {"ftol": 1e-14, "xtol": 1e-14, "gtol": 1e-14}
    best = optimize.least_squares(residuals, net.parameters.copy(), jacobian, method="lm", **tight)
    net.fit(X, Y, epochs=300, l2=1.0, optimizer=fastbp.LevenbergMarquardt(gradient_tolerance=1e-12))
    assert (residuals(net.parameters) ** 2).sum() / 2 == pytest.approx(best.cost, rel=1e-10)


def test_it_gets_lower_than_lbfgs_in_fewer_epochs():
    X, Y = samples()
    ours, theirs = network(hidden=(8,)), network(hidden=(8,))
    ours.fit(X, Y, epochs=40, optimizer=fastbp.LevenbergMarquardt())
    theirs.fit(X, Y, epochs=40, optimizer=fastbp.LBFGS())
    assert ours.history.cost[-1] < 0.7 * theirs.history.cost[-1]


def test_damping_grows_until_a_step_is_good():
    """The Gauss–Newton step from this start is far too long."""
    X, Y = samples()
    net = network()
    net.parameters *= 3
    before = net.evaluate(X, Y).cost
    history = net.fit(X, Y, epochs=1, optimizer=fastbp.LevenbergMarquardt(damping=1e-12))
    assert history.cost[0] < before and history.cost[0] == pytest.approx(net.evaluate(X, Y).cost, rel=1e-14)
    assert net._training.state.first[0] > 1e-12


def test_two_fits_of_one_epoch_are_one_of_two():
    X, Y = samples()
    for dtype in ("float32", "float64"):
        whole, halves = network(dtype=dtype), network(dtype=dtype)
        whole.fit(X, Y, epochs=6, optimizer=fastbp.LevenbergMarquardt())
        optimizer = fastbp.LevenbergMarquardt()
        for _ in range(2):
            halves.fit(X, Y, epochs=3, optimizer=optimizer)
        assert whole.parameters.tobytes() == halves.parameters.tobytes()
        assert whole.parameters.dtype == dtype


def test_the_same_bits_on_any_number_of_threads(monkeypatch):
    from fastbp.compiler import threads

    for layer in threads.PARALLEL_FROM:
        monkeypatch.setitem(threads.PARALLEL_FROM, layer, 0)
    X, Y = samples()
    bits = []
    for n in (1, 2):
        with fastbp.threads(n):
            net = network()
            net.fit(X, Y, epochs=5, optimizer=fastbp.LevenbergMarquardt())
            bits.append(net.parameters.tobytes())
    assert bits[0] == bits[1]


def test_how_it_ends():
    X, Y = samples()
    net = network(hidden=())
    history = net.fit(X, Y, epochs=50, optimizer=fastbp.LevenbergMarquardt())
    assert len(history) < 20 and history.stopped.startswith("converged: no element of the gradient")
    before = net.parameters.copy()
    again = net.fit(X, Y, epochs=50, optimizer=fastbp.LevenbergMarquardt(gradient_tolerance=0))
    assert len(again) < 50 and again.stopped.startswith("converged: no step makes the cost smaller")
    assert net.parameters == pytest.approx(before, abs=1e-6)

    class Stop(fastbp.Callback):
        def on_epoch_end(self, run):
            run.stop = run.epoch == 2

    assert len(network().fit(X, Y, epochs=50, optimizer=fastbp.LevenbergMarquardt(), callbacks=[Stop()])) == 2


def test_a_cost_that_is_not_finite_is_a_divergence():
    X, Y = samples()
    net = network()
    net.parameters[:] = 1e308
    with pytest.raises(fastbp.DivergenceError, match="begin with smaller weights"):
        net.fit(X, Y, optimizer=fastbp.LevenbergMarquardt())
    assert (net.parameters == 1e308).all()


def test_wrong_arguments_are_refused(monkeypatch):
    X, Y = samples()
    net = network(cost="huber")
    with pytest.raises(ValueError, match=r"the cost is 'huber', but LevenbergMarquardt minimizes sums of squares: use"):
        net.fit(X, Y, optimizer=fastbp.LevenbergMarquardt())
    net = network()
    for option in ({"dropout": 0.5}, {"max_norm": 1.0}, {"l1": 0.1}, {"clip_norm": 1.0}):
        with pytest.raises(ValueError, match=f"{next(iter(option))} given with LevenbergMarquardt"):
            net.fit(X, Y, optimizer=fastbp.LevenbergMarquardt(), **option)
    with pytest.raises(ValueError, match="LevenbergMarquardt needs all samples in every step, but they come in chunks"):
        net.fit(lambda: iter([(X, Y)]), optimizer=fastbp.LevenbergMarquardt())
    with pytest.raises(
        ValueError, match="LevenbergMarquardt: decrease is 1; it must be greater than 0 and less than 1"
    ):
        fastbp.LevenbergMarquardt(decrease=1)
    monkeypatch.setattr(memory, "physical_memory", lambda: 10_000)
    with pytest.raises(MemoryError, match=r"32 parameters at once, needs .* has 10,000: use a smaller network, or"):
        net.fit(X, Y, optimizer=fastbp.LevenbergMarquardt())


def test_nguyen_widrow_and_levenberg_marquardt_fit_a_sinc():
    X = np.linspace(-1, 1, 400)[:, None]
    net = fastbp.Network(
        [1, 20, 1], activation="tanh", cost="squared_error", initializer="nguyen_widrow", dtype="float64", seed=1
    )
    goal = fastbp.EarlyStopping(monitor="cost", goal=1e-8)
    history = net.fit(X, np.sinc(4 * X), epochs=150, optimizer=fastbp.LevenbergMarquardt(), early_stopping=goal)
    assert len(history) < 100
    assert history.stopped.startswith("goal reached")


def test_validation_data_stop_it_and_the_history_says_so():
    X, Y = samples(1)
    net = fastbp.Network([3, 30, 1], activation="tanh", cost="quadratic", dtype="float64", seed=0)
    early = fastbp.EarlyStopping(patience=2)
    history = net.fit(
        X[:20], Y[:20], epochs=200, optimizer="trainlm", validation_data=(X[20:], Y[20:]), early_stopping=early
    )
    assert history.stopped.startswith("early stopping: validation_cost")
    assert len(history) == history.best_epoch + 2
    assert net.evaluate(X[20:], Y[20:]).cost == pytest.approx(min(history["validation_cost"]))


def test_the_evidence_chooses_the_fixed_point_of_mackay():
    """At the end λ = σ² γ / ‖θ‖² with γ and σ from their definitions, whatever the cost is called."""
    X, Y = samples(1, 80)
    found = []
    for cost, bend in (("quadratic", 1), ("squared_error", 2)):
        net = network(1, (8,), cost)
        history = net.fit(X, Y, epochs=500, optimizer=fastbp.LevenbergMarquardt(regularization="evidence"))
        assert "the data determine" in history.stopped
        theta, squares = net.parameters, ((net.predict(X) - Y) ** 2).sum()
        J = np.concatenate([output_jacobian(net, x) for x in X])
        strength = net._training.state.first[1]  # λ/n
        eigenvalues = bend * np.linalg.eigvalsh(J.T @ J) / len(X)
        gamma = (eigenvalues / (eigenvalues + strength)).sum()
        assert 0 < gamma < theta.size
        variance = squares / (len(X) - gamma)
        assert strength * len(X) == pytest.approx(bend * variance * gamma / (theta @ theta), rel=1e-3)
        found.append(net.predict(X))
    np.testing.assert_allclose(found[0], found[1], atol=1e-4)


def test_the_evidence_keeps_a_large_net_from_fitting_noise():
    rng = np.random.default_rng(0)
    X = np.linspace(-1, 1, 60)[:, None]
    Y, Z = np.sin(4 * X) + 0.2 * rng.standard_normal(X.shape), np.linspace(-1, 1, 500)[:, None]
    errors = []
    for optimizer in (fastbp.LevenbergMarquardt(), fastbp.LevenbergMarquardt(regularization="evidence")):
        net = fastbp.Network([1, 25, 1], activation="tanh", initializer="nguyen_widrow", dtype="float64", seed=0)
        net.fit(X, Y, epochs=200, optimizer=optimizer)
        errors.append(float(np.sqrt(((net.predict(Z) - np.sin(4 * Z)) ** 2).mean())))
    assert errors[1] < 0.11 and errors[1] < errors[0] / 1.5


def test_the_evidence_refuses_another_l2_and_other_words():
    X, Y = samples()
    with pytest.raises(ValueError, match="l2 is given"):
        network().fit(X, Y, l2=0.1, optimizer=fastbp.LevenbergMarquardt(regularization="evidence"))
    for wrong in ("bayes", 1, True):
        with pytest.raises(ValueError, match="it must be 'evidence' or None"):
            fastbp.LevenbergMarquardt(regularization=wrong)


def test_the_evidence_continues_from_a_file(tmp_path):
    X, Y = samples()
    once, twice = network(), network()
    once.fit(X, Y, epochs=6, optimizer=fastbp.LevenbergMarquardt(regularization="evidence"))
    twice.fit(X, Y, epochs=3, optimizer=fastbp.LevenbergMarquardt(regularization="evidence"))
    twice.save(tmp_path / "net.safetensors", training_state=True)
    read = fastbp.load(tmp_path / "net.safetensors")
    read.fit(X, Y, epochs=3)
    assert (read.parameters == once.parameters).all()
