"""Weights for each output of each sample: masks, missing targets, weights below 0."""

import numpy as np
import pytest
from conftest import central_difference, relative_difference, state_of
from own_functions import LOG_COSH

import fastbp

CASES = {
    "a pair: sigmoid, cross_entropy": ("sigmoid", "cross_entropy"),
    "a pair: softplus, poisson": ("softplus", "poisson"),
    "quadratic": ("identity", "quadratic"),
    "tanh, huber": ("tanh", fastbp.Huber(0.3)),
    "one's own": ("identity", LOG_COSH),
}
# One row; few; in parts, for few weights and many samples; more outputs than a panel; several blocks.
SHAPES = {"1": (1, (5, 7, 3)), "9": (9, (5, 7, 3)), "600": (600, (3, 6, 4)), "wide": (9, (4, 6, 40))}


def network(case="quadratic", sizes=(5, 7, 3), formulation="tiles", dtype="float64"):
    output, cost = CASES[case]
    chosen = {"output_activation": output, "cost": cost, "formulation": formulation, "dtype": dtype}
    return fastbp.Network(list(sizes), activation="tanh", **chosen, seed=2)


def data(n=23, sizes=(5, 7, 3), lowest=0.0):
    """Samples, weights of which a third are 0, and targets that are missing there."""
    rng = np.random.default_rng(5)
    X, Y = rng.uniform(-1, 1, (n, sizes[0])), rng.uniform(0, 1, (n, sizes[-1]))
    W = rng.uniform(lowest, 2, Y.shape) * (rng.uniform(size=Y.shape) < 2 / 3)
    W[0] = [1.5, 0.0, *W[0, 2:]]
    return X, Y, W, np.where(W == 0, np.nan, Y)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("case", CASES)
def test_the_gradient_is_that_of_the_weighted_cost(case, shape, formulation):
    n, sizes = SHAPES[shape]
    X, _, W, missing = data(n, sizes, lowest=-1)
    net = network(case, sizes, formulation)
    theta, found = net.parameters.copy(), net.gradient(X, missing, sample_weight=W).vector
    direction = np.random.default_rng(1).standard_normal((3, theta.size))

    def cost(t):
        net.parameters = theta + t @ direction
        return net.evaluate(X, missing, sample_weight=W).cost

    assert relative_difference(direction @ found, central_difference(cost, np.zeros(3), 1e-4)) < 1e-7


def one_by_one(net, X, Y, W):
    """A naive twin: cost and gradient as Σ_s Σ_j w_sj (C_sj, ∇C_sj) / n, C_sj of a network with the output j alone."""
    cost, total = 0.0, fastbp.ParameterVector(net.sizes, np.zeros_like(net.parameters))
    n_in, n_hidden, n_out = net.sizes
    for j in range(n_out):
        alone = fastbp.Network(
            [n_in, n_hidden, 1], activation="tanh", output_activation=net.activations[-1], cost=net.cost,
            dtype="float64", formulation="textbook",
        )  # fmt: skip
        alone.weights[0][:], alone.biases[0][:] = net.weights[0], net.biases[0]
        alone.weights[1][:], alone.biases[1][:] = net.weights[1][[j]], net.biases[1][[j]]
        for s in np.flatnonzero(W[:, j]):
            share, sample = W[s, j] / len(X), (X[[s]], Y[[s], [j]])
            cost += share * alone.evaluate(*sample).cost
            dw, db = alone.gradient(*sample).weights, alone.gradient(*sample).biases
            total.weights[0][:] += share * dw[0]
            total.biases[0][:] += share * db[0]
            total.weights[1][j] += share * dw[1][0]
            total.biases[1][j] += share * db[1][0]
    return cost, total.vector


@pytest.mark.parametrize("case", CASES)
def test_the_cost_is_the_weighted_sum_over_outputs(case, formulation):
    X, Y, W, missing = data()
    net = network(case, formulation=formulation)
    cost, gradient = one_by_one(net, X, Y, W)
    assert relative_difference(net.gradient(X, missing, sample_weight=W).vector, gradient) < 1e-13
    assert net.evaluate(X, missing, sample_weight=W).cost == pytest.approx(cost, rel=1e-13)


@pytest.mark.parametrize("batch_size", [1, 5])
def test_steps_follow_it(batch_size, formulation):
    X, Y, W, missing = data()
    net, expected = network(formulation=formulation), network()
    history = net.fit(
        X, missing, sample_weight=W, epochs=2, batch_size=batch_size, shuffle=False, optimizer=fastbp.SGD(0.1)
    )
    costs = []
    for _ in range(2):
        for start in range(0, len(X), batch_size):
            batch = slice(start, start + batch_size)
            cost, gradient = one_by_one(expected, X[batch], Y[batch], W[batch])
            costs.append(cost * len(X[batch]))
            expected.parameters = expected.parameters - 0.1 * gradient
    assert relative_difference(net.parameters, expected.parameters) < 1e-12
    assert history.cost[1] == pytest.approx(sum(costs[len(costs) // 2 :]) / len(X), rel=1e-12)


OPTIMIZERS = {
    "SGD": lambda: fastbp.SGD(0.1), "Momentum": lambda: fastbp.Momentum(0.1), "Nesterov": lambda: fastbp.Nesterov(0.1),
    "Adam": fastbp.Adam, "AdamW": fastbp.AdamW, "RMSProp": fastbp.RMSProp, "Adagrad": fastbp.Adagrad,
    "Rprop": fastbp.Rprop, "LBFGS": fastbp.LBFGS, "ConjugateGradient": fastbp.ConjugateGradient,
    "LevenbergMarquardt": fastbp.LevenbergMarquardt,
}  # fmt: skip


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_what_stands_for_a_missing_target_changes_no_bit(name, formulation):
    X, Y, W, missing = data()
    kept = [array.copy() for array in (X, missing, W)]
    first, second, third = (network(formulation=formulation) for _ in range(3))
    for net, targets in ((first, missing), (second, np.where(W == 0, 0.9, Y)), (third, Y)):
        net.fit(X, targets, sample_weight=W, epochs=2, optimizer=OPTIMIZERS[name]())
    assert first.parameters.tobytes() == second.parameters.tobytes() == third.parameters.tobytes()
    assert all((a == b).all() for a, b in zip((X, W), kept[::2], strict=True))
    assert np.array_equal(missing, kept[1], equal_nan=True)


@pytest.mark.parametrize("optimizer", ["LBFGS", "LevenbergMarquardt"])
def test_linear_regression_with_missing_targets(optimizer, formulation):
    """The minimum is that of a weighted least-squares fit of each output to the samples that have it."""
    X, Y, W, missing = data(40, (4, 3))
    net = fastbp.Network([4, 3], cost="quadratic", dtype="float64", seed=0, formulation=formulation)
    exact = {"LBFGS": lambda: fastbp.LBFGS(gradient_tolerance=1e-12, cost_tolerance=0)}
    chosen = exact.get(optimizer, OPTIMIZERS[optimizer])()
    net.fit(X, missing, sample_weight=W, epochs=200, optimizer=chosen)
    for j in range(3):
        root = np.sqrt(W[:, j])[:, None]
        solution = np.linalg.lstsq(root * np.c_[X, np.ones(40)], root[:, 0] * Y[:, j], rcond=None)[0]
        assert relative_difference([*net.weights[0][j], net.biases[0][j]], solution) < 1e-7


def test_nothing_of_an_output_that_is_out_of_range_leaks(formulation):
    """exp of 1000 is infinite, as are its cost and its error; with a weight of 0 they are exactly 0."""
    X, Y, W, _ = data()
    net = fastbp.Network([5, 7, 3], output_activation="exponential", dtype="float64", seed=0, formulation=formulation)
    net.biases[1][1], W[:, 1] = 1000.0, 0.0
    gradient = net.gradient(X, Y, sample_weight=W)
    assert np.isfinite(gradient.vector).all() and np.isfinite(net.evaluate(X, Y, sample_weight=W).cost)
    assert gradient.biases[1][1] == 0 and not gradient.weights[1][1].any()


def test_equal_weights_of_outputs_are_those_of_samples(formulation):
    X, Y, W, _ = data()
    equal = np.repeat(W[:, :1], 3, axis=1)
    net = network(formulation=formulation)
    found, expected = (net.gradient(X, Y, sample_weight=weight).vector for weight in (equal, W[:, 0]))
    assert relative_difference(found, expected) < 1e-14
    soft = fastbp.Network([5, 4, 3], cost="cross_entropy", seed=0, formulation=formulation)
    labels = np.where(W[:, 0] == 0, np.nan, np.arange(23) % 3)
    of_labels = soft.gradient(X, labels, sample_weight=W[:, 0]).vector
    assert (soft.gradient(X, labels, sample_weight=equal).vector == of_labels).all()
    rows = np.where(np.isnan(labels)[:, None], np.nan, np.eye(3)[np.arange(23) % 3])
    assert (soft.gradient(X, rows, sample_weight=W[:, 0]).vector == of_labels).all()


def test_memory_maps_and_chunks_have_the_bits_of_memory(tmp_path, monkeypatch, formulation):
    from fastbp.batches import samples, sources

    X, _, W, missing = data()
    options = {"epochs": 2, "batch_size": 5, "optimizer": fastbp.SGD(0.1)}
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "Y.npy", missing)
    mapped = [np.load(tmp_path / name, mmap_mode="r") for name in ("X.npy", "Y.npy")]
    nets = [network(formulation=formulation) for _ in range(4)]
    shuffled = [nets[0].fit(X, missing, sample_weight=W, **options)]
    nets[1].fit(X, missing, sample_weight=W, shuffle=False, **options)
    monkeypatch.setattr(samples, "BLOCK_BYTES", 5 * 8 * 8)
    monkeypatch.setattr(sources, "BLOCK_BYTES", 5 * 8 * 8)
    shuffled.append(nets[2].fit(*mapped, sample_weight=W, **options))
    chunks = [(X[a:b], missing[a:b], W[a:b]) for a, b in ((0, 7), (7, 8), (8, 23))]
    nets[3].fit(lambda: chunks, **options)
    assert nets[0].parameters.tobytes() == nets[2].parameters.tobytes()
    assert nets[1].parameters.tobytes() == nets[3].parameters.tobytes()
    assert shuffled[0].cost == shuffled[1].cost


def test_the_bits_do_not_depend_on_threads(compiled):
    X, _, W, missing = data(300, (20, 30, 9))
    found = []
    for n in (1, 2):
        net = network(sizes=(20, 30, 9), formulation=compiled)
        with fastbp.threads(n):
            net.fit(X, missing, sample_weight=W, epochs=2, optimizer=fastbp.Adam())
        found.append(net.parameters.tobytes())
    assert found[0] == found[1]


def test_weights_below_0_make_a_cost_larger(formulation):
    """A step of REINFORCE: −log π(action) weighted by advantages, here from the samples one by one."""
    X, advantages = data()[0], np.linspace(-1, 1, 23)
    net = fastbp.Network([5, 4, 3], cost="cross_entropy", dtype="float64", seed=0, formulation=formulation)
    actions, before = np.arange(23) % 3, net.parameters.copy()
    each = net.per_sample_gradients(X, actions)
    options = {"epochs": 1, "batch_size": 23, "optimizer": fastbp.SGD(0.5)}
    net.fit(X, actions, sample_weight=advantages, allow_negative_weights=True, **options)
    assert relative_difference(net.parameters, before - 0.5 * (advantages @ each) / 23) < 1e-13
    by_chunk = fastbp.Network([5, 4, 3], cost="cross_entropy", dtype="float64", seed=0, formulation=formulation)
    by_chunk.fit(lambda: [(X, actions, advantages)], allow_negative_weights=True, **options)
    assert by_chunk.parameters.tobytes() == net.parameters.tobytes()


def test_classes_multiply_weights_of_outputs():
    X, _, W, _ = data()
    labels = np.arange(23) % 3
    first, second = (network("a pair: sigmoid, cross_entropy") for _ in range(2))
    first.fit(X, labels, sample_weight=W, class_weight={1: 3.0})
    second.fit(X, labels, sample_weight=W * np.where(labels == 1, 3.0, 1.0)[:, None])
    assert first.parameters.tobytes() == second.parameters.tobytes()


def test_validation_passes_over_missing_targets():
    X, Y, W, missing = data()
    net = network("a pair: sigmoid, cross_entropy")
    sets = {"same": (X, missing), "weighted": (X, missing, W), "whole": (X, Y)}
    history = net.fit(X, missing, sample_weight=W, epochs=1, validation_data=sets)
    mask = (W != 0).astype(float)
    assert history.series("same_cost") == [net.evaluate(X, missing, sample_weight=mask).cost]
    assert history.series("weighted_cost") == [net.evaluate(X, missing, sample_weight=W).cost]
    assert history.series("whole_cost") == [net.evaluate(X, Y).cost]
    history = net.fit(X, missing, sample_weight=W, epochs=1, validation_split=0.3)
    held_out = np.sort(np.random.default_rng(net._own_seed).permutation(23)[:7])
    expected = net.evaluate(X[held_out], missing[held_out], sample_weight=mask[held_out])
    assert history.validation_cost == [expected.cost] and expected.accuracy is None


def test_without_missing_targets_validation_has_no_weights():
    X, Y, W, _ = data()
    net = network()
    assert net.fit(X, Y, sample_weight=W, epochs=1, validation_data=(X, Y)).validation_cost == [net.evaluate(X, Y).cost]


X, Y, W, MISSING = data()
SOFTMAX = {"output_activation": "softmax", "cost": "cross_entropy"}
WRONG = {
    "a target": ({"sample_weight": W + (np.arange(3) == 1)}, {}, r"Y\[0, 1\] is nan, but its sample_weight is 1"),
    "of a sample": ({"sample_weight": np.ones(23)}, {}, r"Y\[0, 1\] is nan, but its sample_weight is 1: give 0"),
    "no weights": ({}, {}, r"Y\[0, 1\] is nan"),
    "negative": ({"sample_weight": np.where(W == 1.5, -1, W)}, {}, r"sample_weight\[0, 0\] is -1; .* unless allow_neg"),
    "softmax": ({"Y": np.eye(3)[np.arange(23) % 3], "sample_weight": W}, SOFTMAX, "softmax outputs depend on one"),
    "squares": (
        {"sample_weight": -W, "allow_negative_weights": True, "optimizer": "levenberg_marquardt"}, {},
        r"sample_weight has -1.* minimizes sums of squares",
    ),
    "metrics": (
        {"sample_weight": W, "validation_data": (X, MISSING, W), "metrics": ["mae"]}, {},
        "'mae' needs all targets, but some of the data set 'validation' are missing",
    ),
    "classes": ({"sample_weight": W, "class_weight": "balanced"}, {}, "class_weight needs targets that are classes"),
    "all 0": ({"sample_weight": 0 * W}, {}, "sample_weight is 0 for every sample"),
    "validation": ({"sample_weight": W, "validation_data": (X, MISSING.copy())}, {}, r"validation Y\[0, 1\] is nan"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_fit_is_refused_before_anything_changes(name):
    options, choices, message = WRONG[name]
    net = fastbp.Network([5, 7, 3], **{"cost": "quadratic", **choices}, seed=0)
    before = state_of(net)
    with pytest.raises(ValueError, match=message):
        net.fit(**{"X": X, "Y": MISSING, "epochs": 1, **options})
    assert state_of(net) == before


def test_chunks_have_weights_of_one_kind():
    net = network()
    with pytest.raises(
        ValueError, match="a chunk has a sample_weight for each sample, but the first has a sample_weig"
    ):
        net.fit(lambda: [(X, MISSING, W), (X, Y, W[:, 0])], epochs=1)


@pytest.mark.parametrize(
    ("interval", "number"),
    [("[0, 1]", 0), ("(-inf, inf)", 0), ("(0, inf)", 1), ("(0, 1)", 0.5), ("(-inf, -3]", -4), ("(5, 5.5)", 5.25)],
)
def test_a_number_of_an_interval(interval, number):
    from fastbp.functions.activations import Interval

    assert Interval.parse(interval).a_number == number
