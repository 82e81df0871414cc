"""Estimators of `fastbp.tabular`: odd parameters, tables and files are refused in words, or work."""

import copy
import inspect
import warnings
from pathlib import Path

import numpy as np
import pytest
from hostile import ODD, said, wrongs

pytest.importorskip("sklearn", minversion="1.6", reason="scikit-learn 1.6 or newer is not installed")

import sklearn
from table_models import classifier

import fastbp
from fastbp.tabular import TabularClassifier, TabularRegressor

THEIRS = Path(sklearn.__file__).parent
SMALL = {"hidden_layer_sizes": (3,), "n_members": 1, "epochs": 1, "random_state": 0}
FOREVER = {"epochs", "n_members", "n_bins"}  # large numbers are allowed there, but take too long for a test
X = np.random.default_rng(0).normal(size=(12, 3))
Y = {TabularClassifier: np.arange(12) % 3, TabularRegressor: np.arange(12) / 3}


@pytest.fixture(autouse=True)
def _quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.parametrize("kind", Y)
def test_odd_parameters(kind):
    wrong, refusals = [], 0
    for parameter in inspect.signature(kind).parameters:
        for odd in ODD:
            if isinstance(odd, int) and odd > 1000 and parameter in FOREVER:
                continue
            model = kind(**{**SMALL, parameter: odd})
            try:
                model.fit(X, Y[kind])
            except (TypeError, ValueError, fastbp.DivergenceError) as error:
                refusals += 1
                if not said(error, THEIRS):
                    wrong.append(f"{parameter}={odd!r:.40}: {error!r:.200}")
            except Exception as error:
                wrong.append(f"{parameter}={odd!r:.40}: {error!r:.200}")
    assert "\n".join(wrong) == "" and refusals > 100


@pytest.mark.parametrize("method", ["fit", "predict", "permutation_importance", "input_gradients", "to_c", "load"])
def test_odd_arguments_of_methods(method, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model, given, y = TabularRegressor(**SMALL), X, Y[TabularRegressor]
    if method != "fit":
        model.fit(X, y)
    right = {
        "fit": {"X": X, "y": y}, "predict": {"X": given, "return_std": True},
        "permutation_importance": {"X": given, "y": y, "n_repeats": 1, "random_state": 0},
        "input_gradients": {"X": given}, "to_c": {"path": "m.c", "name": "predict"}, "load": {"path": "m.c"},
    }  # fmt: skip
    wrong, refusals = wrongs(method, getattr(model, method), right[method], THEIRS)
    assert "\n".join(wrong) == "" and refusals > 5


def test_odd_tables_do_not_change_a_model():
    model = copy.deepcopy(classifier())
    before = model.population_[0].parameters.copy()
    for odd in ODD:
        with pytest.raises((TypeError, ValueError)):
            model.fit(odd, ["a", "b"])
    assert (model.population_[0].parameters == before).all()
