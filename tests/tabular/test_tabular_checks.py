"""All of scikit-learn's checks for the estimators of tables."""

import warnings

import pytest

pytest.importorskip("sklearn", minversion="1.6", reason="scikit-learn 1.6 or newer is not installed")

from sklearn.utils.estimator_checks import check_estimator

from fastbp import tabular


@pytest.mark.parametrize("name", ["TabularClassifier", "TabularRegressor"])
def test_check_estimator(name):
    model = getattr(tabular, name)((16,), n_members=2, epochs=20, learning_rate=0.02)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(model, on_fail=None, on_skip=None)
    assert [(r["check_name"], r["exception"]) for r in results if r["status"] in ("failed", "xfail")] == []
    assert len(results) > 50
