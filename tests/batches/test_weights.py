"""Weights of samples and classes: the numbers, what is refused, and what they do to a step."""

import numpy as np
import pytest
from conftest import relative_difference, state_of
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
    of_samples = weighting.sample_weights([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 10)
    of_classes = weighting.class_weights({1: 2.0, 2: 0.5}, weighting.class_counts(ONE_HOT), 4)
    product = weighting.combined(of_samples, of_classes, ONE_HOT.astype(np.float32))
    assert product.dtype == np.float32 and product.tolist() == [1, 2, 3, 4, 10, 12, 3.5, 4, 4.5, 5]
    assert weighting.combined(None, None, ONE_HOT) is None


def by_hand(net, weights, epochs, batch_size, rate):
    """Gradient descent on (1/m) Σ w_s C_s, a gradient of each sample."""
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
    "a matrix": ({"sample_weight": np.ones((23, 2))}, ValueError, r"has shape \(23, 2\); needed is \(23,\)"),
    "negative": ({"sample_weight": np.r_[np.ones(22), -2]}, ValueError, r"sample_weight\[22\] is -2; weights are at"),
    "NaN": ({"sample_weight": np.r_[np.ones(22), np.nan]}, ValueError, r"sample_weight\[22\] is nan; all must be"),
    "zero": ({"sample_weight": np.zeros(23)}, ValueError, "sample_weight is 0 for every sample"),
    "words": ({"sample_weight": ["a"] * 23}, TypeError, "sample_weight is of dtype <U1"),
    "no such label": ({"class_weight": {2: 1.0}}, ValueError, "class_weight names the label 2; labels go from 0 to 1"),
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
def test_what_is_wrong_is_refused_before_anything_changes(name):
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
