"""All of scikit-learn's checks of estimators, for both classes and all solvers; fastbp without scikit-learn."""

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
    from sklearn.utils.estimator_checks import check_estimator

    import fastbp.sklearn

    model = getattr(fastbp.sklearn, name)(solver=solver, max_iter=100)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(model, on_fail=None, on_skip=None)
    assert [(r["check_name"], r["exception"]) for r in results if r["status"] in ("failed", "xfail")] == []
    assert len(results) > 50
