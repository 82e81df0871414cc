"""Label smoothing: training on (1 − ε) y + ε/K has the bits of a `fit` on such targets; evaluation is on y."""

import numpy as np
import pytest

import fastbp

X = np.random.default_rng(0).normal(size=(40, 5))
LABELS = np.random.default_rng(1).integers(0, 3, 40)
ONE_HOT = np.eye(3)[LABELS]


def network(n_out=3, output="softmax", formulation="tiles"):
    return fastbp.Network(
        [5, 4, n_out], output_activation=output, cost="cross_entropy", formulation=formulation, dtype="float64", seed=0
    )


def smoothed_by_hand(Y, share, n_classes):
    return Y * (1 - share) + share / n_classes


@pytest.mark.parametrize("given", [LABELS, ONE_HOT], ids=["labels", "one-hot"])
def test_training_is_on_smoothed_targets(given, formulation):
    """ε = 0.3 of three classes: 0.8 and 0.1."""
    assert smoothed_by_hand(ONE_HOT, 0.3, 3)[0].tolist().count(pytest.approx(0.1)) == 2
    net, by_hand = network(formulation=formulation), network(formulation=formulation)
    net.fit(X, given, epochs=2, label_smoothing=0.3)
    by_hand.fit(X, smoothed_by_hand(ONE_HOT, 0.3, 3), epochs=2)
    assert (net.parameters == by_hand.parameters).all()


@pytest.mark.parametrize("n_out", [1, 3])
def test_a_sigmoid_output_has_two_classes(n_out):
    Y = np.random.default_rng(2).integers(0, 2, (40, n_out)) if n_out == 1 else ONE_HOT
    net, by_hand = network(n_out, "sigmoid"), network(n_out, "sigmoid")
    net.fit(X, Y, epochs=2, label_smoothing=0.2)
    by_hand.fit(X, smoothed_by_hand(Y, 0.2, 2), epochs=2)
    assert (net.parameters == by_hand.parameters).all()


def test_evaluation_is_on_the_targets_themselves():
    net = network()
    history = net.fit(X, LABELS, epochs=1, label_smoothing=0.5, validation_data=(X, LABELS))
    assert history.validation_cost[-1] == pytest.approx(net.evaluate(X, LABELS).cost, rel=1e-12)
    held_out = network().fit(X, LABELS, epochs=1, label_smoothing=0.5, validation_split=0.5)
    plain = network().fit(X, LABELS, epochs=1, validation_split=0.5)
    assert 0 <= held_out.validation_accuracy[-1] <= 1 and held_out.cost != plain.cost


def test_with_weights_of_classes():
    Y = np.random.default_rng(2).integers(0, 2, 40)
    net, by_hand = network(1, "sigmoid"), network(1, "sigmoid")
    net.fit(X, Y, epochs=2, label_smoothing=0.2, class_weight={1: 3.0})
    by_hand.fit(X, smoothed_by_hand(Y[:, None], 0.2, 2), epochs=2, sample_weight=np.where(Y == 1, 3.0, 1.0))
    assert (net.parameters == by_hand.parameters).all()


def test_members_of_a_population_share_the_smoothed_targets():
    """Each has the bits of its own `fit`; small networks are still trained together."""
    shares = [0.0, 0.1, 0.1]
    members = fastbp.Population([network() for _ in shares])
    rows = np.arange(30)
    members.fit(X, LABELS, epochs=2, label_smoothing=shares, samples=rows)
    for net, share in zip(members, shares, strict=True):
        alone = network()
        alone.fit(X[rows], LABELS[rows], epochs=2, label_smoothing=share)
        assert (net.parameters == alone.parameters).all()


@pytest.mark.parametrize(
    ("share", "Y", "error", "message"),
    [
        (1.0, LABELS, ValueError, "label_smoothing is 1.0; it must be at least 0 and less than 1"),
        (-0.1, LABELS, ValueError, "label_smoothing is -0.1"),
        ("a", LABELS, TypeError, "label_smoothing is 'a'"),
        (0.1, np.full((40, 3), 1 / 3), ValueError, "label_smoothing needs targets that are classes"),
    ],
)
def test_refusals(share, Y, error, message):
    net = network()
    before = net.parameters.copy()
    with pytest.raises(error, match=message):
        net.fit(X, Y, epochs=1, label_smoothing=share)
    assert (net.parameters == before).all() and net.history is None


def test_not_with_chunks():
    with pytest.raises(ValueError, match="label_smoothing is for samples in memory"):
        network().fit(lambda: [(X, LABELS)], label_smoothing=0.1)
