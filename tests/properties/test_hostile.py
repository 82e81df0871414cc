"""Arrays of any shape, layout, byte order, dtype and values give a right result or a documented error.

One function checks them before anything is computed. So the derivatives, which take long to compile, are tried with
float64 networks only; predictions, costs and gradients are tried in both dtypes.
"""

import copy

import numpy as np
import pytest
from conftest import state_of
from hostile import DTYPES, LAYOUTS, REFUSALS, arrays, kept, plain, said
from hypothesis import given, settings
from hypothesis import strategies as st

import fastbp

accepted: list[bool] = []  # of all arrays that were tried, whether they were accepted
NETS = {
    dtype: fastbp.Network([3, 4, 2], activation="tanh", cost="cross_entropy", output_activation="sigmoid", dtype=dtype,
                          seed=0)
    for dtype in ("float32", "float64")
}  # fmt: skip
X, Y, V = np.full((3, 3), 0.5), np.full((3, 2), 0.25), np.full(26, 0.1)


def rows(X):
    return len(X) if X.ndim else 1


IN_BOTH = {
    "evaluate": lambda net, X, Y: np.array(net.evaluate(X, Y).cost),
    "gradient": lambda net, X, Y: net.gradient(X, Y).vector,
}
OF_X = {
    "jacobian": lambda net, X: net.jacobian(X),
    "vjp": lambda net, X: net.vjp(X, np.ones((rows(X), 2))),
    "parameter_vjp": lambda net, X: net.parameter_vjp(X, np.ones((rows(X), 2))).vector,
    "jvp": lambda net, X: net.jvp(X, np.ones((rows(X), 3))),
    "fisher_vector_product": lambda net, X: net.fisher_vector_product(X, net.parameters).vector,
}
OF_X_AND_Y = {
    "train_on_batch": lambda net, X, Y: stepped(net, lambda copied: copied.train_on_batch(X, Y)),
    "per_sample_gradients": lambda net, X, Y: net.per_sample_gradients(X, Y),
    "per_sample_gradient_norms": lambda net, X, Y: net.per_sample_gradient_norms(X, Y),
    "clipped_gradient": lambda net, X, Y: net.clipped_gradient(X, Y, 1.0).vector,
    "input_gradient": lambda net, X, Y: net.input_gradient(X, Y),
    "hessian": lambda net, X, Y: net.hessian(X, Y),
    "hessian_vector_product": lambda net, X, Y: net.hessian_vector_product(X, Y, net.parameters).vector,
    "gauss_newton_vector_product": lambda net, X, Y: net.gauss_newton_vector_product(X, Y, net.parameters).vector,
    "empirical_fisher_vector_product": lambda net, X, Y: net.empirical_fisher_vector_product(X, Y, V).vector,
    "gauss_newton_diagonal": lambda net, X, Y: net.gauss_newton_diagonal(X, Y).vector,
    "error_norms": lambda net, X, Y: fastbp.error_norms(net, X, Y),
    "check_gradient": lambda net, X, Y: np.array(str(fastbp.check_gradient(net, X, Y, at_most=1))),
}
OF_V = {
    "apply_gradient": lambda net, v: stepped(net, lambda copied: copied.apply_gradient(v)),
    "hessian_vector_product": lambda net, v: net.hessian_vector_product(X, Y, v).vector,
    "gauss_newton_vector_product": lambda net, v: net.gauss_newton_vector_product(X, Y, v).vector,
    "fisher_vector_product": lambda net, v: net.fisher_vector_product(X, v).vector,
    "empirical_fisher_vector_product": lambda net, v: net.empirical_fisher_vector_product(X, Y, v).vector,
}
OF_ONE_SAMPLE = {
    "trace": lambda net, x, y: np.array(str(net.trace(x, y))),
    "nudge": lambda net, x, y: np.array(str(net.nudge(x, y, weight=(1, 0, 0)))),
}


def stepped(net, step):
    """The parameters of a copy after a step."""
    copied = copy.deepcopy(net)
    step(copied)
    return copied.parameters


def outcome(function, net, *given):
    """Return the result, or None after a clear error; neither the network nor the arguments may change."""
    before, arrays_before = state_of(net), [kept(a) for a in given]
    try:
        with np.errstate(all="ignore"):  # numbers near the largest overflow
            result = function(net, *given)
    except REFUSALS as error:
        assert said(error), repr(error)
        result = None
    assert state_of(net) == before
    assert [kept(a) for a in given] == arrays_before
    return result


def check(function, net, shape, *given):
    """Compare the result with that of ordinary arrays; a right first array has a shape that ends in `shape`."""
    result = outcome(function, net, *given)
    accepted.append(result is not None)
    if result is not None:  # then the arguments must be valid
        assert all(a.dtype.kind in "buifO" and np.isfinite(plain(a, net.dtype)).all() for a in given)
        assert not any(np.ma.is_masked(a) for a in given)
        assert given[0].shape[-len(shape) :] == shape
        again = function(net, *(plain(a, net.dtype) for a in given))
        assert np.asarray(result).tobytes() == np.asarray(again).tobytes()
        assert not any(np.shares_memory(result, a) for a in given)


def as_many(X, Y):
    """Y with as many rows as X, if both have rows."""
    if X.ndim and Y.ndim and len(Y) < len(X):
        Y = Y.repeat(len(X), axis=0)
    return Y[: len(X)] if X.ndim and Y.ndim else Y


@settings(deadline=None, max_examples=100, derandomize=True)
@given(X=arrays(None, 3), Y=arrays(None, 2), dtype=st.sampled_from(["float32", "float64"]))
def hostile_samples(X, Y, dtype):
    check(lambda net, X: net.predict(X), NETS[dtype], (3,), X)
    for function in IN_BOTH.values():
        check(function, NETS[dtype], (3,), X, as_many(X, Y))
    for function in OF_X.values():
        check(function, NETS["float64"], (3,), X)
    for function in OF_X_AND_Y.values():
        check(function, NETS["float64"], (3,), X, as_many(X, Y))


@settings(deadline=None, max_examples=100, derandomize=True)
@given(v=arrays(26), U=arrays(3, 2), V=arrays(3, 3))
def hostile_vectors(v, U, V):
    net = NETS["float64"]
    for function in OF_V.values():
        check(function, net, (26,), v)
    check(lambda net, U: net.vjp(X, U), net, (3, 2), U)
    check(lambda net, U: net.parameter_vjp(X, U).vector, net, (3, 2), U)
    check(lambda net, V: net.jvp(X, V), net, (3, 3), V)


@settings(deadline=None, max_examples=100, derandomize=True)
@given(x=arrays(3), y=arrays(2))
def hostile_single_samples(x, y):
    for function in OF_ONE_SAMPLE.values():
        check(function, NETS["float64"], (3,), x, y)


@settings(deadline=None, max_examples=20, derandomize=True)
@given(X=arrays(None, 3), Y=arrays(None, 2))
def hostile_eigenvalues(X, Y):
    for pair in ((X, np.full((rows(X), 2), 0.25)), (np.full((rows(Y), 3), 0.5), Y)):
        check(lambda net, X, Y: net.top_eigenvalues(X, Y, 1), NETS["float64"], (3,), *pair)


@settings(deadline=None, max_examples=60, derandomize=True)
@given(X=arrays(None, 3), Y=arrays(None, 2), weight=arrays(None, 1))
def hostile_training(X, Y, weight):
    weight = weight.ravel() if weight.dtype.kind in "fiu" else weight
    for one in (X, Y, weight):  # the other two are right
        n = rows(one)
        right = np.full((n, 3), 0.5), np.full((n, 2), 0.25), np.ones(n)
        train(*(a if a is one else other for a, other in zip((X, Y, weight), right, strict=True)))


def train(X, Y, weight):
    """A refusal changes nothing; a training leaves finite weights; the arguments stay unchanged."""
    net = fastbp.Network([3, 4, 2], cost="cross_entropy", output_activation="sigmoid", seed=0)
    given, before = (X, Y, weight), state_of(net)
    kept_before = [kept(a) for a in given]
    try:
        with np.errstate(all="ignore"):
            net.fit(X, Y, epochs=1, sample_weight=weight)
        accepted.append(True)
    except (TypeError, ValueError):
        accepted.append(False)
        assert state_of(net) == before
    except fastbp.DivergenceError:
        assert net.parameters.tobytes() == before["parameters"]
    assert [kept(a) for a in given] == kept_before and np.isfinite(net.parameters).all()


@settings(deadline=None, max_examples=60, derandomize=True)
@given(values=arrays(26))
def hostile_parameters(values):
    net = fastbp.Network([3, 4, 2], seed=0)
    before = net.parameters.copy()
    try:
        net.parameters = values
    except REFUSALS:
        accepted.append(False)
        assert net.parameters.tobytes() == before.tobytes()
    else:
        accepted.append(True)
        assert net.parameters.tobytes() == np.asarray(values).astype(np.float32).ravel().tobytes()


HOSTILE = [
    hostile_samples, hostile_vectors, hostile_single_samples, hostile_eigenvalues, hostile_training, hostile_parameters,
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:networks learn from numbers around 0")
@pytest.mark.parametrize("hostile", HOSTILE)
def test_arrays_are_accepted_or_refused(hostile):
    if hostile is hostile_eigenvalues:
        pytest.importorskip("scipy", reason="SciPy is not installed")
    accepted.clear()
    hostile()
    assert 0.05 < np.mean(accepted) < 0.95  # both happen


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype(dtype):
    """Each dtype for certain: real numbers are accepted, others are refused."""
    net, real = NETS["float64"], np.dtype(dtype).kind in "buifO" and dtype != "f2"
    odd = [np.zeros(a.shape, "V4") if dtype == "V4" else (a > 0).astype(dtype) for a in (X, Y, V)]
    for right, function in (
        ([odd[0]], lambda X: net.predict(X)), ([X, odd[1]], lambda X, Y: net.gradient(X, Y).vector),
        ([odd[2]], lambda v: net.fisher_vector_product(X, v).vector), ([odd[1]], lambda U: net.vjp(X, U)),
        ([odd[0][0], odd[1][0]], lambda x, y: np.array(str(net.trace(x, y)))),
    ):  # fmt: skip
        if not real:
            with pytest.raises(TypeError, match=r"is of dtype .*; needed are") as caught:
                function(*right)
            assert said(caught.value)
            continue
        np.testing.assert_array_equal(function(*right), function(*(plain(a, "f8") for a in right)))


def test_good_arrays_are_accepted_in_every_layout():
    """Except masked arrays with hidden numbers."""
    net = NETS["float64"]
    for name, layout in LAYOUTS.items():
        for functions, right in ((IN_BOTH, [X, Y]), (OF_X, [X]), (OF_V, [V]), (OF_ONE_SAMPLE, [X[0], Y[0]])):
            for function in functions.values():
                if name == "masked":
                    with pytest.raises(ValueError, match="masked"):
                        function(net, *map(layout, right))
                    continue
                result = function(net, *map(layout, right))
                np.testing.assert_array_equal(result, function(net, *right))
    with pytest.raises(REFUSALS):
        net.predict(X[:, :2])
