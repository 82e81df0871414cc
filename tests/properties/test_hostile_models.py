"""Estimators of `fastbp.sklearn` and models of other libraries: odd arguments, arrays and modules."""

import copy
import inspect
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hostile import DTYPES, ODD, arrays, kept, plain, said, wrongs
from hypothesis import given, settings
from hypothesis import strategies as st
from right_arguments import net

import fastbp

X = np.random.default_rng(0).normal(size=(12, 3))
Y = {"MLPClassifier": np.arange(12) % 3, "MLPRegressor": np.arange(12) / 3}
WITH = {  # other parameters that a parameter needs to have an effect
    **{name: {"solver": "sgd"} for name in ("learning_rate", "power_t", "momentum", "nesterovs_momentum")},
    "max_fun": {"solver": "lbfgs"}, "validation_fraction": {"early_stopping": True}, "quantile": {"loss": "quantile"},
    "huber_delta": {"loss": "huber"},
}  # fmt: skip
SILENT = {"verbose"}  # prints, and accepts any truth value, as in scikit-learn
BOTH = ["MLPClassifier", "MLPRegressor"]


@pytest.fixture(autouse=True)
def _quiet():
    """Silence scikit-learn's warnings: no convergence, a clipped batch, a column for a vector."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def sklearn():
    return pytest.importorskip("sklearn", reason="scikit-learn is not installed")


def their_folder():
    return Path(sklearn().__file__).parent


def new(name, **parameters):
    sklearn()
    kind = getattr(fastbp.sklearn, name)
    return kind(**{"hidden_layer_sizes": (4,), "max_iter": 2, "random_state": 0, **parameters})


FITTED = {}


def fitted(name):
    if name not in FITTED:
        FITTED[name] = new(name).fit(X, Y[name])
    return copy.deepcopy(FITTED[name])


@pytest.mark.parametrize("name", BOTH)
def test_odd_parameters_of_estimators(name, capsys):
    folder, refusals = their_folder(), 0
    for parameter in inspect.signature(getattr(fastbp.sklearn, name)).parameters.keys() - SILENT:
        if name == "MLPRegressor" and parameter not in ("loss", "quantile", "huber_delta", "activation"):
            continue  # the classifier has the same

        def fit(value, parameter=parameter):
            new(name, **{**WITH.get(parameter, {}), parameter: value}).fit(X, Y[name])

        forever = parameter in ("max_iter", "n_iter_no_change", "max_fun")
        for odd in ODD:
            if not (forever and isinstance(odd, int)):
                refusals += refused(f"{name}({parameter}={odd!r:.40})", fit, odd, folder)
    assert refusals > 50


def refused(label, function, odd, *folders):
    """Whether a call is refused with a clear error; it may also succeed, and nothing else."""
    try:
        function(odd)
    except (TypeError, ValueError) as error:
        assert callable(odd) or said(error, *folders), f"{label}: {error!r}"
        return True
    except Exception as error:
        pytest.fail(f"{label}: {error!r}")
    return False


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize(
    "method", ["fit", "partial_fit", "predict", "score", "input_gradient", "predict_proba", "predict_log_proba"]
)
def test_odd_arguments_of_estimators(name, method):
    folder, y, ours, refusals = their_folder(), Y[name], fitted(name), 0
    if not hasattr(ours, method):
        pytest.skip("the regressor has no such method")
    right = {"X": X} if "predict" in method else {"X": X, "y": y}
    right |= {"X_val": X, "y_val": y} if method == "fit" else {}

    def call(parameter, value):
        estimator = copy.deepcopy(ours)
        try:
            getattr(estimator, method)(**{**right, parameter: value})
        except (
            TypeError,
            ValueError,
        ) as error:  # before any change or, as in scikit-learn, after weights were not finite
            unchanged = all((w == v).all() for w, v in zip(ours.coefs_, estimator.coefs_, strict=True))
            assert unchanged or "non-finite parameter weights" in str(error)
            raise

    for parameter in inspect.signature(getattr(ours, method)).parameters:
        for odd in ODD:
            # scikit-learn raises an OverflowError for whole numbers that no float can hold.
            if not isinstance(odd, int) or odd < 1e308:
                refusals += refused(f"{method}({parameter}={odd!r:.40})", partial(call, parameter), odd, folder)
    assert refusals > 20


MANY = {"MLPSearchCV": {"space": {"alpha": [0.1]}, "cv": 2}, "MLPEnsembleClassifier": {"n_estimators": 2},
        "MLPEnsembleRegressor": {"n_estimators": 2}}  # fmt: skip


@pytest.mark.parametrize("name", MANY)
def test_odd_arguments_of_a_search_and_of_ensembles(name):
    folder, refusals = their_folder(), 0
    member = "MLPRegressor" if name == "MLPEnsembleRegressor" else "MLPClassifier"
    kind, right = getattr(fastbp.sklearn, name), {"estimator": new(member), **MANY[name]}

    def made(parameter, value):
        kind(**{**right, parameter: value}).fit(X, Y[member])

    def fitted(parameter, value):
        many = kind(**right)
        try:
            many.fit(**{"X": X, "y": Y[member], parameter: value})
        except (TypeError, ValueError):
            assert not hasattr(many, "predict") or not hasattr(many, "n_features_in_")  # nothing is half fitted
            raise

    def asked(parameter, value):
        kind(**right).fit(X, Y[member]).predict(**{"X": X, parameter: value})

    for parameter in inspect.signature(kind).parameters.keys() - {"verbose", "n_estimators"}:
        for odd in ODD:
            if parameter != "cv" or not isinstance(odd, bytes):  # which have a method split
                refusals += refused(f"{name}({parameter}={odd!r:.40})", partial(made, parameter), odd, folder)
    for parameter, call in (("X", fitted), ("y", fitted), ("X", asked)):
        for odd in ODD:
            if not isinstance(odd, int) or odd < 1e308:  # see above
                label = f"{name}.{call.__name__}({parameter}={odd!r:.40})"
                refusals += refused(label, partial(call, parameter), odd, folder)
    assert refusals > 100


def test_odd_estimators_are_not_converted():
    their_folder()
    from sklearn.exceptions import NotFittedError
    from sklearn.neural_network import MLPClassifier as Theirs

    for convert, other in ((fastbp.sklearn.from_sklearn, Theirs()), (fastbp.sklearn.to_sklearn, new("MLPClassifier"))):
        for odd in [*ODD, fitted("MLPRegressor") if isinstance(other, Theirs) else Theirs()]:
            with pytest.raises(TypeError, match="only those can be converted"):
                convert(odd)
        with pytest.raises(NotFittedError):
            convert(other)


@settings(deadline=None, max_examples=100, derandomize=True)
@given(data=st.data(), name=st.sampled_from(BOTH), method=st.sampled_from(["predict", "fit", "input_gradient"]))
def test_odd_arrays_of_estimators(data, name, method):
    """A clear error, or the result of ordinary arrays of the same dtype; the arguments stay unchanged."""
    folder, ours = their_folder(), fitted(name)
    array = data.draw(arrays(None, 3))
    given = [array] if method == "predict" else [array, data.draw(arrays(len(array) if array.ndim else 1))]
    if method != "predict" and name == "MLPClassifier" and data.draw(st.booleans()):
        given[1] = np.arange(len(array) if array.ndim else 1) % 3
    before = [kept(a) for a in given]

    def done(*given):
        estimator = copy.deepcopy(ours)
        with np.errstate(all="ignore"):
            result = getattr(estimator, method)(*given)
        return np.concatenate([w.ravel() for w in result.coefs_]) if method == "fit" else result

    try:
        result = done(*given)
    except (TypeError, ValueError) as error:
        assert said(error, folder), repr(error)
    else:
        again = done(*(plain(a, a.dtype) for a in given))
        assert np.asarray(result).tobytes() == np.asarray(again).tobytes()
        assert not any(np.shares_memory(result, a) for a in given)
    assert [kept(a) for a in given] == before


@pytest.mark.parametrize("name", BOTH)
def test_every_dtype_of_estimators(name):
    refusals = 0
    for dtype in DTYPES:
        odd = np.zeros(X.shape, dtype) if dtype == "V4" else (X > 0).astype(dtype)
        for method, right in (("predict", [odd]), ("fit", [odd, Y[name]]), ("fit", [X, odd[:, 0]])):
            call = partial(lambda method, right, _: getattr(fitted(name), method)(*right), method, right)
            refusals += refused(f"{method} of {dtype}", call, None, their_folder())
    assert 0 < refusals < 3 * len(DTYPES)


def linear(torch, **changed):
    module = torch.nn.Sequential(torch.nn.Linear(3, 3))
    for name, value in changed.items():
        setattr(module[0], name, value if value is None else torch.nn.Parameter(value, requires_grad=False))
    return module


def normalization(torch, **changed):
    module = torch.nn.BatchNorm1d(2)
    torch.nn.init.constant_(module.weight, 1e30)
    for name, value in changed.items():
        setattr(module, name, value)
    return module


def with_hook(module, where):
    where.register_forward_hook(lambda *given: given[-1] * 2)
    return module


def within_itself(torch):
    module = torch.nn.Sequential(torch.nn.Linear(2, 2))
    return module.append(module)


def odd_modules(torch):
    """Modules that fastbp cannot read, and words of the error for each."""
    nn, ones = torch.nn, torch.ones
    L, S = nn.Linear, nn.Sequential
    doubled = type("Doubled", (S,), {"forward": lambda self, x: S.forward(self, x) * 2})
    hooked, inner = S(L(2, 3)), S(L(2, 3), nn.ReLU())
    yield from (
        (S(), "no layers"), (S(nn.ReLU()), "before the first layer"), (S(L(2, 3), L(4, 1)), "has 4 inputs"),
        (linear(torch, weight=ones(3, 3) * np.nan), r"weights\[0, 0\] is nan"), (L(2, 3), "must be a torch"),
        (linear(torch, bias=ones(3) * np.inf), r"biases\[0\] is inf"), (S(L(2, 3, device="meta")), "on meta"),
        (S(L(2, 3)).half(), "torch.float16"), (S(L(2, 3)).bfloat16(), "torch.bfloat16"),
        (S(L(2, 3, dtype=torch.complex64)), "torch.complex64"), (S(L(2, 3), L(3, 2).double()), "float64"),
        (linear(torch, bias=ones(3, dtype=torch.float64)), "biases .* of float64"),
        (doubled(L(2, 3)), "its own forward"),
        (linear(torch, bias=ones(3, dtype=torch.complex64)), "torch.complex64"),
        (linear(torch, weight=torch.eye(3).to_sparse()), "sparse"), (linear(torch, weight=None), "no parameters"),
        (linear(torch, weight=ones(2, 2, 2)), r"\(2, 2, 2\)"), (linear(torch, bias=ones(1)), r"biases \(1,\)"),
        (linear(torch, weight=ones(3, 0)), r"\(3, 0\)"), (linear(torch, weight=ones(0, 3)), r"\(0, 3\)"),
        (with_hook(hooked, hooked), "hooks"), (with_hook(inner, inner[1]), "hooks"), (within_itself(torch), "itself"),
        (S(nn.LazyLinear(3)), "LazyLinear"), (S(nn.Conv2d(1, 1, 1)), "Conv2d"), (S(type("Own", (L,), {})(2, 3)), "Own"),
        (S(L(2, 3), nn.Softmax(-1), L(3, 2)), "output layer only"), (S(L(2, 3), nn.Softmax(0)), "dim=0"),
        (S(L(2, 3), nn.ReLU(), nn.ReLU()), "another activation"), (S(nn.Flatten(0), L(2, 3)), "several samples"),
        (S(L(2, 3), nn.ELU(ones(2))), "alpha=tensor"), (S(L(2, 3), nn.LeakyReLU(np.nan)), "negative_slope=nan"),
        (S(nn.utils.parametrizations.weight_norm(L(2, 3))), "ParametrizedLinear"),
        (nn.ModuleList([L(2, 3)]), "is a ModuleList"), (torch.jit.trace(S(L(2, 3)), ones(1, 2)), "cannot follow"),
        (S(normalization(torch, running_mean=ones(2) * np.nan), L(2, 3)), r"the shift\[0\] is nan"),
        (S(L(3, 2), normalization(torch, running_var=-ones(2))), r"the scale\[0\] is nan"),
        (S(normalization(torch, running_var=ones(2) * 0, eps=0), L(2, 3)), r"the scale\[0\] is inf"),
        (S(L(3, 2), normalization(torch, running_var=ones(3))), "has 2 features; the layer that it normalizes has 3"),
        (S(normalization(torch).half(), L(2, 3)), "torch.float16"),
        (S(normalization(torch, running_var=ones(2) * 1e-40, eps=0), L(2, 3)), r"module\[1\].weights\[0, 0\] is"),
    )  # fmt: skip


def test_odd_modules():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    for module, words in odd_modules(torch):
        with pytest.raises((TypeError, ValueError), match=words) as caught:
            fastbp.from_torch(module)
        assert said(caught.value)
    wrong, times = wrongs("from_torch", fastbp.from_torch, {"module": linear(torch)})
    assert wrong == [] and times > 0


def test_odd_layouts_of_modules():
    """Views of tensors are read like ordinary tensors."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    w = torch.arange(9.0).reshape(3, 3)
    for weight in (w.T, w[:, [2, 0, 1]], w[:1].expand(3, 3), torch.complex(w, w).conj().imag):
        module = linear(torch, weight=weight)
        np.testing.assert_array_equal(fastbp.from_torch(module).weights[0], np.array(weight.tolist(), "f4"))


def test_other_libraries_files_of_odd_arguments(tmp_path, monkeypatch):
    pytest.importorskip("onnx", reason="onnx is not installed")
    monkeypatch.chdir(tmp_path)
    wrong, times = wrongs("to_onnx", net().to_onnx, {})
    assert wrong == [] and times > 0


def test_odd_models_of_keras():
    pytest.importorskip("torch", reason="PyTorch is not installed")
    keras = pytest.importorskip("keras", reason="Keras is not installed")
    dense = keras.layers.Dense(3)
    model = keras.Sequential([keras.Input((2,)), dense])
    dense.kernel.assign(np.full((2, 3), np.nan, "f4"))
    unbuilt, empty = keras.Sequential([keras.layers.Dense(3)]), keras.Sequential([keras.Input((2,))])
    doubled = type("Doubled", (keras.Sequential,), {"call": lambda self, x: 2 * super().call(x)})
    normalized = keras.Sequential([keras.Input((2,)), keras.layers.Normalization(-1, 0.0, -1.0), keras.layers.Dense(3)])
    for odd, words in (
        (model, "nan"), (normalized, r"the scale\[0\] is nan"), (unbuilt, "build the model"), (empty, "no layers"),
        (doubled([keras.Input((2,)), keras.layers.Dense(3)]), "its own call"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=words):
            fastbp.from_keras(odd)
    for odd in ODD:
        with pytest.raises(TypeError, match=r"must be a keras\.Sequential"):
            fastbp.from_keras(odd)
