"""`fastbp.sklearn` against scikit-learn's MLP: the same weights, losses, scores, epochs, warnings and errors."""

import re
import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn", minversion="1.7", reason="scikit-learn 1.7 or newer is not installed")

from scipy import sparse
from sklearn import neural_network
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_iris,
    load_linnerud,
    load_wine,
    make_classification,
    make_multilabel_classification,
    make_regression,
)
from sklearn.exceptions import ConvergenceWarning, NotFittedError

import fastbp
import fastbp.sklearn

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
PAIRS = {
    "MLPClassifier": (neural_network.MLPClassifier, fastbp.sklearn.MLPClassifier),
    "MLPRegressor": (neural_network.MLPRegressor, fastbp.sklearn.MLPRegressor),
}
SOLVERS = {
    "adam": {},
    "sgd": {"solver": "sgd", "learning_rate_init": 0.01},
    "plain sgd": {"solver": "sgd", "learning_rate_init": 0.01, "momentum": 0.0},
    "momentum": {"solver": "sgd", "nesterovs_momentum": False, "momentum": 0.5},
    "invscaling": {"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.1, "power_t": 0.3},
    "adaptive": {"solver": "sgd", "learning_rate": "adaptive", "n_iter_no_change": 2, "tol": 0.05},
}


def scaled(X):
    return (X - X.mean(axis=0)) / np.maximum(X.std(axis=0), 1e-9)


def data_sets():
    """Ten random data sets, and those that scikit-learn bundles."""
    for seed in range(5):
        classes = 2 + seed % 3
        X, y = make_classification(150 + 37 * seed, 6 + seed, n_informative=4, n_classes=classes, random_state=seed)
        yield f"classes {seed}", "MLPClassifier", X, y
        X, y = make_regression(150 + 37 * seed, 6 + seed, n_informative=5, noise=1.0, random_state=seed)
        yield f"numbers {seed}", "MLPRegressor", X, y / y.std()
    for load in (load_iris, load_wine, load_breast_cancer, load_digits):
        X, y = load(return_X_y=True)
        yield load.__name__, "MLPClassifier", scaled(X)[:600], y[:600]
    for load in (load_diabetes, load_linnerud):
        X, y = load(return_X_y=True)
        yield load.__name__, "MLPRegressor", scaled(X), scaled(y)


DATA = {name: rest for name, *rest in data_sets()}


def fit_both(name, X, y, weight=None, **parameters):
    given = {"max_iter": 20, "random_state": 7} | parameters
    theirs, ours = (cls(**given).fit(X, y, weight) for cls in PAIRS[name])
    return theirs, ours


def assert_same(theirs, ours, tolerance=1e-6):
    for name in ("coefs_", "intercepts_"):
        for given, wanted in zip(getattr(ours, name), getattr(theirs, name), strict=True):
            assert given.shape == wanted.shape and given.dtype == wanted.dtype
            assert np.abs(given - wanted).max() <= tolerance * max(np.abs(wanted).max(), 1e-3)
    for name in ("n_iter_", "t_", "n_layers_", "n_outputs_", "out_activation_", "n_features_in_"):
        assert getattr(ours, name) == getattr(theirs, name), name
    if hasattr(theirs, "classes_"):
        assert np.array_equal(ours.classes_, theirs.classes_)
    if ours.n_outputs_ == 1 or hasattr(theirs, "classes_"):  # otherwise scikit-learn gives the mean over the outputs
        for name in ("loss_", "loss_curve_", "best_loss_"):
            wanted = getattr(theirs, name, None)
            assert getattr(ours, name, None) is None if wanted is None else True
            if wanted is not None:
                np.testing.assert_allclose(getattr(ours, name), wanted, rtol=tolerance)
    for name in ("validation_scores_", "best_validation_score_"):
        wanted = getattr(theirs, name, None)
        assert (getattr(ours, name, None) is None) == (wanted is None), name
        if wanted is not None:
            np.testing.assert_allclose(getattr(ours, name), wanted, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("solver", SOLVERS)
def test_weights_after_20_epochs(solver):
    for kind, X, y in DATA.values():
        if solver != "adaptive" or np.ndim(y) == 1:  # scikit-learn has another loss for several outputs
            assert_same(*fit_both(kind, X, y, **SOLVERS[solver]))


@pytest.mark.parametrize(
    "parameters",
    [
        {"activation": "tanh", "hidden_layer_sizes": (7, 5), "batch_size": 13},
        {"activation": "logistic", "alpha": 2.0, "shuffle": False},
        {"activation": "identity", "hidden_layer_sizes": 3, "beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3},
        {"hidden_layer_sizes": (), "alpha": 0.0},
        {"solver": "sgd", "momentum": 1.0, "learning_rate_init": 1e-3},
        {"solver": "sgd", "momentum": 0.0, "batch_size": 1, "max_iter": 3, "alpha": 0.5},
        {"early_stopping": True, "n_iter_no_change": 3, "max_iter": 40, "learning_rate_init": 0.02},
        {"tol": 0.02, "n_iter_no_change": 2, "max_iter": 60},
    ],
)
def test_parameters(parameters):
    for name in ("classes 0", "classes 1", "numbers 2"):
        kind, X, y = DATA[name]
        assert_same(*fit_both(kind, X, y, **parameters))


def test_sample_weights():
    weight = np.random.RandomState(0).rand(2000) ** 2
    weight[::7] = 0
    for parameters in ({}, SOLVERS["sgd"], {"early_stopping": True}, {"solver": "lbfgs"}):
        for name in ("classes 1", "classes 3", "numbers 0"):
            kind, X, y = DATA[name]
            assert_same(*fit_both(kind, X, y, weight[: len(y)], **{"alpha": 0.3} | parameters))
    kind, X, y = DATA["load_breast_cancer"]
    assert_same(*fit_both(kind, X, y, weight[: len(y)], hidden_layer_sizes=(9,), batch_size=len(y)))


def test_the_loss_of_poisson_is_the_deviance():
    kind, X, y = DATA["numbers 1"]
    counts = np.floor(np.exp(np.abs(y)))
    weight = np.random.RandomState(0).rand(len(y))
    for given in (None, weight):
        theirs, ours = fit_both(kind, X, counts, given, loss="poisson", batch_size=50)
        assert_same(theirs, ours)
    assert ours.out_activation_ == "exp"


def test_float32_and_sparse_and_several_labels():
    kind, X, y = DATA["classes 2"]
    theirs, ours = fit_both(kind, X.astype(np.float32), y, hidden_layer_sizes=(5,))
    assert ours.coefs_[0].dtype == np.float32
    assert_same(theirs, ours, tolerance=2e-4)
    assert ours.predict_proba(X.astype(np.float32)).dtype == np.float32
    assert ours.predict_proba(X).dtype == theirs.predict_proba(X).dtype == np.float64
    for form in (sparse.csr_matrix, sparse.csc_array):
        few = np.where(np.abs(X) > 1, X, 0)
        theirs, ours = fit_both(kind, form(few), y)
        assert_same(theirs, ours)
        np.testing.assert_allclose(ours.predict_proba(form(few)), theirs.predict_proba(few), rtol=1e-9)
    X, Y = make_multilabel_classification(200, 8, n_classes=4, random_state=0)
    for parameters in ({}, {"early_stopping": True}, {"solver": "lbfgs"}):
        theirs, ours = fit_both("MLPClassifier", X, Y, **parameters)
        assert_same(theirs, ours)
        assert np.array_equal(ours.predict(X), theirs.predict(X))
    theirs, ours = fit_both("MLPClassifier", X, sparse.csr_matrix(Y))
    assert sparse.issparse(ours.predict(X)) and (ours.predict(X) != theirs.predict(X)).nnz == 0


def test_a_large_sparse_matrix_is_unpacked_in_pieces(monkeypatch):
    from fastbp.sklearn import data

    kind, X, y = DATA["classes 4"]
    few, weight = sparse.csr_matrix(np.where(np.abs(X) > 1, X, 0)), np.random.RandomState(0).rand(len(y))
    for parameters in ({"batch_size": 20}, {"solver": "lbfgs"}, {"batch_size": 20, "early_stopping": True}):
        ours = PAIRS[kind][1](max_iter=5, random_state=0, **parameters)
        whole = [array.copy() for array in ours.fit(few, y, weight).coefs_]
        with monkeypatch.context() as patch:
            patch.setattr(data, "DENSE_BYTES", 4 * 60 * 8 * X.shape[1])
            in_pieces = ours.fit(few, y, weight)
        for given, wanted in zip(in_pieces.coefs_, whole, strict=True):
            np.testing.assert_allclose(given, wanted, rtol=1e-9, atol=1e-12)
        with monkeypatch.context() as patch:
            before = ours.predict_proba(few)
            patch.setattr(data, "DENSE_BYTES", 50 * 8 * X.shape[1])
            np.testing.assert_allclose(ours.predict_proba(few), before, rtol=1e-12)


def test_lbfgs_goes_the_same_way():
    for name in ("classes 0", "classes 1", "numbers 3"):
        kind, X, y = DATA[name]
        theirs, ours = fit_both(kind, X, y, solver="lbfgs", max_iter=30, alpha=0.1)
        assert_same(theirs, ours)
        assert not hasattr(ours, "loss_curve_")
    theirs, ours = fit_both(kind, X.astype(np.float32), y, solver="lbfgs", max_iter=5)
    assert_same(theirs, ours)


def test_the_loss_of_several_outputs_is_the_one_that_the_gradient_belongs_to():
    """In scikit-learn (issue 8349) the loss is the mean over the outputs, but the gradient is that of the sum."""
    kind, X, y = DATA["load_linnerud"]
    theirs, ours = fit_both(kind, X, y, alpha=0.0, max_iter=1)
    assert ours.loss_ == pytest.approx(3 * theirs.loss_)
    theirs, ours = fit_both(kind, X, y, solver="lbfgs", max_iter=500, alpha=0.01, hidden_layer_sizes=(3,))
    cost = [0.5 * ((m.predict(X) - y) ** 2).sum() + 0.005 * sum((w**2).sum() for w in m.coefs_) for m in (ours, theirs)]
    assert ours.loss_ * len(y) == pytest.approx(cost[0])
    assert cost[0] < cost[1]


def test_partial_fit_and_warm_start_go_on():
    kind, X, y = DATA["classes 1"]
    for parameters in ({}, SOLVERS["invscaling"]):
        both = [cls(random_state=3, max_iter=4, **parameters) for cls in PAIRS[kind]]
        for start in (0, 50, 90, 0):
            for model in both:
                model.partial_fit(X[start : start + 60], y[start : start + 60], classes=np.unique(y))
            assert_same(*both)
        for model in both:
            model.fit(X, y).partial_fit(X, y)
        assert_same(*both)
        for model in both:
            model.set_params(warm_start=True).fit(X, y).fit(X, y, np.ones(len(y)))
        assert_same(*both)
    kind, X, y = DATA["numbers 1"]
    both = [cls(random_state=3).partial_fit(X[:50], y[:50]).partial_fit(X[50:], y[50:]) for cls in PAIRS[kind]]
    assert_same(*both)


def test_verbose_prints_the_same(capsys):
    kind, X, y = DATA["classes 0"]
    for parameters in ({"early_stopping": True}, {}, {"solver": "sgd", "learning_rate": "adaptive"}):
        said = []
        for cls in PAIRS[kind]:
            cls(verbose=True, random_state=0, max_iter=30, tol=0.5, n_iter_no_change=2, **parameters).fit(X, y)
            said.append(capsys.readouterr().out)
        assert said[0] == said[1] and said[0].count("\n") > 3


def outcome(function):
    """The error of a call, or its warnings: types and messages."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            function()
        except Exception as error:
            choices = re.compile(r"\{.*?\}")  # the elements of a set come in any order
            return type(error), choices.sub(lambda found: "".join(sorted(found[0])), str(error))
    return sorted((w.category.__name__, str(w.message)) for w in caught if w.category is not RuntimeWarning)


X, y = DATA["classes 1"][1:]
NAN = np.where(np.arange(X.size).reshape(X.shape) == 5, np.nan, X)
MISTAKES = {
    "not fitted": lambda cls: cls().predict(X),
    "one dimension": lambda cls: cls().fit(X[0], y),
    "NaN": lambda cls: cls().fit(NAN, y),
    "text": lambda cls: cls().fit([["a", "b"]] * 4, [0, 1, 0, 1]),
    "complex": lambda cls: cls().fit(X * 1j, y),
    "lengths": lambda cls: cls().fit(X, y[:-1]),
    "no samples": lambda cls: cls().fit(X[:0], y[:0]),
    "no layer": lambda cls: cls(hidden_layer_sizes=(5, 0)).fit(X, y),
    "negative": lambda cls: cls(hidden_layer_sizes=-1).fit(X, y),
    "solver": lambda cls: cls(solver="newton").fit(X, y),
    "alpha": lambda cls: cls(alpha=-1.0).fit(X, y),
    "momentum": lambda cls: cls(momentum=2).fit(X, y),
    "batch": lambda cls: cls(batch_size=0).fit(X, y),
    "shuffle": lambda cls: cls(shuffle="yes").fit(X, y),
    "features": lambda cls: cls(max_iter=1).fit(X, y).predict(X[:, 1:]),
    "NaN in predict": lambda cls: cls(max_iter=1).fit(X, y).predict(NAN),
    "vector in predict": lambda cls: cls(max_iter=1).fit(X, y).predict(X[0]),
    "weights": lambda cls: cls().fit(X, y, np.ones(3)),
    "clipped batch": lambda cls: cls(max_iter=1, batch_size=10_000).fit(X, y),
    "early in parts": lambda cls: cls(early_stopping=True).partial_fit(X, y, **classes(cls)),
    "too few to hold out": lambda cls: cls(early_stopping=True, validation_fraction=0.001).fit(X, y),
    "converging": lambda cls: cls(max_iter=2).fit(X, y),
    "converging lbfgs": lambda cls: cls(solver="lbfgs", max_iter=2, random_state=0).fit(X, y),
    "a column": lambda cls: cls(max_iter=1).fit(X, y[:, None]),
    "warm start": lambda cls: cls(max_iter=1, warm_start=True).fit(X, y).fit(X[:, 1:], y),
    "diverging": lambda cls: cls(solver="sgd", learning_rate_init=1e30, max_iter=3, activation="identity").fit(X, y),
}
OF_CLASSES = {
    "lbfgs in parts": lambda cls: cls(solver="lbfgs").partial_fit(X, y, classes=[0, 1, 2]),
    "continuous": lambda cls: cls().fit(X, y + 0.5),
    "no classes": lambda cls: cls().partial_fit(X, y),
    "new class": lambda cls: cls().partial_fit(X, y, classes=[0, 1, 2]).partial_fit(X, y + 5),
    "warm start with others": lambda cls: cls(max_iter=1, warm_start=True).fit(X, y).fit(X, y + 1),
    "several outputs of several classes": lambda cls: cls().fit(X, np.column_stack([y, y])),
}


def classes(cls):
    return {"classes": np.unique(y)} if "Classifier" in cls.__name__ else {}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", PAIRS)
def test_mistakes_are_answered_alike(name):
    for mistake, make in (MISTAKES | (OF_CLASSES if name == "MLPClassifier" else {})).items():
        theirs, ours = (outcome(lambda cls=cls, make=make: make(cls)) for cls in PAIRS[name])
        assert theirs, mistake
        assert ours == theirs, mistake


def test_a_mistake_changes_nothing():
    model = fastbp.sklearn.MLPClassifier(max_iter=2, random_state=0, warm_start=True).fit(X, y)
    before = [array.copy() for array in (*model.coefs_, *model.intercepts_)]
    for make in (
        lambda: model.fit(NAN, y),
        lambda: model.fit(X, y, -np.ones(len(y))),
        lambda: model.fit(X, y, np.zeros(len(y))),
        lambda: model.fit(X, y, X_val=X),
        lambda: model.set_params(hidden_layer_sizes=(3,)).fit(X, y),
    ):
        with pytest.raises(ValueError):
            make()
    assert all(np.array_equal(a, b) for a, b in zip(before, (*model.coefs_, *model.intercepts_), strict=True))
    with pytest.raises(ValueError, match="out of the valid range"):
        fastbp.sklearn.MLPRegressor(loss="poisson").fit(X, y - 10.0)
    with pytest.raises(NotFittedError):
        fastbp.sklearn.MLPRegressor().predict(X)


def test_ctrl_c_keeps_what_was_learned():
    class Interrupt(fastbp.Callback):
        def on_epoch_end(self, run):
            if run.epoch == 3:
                raise KeyboardInterrupt

    model = fastbp.sklearn.MLPClassifier(random_state=0, callbacks=[Interrupt()])
    with pytest.warns(UserWarning, match="Training interrupted by user"):
        model.fit(X, y)
    assert model.n_iter_ == 3
    with pytest.warns(ConvergenceWarning):
        wanted = neural_network.MLPClassifier(random_state=0, max_iter=3).fit(X, y)
    assert_same(wanted, model)
