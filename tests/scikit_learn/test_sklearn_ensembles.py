"""Ensembles: members have the bits of their own fits; means, spreads and out-of-bag scores."""

import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn", minversion="1.6", reason="scikit-learn 1.6 or newer is not installed")

from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris, make_multilabel_classification
from sklearn.exceptions import NotFittedError
from sklearn.metrics import accuracy_score, r2_score

from fastbp.batches.samples import SomeRows
from fastbp.sklearn import MLPClassifier, MLPEnsembleClassifier, MLPEnsembleRegressor, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X, y = load_iris(return_X_y=True)
X = (X - X.mean(axis=0)) / X.std(axis=0)
Xr, yr = load_diabetes(return_X_y=True)
Xr, yr = Xr / Xr.std(axis=0), (yr - yr.mean()) / yr.std()
SMALL = {"hidden_layer_sizes": (8,), "max_iter": 10, "learning_rate_init": 0.02, "batch_size": 16}
CLASSIFIER, REGRESSOR = MLPClassifier(**SMALL), MLPRegressor(**SMALL)
KINDS = {
    "classes": (MLPEnsembleClassifier, CLASSIFIER, X, y), "numbers": (MLPEnsembleRegressor, REGRESSOR, Xr, yr),
    "early_stopping": (MLPEnsembleClassifier, clone(CLASSIFIER).set_params(early_stopping=True), X, y),
    "lbfgs": (MLPEnsembleRegressor, clone(REGRESSOR).set_params(solver="lbfgs"), Xr, yr),
    "balanced": (MLPEnsembleClassifier, clone(CLASSIFIER).set_params(class_weight="balanced"), X, y),
    "several": (MLPEnsembleRegressor, REGRESSOR, Xr, np.column_stack([yr, yr**2])),
    "poisson": (MLPEnsembleRegressor, clone(REGRESSOR).set_params(loss="poisson"), Xr, np.exp(yr)),
    "sparse": (MLPEnsembleClassifier, CLASSIFIER, sparse.csr_matrix(X), y),
}  # fmt: skip


@pytest.mark.parametrize("bootstrap", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_members_have_the_bits_of_their_own_fit(kind, bootstrap):
    ensemble, base, X, y = KINDS[kind]
    model = ensemble(base, 3, bootstrap=bootstrap, random_state=0).fit(X, y)
    assert len(model) == len(model.estimators_) == 3 and len({mlp.random_state for mlp in model}) == 3
    for mlp, rows in zip(model, model.estimators_samples_, strict=True):
        assert (len(set(rows.tolist())) < len(y)) == bootstrap and len(rows) == len(y)
        alone = clone(base).set_params(random_state=mlp.random_state).fit(X[rows], y[rows])
        assert mlp.get_params() == alone.get_params()
        assert mlp.network_.parameters.tobytes() == alone.network_.parameters.tobytes()
        assert mlp.loss_ == alone.loss_ and mlp.n_iter_ == alone.n_iter_
    assert not bootstrap or not np.array_equal(*model.estimators_samples_[:2])


def test_a_mean_of_predictions_and_how_far_they_are_apart():
    for y in (yr, np.column_stack([yr, -yr])):
        model = MLPEnsembleRegressor(REGRESSOR, 4, random_state=1).fit(Xr, y)
        each = np.array([mlp.predict(Xr) for mlp in model])
        mean, std = model.predict(Xr, return_std=True)
        assert mean.shape == std.shape == y.shape and np.allclose(mean, each.mean(axis=0)) and (std > 0).all()
        assert np.allclose(std, each.std(axis=0)) and np.array_equal(model.predict(Xr), mean)


def test_a_mean_of_probabilities():
    for classes in (y, np.array(["no", "yes"])[(y == 1).astype(int)]):
        model = MLPEnsembleClassifier(CLASSIFIER, 4, random_state=1).fit(X, classes)
        each = np.array([mlp.predict_proba(X) for mlp in model])
        mean, std = model.predict_proba(X, return_std=True)
        assert np.allclose(mean, each.mean(axis=0)) and np.allclose(std, each.std(axis=0))
        assert np.array_equal(model.predict_proba(X), mean) and np.allclose(model.predict_log_proba(X), np.log(mean))
        assert np.array_equal(model.predict(X), model.classes_[mean.argmax(axis=1)]) and model.score(X, classes) > 0.6


def test_several_labels_at_once():
    data, labels = make_multilabel_classification(80, 6, n_classes=3, random_state=0)
    model = MLPEnsembleClassifier(CLASSIFIER, 3, random_state=0, oob_score=True)
    with pytest.warns(UserWarning, match="rows were drawn for every member"):
        model.fit(data, labels)
    assert np.array_equal(model.predict(data), model.predict_proba(data) > 0.5) and 0 < model.oob_score_ < 1


def test_a_class_that_a_member_has_not_seen():
    rare = np.r_[0:51]
    model = MLPEnsembleClassifier(CLASSIFIER, 8, random_state=0).fit(X[rare], y[rare] + 3)
    seen = [len(np.unique(y[rare][rows])) for rows in model.estimators_samples_]
    assert min(seen) == 1 and max(seen) == 2  # else the test says nothing
    assert all(np.array_equal(mlp.classes_, [3, 4]) for mlp in model) and model.predict_proba(X).shape == (150, 2)


def test_out_of_bag():
    regressor = MLPEnsembleRegressor(REGRESSOR, 5, oob_score=True, random_state=0)
    with pytest.warns(UserWarning, match=r"\d+ of 442 rows were drawn for every member") as told:
        regressor.fit(Xr, yr)
    assert [w.filename for w in told if "were drawn" in str(w.message)] == [__file__]
    by_hand = np.full((5, len(yr)), np.nan)
    for i, (mlp, rows) in enumerate(zip(regressor, regressor.estimators_samples_, strict=True)):
        others = np.setdiff1d(np.arange(len(yr)), rows)
        by_hand[i, others] = mlp.predict(Xr[others])
    some = ~np.isnan(by_hand).all(axis=0)
    assert np.array_equal(np.isnan(regressor.oob_prediction_), ~some)
    assert np.allclose(regressor.oob_prediction_[some], np.nanmean(by_hand[:, some], axis=0))
    assert regressor.oob_score_ == r2_score(yr[some], regressor.oob_prediction_[some])
    classifier = MLPEnsembleClassifier(CLASSIFIER, 20, oob_score=True, random_state=0).fit(X, y)
    assert classifier.oob_score_ == accuracy_score(y, classifier.oob_decision_function_.argmax(axis=1)) > 0.8


def test_the_rows_of_members_are_not_copied(monkeypatch):
    seen, original = [], MLPClassifier._epochs

    def watched(self, net, data, extra, incremental):
        seen.append(data.samples)
        return original(self, net, data, extra, incremental)

    monkeypatch.setattr(MLPClassifier, "_epochs", watched)
    MLPEnsembleClassifier(CLASSIFIER, 3, random_state=0).fit(X.astype(int), y)
    assert all(isinstance(samples, SomeRows) for samples in seen) and len({id(samples.whole) for samples in seen}) == 1


def test_copies_pickles_and_names_of_columns():
    pd = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = pd.DataFrame(Xr, columns=[f"x{i}" for i in range(Xr.shape[1])])
    model = MLPEnsembleRegressor(REGRESSOR, 2, random_state=np.random.RandomState(5)).fit(frame, yr)
    assert list(model.feature_names_in_) == list(model[0].feature_names_in_) == list(frame.columns)
    assert np.array_equal(pickle.loads(pickle.dumps(model)).predict(frame), model.predict(frame))
    again = clone(model)
    with pytest.raises(NotFittedError):
        again.predict(frame)
    assert not np.array_equal(again.fit(frame, yr).predict(frame), model.predict(frame))  # the generator has moved on


def test_bad_input():
    with pytest.raises(TypeError, match="must be an MLPClassifier"):
        MLPEnsembleClassifier(REGRESSOR).fit(X, y)
    with pytest.raises(ValueError, match="'estimator' parameter"):
        MLPEnsembleClassifier(3).fit(X, y)
    with pytest.raises(ValueError, match="'n_estimators' parameter"):
        MLPEnsembleClassifier(CLASSIFIER, 0).fit(X, y)
    with pytest.raises(ValueError, match="without bootstrap every member sees all rows"):
        MLPEnsembleClassifier(CLASSIFIER, bootstrap=False, oob_score=True).fit(X, y)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        MLPEnsembleClassifier(CLASSIFIER).fit(X, y[1:])
    assert not hasattr(MLPEnsembleClassifier(), "classes_")
