"""Every public function and method with every one of its arguments odd: it works, or says what is wrong, no more."""

import inspect
import warnings

import numpy as np
import pytest
from conftest import state_of

import fastbp

ODD = [
    None, "", "no such thing", b"bytes", True, -1, 0, 1.5, 2**63, -(2**70), 10**400, float("nan"), float("inf"), 1e-320,
    1 + 2j, [], {}, [[1, 2], [3]], object(), np.float32("nan"), np.array(3), np.zeros(0), np.array([None]),
    lambda: None,
]  # fmt: skip
REFUSALS = (TypeError, ValueError, OSError, MemoryError, fastbp.DivergenceError)
X, Y, V = np.full((4, 3), 0.5), np.full((4, 2), 0.25), np.full(26, 0.1)
FOREVER = 2**40  # and more epochs, steps or seconds than this are a right thing to ask for, but not of a test


def net():
    return fastbp.Network([3, 4, 2], cost="cross_entropy", output_activation="sigmoid", seed=0)


# Right arguments of what needs some. What is in neither table is called with no arguments but the odd one.
RIGHT = {
    "Activation": {"name": "a", "function": lambda z: z, "derivative": lambda z: 1},
    "Cost": {"name": "c", "function": lambda a, y: a - y, "derivative": lambda a, y: 1},
    "CSVLogger": {"path": "log.csv"},
    "CosineDecay": {"epochs": 9},
    "Momentum": {"learning_rate": 0.1},
    "Nesterov": {"learning_rate": 0.1},
    "OneCycle": {"epochs": 9},
    "StepDecay": {"every": 3},
    "Checkpoint": {"path": "net.safetensors"},
    "Initializer": {"name": "i", "draw": lambda rng, n_out, n_in: np.zeros((n_out, n_in))},
    "Network": {"sizes": [3, 4, 2], "seed": 0},
    "check_derivative": {"function": "tanh"},
    "check_gradient": {"net": net, "X": X, "Y": Y},
    "error_norms": {"net": net, "X": X, "Y": Y},
    "set_num_threads": {"n": None},
    "threads": {"n": None},
    "load": {"path": "net.safetensors"},
}  # fmt: skip
METHODS = {
    "clipped_gradient": {"X": X, "Y": Y, "max_norm": 1.0},
    "empirical_fisher_vector_product": {"X": X, "Y": Y, "v": V},
    "evaluate": {"X": X, "Y": Y},
    "fisher_vector_product": {"X": X, "v": V},
    "fit": {"X": X, "Y": Y, "epochs": 1},
    "gauss_newton_diagonal": {"X": X, "Y": Y},
    "gauss_newton_vector_product": {"X": X, "Y": Y, "v": V},
    "gradient": {"X": X, "Y": Y},
    "hessian": {"X": X, "Y": Y},
    "hessian_vector_product": {"X": X, "Y": Y, "v": V},
    "input_gradient": {"X": X, "Y": Y},
    "jacobian": {"X": X},
    "jvp": {"X": X, "V": np.ones((4, 3))},
    "nudge": {"x": X[0], "y": Y[0], "weight": (1, 0, 0), "by": 0.1},
    "per_sample_gradient_norms": {"X": X, "Y": Y},
    "per_sample_gradients": {"X": X, "Y": Y},
    "predict": {"X": X},
    "save": {"path": "net.safetensors"},
    "to_c": {"path": "net.c"},
    "top_eigenvalues": {"X": X, "Y": Y, "k": 1},
    "trace": {"x": X[0], "y": Y[0]},
    "vjp": {"X": X, "U": np.ones((4, 2))},
}  # fmt: skip
ELSEWHERE = {
    "Comparison", "Evaluation", "GradientCheck", "History", "Nudge", "ParameterVector", "Trace", "Callback",  # results
    "DivergenceError", "MeasuringError", "ModelFileError",  # errors
    "compare", "load_mnist", "load_digits",  # long, or files: test_compare.py, test_data_*.py
    "from_keras", "from_torch",  # test_interchange.py, with what they read
}  # fmt: skip
PROPERTIES = {"activations", "biases", "cost", "dtype", "formulation", "optimizer", "parameters", "sizes", "weights"}
OF_EXTRAS = {"to_onnx", "to_torch"}  # test_interchange.py


def odd_calls(function, right):
    """Call it with each argument odd in turn; the others are right."""
    for name, parameter in inspect.signature(function).parameters.items():
        if name == "self" or parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            continue
        for odd in ODD:
            if name == "epochs" and isinstance(odd, int) and odd > FOREVER:
                continue
            yield name, odd, {n: v() if v is net else v for n, v in right.items()} | {name: odd}


def refused(call, arguments):
    """Whether a call refuses what it is given, in words. It may also do it; anything else is an error."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore", RuntimeWarning)
            result = call(**arguments)
            if hasattr(result, "__exit__"):
                with result:
                    pass
    except REFUSALS as error:
        assert len(str(error)) > 10, repr(error)
        return True
    return False


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    net().save("net.safetensors")
    yield
    fastbp.set_num_threads(None)


@pytest.mark.parametrize("name", sorted(set(fastbp.__all__) - ELSEWHERE))
def test_functions(name):
    function, times, wrong = getattr(fastbp, name), 0, []
    for parameter, odd, arguments in odd_calls(function, RIGHT.get(name, {})):
        try:
            times += refused(function, arguments)
        except Exception as error:
            wrong.append(f"{name}({parameter}={odd!r:.60}): {type(error).__name__}: {error}")
    assert wrong == []
    assert times > 0 or not inspect.signature(function).parameters


@pytest.mark.parametrize("name", sorted(METHODS))
def test_methods(name):
    wrong, times, right = [], 0, METHODS[name]
    for parameter, odd, arguments in odd_calls(getattr(fastbp.Network, name), right):
        ours = net()
        before = state_of(ours)
        try:
            if refused(
                getattr(ours, name),
                arguments | ({"progress": False} if name == "fit" and parameter != "progress" else {}),
            ):
                times += 1
                # What a function of the user's raises is found while training; what is none is found before.
                assert callable(odd) or state_of(ours) == before, "something has changed"
        except Exception as error:
            wrong.append(f"{name}({parameter}={odd!r:.60}): {type(error).__name__}: {error}")
    assert wrong == []
    assert times > 0


def test_nothing_public_is_forgotten():
    methods = {name for name in dir(fastbp.Network) if not name.startswith("_")}
    assert methods == set(METHODS) | PROPERTIES | OF_EXTRAS
    assert set(RIGHT) | ELSEWHERE <= set(fastbp.__all__)


def test_right_arguments_are_taken():
    """Or every refusal above could be that of a name which is none."""
    for name, right in METHODS.items():
        getattr(net(), name)(**right)
    for name, right in RIGHT.items():
        assert not refused(getattr(fastbp, name), {n: v() if v is net else v for n, v in right.items()}), name
