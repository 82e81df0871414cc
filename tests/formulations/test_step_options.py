"""Options of a step: all formulations agree, and each option follows its formula."""

import functools

import numpy as np
import pytest
from conftest import relative_difference
from covering import in_turn
from numba import config
from numpy.testing import assert_array_equal

import fastbp
from fastbp.compiler import threads
from fastbp.formulations import FORMULATIONS
from fastbp.formulations.step_options import StepOptions
from fastbp.formulations.tiles import tiled
from fastbp.optimizers import AdamEpsilonHat, Optimizer

N = 700 if not config.DISABLE_JIT else 40
RNG = np.random.default_rng(0)
X, Y, WEIGHT = RNG.standard_normal((N, 5)), RNG.random((N, 3)), RNG.random(N)
OPTIONS = {
    "l2": {"l2": 0.01},
    "l1": {"l1": 0.003},
    "decay": {"decay": 0.1},
    "clip_value": {"clip_value": 0.003},
    "clip_norm": {"clip_norm": 0.05},
    "max_norm": {"max_norm": 0.7},
    "dropout": {"dropout": (0.3, 0.2), "seed": 7},
    "sample_weight": {"sample_weight": WEIGHT},
}
OPTIONS["all"] = {name: value for options in OPTIONS.values() for name, value in options.items()}
PER_BATCH = {"per_batch": True, "l2": 0.5, "sample_weight": WEIGHT}
OPTIONS["per_batch"] = PER_BATCH
TOLERANCE = {"float64": 1e-12, "float32": 5e-5}  # Adam divides small gradients by their size


def trained(formulation, options, optimizer, batch_size, dtype="float64", sizes=(5, 40, 7, 3), n=N):
    net = fastbp.Network(sizes, activation="tanh", cost="quadratic", dtype=dtype, seed=1, formulation=formulation)
    state = optimizer.new_state(net.parameters.size, dtype)
    x, y = X.astype(dtype), Y.astype(dtype)
    x.flags.writeable = y.flags.writeable = False
    given = net._model, optimizer, state, x, y, batch_size, StepOptions(**options)
    trainer = FORMULATIONS[formulation].trainer(*given)
    trainer.begin()
    cost = trainer.train(np.arange(n))
    trainer.end_epoch()
    return net, cost


@functools.cache
def without_options(optimizer, batch_size, dtype, n):
    return trained("textbook", {}, optimizer, batch_size, dtype, n=n)[0].parameters


@pytest.mark.parametrize(
    ("name", "optimizer", "batch_size", "dtype"),
    in_turn(OPTIONS, [fastbp.SGD(0.1), fastbp.Adam(0.01)], [1, 32, 600], TOLERANCE),
    ids=lambda value: type(value).__name__ if isinstance(value, Optimizer) else None,
)
def test_all_formulations_agree(name, optimizer, batch_size, dtype):
    n, options = 25 if batch_size == 1 else N, OPTIONS[name]
    reference, cost = trained("textbook", options, optimizer, batch_size, dtype, n=n)
    plain = without_options(optimizer, batch_size, dtype, n)
    assert relative_difference(plain, reference.parameters) > 1e-4  # the option has an effect
    for formulation in ("vectorized", "loops", "tiles"):
        net, its_cost = trained(formulation, options, optimizer, batch_size, dtype, n=n)
        assert relative_difference(net.parameters, reference.parameters) < TOLERANCE[dtype]
        assert its_cost == pytest.approx(cost, rel=TOLERANCE[dtype])


def one_step(options, formulation):
    """One step of gradient descent over all samples: the network before, its gradient, and the network after."""
    before = fastbp.Network([5, 40, 7, 3], activation="tanh", cost="quadratic", dtype="float64", seed=1)
    after, _ = trained(formulation, options, fastbp.SGD(0.5), N)
    return before, before.gradient(X, Y), after


def test_penalties_shrink_weights_and_not_biases(formulation):
    before, g, after = one_step({"l2": 0.01, "l1": 0.003}, formulation)
    for l, w in enumerate(before.weights):
        expected = w - 0.5 * (g.weights[l] + 0.01 * w + 0.003 * np.sign(w))
        assert relative_difference(after.weights[l], expected) < 1e-12
        assert relative_difference(after.biases[l], before.biases[l] - 0.5 * g.biases[l]) < 1e-12


@pytest.mark.parametrize("rates", [None, [1, 0, 0.5]], ids=["", "layer_rates"])
@pytest.mark.parametrize("optimizer", [fastbp.SGD, fastbp.Adam], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize(
    "options", [name for name in OPTIONS if name not in ("dropout", "sample_weight", "all", "per_batch")]
)
def test_a_step_down_a_gradient_keeps_the_same_rules(options, optimizer, rates, formulation):
    """`apply` takes the step that a trainer takes with the same gradient, and leaves the gradient as it is."""
    rules, optimizer = OPTIONS[options], optimizer(0.05, layer_rates=rates)
    trained_on, _ = trained(formulation, rules, optimizer, N)
    before, g, _ = one_step({}, formulation)
    model, given = before._model, g.vector.copy()
    state = optimizer.new_state(given.size, "float64")
    FORMULATIONS[formulation].apply(model, optimizer, state, given, StepOptions(**rules))
    assert relative_difference(before.parameters, trained_on.parameters) < 1e-11
    assert_array_equal(given, g.vector)


def test_decoupled_decay(formulation):
    before, g, after = one_step({"decay": 0.1}, formulation)
    assert relative_difference(after.weights[1], before.weights[1] * (1 - 0.5 * 0.1) - 0.5 * g.weights[1]) < 1e-12
    assert relative_difference(after.biases[1], before.biases[1] - 0.5 * g.biases[1]) < 1e-12


def test_clipping(formulation):
    before, g, after = one_step({"clip_norm": 0.05}, formulation)
    norm = np.linalg.norm(g.vector)
    assert norm > 0.05
    assert relative_difference(after.parameters, before.parameters - 0.5 * g.vector * 0.05 / norm) < 1e-12
    before, g, after = one_step({"clip_value": 0.003}, formulation)
    assert relative_difference(after.parameters, before.parameters - 0.5 * np.clip(g.vector, -0.003, 0.003)) < 1e-12


def test_max_norm_limits_the_weights_into_each_neuron(formulation):
    _, _, free = one_step({}, formulation)
    _, _, limited = one_step({"max_norm": 0.7}, formulation)
    for w, w_limited in zip(free.weights, limited.weights, strict=True):
        norms = np.linalg.norm(w, axis=1, keepdims=True)
        assert relative_difference(w_limited, w * np.minimum(1, 0.7 / norms)) < 1e-12


def test_max_norm_in_float32_takes_no_estimate_of_the_root():
    """Every operation is rounded as in NumPy: squares of whole numbers are exact, and the gradient is 0."""
    net = fastbp.Network([4, 32], output_activation="identity", cost="quadratic", dtype="float32", seed=0)
    w = np.random.default_rng(0).integers(-9, 10, (32, 4)).astype("float32")
    net.weights[0][:], net.biases[0][:], limit = w, 0, np.float32(0.7)
    net.fit(np.zeros((3, 4)), np.zeros((3, 32)), epochs=1, batch_size=3, optimizer=fastbp.SGD(0.1), max_norm=0.7)
    norms = np.sqrt((w * w).sum(axis=1, keepdims=True))
    assert (norms > limit).all()
    assert np.array_equal(net.weights[0], w * (limit / norms))


def test_sample_weights_are_repetitions(formulation):
    """A sample of weight 2 counts twice, one of weight 0 not at all; the mean is still over all samples."""
    weight = np.tile([2.0, 0.0], N // 2)
    before = fastbp.Network([5, 40, 7, 3], activation="tanh", cost="quadratic", dtype="float64", seed=1)
    after, cost = trained(formulation, {"sample_weight": weight}, fastbp.SGD(0.5), N)
    g = before.gradient(X[::2], Y[::2]).vector
    assert relative_difference(after.parameters, before.parameters - 0.5 * g) < 1e-12
    assert cost / N == pytest.approx(before.evaluate(X[::2], Y[::2]).cost, rel=1e-12)


def test_dropout_drops_the_share_it_says_and_keeps_the_mean():
    kept = StepOptions(dropout=(0.3,), seed=5).kept(1, 1000, 100, np.dtype("float64"))
    assert set(np.unique(kept)) == {0.0, 1 / 0.7}
    assert abs((kept == 0).mean() - 0.3) < 5 * np.sqrt(0.3 * 0.7 / kept.size)
    assert abs(kept.mean() - 1) < 0.02


@pytest.mark.parametrize("change", [{"seed": 6}, {"step": 2}, {"l": 2}, {"first": 1000}])
def test_each_step_layer_place_and_seed_drops_others(change):
    """Two draws are independent: 9 % of 100,000 neurons are dropped in both."""

    def kept(seed=5, step=1, l=1, first=0):
        options = StepOptions(dropout=(0.3, 0.3), seed=seed, steps=np.array([step]))
        return options.kept(l, first + 1000, 100, np.dtype("float64"))[first:] == 0

    both = (kept() & kept(**change)).mean()
    assert abs(both - 0.09) < 5 * np.sqrt(0.09 * 0.91 / 100_000)


@pytest.mark.parametrize("part_bytes", [0, 2**15])
def test_in_a_mini_batch_that_comes_in_parts_each_place_drops_its_own(part_bytes, monkeypatch):
    """`tiles` takes 16 samples at a time here, or a block for each thread where weights are few and samples many."""
    monkeypatch.setattr(tiled, "ROWS", 16)
    monkeypatch.setattr(tiled, "PART_BYTES", part_bytes)
    reference, _ = trained("textbook", OPTIONS["dropout"], fastbp.SGD(0.1), N)
    net, _ = trained("tiles", OPTIONS["dropout"], fastbp.SGD(0.1), N)
    assert relative_difference(net.parameters, reference.parameters) < 1e-12


def test_per_batch_divides_by_the_weights_of_the_mini_batch():
    """C = (Σ w_s C_s + ½ λ Σ w²) / Σ w_s over the mini-batch; `train` returns C times the number of samples."""
    start = fastbp.Network((5, 40, 7, 3), activation="tanh", cost="quadratic", dtype="float64", seed=1)
    of_samples, total = start.per_sample_gradients(X, Y), WEIGHT.sum()
    gradient = fastbp.ParameterVector(start.sizes, WEIGHT @ of_samples / total)
    for dw, w in zip(gradient.weights, start.weights, strict=True):
        dw += 0.5 * w / total
    costs = 0.5 * ((start.predict(X) - Y) ** 2).sum(axis=1)
    squares = sum((w**2).sum() for w in start.weights)
    net, cost = trained("tiles", PER_BATCH, fastbp.SGD(0.1), N)
    assert relative_difference(net.parameters, start.parameters - 0.1 * gradient.vector) < 1e-12
    assert cost == pytest.approx(N * (WEIGHT @ costs + 0.25 * squares) / total)


def test_adam_with_epsilon_hat_adds_it_before_the_correction():
    optimizer = AdamEpsilonHat(0.01, 0.8, 0.95, 1e-2)
    start = fastbp.Network((5, 40, 7, 3), activation="tanh", cost="quadratic", dtype="float64", seed=1)
    g = start.gradient(X, Y).vector
    step = 0.01 * np.sqrt(1 - 0.95) / (1 - 0.8) * 0.2 * g / (np.sqrt(0.05 * g**2) + 1e-2)
    assert relative_difference(trained("tiles", {}, optimizer, N)[0].parameters, start.parameters - step) < 1e-12
    reference, _ = trained("textbook", {}, optimizer, 32)
    for formulation in FORMULATIONS:
        assert relative_difference(trained(formulation, {}, optimizer, 32)[0].parameters, reference.parameters) < 1e-10


def test_predict_and_gradient_drop_nothing():
    net, _ = trained("tiles", OPTIONS["dropout"], fastbp.SGD(0.1), 32)
    again = fastbp.Network(net.sizes, activation="tanh", cost="quadratic", dtype="float64", formulation="textbook")
    again.parameters = net.parameters
    assert relative_difference(net.predict(X), again.predict(X)) < 1e-12
    assert relative_difference(net.gradient(X, Y).vector, again.gradient(X, Y).vector) < 1e-12


@pytest.mark.skipif(config.DISABLE_JIT or config.NUMBA_NUM_THREADS < 2, reason="needs threads")
@pytest.mark.parametrize("batch_size", [64, 600])
def test_same_bits_on_any_number_of_threads(batch_size, compiled, monkeypatch):
    monkeypatch.setattr(threads, "PARALLEL_FROM", dict.fromkeys(threads.PARALLEL_FROM, 0))
    results = []
    for n_threads in (1, 2):
        with fastbp.threads(n_threads):
            net, cost = trained(compiled, OPTIONS["all"], fastbp.Adam(0.01), batch_size)
            results.append((net.parameters.copy(), cost))
    assert_array_equal(results[0][0], results[1][0])
    assert results[0][1] == results[1][1]
