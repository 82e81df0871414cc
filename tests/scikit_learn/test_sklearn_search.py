"""`MLPSearchCV` finds what scikit-learn's searches find, with the same bits; halvings, pipelines, errors."""

import os
import pickle
import signal
import threading
import time
import warnings
from functools import cache

import numpy as np
import pytest

pytest.importorskip("sklearn", minversion="1.6", reason="scikit-learn 1.6 or newer is not installed")

import sklearn
from scipy import sparse, stats
from sklearn import neural_network
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold, RandomizedSearchCV, ShuffleSplit
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

import fastbp
from fastbp.population import training
from fastbp.sklearn import MLPClassifier, MLPRegressor, MLPSearchCV, candidates

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X, y = (array[:240] for array in load_digits(return_X_y=True))
X = X / 16
MODEL = MLPClassifier((8,), max_iter=6, learning_rate_init=0.01, batch_size=32, random_state=0)
SPACE = {"learning_rate_init": [0.003, 0.03], "hidden_layer_sizes": [(8,), (5, 4)]}
FOLDS = KFold(3, shuffle=True, random_state=0)


@pytest.fixture(autouse=True, params=[1, 2])
def n_threads(request):
    """Use so many threads."""
    with fastbp.threads(request.param):
        yield request.param


def check_as_scikit_learn(ours, theirs, X=X, y=y, **params):
    """Both find the same, bit for bit."""
    ours.fit(X, y, **params)
    theirs.fit(X, y, **params)
    assert set(ours.cv_results_) - {"n_epochs"} == set(theirs.cv_results_)
    for name, values in theirs.cv_results_.items():
        if "_time" not in name:
            assert list(ours.cv_results_[name]) == list(values), name  # where a parameter is not given, both are masked
    for name in ("best_index_", "best_score_", "best_params_", "n_splits_", "multimetric_"):
        if hasattr(theirs, name):
            assert getattr(ours, name) == getattr(theirs, name)
    if theirs.refit:
        assert np.array_equal(ours.predict(X), theirs.predict(X)) and ours.score(X, y) == theirs.score(X, y)
        assert ours.refit_time_ > 0 and np.array_equal(ours.classes_, theirs.classes_)
    return ours


@pytest.mark.parametrize("options", [
    {"return_train_score": True}, {"scoring": "neg_log_loss", "refit": False},
    {"scoring": ["accuracy", "neg_log_loss"], "refit": "neg_log_loss"},
    {"scoring": lambda model, X, y: {"right": model.score(X, y), "n": len(X)}, "refit": "right"},
    {"refit": lambda results: int(results["mean_test_score"].argmin())},
], ids=["default", "one_scorer", "several", "callable", "callable_refit"])  # fmt: skip
def test_a_grid_and_its_scorers(options):
    check_as_scikit_learn(
        MLPSearchCV(MODEL, SPACE, cv=FOLDS, **options), GridSearchCV(MODEL, SPACE, cv=FOLDS, **options)
    )


@pytest.mark.parametrize("options", [
    {"early_stopping": True, "n_iter_no_change": 2, "max_iter": 12}, {"solver": "lbfgs"}, {"dropout": 0.2},
    {"optimizer": fastbp.Rprop(), "batch_size": "auto"}, {"full_batch": True, "optimizer": fastbp.LBFGS()},
    {"class_weight": "balanced", "alpha": 1.0},
    {"schedule": fastbp.ReduceOnPlateau(patience=0, threshold=0.5)}, {"random_state": np.random.RandomState(3)},
], ids=lambda options: next(iter(options)))  # fmt: skip
def test_other_estimators(options):
    model = clone(MODEL).set_params(**{name: value for name, value in options.items() if name != "full_batch"})
    space = {"hidden_layer_sizes": [(8,), (5, 4)]}
    check_as_scikit_learn(MLPSearchCV(model, space, cv=FOLDS), GridSearchCV(model, space, cv=FOLDS))


def test_weights_of_samples_and_lists_of_grids():
    spaces = [{"alpha": [0.1, 1.0]}, {"activation": ["tanh"], "solver": ["sgd", "adam"]}]
    weight = np.random.default_rng(0).random(len(X))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours, theirs = MLPSearchCV(MODEL, spaces, cv=FOLDS), GridSearchCV(MODEL, spaces, cv=FOLDS)
        check_as_scikit_learn(ours, theirs, sample_weight=weight)


def test_numbers_and_sparse_matrices():
    model, space = MLPRegressor(hidden_layer_sizes=(6,), max_iter=5, random_state=0), {"alpha": [1e-4, 1.0]}
    ours, theirs = MLPSearchCV(model, space, cv=2).fit(X, y), GridSearchCV(model, space, cv=2).fit(X, y)
    assert np.array_equal(ours.cv_results_["mean_test_score"], theirs.cv_results_["mean_test_score"])
    check_as_scikit_learn(MLPSearchCV(MODEL, SPACE, cv=2), GridSearchCV(MODEL, SPACE, cv=2), sparse.csr_matrix(X))


def test_candidates_that_are_drawn():
    space = {"learning_rate_init": stats.loguniform(1e-3, 1e-1), "activation": ["tanh", "relu"]}
    ours = MLPSearchCV(MODEL, space, search="random", n_candidates=4, cv=FOLDS, random_state=1)
    check_as_scikit_learn(ours, RandomizedSearchCV(MODEL, space, n_iter=4, cv=FOLDS, random_state=1))


@pytest.fixture(scope="module")
def of_scikit_learns_own_mlp():
    return GridSearchCV(neural_network.MLPClassifier(**OWN), OWN_SPACE, cv=FOLDS).fit(X, y)


OWN = {"max_iter": 40, "random_state": 0, "batch_size": 32, "tol": 0}
OWN_SPACE = {"learning_rate_init": [1e-4, 0.02], "hidden_layer_sizes": [(3,), (16,)]}


def test_the_winner_is_that_of_scikit_learns_own_mlp(of_scikit_learns_own_mlp):
    theirs = of_scikit_learns_own_mlp
    ours = MLPSearchCV(MLPClassifier(**OWN), OWN_SPACE, cv=FOLDS).fit(X, y)
    assert ours.best_params_ == theirs.best_params_
    for name in ("split0_test_score", "split1_test_score", "split2_test_score"):
        assert np.abs(ours.cv_results_[name] - theirs.cv_results_[name]).max() <= 1 / 80 + 1e-12  # one sample


class Counts(TransformerMixin, BaseEstimator):
    """Multiplies, and counts its fits."""

    fits = 0

    def __init__(self, factor=1.0):
        self.factor = factor

    def fit(self, X, y=None, **params):
        Counts.fits += 1
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        return self.factor * X


def test_a_pipeline_fits_each_setting_of_its_transformers_once_a_fold():
    pipeline = Pipeline([("scale", StandardScaler()), ("times", Counts()), ("mlp", MODEL)])
    space = [
        {"times__factor": [1.0, 0.5], "mlp__alpha": [1e-4, 1.0], "scale": ["passthrough"]},
        {"scale__with_std": [False], "mlp": [clone(MODEL).set_params(activation="tanh")], "mlp__alpha": [0.1, 0.2]},
    ]
    Counts.fits = 0
    search = MLPSearchCV(pipeline, space, cv=FOLDS).fit(X, y)
    assert Counts.fits == 3 * 3 + 1  # and the best one on all rows
    check_as_scikit_learn(search, GridSearchCV(pipeline, space, cv=FOLDS))


def test_parameters_of_fit_of_a_pipeline_and_metadata_routing():
    weight, space = np.linspace(0, 1, len(X)), {"mlpclassifier__alpha": [1e-4, 1.0]}
    pipeline = make_pipeline(StandardScaler(), MODEL)
    ours, theirs = MLPSearchCV(pipeline, space, cv=2), GridSearchCV(pipeline, space, cv=2)
    check_as_scikit_learn(ours, theirs, mlpclassifier__sample_weight=weight, standardscaler__sample_weight=weight)
    with sklearn.config_context(enable_metadata_routing=True):
        asks = StandardScaler().set_fit_request(sample_weight=False), clone(MODEL).set_fit_request(sample_weight=True)
        pipeline = make_pipeline(*asks)
        scorer = sklearn.metrics.make_scorer(sklearn.metrics.accuracy_score).set_score_request(sample_weight=False)
        ours, theirs = (kind(pipeline, space, cv=2, scoring=scorer) for kind in (MLPSearchCV, GridSearchCV))
        check_as_scikit_learn(ours, theirs, sample_weight=weight)


def test_data_frames_keep_their_names():
    pd = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = pd.DataFrame(X, columns=[f"x{i}" for i in range(X.shape[1])])
    search = check_as_scikit_learn(MLPSearchCV(MODEL, SPACE, cv=2), GridSearchCV(MODEL, SPACE, cv=2), frame)
    assert list(search.feature_names_in_) == list(frame.columns)


def test_the_rows_of_a_fold_are_copied_once_for_all_candidates(monkeypatch):
    """Also if X has another dtype, and lbfgs needs it in float64."""
    seen = []
    original = MLPClassifier._epochs

    def watched(self, net, data, extra, incremental):
        seen.append((data.samples.X.dtype, data.samples.X.ctypes.data, data.samples.Y.ctypes.data))
        return original(self, net, data, extra, incremental)

    monkeypatch.setattr(MLPClassifier, "_epochs", watched)
    space = {"solver": ["adam", "lbfgs"], "alpha": [1e-4, 1e-2]}
    MLPSearchCV(clone(MODEL).set_params(max_iter=2), space, cv=2, refit=False).fit(X.astype(np.float32, order="F"), y)
    assert len(seen) == 8 and len(set(seen)) == 2 * 2


@cache
def alone(model, learning_rate_init, activation, n_epochs, fold):
    """The score of a candidate on a fold after so many epochs."""
    rows, others = list(FOLDS.split(X, y))[fold]
    model = clone(model).set_params(learning_rate_init=learning_rate_init, activation=activation, max_iter=n_epochs)
    return model.fit(X[rows], y[rows]).score(X[others], y[others])


PLAIN = clone(MODEL).set_params(max_iter=12, tol=0)
STOPS = clone(PLAIN).set_params(early_stopping=True, n_iter_no_change=3)


@pytest.mark.parametrize("model", [PLAIN, STOPS], ids=["plain", "early_stopping"])
def test_a_halving_lets_the_best_go_on_with_the_bits_of_an_uninterrupted_fit(model):
    space = {"learning_rate_init": [1e-4, 1e-3, 0.003, 0.01, 0.03], "activation": ["relu", "tanh"]}
    halving = fastbp.Halving(factor=3, every=4)
    search = MLPSearchCV(model, space, cv=FOLDS, halving=halving, return_train_score=True).fit(X, y)
    results = search.cv_results_
    assert sorted(results["n_halvings"]) == [0] * 6 + [1] * 2 + [2] * 2
    after_4 = [np.mean([alone(model, **given, n_epochs=4, fold=k) for k in range(3)]) for given in results["params"]]
    survivors = set(np.argsort(np.negative(after_4), kind="stable")[:4].tolist())
    assert survivors == set(np.flatnonzero(results["n_halvings"]).tolist())
    for i, given in enumerate(results["params"]):
        n_epochs = (4, 8, 12)[results["n_halvings"][i]]
        assert results["n_epochs"][i] == n_epochs or model is STOPS
        for k in range(3):
            assert results[f"split{k}_test_score"][i] == alone(model, **given, n_epochs=n_epochs, fold=k)
    last = np.flatnonzero(results["n_halvings"] == 2)
    assert search.best_index_ == last[results["mean_test_score"][last].argmax()]
    assert search.best_estimator_.n_iter_ <= 12 and search.best_params_ == results["params"][search.best_index_]


def test_the_best_is_one_of_the_survivors():
    """Also if others had better scores when they were stopped."""
    space = {"learning_rate_init": [0.02, 0.03, 0.01]}
    search = MLPSearchCV(
        MODEL,
        space,
        cv=2,
        halving=fastbp.Halving(3, 2),
        scoring=lambda model, X, y: model.learning_rate_init - model.n_iter_,
    ).fit(X, y)
    assert search.cv_results_["mean_test_score"].tolist() == pytest.approx([-1.98, -5.97, -1.99])
    assert search.best_index_ == 1 and search.best_score_ == pytest.approx(-5.97)


def test_a_candidate_whose_training_has_ended_takes_part_in_halvings():
    space = [
        {"max_iter": [2], "learning_rate_init": [0.03, 1e-5]},
        {"max_iter": [12], "learning_rate_init": [1e-6, 1e-7]},
    ]
    search = MLPSearchCV(MODEL, space, cv=2, halving=fastbp.Halving(factor=2, every=4)).fit(X, y)
    n_halvings, n_epochs = search.cv_results_["n_halvings"], search.cv_results_["n_epochs"]
    assert search.best_index_ == 0 and n_halvings[0] == n_halvings.max() >= 1
    assert n_epochs.tolist()[:2] == [2, 2] and n_epochs.min(initial=12, where=n_halvings == 0) <= 4


def test_candidates_beyond_the_room_begin_when_others_have_ended(monkeypatch):
    monkeypatch.setattr(training, "ROOM", 1)
    active, original = [], training.Training._go_on

    def counting(self, member, answer):
        active.append(self._active)
        original(self, member, answer)

    monkeypatch.setattr(training.Training, "_go_on", counting)
    check_as_scikit_learn(MLPSearchCV(MODEL, SPACE, cv=FOLDS), GridSearchCV(MODEL, SPACE, cv=FOLDS))
    assert max(active) == 1
    halved = MLPSearchCV(MODEL, SPACE, cv=2, halving=fastbp.Halving(2, 3)).fit(X, y)
    assert sorted(halved.cv_results_["n_epochs"]) == [3, 3, 6, 6]


def test_fits_that_fail_get_the_score_of_an_error():
    space = {"alpha": [1e-4, 1.0], "dropout": [None, [0.1, 0.2]]}
    with pytest.warns(FitFailedWarning, match=r"6 fits failed out of a total of 12") as told:
        search = MLPSearchCV(MODEL, space, cv=FOLDS, error_score=-1.0, return_train_score=True).fit(X, y)
    assert any("dropout lists 2 layers" in str(w.message) for w in told)
    assert (search.cv_results_["mean_test_score"] == -1).tolist() == [False, True, False, True]
    with pytest.raises(ValueError, match="dropout lists 2 layers"):
        MLPSearchCV(MODEL, space, cv=FOLDS, error_score="raise").fit(X, y)
    with pytest.raises(ValueError, match="All the 3 fits failed"):
        MLPSearchCV(MODEL, {"dropout": [[0.1, 0.2]]}, cv=FOLDS).fit(X, y)


def test_a_halving_ranks_failed_fits_last():
    space = {"dropout": [None, [0.1, 0.2]]}
    with pytest.warns(FitFailedWarning), pytest.warns(UserWarning, match="non-finite"):
        search = MLPSearchCV(MODEL, space, cv=2, halving=fastbp.Halving(2, 2)).fit(X, y)
    assert search.best_index_ == 0 and search.cv_results_["n_halvings"].tolist() == [1, 0]


@pytest.mark.parametrize("wrong, error, words", [
    ({"estimator": LogisticRegression()}, TypeError, "MLPClassifier or MLPRegressor of fastbp.sklearn, or a Pipeline"),
    ({"estimator": make_pipeline(StandardScaler(), LogisticRegression()), "space": {}}, TypeError, "of fastbp.sklearn"),
    ({"space": {"alpha": stats.uniform()}}, TypeError, "needs to be a list"),
    ({"space": {"alhpa": [1]}}, ValueError, "Invalid parameter 'alhpa'"), ({"space": []}, ValueError, "0 candidates"),
    ({"space": 3}, ValueError, "'space' parameter"), ({"search": "bayes"}, ValueError, "'search' parameter"),
    ({"n_candidates": 0}, ValueError, "'n_candidates' parameter"), ({"halving": 3}, ValueError, "'halving' parameter"),
    ({"halving": fastbp.Halving(monitor="accuracy")}, ValueError, "leave monitor and mode out"),
    ({"halving": fastbp.Halving(), "scoring": ["accuracy"], "refit": False}, ValueError, "refit must name"),
    ({"scoring": ["accuracy", "r2"]}, ValueError, "refit"), ({"cv": ShuffleSplit(0)}, ValueError, "0 splits"),
])  # fmt: skip
def test_bad_input(wrong, error, words):
    search = MLPSearchCV(**{"estimator": MODEL, "space": {"alpha": [1.0]}, **wrong})
    with pytest.raises(error, match=words):
        search.fit(X, y)
    assert not hasattr(search, "cv_results_")


@pytest.mark.parametrize("name", ["wieght", "rows"])
def test_a_parameter_of_fit_that_there_is_not(name):
    with pytest.raises(TypeError, match=f"unexpected keyword argument '{name}'"):
        MLPSearchCV(MODEL, {}, cv=2, error_score="raise").fit(X, y, **{name: 1})


@pytest.mark.usefixtures("hears_ctrl_c")
@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="no SIGINT to the main thread on Windows")
def test_ctrl_c_ends_the_search():
    pressed = []

    class Interrupts(fastbp.Callback):  # of which each fold has a copy
        def on_epoch_end(self, run):
            if run.epoch == 3 and not pressed:
                pressed.append(True)
                threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGINT)).start()

    model = clone(MODEL).set_params(max_iter=10**6, tol=0, n_iter_no_change=10**6)
    search = MLPSearchCV(model, {"callbacks": [[Interrupts()], None]}, cv=2)
    with pytest.raises(KeyboardInterrupt):
        search.fit(X, y)
    assert not hasattr(search, "cv_results_")


def test_it_warns_of_fits_that_have_not_converged():
    with pytest.warns(ConvergenceWarning, match="Maximum iterations"):
        MLPSearchCV(MODEL, {"alpha": [1.0]}, cv=2, refit=False).fit(X, y)


def test_copies_and_pickles(capsys):
    search = MLPSearchCV(MODEL, {"alpha": [1.0]}, cv=2, verbose=1).fit(X, y)
    assert "2 folds for each of 1 candidates, totalling 2 fits" in capsys.readouterr().out
    assert clone(search).get_params()["space"] == {"alpha": [1.0]} and not hasattr(clone(search), "cv_results_")
    assert np.array_equal(pickle.loads(pickle.dumps(search)).predict(X), search.predict(X))


def test_times_are_shares_of_the_time_of_all():
    search = MLPSearchCV(MODEL, SPACE, cv=2, refit=False)
    members = []
    original = candidates.CandidateMember.__init__

    def noting(self, *arguments):
        members.append(self)
        original(self, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(candidates.CandidateMember, "__init__", noting)
        start = time.perf_counter()
        search.fit(X, y)
        of_all = time.perf_counter() - start
    assert sum(member.seconds for member in members) <= of_all
    assert np.allclose(2 * search.cv_results_["mean_fit_time"].sum(), sum(member.seconds for member in members))
    assert (search.cv_results_["mean_fit_time"] > 0).all() and (search.cv_results_["mean_score_time"] > 0).all()
