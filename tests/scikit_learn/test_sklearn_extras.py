"""Parameters that scikit-learn's MLP lacks, and conversions between scikit-learn and fastbp."""

import inspect
import pickle
import re
import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn", minversion="1.7", reason="scikit-learn 1.7 or newer is not installed")

from scipy import sparse
from sklearn import neural_network
from sklearn.datasets import load_diabetes, load_iris, make_multilabel_classification
from sklearn.exceptions import NotFittedError
from sklearn.metrics import log_loss, mean_poisson_deviance

import fastbp
import fastbp.sklearn
from fastbp.compiler import together
from fastbp.progress import LiveLine
from fastbp.sklearn import MLPClassifier, MLPRegressor, from_sklearn, to_sklearn
from fastbp.sklearn.data import TILES

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X, y = load_iris(return_X_y=True)
X = (X - X.mean(axis=0)) / X.std(axis=0)
Xr, yr = load_diabetes(return_X_y=True)
Xr, yr = Xr / Xr.std(axis=0), (yr - yr.mean()) / yr.std()
SMALL = {"hidden_layer_sizes": (8,), "max_iter": 60, "learning_rate_init": 0.02, "random_state": 0}
PAIRS = [(neural_network.MLPClassifier, MLPClassifier), (neural_network.MLPRegressor, MLPRegressor)]


@pytest.mark.parametrize(("theirs", "ours"), PAIRS)
def test_parameters_are_those_of_scikit_learn_and_more_by_name_only(theirs, ours):
    wanted, given = inspect.signature(theirs).parameters, inspect.signature(ours).parameters
    assert list(given)[: len(wanted)] == list(wanted)
    for name, parameter in wanted.items():
        assert (given[name].default, given[name].kind) == (parameter.default, parameter.kind), name
    extra = list(given)[len(wanted) :]
    assert all(given[name].kind is inspect.Parameter.KEYWORD_ONLY for name in extra)
    text = inspect.getdoc(ours)
    assert [name for name in given if not re.search(rf"\b{name}\b", text)] == []
    for name, method in inspect.getmembers(theirs, callable):
        if not name.startswith(("_", "set_")) and name != "fit":
            assert hasattr(ours, name)
            own = [
                p for p in inspect.signature(getattr(ours, name)).parameters if (name, p) != ("predict", "return_std")
            ]
            assert list(inspect.signature(method).parameters) == own


def test_class_weight_is_sample_weight_of_classes():
    weights = {0: 1.0, 1: 3.0, 2: 0.5}
    by_class = MLPClassifier(**SMALL, class_weight=weights).fit(X, y)
    by_sample = MLPClassifier(**SMALL).fit(X, y, np.array([weights[label] for label in y]))
    assert np.array_equal(by_class.coefs_[0], by_sample.coefs_[0])
    few = np.r_[0:50, 50:60, 100:110]
    models = (MLPClassifier(**SMALL, class_weight=given) for given in (None, "balanced"))
    plain, balanced = (model.fit(X[few], y[few]).predict(X) for model in models)
    assert np.bincount(balanced).min() >= np.bincount(plain).min()


@pytest.mark.parametrize("loss", ["absolute_error", "huber", "quantile", fastbp.Cost(
    "fourth", lambda a, y: (a - y) ** 4 / 4, lambda a, y: (a - y) ** 3)])  # fmt: skip
def test_losses_are_what_network_calls_them(loss):
    given = {"quantile": 0.9, "huber_delta": 0.3}
    model = MLPRegressor(loss, **SMALL, **given, alpha=0.0, shuffle=False).fit(Xr, yr)
    assert model.loss_curve_[-1] < 0.8 * model.loss_curve_[0]
    still = {"max_iter": 1, "learning_rate_init": 1e-30, "batch_size": len(yr)}
    start = MLPRegressor(loss, **SMALL | still, **given, alpha=0).fit(Xr, yr)
    assert start.loss_ == pytest.approx(start.network_.evaluate(Xr, yr).cost)
    names = {"absolute_error": "absolute", "huber": "huber", "quantile": "quantile"}
    assert start.network_.cost.name == (names[loss] if isinstance(loss, str) else "fourth")
    if loss == "quantile":
        assert 0.8 < (yr < model.predict(Xr)).mean() < 0.97


def test_activations_by_layer_and_of_the_output():
    model = MLPClassifier((8, 6), ["gelu", "logistic"], max_iter=100, learning_rate_init=0.02, random_state=0).fit(X, y)
    assert [sigma.name for sigma in model.network_.activations] == ["gelu", "sigmoid", "softmax"]
    assert model.score(X, y) > 0.9
    softsign = fastbp.Activation("softsign", lambda z: z / (1 + abs(z)), lambda z: 1 / (1 + abs(z)) ** 2)
    model = MLPRegressor(activation=softsign, output_activation="tanh", **SMALL).fit(Xr, np.tanh(yr))
    assert model.out_activation_ == "tanh" and np.abs(model.predict(Xr)).max() < 1
    independent = MLPClassifier(output_activation="logistic", **SMALL).fit(X, y)
    assert independent.score(X, y) > 0.9 and np.ptp(independent.predict_proba(X).sum(axis=1)) > 1e-3
    for wrong in ({"activation": ["tanh"]}, {"activation": ["tanh", "celu"]}, {"output_activation": "tanh"}):
        with pytest.raises(ValueError):
            MLPClassifier(**SMALL | {"hidden_layer_sizes": (3, 3)} | wrong).fit(X, y)


def test_dropout_fits_the_training_data_less():
    plain, dropped = (MLPClassifier(**SMALL, dropout=p).fit(X, y) for p in (None, 0.5))
    assert dropped.loss_ > plain.loss_ and dropped.score(X, y) > 0.85
    again = MLPClassifier(**SMALL, dropout=[0.5]).fit(X, y)
    assert np.array_equal(again.coefs_[0], dropped.coefs_[0])
    for wrong in (1.0, -0.1, [0.1, 0.2], [1.5], "half"):
        with pytest.raises((ValueError, TypeError)):
            MLPClassifier(**SMALL, dropout=wrong).fit(X, y)


def test_validation_data_is_watched_and_decides():
    train, test = slice(0, None, 2), slice(1, None, 2)
    model = MLPClassifier(**SMALL | {"max_iter": 200}, early_stopping=True, n_iter_no_change=5)
    model.fit(X[train], y[train], X_val=X[test], y_val=y[test])
    assert len(model.validation_loss_curve_) == len(model.validation_scores_) == model.n_iter_ < 200
    assert model.best_validation_score_ == pytest.approx(model.score(X[test], y[test]))
    model = MLPRegressor(**SMALL).fit(Xr[::2], yr[::2], X_val=Xr[1::2], y_val=yr[1::2])
    wanted = 0.5 * np.mean((model.predict(Xr[1::2]) - yr[1::2]) ** 2)
    assert model.validation_loss_curve_[-1] == pytest.approx(wanted)
    for wrong in ({"X_val": X}, {"y_val": y}, {"X_val": X, "y_val": y + 9}, {"X_val": X[:, :2], "y_val": y}):
        with pytest.raises(ValueError):
            MLPClassifier(**SMALL).fit(X, y, **wrong)


def stops_after(curve, tol, n_iter_no_change):
    """The epoch at which scikit-learn's rule for losses stops."""
    best, waited = np.inf, 0
    for epoch, loss in enumerate(curve, 1):
        waited = waited + 1 if loss > best - tol else 0
        best = min(best, loss)
        if waited > n_iter_no_change:
            return epoch
    return None


@pytest.mark.parametrize("given", ["fraction", "samples"])
@pytest.mark.parametrize("scoring", [None, "loss"])
def test_early_stopping_watches_the_score_or_the_loss(monkeypatch, given, scoring):
    held = []

    def split(self, data, split=MLPClassifier._split):
        parts = split(self, data)
        held.append(parts[1])
        return parts

    monkeypatch.setattr(MLPClassifier, "_split", split)
    options = {"early_stopping": True, "scoring": scoring, "n_iter_no_change": 5, "tol": 0, "max_iter": 500}
    noisy = np.where(np.arange(150) % 7 == 0, (y + 1) % 3, y)  # so that the loss rises again
    model = MLPClassifier(**SMALL | options | {"learning_rate_init": 0.05, "batch_size": 10, "alpha": 0})
    model.fit(X[::2], noisy[::2], **{"X_val": X[1::2], "y_val": noisy[1::2]} if given == "samples" else {})
    Xv, yv = (X[1::2], noisy[1::2]) if given == "samples" else (held[-1].samples.X, held[-1].samples.Y.argmax(axis=1))
    curve = model.validation_loss_curve_
    assert len(curve) == len(model.validation_scores_) == model.n_iter_ < 500 and model.best_loss_ is None
    final = log_loss(yv, model.predict_proba(Xv), labels=[0, 1, 2])
    if scoring == "loss":
        assert model.n_iter_ == stops_after(curve, 0, 5) and model.best_validation_score_ is None
        assert model.best_validation_loss_ == min(curve) == pytest.approx(final)
        assert np.argmin(curve) < len(curve) - 1  # so the best came back, not the last
    else:
        assert model.best_validation_loss_ is None
        assert final == pytest.approx(curve[np.argmax(model.validation_scores_)])
        assert model.best_validation_score_ == max(model.validation_scores_) == model.score(Xv, yv)


def test_the_loss_of_held_out_counts_is_half_the_deviance():
    counts = np.random.default_rng(0).poisson(np.exp(Xr[:, 2] / 2))
    model = MLPRegressor("poisson", **SMALL, early_stopping=True, scoring="loss")
    model.fit(Xr[::2], counts[::2], X_val=Xr[1::2], y_val=counts[1::2])
    deviance = mean_poisson_deviance(counts[1::2], model.predict(Xr[1::2]))
    assert model.best_validation_loss_ == min(model.validation_loss_curve_) == pytest.approx(deviance / 2)


def test_a_second_fit_begins_a_new_curve_and_a_warm_start_may_watch_something_else():
    held_out = {"X_val": Xr[1::2], "y_val": yr[1::2]}
    model = MLPRegressor(**SMALL | {"max_iter": 3})
    for _ in range(2):
        model.fit(Xr[::2], yr[::2], **held_out)
        assert len(model.validation_loss_curve_) == 3
    model.set_params(warm_start=True, early_stopping=True, scoring="loss").fit(Xr[::2], yr[::2], **held_out)
    assert len(model.validation_loss_curve_) == 6
    assert model.best_validation_loss_ == min(model.validation_loss_curve_[3:])
    model.set_params(scoring=None).fit(Xr[::2], yr[::2], **held_out)
    assert model.best_validation_score_ == max(model.validation_scores_[3:])
    model.set_params(warm_start=False, early_stopping=False).fit(Xr, yr)
    assert not hasattr(model, "validation_loss_curve_") and model.validation_scores_ is None


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "lbfgs", fastbp.LBFGS(), fastbp.RMSProp(0.01)], ids=str)
def test_training_stops_at_a_goal(optimizer, capsys):
    chosen = {"solver": optimizer} if isinstance(optimizer, str) else {"optimizer": optimizer}
    held_out = {"X_val": Xr[:9], "y_val": yr[:9]}
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # it has not failed to converge
        model = MLPRegressor(**SMALL | chosen | {"max_iter": 300}, goal=0.3).fit(Xr, yr, **held_out)
    assert model.loss_ <= 0.3 and 1 < model.n_iter_ < 300
    if hasattr(model, "loss_curve_"):
        assert min(model.loss_curve_[:-1]) > 0.3
    before = MLPRegressor(**SMALL | chosen | {"max_iter": model.n_iter_ - 1}).fit(Xr, yr, **held_out)
    assert before.loss_ > 0.3


@pytest.mark.parametrize(("scoring", "goal"), [(None, 0.85), ("loss", 0.5)])
def test_held_out_samples_reach_a_goal(scoring, goal, capsys):
    options = {"early_stopping": True, "scoring": scoring, "goal": goal, "max_iter": 500, "verbose": True}
    model = MLPClassifier(**SMALL | options).fit(X, y)
    series = model.validation_scores_ if scoring is None else -np.array(model.validation_loss_curve_)
    goal = goal if scoring is None else -goal
    assert series[-1] >= goal > max(series[:-1]) and model.n_iter_ < 500
    assert "reached goal=" in capsys.readouterr().out


def test_each_fit_that_goes_on_drops_other_neurons():
    """All fits have one seed; the count of steps continues from fit to fit."""
    options = {"solver": "sgd", "momentum": 0, "max_iter": 1, "random_state": 0, "dropout": 0.5, "alpha": 0}
    model = MLPRegressor(hidden_layer_sizes=64, activation="identity", warm_start=True, **options).fit(Xr[:1], [1])
    for goes_on in (model.fit, model.partial_fit):
        before = model.coefs_[0].copy()
        for _ in range(20):
            goes_on(Xr[:1], [9])
        assert (model.coefs_[0] != before).any(axis=0).all()
    converted = from_sklearn(to_sklearn(model)).set_params(dropout=0.5)
    assert converted.partial_fit(Xr[:1], [1]).partial_fit(Xr[:1], [1])._steps[0] == 2
    assert model.set_params(warm_start=False).fit(Xr[:1], [1])._steps[0] == 1


def test_a_schedule_by_step_is_refused():
    with pytest.raises(ValueError, match="schedule is a ByStep, which estimators do not follow: give the schedule in"):
        MLPClassifier(**SMALL, schedule=fastbp.ByStep(fastbp.CosineDecay(3))).fit([[0.0], [1.0]], [0, 1])


def test_callbacks_schedules_and_optimizers():
    class Watch(fastbp.Callback):
        def on_epoch_end(self, run):
            costs.append(run.history.cost[-1])
            rates.append(run.history.learning_rate[-1])
            run.stop = run.epoch == 7

    costs, rates = [], []
    halving = fastbp.StepDecay(every=2, factor=0.5)
    model = MLPClassifier(**SMALL, callbacks=[Watch()], schedule=halving, optimizer=fastbp.RMSProp(0.01)).fit(X, y)
    assert model.n_iter_ == 7 and costs == model.loss_curve_
    assert rates == pytest.approx([0.01, 0.01, 0.005, 0.005, 0.0025, 0.0025, 0.00125])

    class Zero(fastbp.Callback):
        def on_epoch_end(self, run):
            run.net.parameters[:] = 0

    model = MLPRegressor(**SMALL | {"max_iter": 1}, callbacks=[Zero()]).fit(Xr, yr)
    assert not model.predict(Xr).any()
    for optimizer in (fastbp.LBFGS(), fastbp.ConjugateGradient()):
        model = MLPRegressor(**SMALL, optimizer=optimizer).fit(Xr, yr)
        assert model.score(Xr, yr) > 0.55 and len(model.loss_curve_) == model.n_iter_ > 5
    with pytest.raises(ValueError, match="Rprop"):
        MLPRegressor(optimizer=fastbp.Rprop(), batch_size=10).fit(Xr, yr)
    with pytest.raises(ValueError, match="early_stopping"):
        MLPRegressor(optimizer=fastbp.LBFGS(), early_stopping=True).fit(Xr, yr)


def test_an_optimizer_on_the_full_batch_takes_sparse_samples_and_validation_samples():
    few = np.where(np.abs(Xr) > 1, Xr, 0)
    dense, unpacked = (
        MLPRegressor(**SMALL, optimizer="lbfgs").fit(form(few), yr, X_val=form(few[:9]), y_val=yr[:9])
        for form in (np.asarray, sparse.csr_matrix)
    )
    assert dense.validation_loss_curve_ == unpacked.validation_loss_curve_
    assert np.array_equal(dense.coefs_[0], unpacked.coefs_[0])


def test_a_converted_estimator_holds_nothing_of_fastbp():
    """Its pickle must load where fastbp is not installed."""
    trained = MLPRegressor(**SMALL).partial_fit(Xr, yr)
    assert "_kept" in vars(trained) and b"fastbp" not in pickle.dumps(to_sklearn(trained))


def test_input_gradient():
    model = MLPRegressor(**SMALL).fit(Xr, yr)
    gradient, step = model.input_gradient(Xr[:5], yr[:5]), 1e-6
    for k in range(10):
        nudge = step * (np.arange(10) == k)
        costs = [0.5 * (model.predict(Xr[:5] + sign * nudge) - yr[:5]) ** 2 for sign in (1, -1)]
        np.testing.assert_allclose(gradient[:, k], (costs[0] - costs[1]) / (2 * step), rtol=1e-5, atol=1e-7)
    with pytest.raises(NotFittedError):
        MLPRegressor().input_gradient(Xr, yr)


def fitted():
    Xm, Ym = make_multilabel_classification(100, 5, n_classes=3, random_state=0)
    for activation in ("identity", "logistic", "tanh", "relu"):
        yield 0, X, np.array(["a", "b", "c"])[y], {"activation": activation}
    yield 0, X, y > 0, {"hidden_layer_sizes": ()}
    yield 0, Xm, Ym, {"hidden_layer_sizes": (5, 4)}
    yield 1, Xr, yr, {"early_stopping": True}
    yield 1, Xr.astype(np.float32), np.column_stack([yr, -yr]), {}
    yield 1, Xr, np.exp(yr), {"loss": "poisson"}
    yield 1, Xr, yr, {"solver": "lbfgs"}


def test_there_and_back():
    for i, inputs, targets, parameters in fitted():
        theirs, ours = (cls(**SMALL | parameters).fit(inputs, targets) for cls in PAIRS[i])
        pairs = (theirs, from_sklearn(theirs)), (ours, to_sklearn(ours)), (ours, from_sklearn(to_sklearn(ours)))
        method, tolerance = "predict" if i else "predict_proba", 1e-4 if inputs.dtype == np.float32 else 1e-10
        for given, other in pairs:
            for rows in (inputs, inputs[:1]):
                wanted, found = (getattr(model, method)(rows) for model in (given, other))
                np.testing.assert_allclose(found, wanted, tolerance, tolerance)
                assert i or np.array_equal(other.predict(rows), given.predict(rows))
            assert (other.n_iter_, other.activation) == (given.n_iter_, given.activation)
            before = given.coefs_[0].copy()
            if parameters.get("solver") != "lbfgs" and not parameters.get("early_stopping"):
                other.partial_fit(inputs, targets)
            assert np.array_equal(given.coefs_[0], before)


def test_models_that_cannot_be_converted():
    for convert in (from_sklearn, to_sklearn):
        with pytest.raises(TypeError):
            convert(fastbp.Network([1, 1]))
    with pytest.raises(NotFittedError):
        from_sklearn(neural_network.MLPRegressor())
    for parameters in ({"activation": "gelu"}, {"output_activation": "tanh"}):
        with pytest.raises(ValueError, match="scikit-learn knows"):
            to_sklearn(MLPRegressor(**SMALL, **parameters).fit(Xr, np.tanh(yr)))
    model = to_sklearn(MLPRegressor("huber", **SMALL, dropout=0.1).fit(Xr, yr))
    assert model.loss == "squared_error"


def test_progress_is_for_terminals(capsys):
    MLPClassifier(**SMALL | {"max_iter": 2}, progress=True).fit(X, y)
    assert capsys.readouterr() == ("", "")


def test_a_fit_that_compiles_says_so_where_progress_is_asked_for(monkeypatch):
    told, trainer = [], TILES.trainer

    def compiling(*arguments):
        together.compile_all([together.Unit(f"unit {i}", repr, (i,), {}) for i in range(60)])
        return trainer(*arguments)

    monkeypatch.setattr(together, "_n_workers", lambda seconds: 0)
    monkeypatch.setattr(LiveLine, "tell", lambda line, words, **_: told.append(words))
    monkeypatch.setattr(TILES, "trainer", compiling)
    for progress in (False, True):
        MLPClassifier(**SMALL | {"max_iter": 2}, progress=progress).fit(X, y)
        assert [words for words in told if "compiling" in words] == ["compiling for this machine, once: 6 s"] * progress


def test_a_warning_tells_of_targets_out_of_reach_and_numbers_far_from_1():
    """Once, and it points at the call of `fit`."""
    with pytest.warns(UserWarning, match=r"targets are outside \(-1, 1\)") as caught:
        MLPRegressor(output_activation="tanh", **SMALL).fit(Xr, 3 * yr)
    (told,) = (warning for warning in caught if warning.category is UserWarning)
    assert told.filename == __file__
    with pytest.warns(UserWarning, match=r"Y\[:, 0\] has the mean .*TransformedTargetRegressor"):
        MLPRegressor(**SMALL).fit(Xr, 1e6 + 2 * yr)
    with pytest.warns(UserWarning, match=r"X\[:, 2\] has the mean"):
        MLPRegressor(**SMALL).partial_fit(Xr + 1e4 * np.eye(len(Xr[0]))[2], yr)


@pytest.mark.parametrize("incremental", [False, True])
def test_a_loss_near_the_largest_number_is_an_error_as_in_scikit_learn(incremental):
    for made, targets in ((MLPClassifier, y), (neural_network.MLPClassifier, y)):
        model = made((3,), max_iter=5, random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # NumPy and fastbp warn of the large numbers
            with pytest.raises(ValueError, match="Solver produced non-finite parameter weights"):
                if incremental:
                    model.partial_fit(X * 1e307, targets, classes=np.unique(targets))
                else:
                    model.fit(X * 1e307, targets)


def test_an_optimizer_by_name():
    by_name, by_class = (MLPRegressor(**SMALL, optimizer=o).fit(Xr, yr) for o in ("rmsprop", fastbp.RMSProp()))
    assert all(map(np.array_equal, by_name.coefs_, by_class.coefs_))
    rprop, whole = (MLPRegressor(**SMALL, optimizer="rprop", batch_size=m).fit(Xr, yr) for m in ("auto", len(Xr)))
    assert all(map(np.array_equal, rprop.coefs_, whole.coefs_))
    with pytest.raises(ValueError, match="unknown optimizer 'adan'"):
        MLPRegressor(**SMALL, optimizer="adan").fit(Xr, yr)


def test_activations_by_other_names_begin_with_the_same_weights():
    names = ("logistic", "logsig", "sigmoid")
    models = [MLPRegressor(activation=[name], **SMALL).fit(Xr, yr) for name in names]
    assert all(np.array_equal(models[0].coefs_[0], model.coefs_[0]) for model in models)


@pytest.mark.parametrize("kind", [fastbp.Adam, fastbp.LBFGS])
def test_layers_that_the_optimizer_freezes(kind):
    short, long = (
        MLPRegressor(**SMALL | {"max_iter": n}, optimizer=kind(layer_rates=[0, 1])).fit(Xr, yr) for n in (1, 6)
    )
    assert (short.coefs_[0] == long.coefs_[0]).all() and (short.intercepts_[0] == long.intercepts_[0]).all()
    assert (short.coefs_[1] != long.coefs_[1]).any()


def test_the_names_of_parameters_are_looked_up_once_for_each_class(monkeypatch):
    class Mine(MLPRegressor):
        def __init__(self, alpha=1.0):
            super().__init__(alpha=alpha)

        def _take_parameters(self, given):
            super()._take_parameters({"alpha": 1.0, **given})

    assert [*MLPRegressor().get_params()] == sorted(inspect.signature(MLPRegressor).parameters)
    looks, original = [], inspect.signature
    monkeypatch.setattr(inspect, "signature", lambda *of, **more: (looks.append(of), original(*of, **more))[1])
    assert Mine._get_param_names() == ["alpha"] and len(looks) == 1
    for _ in range(2):
        Mine().get_params()
        MLPRegressor().get_params()
    assert len(looks) == 1
