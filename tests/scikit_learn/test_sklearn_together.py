"""Estimators whose short epochs are trained together: the attributes of one epoch at a time."""

import numpy as np
import pytest

pytest.importorskip("sklearn")

from pieces_of_epochs import at_most, pieces  # noqa: F401
from sklearn.base import clone

import fastbp
from fastbp.sklearn import MLPClassifier, MLPRegressor, MLPSearchCV
from fastbp.sklearn.members import EstimatorMember

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:overflow"),
    pytest.mark.filterwarnings("ignore:invalid value"),
]
RNG = np.random.default_rng(0)
X = RNG.uniform(-1, 1, (53, 4))
Y, COUNTS = X[:, 0] + X[:, 1] ** 2, RNG.poisson(2, 53)
LABELS = (Y > 0.3).astype(int)
WEIGHT = RNG.uniform(0.5, 2, 53)


def both(estimator, y, **given):
    """The estimator, and a copy of it, fitted with epochs together and one at a time."""
    one, other = clone(estimator), clone(estimator)
    one.fit(X, y, **given)
    with at_most(0):
        other.fit(X, y, **given)
    return one, other


def check_the_same(one, other):
    for a, b in zip([*one.coefs_, *one.intercepts_], [*other.coefs_, *other.intercepts_], strict=True):
        assert a.tobytes() == b.tobytes()
    names = "loss_curve_", "n_iter_", "t_", "loss_", "best_loss_", "_no_improvement_count"
    assert repr([getattr(one, name) for name in names]) == repr([getattr(other, name) for name in names])
    assert str(one._random_state.get_state()) == str(other._random_state.get_state())


@pytest.mark.parametrize(
    "estimator, y, given",
    [
        (MLPClassifier(hidden_layer_sizes=(7,), max_iter=30), LABELS, {}),
        (
            MLPClassifier(hidden_layer_sizes=(7,), max_iter=30, batch_size=8, dropout=0.3),
            LABELS,
            {"sample_weight": WEIGHT},
        ),
        (MLPRegressor(hidden_layer_sizes=(7,), max_iter=30, batch_size=8, shuffle=False), Y, {}),
        (MLPRegressor(hidden_layer_sizes=(7,), max_iter=30, batch_size=8, loss="poisson"), COUNTS, {}),
    ],
    ids=["classes", "dropout and weights", "not shuffled", "counts"],
)
def test_the_attributes_of_one_at_a_time(estimator, y, given, pieces):  # noqa: F811
    one, other = both(estimator.set_params(random_state=0), y, **given)
    together = pieces[: len(pieces) - 30]
    assert sum(together) == 30 and together[0] == 11  # it cannot stop before
    check_the_same(one, other)


@pytest.mark.parametrize("solver", [{}, {"solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 0.5}])
@pytest.mark.parametrize("n_iter_no_change", [1, 3, 10, np.inf])
def test_it_stops_in_the_same_epoch(solver, n_iter_no_change, pieces):  # noqa: F811
    stopping = {"tol": 1e-2, "n_iter_no_change": n_iter_no_change, "max_iter": 60, "random_state": 0}
    one, other = both(MLPRegressor(hidden_layer_sizes=(7,), batch_size=8, **stopping, **solver), Y)
    assert max(pieces) == min(n_iter_no_change + 1, 60)
    assert n_iter_no_change == np.inf or solver or one.n_iter_ < 60
    check_the_same(one, other)


@pytest.mark.parametrize("activation, alpha, n_epochs", [("identity", 8.0, 3), ("identity", 0.0, 2), ("relu", 20.0, 3)])
def test_it_diverges_in_the_same_epoch(activation, alpha, n_epochs, pieces):  # noqa: F811
    """After a cost that is not finite, with weights that are, it goes on with the orders that were drawn."""
    solver = {"solver": "sgd", "learning_rate_init": 0.9, "momentum": 0.0, "alpha": alpha, "batch_size": 8}
    fitted = []
    for samples in (10**6, 0):
        estimator = MLPRegressor(hidden_layer_sizes=(7,), activation=activation, random_state=3, **solver)
        with at_most(samples), pytest.raises(ValueError, match="non-finite"):
            estimator.fit(X, Y)
        fitted.append(estimator)
    assert pieces[0] == 11 and fitted[0].n_iter_ == n_epochs and not np.isfinite(fitted[0].loss_)
    names = "loss_curve_", "n_iter_", "t_"
    one, other = (repr([getattr(estimator, name) for name in names]) for estimator in fitted)
    assert one == other


@pytest.mark.parametrize(
    "parameters",
    [
        {"early_stopping": True}, {"goal": 0.0}, {"random_state": np.random.RandomState(0)},
        {"schedule": fastbp.CosineDecay(9)}, {"callbacks": [fastbp.Callback()]},
        {"solver": "sgd", "learning_rate": "invscaling"}, {"loss": "poisson"},
    ],
    ids=lambda parameters: next(iter(parameters)),
)  # fmt: skip
def test_one_at_a_time_where_somebody_looks(parameters, pieces):  # noqa: F811
    estimator = MLPRegressor(hidden_layer_sizes=(7,), max_iter=9, **{"random_state": 0, **parameters})
    given = {"sample_weight": WEIGHT} if "loss" in parameters else {}
    estimator.fit(X, COUNTS, **given)
    estimator.set_params(early_stopping=False).partial_fit(X, COUNTS)
    assert set(pieces) == {1} and len(pieces) > 5


def test_a_search_halves_after_the_same_epochs(monkeypatch, pieces):  # noqa: F811
    stops, original = set(), EstimatorMember.go_on

    def noting(self, answer):
        before = self.piece
        original(self, answer)
        if before is not None:
            stops.add(self.epochs_done)

    monkeypatch.setattr(EstimatorMember, "go_on", noting)
    space, halving = {"alpha": [0.0, 1e-3, 1e-2, 1e-1]}, fastbp.Halving(factor=2, every=4)
    search = MLPSearchCV(
        MLPClassifier(hidden_layer_sizes=(7,), max_iter=10, random_state=0), space, cv=2, halving=halving, refit=False
    )
    one, other = clone(search).fit(X, LABELS), clone(search)
    assert stops == {4, 8, 10} and max(pieces) == 4
    with at_most(0):
        other.fit(X, LABELS)
    for name in ("mean_test_score", "n_epochs", "n_halvings"):
        np.testing.assert_array_equal(one.cv_results_[name], other.cv_results_[name])
