"""The estimators of tables: kinds of tables, predictions of the bag, the linear start, refusals."""

import time

import numpy as np
import pytest

pytest.importorskip("sklearn", minversion="1.6", reason="scikit-learn 1.6 or newer is not installed")

from table_models import MODELS, classes, classifier, linear_regressor, numbers, regressor, table

from fastbp.tables import Table
from fastbp.tabular import TabularClassifier, TabularRegressor, bag
from fastbp.tabular.recipe import Recipe, batch_size_for

SMALL = {"hidden_layer_sizes": (8,), "n_members": 2, "epochs": 3, "random_state": 0}


def as_pandas(given):
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    return pandas.DataFrame({name: given[name] for name in given.names})


def as_polars(given):
    polars = pytest.importorskip("polars", reason="polars is not installed")
    pytest.importorskip("narwhals", reason="narwhals is not installed")
    return polars.DataFrame({name: given[name] for name in given.names}).fill_nan(None)


def as_dict(given):
    return {name: given[name] for name in given.names}


@pytest.mark.parametrize("form", [as_pandas, as_polars, as_dict])
@pytest.mark.parametrize("name", MODELS)
def test_every_kind_of_table_gives_the_same_predictions(name, form):
    model = MODELS[name]()
    assert (model.predict(form(table(30, 1))) == model.predict(table(30, 1))).all()


def test_a_frame_has_its_names_remembered_and_must_keep_their_order():
    frame = as_pandas(table())
    model = TabularRegressor(**SMALL).fit(frame, numbers(table()))
    assert model.feature_names_in_.tolist() == list(table().names) and model.n_features_in_ == 7
    with pytest.raises(ValueError, match="must be in the same order"):
        model.predict(frame[frame.columns[::-1]])


def test_columns_of_a_table_are_found_by_name():
    """In any order, with others among them."""
    given = table(30, 1)
    others = {name: given[name] for name in reversed(given.names)} | {"more": np.zeros(30)}
    assert (regressor().predict(Table(others)) == regressor().predict(given)).all()
    with pytest.raises(ValueError, match="size"):
        regressor().predict(given.drop(["size"]))


def test_arrays_have_numbered_columns():
    X = np.random.default_rng(0).normal(size=(50, 3))
    model = TabularRegressor(**SMALL).fit(X, X[:, 0])
    assert [column.name for column in model.columns_] == ["x0", "x1", "x2"]
    assert model.predict(X.tolist()).shape == (50,)


def test_what_is_left_out_is_named():
    kinds = {column.name: column.kind for column in regressor().columns_}
    assert kinds["id"] == "identifier" and kinds["unit"] == "constant" and kinds["size"] == "number"


@pytest.mark.parametrize("name", MODELS)
def test_they_learn(name):
    given = table(400, 3)
    model, y = MODELS[name](), (classes if name == "classifier" else numbers)(given)
    if name == "linear regressor":
        y = 3 * np.nan_to_num(given["size"], nan=50.0) + 5 * given["weight"]
    assert model.score(given, y) > 0.6


def test_the_mean_and_the_deviation_of_members():
    """y = intercept + the linear model + scale × the mean output; the deviation is of the members."""
    for model in (regressor(), linear_regressor()):
        given = table(20, 1)
        mean, std = model.predict(given, return_std=True)
        Z = model.preprocessor_.transform(given)
        each = np.array([net.predict(Z)[:, 0] for net in model.population_], np.float64)
        linear = model._linear_part(model._rows(Table.of(given)))
        np.testing.assert_allclose(mean, linear + model.scale_ * each.mean(axis=0), rtol=1e-6)
        np.testing.assert_allclose(std, model.scale_ * each.std(axis=0), rtol=1e-4, atol=1e-7)
        assert (std > 0).any() and (np.ptp(linear) > 0) == (model.coef_ is not None)


def test_probabilities_are_a_geometric_mean():
    """√(0.9 · 0.4) and √(0.1 · 0.6), divided by their sum."""
    a, b = (0.9 * 0.4) ** 0.5, (0.1 * 0.6) ** 0.5
    found = bag.probabilities(np.array([[[0.9, 0.1]], [[0.4, 0.6]]]))
    np.testing.assert_allclose(found, [[a / (a + b), b / (a + b)]], rtol=1e-12)
    cooler = bag.probabilities(np.array([[[0.9, 0.1]]]), 0.5)  # 0.81 : 0.01
    np.testing.assert_allclose(cooler, [[0.81 / 0.82, 0.01 / 0.82]], rtol=1e-12)
    p, std = classifier().predict_proba(table(20, 1), return_std=True)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-12)
    assert p.shape == std.shape == (20, 3)
    assert (classifier().predict(table(20, 1)) == classifier().classes_[p.argmax(axis=1)]).all()


def test_the_temperature_has_the_smallest_loss():
    """Of labels drawn with the probabilities softmax(logs / T)."""
    rng = np.random.default_rng(0)
    logs = rng.normal(size=(4000, 3)) * 2
    cumulated = bag.softmax(logs / 1.3).cumsum(axis=1)
    y = (rng.random((4000, 1)) > cumulated).sum(axis=1)
    assert bag.temperature_of(logs, y) == pytest.approx(1.3, rel=0.05)
    assert bag.temperature_of(logs, logs.argmax(axis=1)) == 0.5 and bag.temperature_of(logs, logs.argmin(axis=1)) == 2


def test_an_almost_linear_target_is_learned_beyond_the_rows_seen():
    """Clipped numbers alone could not follow it."""
    x = np.random.default_rng(0).normal(size=200)
    far = {"x": [1000.0, -1000.0]}
    model = TabularRegressor(**SMALL).fit({"x": x}, 2 * x + 1)
    np.testing.assert_allclose(model.predict(far), [2001, -1999], rtol=0.02)
    without = TabularRegressor(**SMALL, linear_start=False).fit({"x": x}, 2 * x + 1)
    assert without.coef_ is None and abs(without.predict(far)).max() < 100
    assert TabularRegressor(**SMALL).fit({"x": x}, x**2).coef_ is None


def test_each_member_leaves_out_a_fold():
    """All rows are left out by one of eight members; few members leave out no more than a fifth each."""
    y = np.arange(41) % 2
    folds = bag.folds_of(y, 8, np.random.default_rng(0))
    assert np.bincount(folds).tolist() == [6, 5, 5, 5, 5, 5, 5, 5] or sorted(np.bincount(folds)) == [5] * 7 + [6]
    by_class = [np.bincount(y[folds == fold], minlength=2) for fold in range(8)]
    assert np.ptp(by_class, axis=0).max() <= 1
    model = TabularClassifier((4,), n_members=1, epochs=2, random_state=0).fit({"x": np.arange(41.0)}, y)
    assert len(model.population_) == 1


def test_the_same_seed_gives_the_same_bits():
    first, second = (TabularClassifier(**SMALL).fit(table(), classes(table())) for _ in range(2))
    assert (first.population_.parameters == second.population_.parameters).all()


def test_a_time_limit_ends_the_training():
    given, y = table(), numbers(table())
    regressor()  # compiles
    start = time.monotonic()
    model = TabularRegressor((8,), epochs=10**6, time_limit=0.5, random_state=0).fit(given, y)
    assert time.monotonic() - start < 20 and 1 <= len(model.population_[0].history) < 10**6
    recipe = Recipe((5,), "relu", 0.01, 0.1, 0.2, None, 9, 32)
    late, early = (bag._ending_by(time.monotonic() + left, 1.0, recipe)["schedule"] for left in (-5.0, 1e9))
    assert late(0, 1.0) == recipe.rates()(8, 1.0) < 0.1 and early(0, 1.0) == 1.0


@pytest.mark.parametrize("kind", [TabularClassifier, TabularRegressor])
def test_the_defaults_of_the_estimators_are_the_recipe(kind):
    """Which `fastbp train` uses."""
    own, recipe = kind().get_params(), vars(Recipe())
    assert {name: own[name] for name in own.keys() & recipe.keys()} == {
        name: recipe[name] for name in own.keys() & recipe.keys()
    }
    assert len(own.keys() & recipe.keys()) == 11 and kind()._recipe() == Recipe()


def test_targets_whose_squares_are_no_numbers():
    x = np.random.default_rng(0).normal(size=60)
    model = TabularRegressor(**SMALL).fit({"x": x}, 1e300 * x)
    np.testing.assert_allclose(model.predict({"x": [1.0, -1.0]}), [1e300, -1e300], rtol=0.1)
    constant = TabularRegressor(**SMALL).fit({"x": x}, np.full(60, 0.1))
    assert constant.predict({"x": [1.0]}) == pytest.approx([0.1]) and constant.scale_ == 1


def test_the_recipe():
    recipe = Recipe((5,), "relu", 0.01, 0.1, 0.2, None, 9, 32, bias_rate=0.5)
    assert recipe.optimizer().layer_rates == ((1.0, 0.5), (1.0, 0.5)) and recipe.rates()(9, 1.0) == 0.0
    net = recipe.network(3, 2, 0, classes=True)
    assert (net.weights[-1] == 0).all() and net.weights[0].any() and net.cost.name == "cross_entropy"
    assert recipe.options(classes=False)["label_smoothing"] == 0 < recipe.options(classes=True)["label_smoothing"]
    assert [batch_size_for(n) for n in (1, 3000, 10**5, 10**9)] == [32, 32, 128, 1024]


@pytest.mark.parametrize(
    ("kind", "parameters", "y", "message"),
    [
        (TabularClassifier, {}, ["a"] * 20, "y has one class only"),
        (TabularClassifier, {"n_members": 0}, None, "'n_members' parameter"),
        (TabularClassifier, {"numbers": "none"}, None, "'numbers' parameter"),
        (TabularRegressor, {"activation": "softmax"}, None, "'activation' parameter"),
        (TabularRegressor, {"drop": ["nothing"]}, None, "nothing"),
        (TabularRegressor, {}, np.r_[np.nan, np.zeros(19)], "NaN"),
        (TabularRegressor, {}, np.zeros(7), "inconsistent numbers of samples"),
    ],
)
def test_refusals(kind, parameters, y, message):
    given = table(20)
    right = classes(given) if kind is TabularClassifier else numbers(given)
    model = kind(**parameters)
    with pytest.raises(ValueError, match=message):
        model.fit(given, right if y is None else y)
    assert not hasattr(model, "population_")


def test_infinite_numbers_in_an_array_are_refused():
    X = np.random.default_rng(0).normal(size=(20, 2))
    X[3, 1] = np.inf
    with pytest.raises(ValueError, match="infinity"):
        TabularRegressor(**SMALL).fit(X, np.arange(20))


def test_a_single_row():
    with pytest.raises(ValueError, match="n_samples = 1; at least 2 rows are required"):
        TabularRegressor(**SMALL).fit({"x": [1.0]}, [2.0])


def test_nothing_that_can_be_learned_from():
    with pytest.raises(ValueError, match="no column can be learned from"):
        TabularRegressor(**SMALL).fit({"unit": ["m"] * 9}, np.arange(9))
