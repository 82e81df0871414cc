"""Metrics, balanced classes and the digits against scikit-learn's."""

from pathlib import Path

import numpy as np
import pytest

from fastbp.batches import weights as weighting
from fastbp.data import digits
from fastbp.training import metrics

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
from sklearn import datasets
from sklearn import metrics as sklearn
from sklearn.utils.class_weight import compute_class_weight

RNG = np.random.default_rng(0)
OUTPUTS = RNG.uniform(0, 1, (60, 4))
ACTUAL = RNG.integers(0, 3, 60)  # class 3 is never actual
ONE_HOT = np.eye(4)[ACTUAL]
NUMBERS = RNG.uniform(-1, 1, (60, 4))


def value(name, outputs, Y):
    (metric,) = metrics.chosen(name, outputs.shape[1])
    return metric(outputs, Y)


def test_metrics_are_those_of_scikit_learn():
    predicted = OUTPUTS.argmax(axis=1)
    assert value("accuracy", OUTPUTS, ONE_HOT) == pytest.approx(sklearn.accuracy_score(ACTUAL, predicted))
    assert value("f1_macro", OUTPUTS, ONE_HOT) == pytest.approx(sklearn.f1_score(ACTUAL, predicted, average="macro"))
    assert value("r2", OUTPUTS, NUMBERS) == pytest.approx(sklearn.r2_score(NUMBERS, OUTPUTS))
    assert value("mae", OUTPUTS, NUMBERS) == pytest.approx(sklearn.mean_absolute_error(NUMBERS, OUTPUTS))
    for k in (2, 3):
        theirs = sklearn.top_k_accuracy_score(ACTUAL, OUTPUTS, k=k, labels=range(4))
        assert value(f"top_{k}", OUTPUTS, ONE_HOT) == pytest.approx(theirs)
    single, yes = OUTPUTS[:, :1], (ACTUAL == 1).astype(float)[:, None]
    assert value("f1_binary", single, yes) == pytest.approx(sklearn.f1_score(yes, single > 0.5))
    assert value("f1_macro", single, yes) == pytest.approx(sklearn.f1_score(yes, single > 0.5, average="macro"))


@pytest.mark.parametrize("name", ["precision", "recall"])
def test_precision_and_recall_are_those_of_scikit_learn(name):
    theirs, options = getattr(sklearn, f"{name}_score"), {"average": "macro", "zero_division": 0}
    predicted, single = OUTPUTS.argmax(axis=1), OUTPUTS[:, :1]
    assert value(f"{name}_macro", OUTPUTS, ONE_HOT) == pytest.approx(theirs(ACTUAL, predicted, **options))
    yes = (ACTUAL == 1).astype(float)[:, None]
    assert value(f"{name}_macro", single, yes) == pytest.approx(theirs(yes, single > 0.5, **options))
    assert value(f"{name}_binary", single, yes) == pytest.approx(theirs(yes, single > 0.5))
    two = OUTPUTS[:, :2]
    assert value(f"{name}_binary", two, np.eye(2)[ACTUAL % 2]) == pytest.approx(theirs(ACTUAL % 2, two.argmax(axis=1)))


@pytest.mark.parametrize("decimals", [15, 1], ids=["all different", "many equal"])
def test_roc_auc_and_log_loss_are_those_of_scikit_learn(decimals):
    outputs = OUTPUTS[:, :3].round(decimals)
    outputs /= outputs.sum(axis=1, keepdims=True)
    one_hot, single, yes = np.eye(3)[ACTUAL], outputs[:, :1].round(decimals), (ACTUAL == 0).astype(float)[:, None]
    assert value("roc_auc", single, yes) == pytest.approx(sklearn.roc_auc_score(yes, single))
    theirs = sklearn.roc_auc_score(ACTUAL, outputs, multi_class="ovr", average="macro")
    assert value("roc_auc", outputs, one_hot) == pytest.approx(theirs)
    assert value("log_loss", outputs, one_hot) == pytest.approx(sklearn.log_loss(ACTUAL, outputs))
    assert value("log_loss", single, yes) == pytest.approx(sklearn.log_loss(yes, single))
    for dtype in (np.float32, np.float64):
        sure = np.array([[0.0, 1.0], [1.0, 0.0]], dtype)
        assert value("log_loss", sure, np.eye(2)) == pytest.approx(sklearn.log_loss([0, 1], sure))


def test_balanced_is_what_scikit_learn_calls_so():
    labels = np.array([0, 0, 0, 0, 1, 1, 2, 2, 2, 2])
    ours = weighting.class_weights("balanced", weighting.class_counts(np.eye(4)[labels]), 4)
    theirs = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    np.testing.assert_allclose(ours[:3], theirs, rtol=1e-15)


def test_digits_are_those_of_scikit_learn() -> None:
    with np.load(Path(digits.__file__).with_name("digits.npz"), allow_pickle=False) as arrays:
        theirs = datasets.load_digits()
        assert arrays["images"].dtype == arrays["labels"].dtype == np.uint8
        np.testing.assert_array_equal(arrays["images"], theirs.data)
        np.testing.assert_array_equal(arrays["labels"], theirs.target)
