"""Error bars of `MLPRegressor`: gaussian_nll, several quantiles, Laplace; in a pipeline, a search, a pickle."""

import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn", minversion="1.6", reason="scikit-learn 1.6 or newer is not installed")

from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import fastbp
from fastbp.sklearn import MLPRegressor

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:the network is not at a minimum"),
]
RNG = np.random.default_rng(0)
X = RNG.uniform(-1, 1, (1200, 1))
NOISE = 5 + 20 * np.abs(X[:, 0])
Y = 1000 + 100 * np.sin(3 * X[:, 0]) + NOISE * RNG.standard_normal(len(X))
TRAIN, TEST = slice(0, 900), slice(900, None)


def regressor(**options):
    common = {"hidden_layer_sizes": (20,), "activation": "tanh", "learning_rate_init": 0.01, "batch_size": 50}
    return MLPRegressor(**{**common, "max_iter": 100, "random_state": 0, "tol": 0, **options})


@pytest.mark.parametrize("loss", ["gaussian_nll", fastbp.GaussianNLL(0.5)])
def test_gaussian_nll_gives_means_and_deviations_in_the_units_of_the_targets(loss):
    model = regressor(loss=loss).fit(X[TRAIN], Y[TRAIN])
    mean, deviation = model.predict(X[TEST], return_std=True)
    assert mean.shape == deviation.shape == (300,)
    assert (mean == model.predict(X[TEST])).all()
    assert np.abs(mean - 1000 - 100 * np.sin(3 * X[TEST, 0])).mean() < 6
    assert np.corrcoef(deviation, NOISE[TEST])[0, 1] > 0.9
    assert 0.85 < (np.abs(Y[TEST] - mean) < 1.645 * deviation).mean() < 0.95
    low, high = model.predict_quantiles(X[TEST], [0.05, 0.95]).T
    np.testing.assert_allclose([low, high], [mean - 1.6448536 * deviation, mean + 1.6448536 * deviation], rtol=1e-6)
    assert model.score(X[TEST], Y[TEST]) > 0.9


def test_several_targets():
    both = np.column_stack([Y, -2 * Y])
    model = regressor(loss="gaussian_nll", max_iter=5).fit(X, both)
    mean, deviation = model.predict(X[:7], return_std=True)
    assert mean.shape == deviation.shape == (7, 2) == model.predict(X[:7]).shape
    assert model.predict_quantiles(X[:7], [0.1, 0.5, 0.9]).shape == (7, 2, 3)
    with pytest.raises(ValueError, match="'quantiles' has 2 for each target, and at most 2"):
        regressor(loss="quantile", quantile=[0.1, 0.9]).fit(X, both)


def test_several_quantiles_do_not_cross():
    model = regressor(loss="quantile", quantile=[0.05, 0.5, 0.95]).fit(X[TRAIN], Y[TRAIN])
    found = model.predict_quantiles(X[TEST])
    assert found.shape == (300, 3) and (np.diff(found, axis=1) >= 0).all()
    assert (found[:, 1] == model.predict(X[TEST])).all()
    assert 0.85 < ((found[:, 0] < Y[TEST]) & (Y[TEST] < found[:, 2])).mean() < 0.95
    with pytest.raises(ValueError, match="there is no deviation"):
        model.predict(X, return_std=True)


def test_laplace_is_that_of_the_network():
    scaled = (Y - Y.mean()) / Y.std()
    model = regressor(uncertainty="laplace", solver="lbfgs", max_iter=300, tol=1e-3).fit(X[TRAIN], scaled[TRAIN])
    mean, deviation = model.predict(X[TEST], return_std=True)
    assert mean == pytest.approx(model.predict(X[TEST]))
    expected = model.network_.laplace(X[TRAIN], scaled[TRAIN]).predict(X[TEST])[1][:, 0]
    np.testing.assert_allclose(deviation, expected, rtol=1e-6)
    far = model.predict([[10.0]], return_std=True)[1]
    assert far[0] > 2 * deviation.mean()
    copy = pickle.loads(pickle.dumps(model))
    assert (copy.predict(X[TEST], return_std=True)[1] == deviation).all()


def test_early_stopping_pipelines_clones_and_partial_fit():
    model = regressor(loss="gaussian_nll", early_stopping=True, max_iter=20)
    piped = make_pipeline(StandardScaler(), clone(model)).fit(1e3 * X, Y)
    assert piped.predict(1e3 * X[:5], return_std=True)[1].shape == (5,)
    assert 0 < piped[-1].best_validation_score_ < 1
    assert np.isfinite(piped[-1].input_gradient(X[:3], Y[:3])).all()
    whole = regressor(loss="gaussian_nll", optimizer=fastbp.LBFGS(), max_iter=30).fit(X, Y)
    assert whole.score(X, Y) > 0.8
    part = regressor(loss="gaussian_nll")
    for _ in range(30):
        part.partial_fit(X, Y)
    assert np.abs(part.predict(X) - Y).mean() < 25


def test_what_does_not_fit_is_said():
    with pytest.raises(ValueError, match="needs the loss 'squared_error' and no sample_weight"):
        regressor(uncertainty="laplace", loss="absolute_error").fit(X, Y)
    with pytest.raises(ValueError, match="needs the loss 'squared_error' and no sample_weight"):
        regressor(uncertainty="laplace").fit(X, Y, np.ones(len(X)))
    with pytest.raises(ValueError, match="there is no deviation"):
        regressor(max_iter=1).fit(X, Y / 1000).predict_quantiles(X)
    with pytest.raises(ValueError, match="q is"):
        regressor(loss="gaussian_nll", max_iter=1).fit(X, Y).predict_quantiles(X, [0, 0.5])
    with pytest.raises(ValueError, match="ascending order"):
        regressor(loss="quantile", quantile=[0.9, 0.1]).fit(X, Y)


def test_it_works_inside_mapie():
    mapie = pytest.importorskip("mapie.regression", reason="MAPIE is not installed")
    model = regressor(max_iter=30).fit(X[:600], (Y[:600] - 1000) / 100)
    conformal = mapie.SplitConformalRegressor(model, confidence_level=0.9, prefit=True)
    conformal.conformalize(X[600:900], (Y[600:900] - 1000) / 100)
    _, found = conformal.predict_interval(X[TEST])
    y = (Y[TEST] - 1000) / 100
    assert 0.84 < ((found[:, 0, 0] < y) & (y < found[:, 1, 0])).mean() < 0.96
