"""All of scikit-learn's checks, for estimators with all solvers, a search, ensembles; fastbp without scikit-learn."""

import warnings

import pytest
from conftest import run_python


def test_without_scikit_learn_fastbp_works_and_says_what_to_install():
    script = """
import sys
sys.modules["sklearn"] = None
import fastbp
fastbp.Network([1, 1]).predict([[1.0]])
for how in ("import fastbp.sklearn", "fastbp.sklearn"):
    try:
        exec(how)
    except ImportError as error:
        print(error)
"""
    said = run_python(script).splitlines()
    assert said == ["fastbp.sklearn needs scikit-learn: install it with `pip install 'fastbp[sklearn]'`"] * 2


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
def test_check_estimator(name, solver):
    pytest.importorskip("sklearn", minversion="1.6", reason="scikit-learn 1.6 or newer is not installed")
    import fastbp.sklearn

    check(getattr(fastbp.sklearn, name)(solver=solver, max_iter=100))


def check(model):
    """All of scikit-learn's checks pass."""
    from sklearn.utils.estimator_checks import check_estimator

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(model, on_fail=None, on_skip=None)
    assert [(r["check_name"], r["exception"]) for r in results if r["status"] in ("failed", "xfail")] == []
    assert len(results) > 50


@pytest.mark.parametrize("name", ["MLPSearchCV", "MLPEnsembleClassifier", "MLPEnsembleRegressor"])
def test_check_estimator_of_many(name):
    pytest.importorskip("sklearn", minversion="1.6", reason="scikit-learn 1.6 or newer is not installed")
    import fastbp.sklearn

    member = getattr(fastbp.sklearn, "MLPRegressor" if name == "MLPEnsembleRegressor" else "MLPClassifier")
    given = {"space": {"alpha": [1e-4, 1.0]}, "cv": 2} if name == "MLPSearchCV" else {"n_estimators": 2}
    check(
        getattr(fastbp.sklearn, name)(
            member(hidden_layer_sizes=(20,), max_iter=40, learning_rate_init=0.02, random_state=0), **given
        )
    )
