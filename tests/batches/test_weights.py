"""Weights of samples and classes: their values, their effect on a step, and what is refused."""

import numpy as np
import pytest
from conftest import central_difference, relative_difference, state_of
from fit_samples import X, Y, fit, network

import fastbp
from fastbp.batches import weights as weighting

LABELS = np.array([0, 0, 0, 0, 1, 1, 2, 2, 2, 2])
ONE_HOT = np.eye(4)[LABELS]  # class 3 has no samples


def test_balanced_classes_have_equal_weight():
    counts = weighting.class_counts(ONE_HOT)
    assert counts.tolist() == [4, 2, 4, 0]
    weights = weighting.class_weights("balanced", counts, 4)
    assert weights.tolist() == pytest.approx([10 / (3 * 4), 10 / (3 * 2), 10 / (3 * 4), 1])


def test_one_output_is_two_classes():
    yes = np.array([[0.0], [1.0], [0.0], [0.0]])
    assert weighting.class_counts(yes).tolist() == [3, 1]
    of_classes = weighting.class_weights({1: 3.0}, weighting.class_counts(yes), 1)
    assert weighting.combined(None, of_classes, yes).tolist() == [1, 3, 1, 1]


def test_both_are_multiplied():
    of_samples = np.arange(1.0, 11)
    of_classes = weighting.class_weights({1: 2.0, 2: 0.5}, weighting.class_counts(ONE_HOT), 4)
    product = weighting.combined(of_samples, of_classes, ONE_HOT.astype(np.float32))
    assert product.dtype == np.float32 and product.tolist() == [1, 2, 3, 4, 10, 12, 3.5, 4, 4.5, 5]
    assert weighting.combined(None, None, ONE_HOT) is None


def by_hand(net, weights, epochs, batch_size, rate):
    """Gradient descent on (1/m) Σ w_s C_s, from the gradient of each sample."""
    for _ in range(epochs):
        for start in range(0, len(X), batch_size):
            rows = range(start, min(len(X), start + batch_size))
            gradients = [weights[s] * net.gradient(X[s : s + 1], Y[s : s + 1]).vector for s in rows]
            net.parameters = net.parameters - rate * np.mean(gradients, axis=0)


@pytest.mark.parametrize("kind", ["samples", "classes", "both"])
def test_the_step_is_that_of_the_weighted_mean(kind, formulation):
    given = np.random.default_rng(0).uniform(0, 3, 23)
    of_samples = given if kind != "classes" else np.ones(23)
    classes = {0: 0.25, 1: 2.0}
    of_classes = np.where(Y[:, 1] == 1, 2.0, 0.25) if kind != "samples" else np.ones(23)
    net, expected = network(formulation, "float64"), network(formulation, "float64")
    options = {"sample_weight": given} if kind == "samples" else {"class_weight": classes}
    options |= {"sample_weight": given} if kind == "both" else {}
    fit(net, 3, optimizer=fastbp.SGD(0.5), shuffle=False, **options)
    by_hand(expected, of_samples * of_classes, 3, 5, 0.5)
    assert relative_difference(net.parameters, expected.parameters) < 1e-12


def test_weights_go_with_their_samples_into_the_held_out_share():
    given = np.linspace(0, 2, 23)
    net, expected = network(), network()
    fit(net, sample_weight=given, validation_split=0.25)
    shuffled = np.random.default_rng(net._own_seed).permutation(23)
    kept = np.sort(shuffled[6:])
    expected.fit(X[kept], Y[kept], epochs=3, batch_size=5, optimizer=fastbp.Momentum(0.1), sample_weight=given[kept])
    assert net.parameters.tobytes() == expected.parameters.tobytes()


WRONG = {
    "too short": ({"sample_weight": np.ones(22)}, ValueError, r"sample_weight has shape \(22,\); needed is \(23,\)"),
    "a matrix": ({"sample_weight": np.ones((23, 3))}, ValueError, r"has shape \(23, 3\); needed is \(23,\)"),
    "negative": (
        {"sample_weight": np.r_[np.ones(22), -2]},
        ValueError,
        r"sample_weight\[22\] is -2; weights must be at",
    ),
    "NaN": ({"sample_weight": np.r_[np.ones(22), np.nan]}, ValueError, r"sample_weight\[22\] is nan; all must be"),
    "zero": ({"sample_weight": np.zeros(23)}, ValueError, "sample_weight is 0 for every sample"),
    "words": ({"sample_weight": ["a"] * 23}, TypeError, "sample_weight is of dtype <U1"),
    "no such label": ({"class_weight": {2: 1.0}}, ValueError, "class_weight has the label 2; labels go from 0 to 1"),
    "label -1": ({"class_weight": {-1: 1.0}}, ValueError, "a label of class_weight is -1; it must be at least 0"),
    "label a word": ({"class_weight": {"cat": 1.0}}, TypeError, "a label of class_weight is 'cat'; it must be a whole"),
    "negative class": ({"class_weight": {1: -1.0}}, ValueError, r"class_weight\[1\] is -1.0; it must be at least 0"),
    "infinite class": ({"class_weight": {1: np.inf}}, ValueError, r"class_weight\[1\] is inf; .* finite"),
    "class a word": ({"class_weight": {1: "2"}}, TypeError, r"class_weight\[1\] is '2'; it must be a number"),
    "all zero": ({"class_weight": {0: 0, 1: 0}}, ValueError, "class_weight is 0 for every class that has samples"),
    "another word": ({"class_weight": "equal"}, TypeError, "class_weight is 'equal'; it must be 'balanced' or a dict"),
    "a list": ({"class_weight": [1, 2]}, TypeError, r"class_weight is \[1, 2\]"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments_are_refused_before_anything_changes(name):
    options, error, message = WRONG[name]
    net = network()
    fit(net, 1)
    before = state_of(net)
    with pytest.raises(error, match=message):
        fit(net, 3, **options)
    assert state_of(net) == before


def test_classes_have_weights_only_where_there_are_classes():
    net = fastbp.Network([3, 2], cost="quadratic", seed=0)
    with pytest.raises(ValueError, match="class_weight needs targets that are classes"):
        net.fit(X, X[:, :2], class_weight="balanced")


# The gradient of all samples, and the optimizers that use it


def gradient(net, X, Y, weight=None):
    """The gradient of a formulation and its mean cost."""
    vector = np.empty_like(net.parameters)
    samples = net._samples(X, Y)
    cost = net._formulation.gradient(net._model, samples.X, samples.Y, vector, weight)
    return cost, vector


def copies(n, sizes=(5, 7, 3), formulation="tiles", dtype="float64"):
    """A network, samples, and a whole-numbered weight for each."""
    rng = np.random.default_rng(3)
    net = fastbp.Network(
        list(sizes), output_activation="sigmoid", cost="cross_entropy", seed=2, dtype=dtype, formulation=formulation
    )
    return net, rng.uniform(-1, 1, (n, sizes[0])), rng.uniform(0, 1, (n, sizes[-1])), np.arange(n) % 4


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [1, 23, 1030])  # one row, one block, several parts of several blocks
def test_a_weight_is_how_often_a_sample_is_there(n, dtype, formulation):
    """(1/n) Σ w_s C_s equals (1/n) times the sum over the samples, each repeated w_s times."""
    net, X, Y, w = copies(n, formulation=formulation, dtype=dtype)
    w = w + (n == 1)
    cost, found = gradient(net, X, Y, w.astype(dtype))
    cost_of_all, expected = gradient(net, np.repeat(X, w, axis=0), np.repeat(Y, w, axis=0))
    n_copies = w.sum()
    tolerance = 1e-13 if dtype == "float64" else 2e-6
    assert relative_difference(found, expected * (n_copies / n)) < tolerance
    assert cost == pytest.approx(cost_of_all * n_copies / n, rel=tolerance)


def test_the_weighted_gradient_is_that_of_the_weighted_cost(formulation):
    net, X, Y, w = copies(9, formulation=formulation)

    def cost(theta):
        net.parameters = theta
        return gradient(net, X, Y, w.astype(float))[0]

    theta = net.parameters.copy()
    found = gradient(net, X, Y, w.astype(float))[1]
    costs = net._formulation.costs(net._model, X, Y)[1]
    assert cost(theta) == pytest.approx((w * costs).mean(), rel=1e-13)
    assert relative_difference(found, central_difference(cost, theta)) <= 1e-9


def test_large_networks_and_batches_have_weights_too(formulation):
    """More parameters than are summed in parts, and more samples than a workspace holds."""
    net, X, Y, w = copies(1030, (40, 130, 50), formulation)
    _, found = gradient(net, X, Y, w.astype(float))
    _, expected = gradient(net, np.repeat(X, w, axis=0), np.repeat(Y, w, axis=0))
    assert relative_difference(found, expected * (w.sum() / len(X))) < 1e-13


def test_a_gradient_without_weights_follows_one_with_them(formulation):
    """The workspace that is kept for the next call forgets the weights."""
    net, X, Y, w = copies(23, formulation=formulation)
    _, before = gradient(net, X, Y)
    gradient(net, X, Y, w.astype(float))
    assert (gradient(net, X, Y)[1] == before).all()


FULL_BATCH = {
    "LBFGS": lambda: fastbp.LBFGS(gradient_tolerance=1e-11, cost_tolerance=0),
    "ConjugateGradient": lambda: fastbp.ConjugateGradient(1e-11),
    "LevenbergMarquardt": lambda: fastbp.LevenbergMarquardt(),
}


def trained(optimizer, X, Y, epochs=5, formulation="tiles", **options):
    net = fastbp.Network(
        [5, 4, 2], activation="tanh", cost="quadratic", dtype="float64", seed=4, formulation=formulation
    )
    net.fit(X, Y, epochs=epochs, optimizer=FULL_BATCH[optimizer](), progress=False, **options)
    return net


@pytest.mark.parametrize("optimizer", FULL_BATCH)
def test_optimizers_of_all_samples_take_weights(optimizer, formulation):
    """Weights divided by their mean give the cost of repeated samples, and so the same steps."""
    _, X, Y, w = copies(24, (5, 2))
    n_copies = int(w.sum())
    weighted = trained(optimizer, X, Y, 3, formulation, sample_weight=w * (24 / n_copies), l2=0.5 * 24 / n_copies)
    expected = trained(optimizer, np.repeat(X, w, axis=0), np.repeat(Y, w, axis=0), 3, formulation, l2=0.5)
    assert relative_difference(weighted.parameters, expected.parameters) < 1e-9
    assert weighted.history.cost == pytest.approx(expected.history.cost, rel=1e-11)


@pytest.mark.parametrize("optimizer", FULL_BATCH)
def test_optimizers_of_all_samples_take_weights_of_classes(optimizer):
    _, X, _, _ = copies(24, (5, 2))
    labels = np.arange(24) % 3 == 0
    Y = np.eye(2)[labels.astype(int)]

    def fitted(**options):
        net = fastbp.Network([5, 4, 2], activation="tanh", output_activation="sigmoid", cost="quadratic", seed=0)
        net.fit(X, Y, epochs=3, optimizer=FULL_BATCH[optimizer](), progress=False, **options)
        return net.parameters

    by_class, by_sample = fitted(class_weight={0: 0.5, 1: 3.0}), fitted(sample_weight=np.where(labels, 3.0, 0.5))
    assert (by_class == by_sample).all()
    assert (by_class != fitted()).any()


def test_weights_of_samples_in_files(tmp_path):
    """L-BFGS reads the file piece by piece, each with its weights, and gives the bits of samples in memory."""
    _, X, Y, w = copies(24, (5, 2))
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    in_memory = trained("LBFGS", X, Y, sample_weight=w)
    assert (trained("LBFGS", mapped, Y, sample_weight=w).parameters == in_memory.parameters).all()


def test_pieces_have_weights_of_their_own(monkeypatch):
    from fastbp.batches import samples
    from fastbp.training.full_batch import Objective

    net, X, Y, w = copies(23)
    expected = Objective(net._formulation, net._model, net._samples(X, Y), 0.0, w.astype(float))(net.parameters.copy())
    monkeypatch.setattr(samples, "BLOCK_BYTES", 7 * 8 * 8)
    found = Objective(net._formulation, net._model, net._samples(X, Y), 0.0, w.astype(float))(net.parameters.copy())
    assert found[0] == pytest.approx(expected[0], rel=1e-13)
    assert relative_difference(found[1], expected[1]) < 1e-13
