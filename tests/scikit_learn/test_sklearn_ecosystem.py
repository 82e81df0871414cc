"""`fastbp.sklearn` with scikit-learn's tools: searches in all backends, ensembles, copies, files, tables, routing."""

import copy
import io
import pickle
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("sklearn", minversion="1.6", reason="scikit-learn 1.6 or newer is not installed")

import joblib
from conftest import needs_two_threads, received
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import BaggingClassifier, VotingClassifier
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import fastbp
from fastbp.sklearn import MLPClassifier, MLPRegressor

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:os.fork.. was called:RuntimeWarning"),  # from JAX, if it is imported
]
X, y = load_iris(return_X_y=True)
SMALL = {"hidden_layer_sizes": (8,), "max_iter": 60, "learning_rate_init": 0.02, "random_state": 0}


def test_a_pipeline_with_a_search_in_every_backend():
    model = make_pipeline(StandardScaler(), MLPClassifier(**SMALL))
    grid = {"mlpclassifier__alpha": [1e-4, 0.1], "mlpclassifier__activation": ["tanh", "gelu"]}
    scores = []
    own_workers = {"backend": "loky", "inner_max_num_threads": 1}  # also those of the next test
    for backend in ("sequential", "threading", "multiprocessing", "loky"):
        with joblib.parallel_config(**own_workers if backend == "loky" else {"backend": backend}):
            search = GridSearchCV(model, grid, n_jobs=2, cv=3).fit(X, y)
        assert search.best_score_ > 0.9
        scores.append(search.cv_results_["mean_test_score"])
    assert all(np.array_equal(scores[0], others) for others in scores)  # the same bits from every backend
    with joblib.parallel_config(**own_workers):
        assert cross_val_score(model, X, y, n_jobs=2).mean() > 0.9


@needs_two_threads
def test_workers_take_the_threads_that_joblib_grants():
    granted = fastbp.get_num_threads
    before = granted()
    for backend in ("threading", "multiprocessing"):
        with joblib.parallel_config(backend=backend):
            assert joblib.Parallel(n_jobs=2)(joblib.delayed(granted)() for _ in range(3)) == [1, 1, 1]
    for inner in (1, 2):
        with joblib.parallel_config(backend="loky", inner_max_num_threads=inner):
            found = joblib.Parallel(n_jobs=2)(joblib.delayed(granted)() for _ in range(2))
            assert found == [min(inner, before)] * 2
    assert granted() == before


def test_ensembles_and_what_asks_for_probabilities():
    model = make_pipeline(StandardScaler(), MLPClassifier(**SMALL))
    for ensemble in (
        BaggingClassifier(model, 3, random_state=0),
        VotingClassifier([("net", model), ("line", LogisticRegression())], voting="soft"),
        CalibratedClassifierCV(model, cv=3),
        OneVsRestClassifier(model),
    ):
        assert ensemble.fit(X, y).score(X, y) > 0.9
    importance = permutation_importance(model.fit(X, y), X, y, n_repeats=3, random_state=0).importances_mean
    assert importance[2:].min() > importance[:2].max()  # petals tell more than sepals
    diabetes, target = load_diabetes(return_X_y=True)
    number = TransformedTargetRegressor(MLPRegressor(solver="lbfgs", max_iter=50), transformer=StandardScaler())
    assert number.fit(diabetes, target).score(diabetes, target) > 0.5


def test_copies_and_files_predict_the_same_and_go_on():
    model = MLPClassifier(**SMALL, warm_start=True).fit(X, y)
    wanted, buffer = model.predict_proba(X), io.BytesIO()
    joblib.dump(model, buffer)
    buffer.seek(0)
    for other in (copy.copy(model), copy.deepcopy(model), pickle.loads(pickle.dumps(model)), joblib.load(buffer)):
        assert np.array_equal(other.predict_proba(X), wanted)
        assert np.array_equal(other.predict_proba(X[:1]), model.predict_proba(X[:1]))
        other.partial_fit(X, y)
    assert np.array_equal(model.predict_proba(X), wanted)
    one, two = pickle.loads(pickle.dumps(model)), copy.deepcopy(model)
    assert np.array_equal(one.partial_fit(X, y).coefs_[0], two.partial_fit(X, y).coefs_[0])
    fresh = clone(model)
    assert not hasattr(fresh, "coefs_") and fresh.get_params() == model.get_params()


def test_predictions_use_weights_that_a_user_writes():
    model = MLPClassifier(**SMALL).fit(X, y)
    wanted = np.exp([0, 1, 0]) / (2 + np.e)
    for loaded in (model, pickle.loads(pickle.dumps(model))):
        for change in (lambda w: w[1].__imul__(0), lambda w: w.__setitem__(1, np.zeros_like(w[1]))):
            changed = copy.deepcopy(loaded)
            change(changed.coefs_)
            changed.intercepts_[1][:] = [0, 1, 0]
            for rows in (X, X[:1]):
                np.testing.assert_allclose(changed.predict_proba(rows), np.tile(wanted, (len(rows), 1)))


def test_a_few_rows_are_checked_as_many_are():
    model = MLPClassifier(**SMALL).fit(X, y)
    for wrong in (X[0], X[:1, :3], np.full((1, 4), np.nan), np.full((1, 4), np.inf), X[:0], [["a"] * 4], X[:1] * 1j):
        with pytest.raises((ValueError, TypeError)):
            model.predict(wrong)
    for form in (X[:1].tolist(), np.asfortranarray(X[:5]), X[::7], X[:2].astype(np.float32), X[:2].astype(int) + 0.0):
        rows = np.array(form, dtype=float)
        np.testing.assert_allclose(model.predict_proba(form), model.predict_proba(rows.copy()), rtol=1e-5)
    huge = np.full((1, 4), 1e200)
    assert np.isfinite(model.predict_proba(huge)).all()
    with config_context(assume_finite=True):
        assert np.isnan(model.predict_proba(np.full((1, 4), np.nan))).all()
    before = X[:1].copy()
    row = X[:1].copy()
    model.predict(row)
    assert row.flags.writeable and np.array_equal(row, before)
    for labels in (np.array(["no", "yes"])[(y > 0).astype(int)], y > 0, y, np.where(y > 0, 7, -3)):
        model = MLPClassifier(**SMALL).fit(X, labels)
        assert model.predict(X[:1]).dtype == model.classes_.dtype
        assert np.array_equal(model.predict(X[:3]), model.classes_[model.predict_proba(X[:3]).argmax(axis=1)])


def test_metadata_is_routed_and_html_drawn():
    weights = np.where(y == 1, 0.0, 1.0)
    with config_context(enable_metadata_routing=True):
        model = MLPClassifier(**SMALL).set_fit_request(sample_weight=True, X_val=True, y_val=True)
        search = GridSearchCV(model.set_score_request(sample_weight=False), {"alpha": [0.01]}, cv=3)
        search.fit(X, y, sample_weight=weights, X_val=X[:10], y_val=y[:10])
    assert 1 not in search.predict(X)
    assert len(search.best_estimator_.validation_loss_curve_) == search.best_estimator_.n_iter_
    assert "MLPClassifier" in MLPClassifier()._repr_html_()
    assert repr(MLPRegressor(alpha=1)) == "MLPRegressor(alpha=1)"


def test_tables_with_names_of_columns():
    pd = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = load_iris(as_frame=True)
    table, names = frame.data, np.array(frame.target_names)[frame.target]
    model = MLPClassifier(**SMALL).fit(table, pd.Series(names))
    assert list(model.feature_names_in_) == list(table.columns)
    assert set(model.predict(table)) == set(frame.target_names)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        model.predict(X[:1])
    with pytest.raises(ValueError, match="feature names"):
        model.predict(table[table.columns[::-1]])
    columns = make_column_transformer((StandardScaler(), list(table.columns[:2])), remainder="passthrough")
    pipeline = make_pipeline(columns, MLPClassifier(**SMALL)).set_output(transform="pandas").fit(table, names)
    assert pipeline.score(table, names) > 0.8


def test_a_fork_of_a_process_that_has_trained_can_train():
    if sys.platform == "win32":
        pytest.skip("there are no forks on Windows")
    script = """
import os, numpy as np, warnings
warnings.simplefilter("ignore")
from fastbp.sklearn import MLPClassifier
X = np.random.RandomState(0).rand(600, 300); y = X[:, 0] > 0.5
model = MLPClassifier(hidden_layer_sizes=(300,), max_iter=2, random_state=0).fit(X, y)
pid = os.fork()
again = MLPClassifier(hidden_layer_sizes=(300,), max_iter=2, random_state=0).fit(X, y)
same = np.array_equal(again.coefs_[0], model.coefs_[0])
if pid == 0:
    os._exit(0 if same else 1)
print(same and os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0)
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, timeout=300)
    assert done.stdout.strip() == "True", done.stderr


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("cls", [MLPClassifier, MLPRegressor])
def test_copies_that_arrive_read_only_continue_like_the_original(cls, dtype, tmp_path):
    inputs, targets = X.astype(dtype), y
    for parameters in (
        {"dropout": 0.3}, {"solver": "sgd", "dropout": 0.3}, {"solver": "lbfgs"}, {"optimizer": fastbp.RMSProp()},
        {"optimizer": fastbp.LBFGS()},
    ):  # fmt: skip
        original = cls(**SMALL | {"max_iter": 2}, **parameters, warm_start=True).fit(inputs, targets)
        incremental = parameters.get("solver") != "lbfgs" and "LBFGS" not in repr(parameters)
        if incremental:
            original.partial_fit(inputs, targets)
        others = received(original, tmp_path)
        for model in (original, *others):
            if incremental:
                model.partial_fit(inputs, targets)
            model.fit(inputs, targets)
        for other in others:
            assert all(array.flags.writeable for array in (*other.coefs_, *other.intercepts_))
            assert other.network_.parameters.tobytes() == original.network_.parameters.tobytes()
