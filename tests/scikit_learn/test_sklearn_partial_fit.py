"""`partial_fit` keeps its network and its trainer from call to call, which changes no bit."""

import copy
import gc
import pickle
import threading
import weakref

import numpy as np
import pytest

pytest.importorskip("sklearn", minversion="1.7", reason="scikit-learn 1.7 or newer is not installed")

from sklearn import config_context, neural_network
from sklearn.base import clone

import fastbp
from fastbp.sklearn import MLPClassifier, MLPRegressor, base
from fastbp.sklearn.data import TILES

N_IN, N_OUT = 40, 5
KINDS = {
    "regressor": (MLPRegressor, {}),
    "outputs": (MLPRegressor, {"activation": "tanh"}),
    "poisson": (MLPRegressor, {"loss": "poisson"}),
    "classes": (MLPClassifier, {}),
    "words": (MLPClassifier, {"activation": ["tanh", "logistic"]}),
    "two classes": (MLPClassifier, {"solver": "sgd", "learning_rate": "invscaling"}),
    "labels": (MLPClassifier, {"solver": "sgd", "momentum": 0.0}),
    "int seed": (MLPClassifier, {"random_state": 3, "shuffle": True}),
    "mini-batches": (MLPRegressor, {"batch_size": 8, "random_state": 3}),
    "dropout": (MLPRegressor, {"dropout": 0.3, "random_state": 3}),
    "RMSProp": (MLPClassifier, {"optimizer": fastbp.RMSProp(0.01)}),
}
CLASSES = {"words": np.array(["a", "bc", "d", "e", "f"]), "two classes": np.array([-1, 4])}


def new(kind, seed=0, **parameters):
    cls, given = KINDS[kind]
    random_state = np.random.RandomState(seed)
    return cls(**{"hidden_layer_sizes": [17, 9], "random_state": random_state} | given | parameters)


def classes_of(kind):
    return CLASSES.get(kind, np.arange(N_OUT)) if KINDS[kind][0] is MLPClassifier else None


def samples(kind, n, rng, dtype="float64"):
    X = rng.normal(size=(n, N_IN)).astype(dtype) * (rng.random((n, N_IN)) > 0.6)
    if kind == "labels":
        return X, rng.integers(0, 2, (n, N_OUT))
    if classes_of(kind) is not None:
        return X, rng.choice(classes_of(kind), n)
    y = rng.normal(size=(n, 3) if kind == "outputs" else n)
    return X, abs(y) if kind == "poisson" else y


def train(model, kind, X, y, weight=None):
    if hasattr(model, "coefs_") or classes_of(kind) is None:
        return model.partial_fit(X, y, weight)
    return model.partial_fit(X, y, weight, classes=classes_of(kind))


def state(model):
    moments = model.__getstate__()["_solver"].state
    arrays = *model.coefs_, *model.intercepts_, *vars(moments).values(), np.array(model.loss_curve_)
    return [array.tobytes() for array in arrays], model.t_, model.n_iter_, model.best_loss_, model._no_improvement_count


def edit(model):
    model.coefs_[0][2] *= 1.5
    model.intercepts_[1][:] = 0.1


def replace(model):
    model.coefs_[1] = model.coefs_[1] + 0.01


BETWEEN = {
    "edit": edit,
    "replace": replace,
    "alpha": lambda model: model.set_params(alpha=model.alpha * 3 + 0.01),
    "rate": lambda model: model.set_params(learning_rate_init=0.05),
    "predict": lambda model: model.predict(np.ones((3, N_IN), model.coefs_[0].dtype)),
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
    "deepcopy": copy.deepcopy,
    "network": lambda model: model.network_.predict(np.zeros((1, N_IN))),
    "clone": clone,
}


@pytest.mark.filterwarnings("ignore:Got `batch_size` less than 1")
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_kept_network_changes_no_bit(kind, dtype):
    """The other estimator is copied before each call, and a copy keeps nothing."""
    rng = np.random.default_rng(7)
    kept, other = new(kind), new(kind)
    names = list(BETWEEN)
    for call in range(60):
        n = int(rng.choice([1, 1, 2, 3, 20, 20, 33, 200, 300])) if call else 20
        X, y = samples(kind, n, rng, dtype)
        weight = rng.random(n).astype(dtype) + 0.1 if kind != "labels" and rng.random() < 0.3 else None
        other = copy.deepcopy(other)
        for model in (kept, other):
            train(model, kind, X, y, weight)
        assert state(kept) == state(other), (call, n)
        if rng.random() < 0.4:
            between = BETWEEN[names[rng.integers(len(names))]]
            result = between(kept)
            between(other)
            if isinstance(result, type(kept)) and hasattr(result, "coefs_"):
                kept = result


@pytest.mark.parametrize("kind", ["regressor", "outputs", "classes", "words", "two classes", "labels"])
def test_a_later_call_makes_neither_a_network_nor_a_trainer_and_goes_through_no_long_checks(kind, monkeypatch):
    def made(*arguments, **named):
        raise AssertionError("made anew")

    rng = np.random.default_rng(0)
    model = train(new(kind, random_state=1), kind, *samples(kind, 20, rng))
    weights = model.coefs_[0]
    before = weights.copy()
    monkeypatch.setattr(TILES, "trainer", made)
    monkeypatch.setattr(base.parameters, "network", made)
    monkeypatch.setattr(base, "validate_data", made)
    for n in (20, 7, 2):
        X, y = samples(kind, n, rng)
        train(model, kind, X, y)
        train(model, kind, X, y, np.ones(n))
    assert model.coefs_[0] is weights and not np.array_equal(weights, before)


def test_the_arrays_of_coefs_are_written_in_place_as_in_scikit_learn():
    X, y = samples("regressor", 20, np.random.default_rng(0))
    for cls in (neural_network.MLPRegressor, MLPRegressor):
        model = cls(random_state=0).partial_fit(X, y)
        weights = model.coefs_[0]
        assert model.partial_fit(X, y).coefs_[0] is weights or np.shares_memory(model.coefs_[0], weights)


def test_parameters_that_are_lists_count_with_what_is_in_them():
    X, y = samples("regressor", 20, np.random.default_rng(0))
    model = MLPRegressor(hidden_layer_sizes=[8], activation=["relu"], random_state=0).partial_fit(X, y)
    model.activation[0] = "tanh"
    other = copy.deepcopy(model)
    assert state(model.partial_fit(X, y)) == state(other.partial_fit(X, y))
    assert model.network_.activations[0].name == "tanh"
    model.hidden_layer_sizes.append(3)
    with pytest.raises(ValueError, match="the fitted network has layers of"):
        model.partial_fit(X, y)


@pytest.mark.parametrize("kind", ["regressor", "classes", "labels"])
def test_wrong_samples_are_refused_in_the_same_words_and_change_nothing(kind):
    rng = np.random.default_rng(0)
    X, y = samples(kind, 20, rng)
    kept = train(train(new(kind), kind, X, y), kind, X, y)
    wrong = [
        (X[0], y), (X[:, :3], y), (X[:5], y), (X * np.nan, y), (np.where(X > 1, np.inf, X), y), (X[:0], y[:0]),
        (X, y[:, None, None]), (X * 1j, y), (X, y, -np.ones(20)), (X, y, np.zeros(20)), (X, y, np.ones(19)),
        (X, y, np.full(20, np.nan)), (X, [None] * 20), (X, np.full(20, "no")), (X, np.ones((20, 7))),
    ]  # fmt: skip
    wrong += {"regressor": [(X, y + np.inf)], "classes": [(X, y + 7), (X, y + 0.5)], "labels": [(X, y + 0.5)]}[kind]
    wrong.append((X, y * np.nan))
    for arguments in wrong:
        before, words = state(kept), []
        for model in (kept, copy.deepcopy(kept)):  # the copy keeps nothing
            with pytest.raises((ValueError, TypeError)) as error:
                model.partial_fit(*arguments)
            words.append((error.type, str(error.value)))
        assert words[0] == words[1] and state(kept) == before
        assert state(copy.deepcopy(kept).partial_fit(X, y)) == state(copy.deepcopy(train(kept, kind, X, y)))


def test_arguments_that_scikit_learn_accepts_or_warns_of_are_treated_alike():
    X, y = samples("regressor", 20, np.random.default_rng(0))
    model = MLPRegressor(hidden_layer_sizes=(8,), random_state=0).partial_fit(X, y)
    for form in (X.tolist(), np.asfortranarray(X), X.astype(np.float32), np.round(X).astype(int)):
        other = copy.deepcopy(model)
        assert state(model.partial_fit(form, y)) == state(other.partial_fit(form, y))
    with pytest.warns(UserWarning, match="column-vector"):
        model.partial_fit(X, y[:, None])
    with pytest.raises(ValueError, match="non-finite"), config_context(assume_finite=True):
        model.partial_fit(X * np.nan, y)
    pd = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = pd.DataFrame(X, columns=[f"x{k}" for k in range(N_IN)])
    model = MLPRegressor(hidden_layer_sizes=(8,)).partial_fit(frame, y).partial_fit(frame, y)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        model.partial_fit(X, y)


def test_fit_goes_on_from_partial_fit_and_back():
    X, y = samples("classes", 30, np.random.default_rng(0))
    models = [new("classes", max_iter=2, tol=0.0, warm_start=True) for _ in range(2)]
    for _ in range(3):
        models[1] = copy.deepcopy(models[1])
        for model in models:
            train(train(model, "classes", X, y), "classes", X, y)
        models[1] = copy.deepcopy(models[1])
        for model in models:
            with pytest.warns(Warning, match="Maximum iterations"):
                model.fit(X, y)
        assert state(models[0]) == state(models[1])


def test_threads_train_estimators_of_their_own_and_one_is_not_spoilt_by_two():
    rng = np.random.default_rng(0)
    data = [samples("classes", n, rng) for n in (1, 20, 7, 20, 33)]

    def work(model):
        for _ in range(10):
            for X, y in data:
                train(model, "classes", X, y)

    alone = new("classes")
    work(alone)
    several = [new("classes") for _ in range(4)]
    for models in (several, [train(new("classes"), "classes", *data[1])] * 4):
        workers = [threading.Thread(target=work, args=(model,)) for model in models]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert all(np.isfinite(model.network_.parameters).all() for model in models)
    assert all(state(model) == state(alone) for model in several)


def test_an_estimator_that_is_dropped_is_gone_at_once():
    X, y = samples("regressor", 20, np.random.default_rng(0))
    model = MLPRegressor().partial_fit(X, y).partial_fit(X, y)
    gone = weakref.ref(model.network_)
    gc.disable()
    try:
        del model
        assert gone() is None
    finally:
        gc.enable()


def test_samples_are_not_held_after_the_call():
    X, y = samples("regressor", 20, np.random.default_rng(0))
    model, weight = MLPRegressor().partial_fit(X, y), np.ones(20)
    for given in ((X, y), (X, y, weight)):
        model.partial_fit(*given)
    held = [weakref.ref(array) for array in (X, y, weight)]
    del X, y, weight, given
    gc.collect()
    assert [array() for array in held] == [None] * 3 and "_kept" in vars(model)


def test_the_kept_trainer_is_not_pickled():
    X, y = samples("regressor", 1, np.random.default_rng(0))
    model = MLPRegressor().partial_fit(X, y)
    size = len(pickle.dumps(model))
    assert len(pickle.dumps(model.partial_fit(X, y))) < size + 100
    assert "_kept" in vars(model) and "_kept" not in vars(copy.copy(model))


def test_a_schedule_that_fails_loses_no_moments():
    def schedule(epoch, rate):
        if fails:
            raise RuntimeError("no rate")
        return rate

    fails = False
    X, y = samples("regressor", 20, np.random.default_rng(0))
    model = MLPRegressor(schedule=schedule, random_state=0).partial_fit(X, y).partial_fit(X, y)
    before, fails = state(model)[0], True
    with pytest.raises(RuntimeError):
        model.partial_fit(X, y)
    assert state(model)[0] == before
