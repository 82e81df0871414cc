"""X and Y are checked once and shared: members train on rows of them that nobody copies."""

import numpy as np
import pytest
from population_samples import HELD_OUT, X, Y, check_as_alone, learned, n_threads, network, networks  # noqa: F401

import fastbp
from fastbp.batches import samples as of_batches
from fastbp.population import shared

ADAM = fastbp.Adam(0.03)
OPTIONS = {"epochs": 2, "batch_size": 8, "optimizer": ADAM}


def rows(n=60, seed=0):
    """Rows of a bootstrap, some several times."""
    return np.random.default_rng(seed).integers(0, len(X), n)


@pytest.mark.parametrize("formulation", ["tiles", "loops", "vectorized"])
def test_members_with_rows_of_their_own(formulation, n_threads):  # noqa: F811
    own = [{"samples": rows(seed=1)}, {"samples": None}, {"samples": np.arange(3, 30)}, {"samples": np.array([5])}]
    nets = networks(4, formulation=formulation)
    check_as_alone(nets, own, **OPTIONS, validation_data={"test": HELD_OUT, "all": (X, Y)}, fits=2)


def test_rows_that_are_held_out():
    own = [{"samples": rows(), "validation_split": 0.25}, {"samples": None, "validation_split": 0.5}]
    check_as_alone(networks(2), own, **OPTIONS)


@pytest.mark.parametrize("weights", [np.linspace(0, 2, len(X)), np.linspace(0, 2, len(X) * 3).reshape(-1, 3)])
def test_weights_of_rows(weights):
    """The weights are of all rows of X; balanced classes are those of the member's own rows."""
    kind = {"output_activation": "sigmoid"} if weights.ndim == 2 else {}
    nets, alone = networks(3, **kind), networks(3, **kind)
    own, options = [rows(seed=s) for s in range(3)], {**OPTIONS, "class_weight": "balanced"}
    fastbp.Population(nets).fit(X, Y, samples=own, sample_weight=weights, **options)
    for net, other, chosen in zip(nets, alone, own, strict=True):
        other.fit(X[chosen], Y[chosen], sample_weight=weights[chosen], **options)
        assert learned(net) == learned(other)


def test_rows_without_missing_targets_are_classes():
    """As far as a member's own rows go: then it has an accuracy, as alone."""
    targets, weights = np.eye(3)[Y], np.ones((len(X), 3))
    targets[20:, 0], weights[20:, 0] = np.nan, 0
    kind = {"output_activation": "sigmoid"}
    nets, alone = networks(2, **kind), networks(2, **kind)
    own = [np.arange(20), np.arange(10, 30)]
    fastbp.Population(nets).fit(X, targets, samples=own, sample_weight=weights, validation_split=0.3, **OPTIONS)
    for net, other, chosen in zip(nets, alone, own, strict=True):
        other.fit(X[chosen], targets[chosen], sample_weight=weights[chosen], validation_split=0.3, **OPTIONS)
        assert learned(net) == learned(other)
    assert [len(net.history.validation_accuracy) for net in nets] == [2, 0]


def test_rows_of_real_targets_that_happen_to_be_classes():
    targets = np.eye(3)[Y]
    targets[0] = 0.25, 0.25, 0.5
    nets, alone, own = networks(2), networks(2), [np.arange(1, 30), np.arange(30)]
    fastbp.Population(nets).fit(X, targets, samples=own, validation_split=0.3, **OPTIONS)
    for net, other, chosen in zip(nets, alone, own, strict=True):
        other.fit(X[chosen], targets[chosen], validation_split=0.3, **OPTIONS)
        assert learned(net) == learned(other)


def test_memory_mapped_samples(tmp_path):
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    nets, alone, own = networks(2), networks(2), [rows(), None]
    fastbp.Population(nets).fit(mapped, Y, samples=own, **OPTIONS)
    for net, other, chosen in zip(nets, alone, own, strict=True):
        chosen = slice(None) if chosen is None else chosen
        other.fit(X[chosen], Y[chosen], **OPTIONS)
        assert learned(net) == learned(other)


def test_x_is_checked_once_and_copied_never(monkeypatch):
    checks, sources = [], []
    original, plan = shared.checked_anywhere, shared.Shared.samples
    monkeypatch.setattr(shared, "checked_anywhere", lambda *a: checks.append(a) or original(*a))
    monkeypatch.setattr(shared.Shared, "samples", lambda *a: sources.append(plan(*a)) or sources[-1])
    given = X.astype(np.float32)
    nets = [*networks(4), network(9, (), cost="quadratic", output_activation="sigmoid")]
    fastbp.Population(nets).fit(given, Y, samples=[rows(), None, rows(seed=1), rows(seed=2), None], **OPTIONS)
    assert len(checks) == 2  # the outputs and costs of two kinds
    for found in sources:
        whole = found.whole if isinstance(found, of_batches.SomeRows) else found
        assert np.shares_memory(whole.X, given)


def test_hints_about_the_data_are_given_once():
    with pytest.warns(UserWarning, match=r"X\[:, \d\] has the mean") as caught:
        fastbp.Population(networks(3)).fit(X + 1e5, Y, **OPTIONS)
    assert [w.filename for w in caught] == [__file__]
