"""Arrays of any shape, layout, byte order, dtype, values: a right result or a documented error; nothing is changed."""

import numpy as np
import pytest
from conftest import state_of
from hypothesis import given, settings
from hypothesis import strategies as st

import fastbp

DTYPES = ["f4", "f8", ">f4", ">f8", "f2", "i1", "u8", ">i4", "?", "c16", "O", "U3", "M8[s]", "V4"]
REFUSALS = (TypeError, ValueError, fastbp.DivergenceError)
VALUES = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-310, 1e30, 1e300, -1.0, 3.0]
LAYOUTS = {
    "as it is": lambda a: a,
    "column by column": np.asfortranarray,
    "backwards": lambda a: a[::-1] if a.ndim else a,
    "every second": lambda a: np.repeat(a, 2, axis=0)[::2] if a.ndim else a,
    "read-only": lambda a: np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape) if a.dtype.kind in "fiu" else a,
    "not aligned": lambda a: unaligned(a) if a.dtype.kind in "fiu" else a,
    "one row again and again": lambda a: np.broadcast_to(a[:1], a.shape) if a.ndim and len(a) else a,
    "a matrix of the old class": lambda a: a.astype(a.dtype).view(np.recarray) if a.dtype.kind in "fiu" else a,
    "masked": lambda a: np.ma.masked_array(a),
}


def unaligned(a):
    memory = np.zeros(a.nbytes + 1, np.uint8)[1:]
    shifted = memory.view(a.dtype).reshape(a.shape)
    shifted[...] = a
    return shifted


@st.composite
def arrays(draw, columns):
    """Mostly (n, columns) of good numbers; now and then of another shape, with an odd value somewhere."""
    n = draw(st.sampled_from([1, 2, 3, 5, 17]))
    shape = draw(
        st.sampled_from([(n, columns)] * 6 + [(n,), (), (0, columns), (n, 0), (n, columns + 1), (n, columns, 1), (0,)])
    )
    dtype = draw(st.sampled_from(["f4", "f8"] * 4 + DTYPES))
    a = np.asarray(np.random.default_rng(draw(st.integers(0, 9))).uniform(0, 1, shape)).round(2)
    if a.size and draw(st.integers(0, 3)) == 0:
        a = a.copy()
        a.flat[draw(st.integers(0, a.size - 1))] = draw(st.sampled_from(VALUES))
    with np.errstate(all="ignore"):
        a = np.asarray(a, "f8").astype(dtype) if dtype != "V4" else np.zeros(shape, dtype)
    return LAYOUTS[draw(st.sampled_from(sorted(LAYOUTS)))](np.asarray(a))


accepted: list[bool] = []  # of all arrays that were tried
NETS = {
    dtype: fastbp.Network([3, 4, 2], activation="tanh", cost="cross_entropy", output_activation="sigmoid", dtype=dtype,
                          seed=0)
    for dtype in ("float32", "float64")
}  # fmt: skip
OF_X = {
    "predict": lambda net, X: net.predict(X),
    "jacobian": lambda net, X: net.jacobian(X),
    "vjp": lambda net, X: net.vjp(X, np.ones((len(X), 2))),
    "jvp": lambda net, X: net.jvp(X, np.ones((len(X), 3))),
    "fisher": lambda net, X: net.fisher_vector_product(X, net.parameters).vector,
}
OF_X_AND_Y = {
    "evaluate": lambda net, X, Y: np.array(net.evaluate(X, Y).cost),
    "gradient": lambda net, X, Y: net.gradient(X, Y).vector,
    "per_sample_gradients": lambda net, X, Y: net.per_sample_gradients(X, Y),
    "per_sample_gradient_norms": lambda net, X, Y: net.per_sample_gradient_norms(X, Y),
    "clipped_gradient": lambda net, X, Y: net.clipped_gradient(X, Y, 1.0).vector,
    "input_gradient": lambda net, X, Y: net.input_gradient(X, Y),
    "hessian_vector_product": lambda net, X, Y: net.hessian_vector_product(X, Y, net.parameters).vector,
    "gauss_newton_diagonal": lambda net, X, Y: net.gauss_newton_diagonal(X, Y).vector,
}


def kept(array):
    """What must not change of an array that a user gives."""
    return array.tobytes(), array.shape, array.strides, array.flags.writeable


def outcome(function, net, *given):
    """The bits of a result, or the class of the error; nothing of the net or of what is given may change."""
    before, arrays_before = state_of(net), [kept(a) for a in given]
    try:
        with np.errstate(all="ignore"):  # of numbers that are near the largest
            result = function(net, *given)
    except REFUSALS as error:
        assert len(str(error)) > 10
        result = None
    assert state_of(net) == before
    assert [kept(a) for a in given] == arrays_before
    return result


def plain(array, net):
    """The same numbers as the most ordinary array."""
    return np.array(np.asarray(array), net.dtype, order="C", copy=True)


def check(function, net, *given):
    result = outcome(function, net, *given)
    accepted.append(result is not None)
    if result is not None:  # so what was given is what may be given
        assert all(a.dtype.kind in "buif" and np.isfinite(plain(a, net)).all() for a in given)
        assert given[0].shape[1:] == (3,)
    if result is not None and not any(isinstance(a, np.ma.MaskedArray) for a in given):
        again = function(net, *(plain(a, net) for a in given))
        assert np.asarray(result).tobytes() == np.asarray(again).tobytes()
        assert not any(np.shares_memory(result, a) for a in given)


@settings(deadline=None, max_examples=200, derandomize=True)
@given(X=arrays(3), dtype=st.sampled_from(["float32", "float64"]))
def hostile_inputs(X, dtype):
    for function in OF_X.values():
        check(function, NETS[dtype], X)


def test_what_is_done_with_inputs():
    accepted.clear()
    hostile_inputs()
    assert 0.05 < np.mean(accepted) < 0.95  # both happens


@settings(deadline=None, max_examples=200, derandomize=True)
@given(X=arrays(3), Y=arrays(2), dtype=st.sampled_from(["float32", "float64"]))
def hostile_inputs_and_targets(X, Y, dtype):
    if X.ndim and Y.ndim and len(Y) < len(X):
        Y = Y.repeat(len(X), axis=0)
    for function in OF_X_AND_Y.values():
        check(function, NETS[dtype], X, Y[: len(X)] if X.ndim and Y.ndim else Y)


def test_what_is_done_with_inputs_and_targets():
    accepted.clear()
    hostile_inputs_and_targets()
    assert 0.05 < np.mean(accepted) < 0.95


@settings(deadline=None, max_examples=60, derandomize=True)
@given(X=arrays(3), Y=arrays(2), weight=arrays(1))
def test_training(X, Y, weight):
    """A refusal changes nothing; otherwise weights stay finite, and what was given stays as it is."""
    net = fastbp.Network([3, 4, 2], cost="cross_entropy", output_activation="sigmoid", seed=0)
    given, before = (X, Y, weight), state_of(net)
    kept_before = [kept(a) for a in given]
    try:
        with np.errstate(all="ignore"):
            net.fit(X, Y, epochs=1, sample_weight=weight.ravel() if weight.dtype.kind == "f" else weight)
    except (TypeError, ValueError):
        assert state_of(net) == before
    except fastbp.DivergenceError:
        assert net.parameters.tobytes() == before["parameters"]
    assert [kept(a) for a in given] == kept_before and np.isfinite(net.parameters).all()


@settings(deadline=None, max_examples=60, derandomize=True)
@given(values=arrays(26))
def test_parameters_that_are_assigned(values):
    net = fastbp.Network([3, 4, 2], seed=0)
    before, values = net.parameters.copy(), values[0] if values.ndim == 2 and len(values) else values
    try:
        net.parameters = values
    except REFUSALS:
        assert net.parameters.tobytes() == before.tobytes()
    else:
        assert net.parameters.tobytes() == np.asarray(values).astype(np.float32).ravel().tobytes()


def test_what_these_tests_are_about_happens():
    """Good arrays are accepted in every layout."""
    X, Y = np.full((2, 3), 0.5), np.full((2, 2), 0.25)
    for layout in LAYOUTS.values():
        for function in OF_X_AND_Y.values():
            result = function(NETS["float64"], layout(X), layout(Y))
            np.testing.assert_array_equal(result, function(NETS["float64"], X, Y))
    with pytest.raises(REFUSALS):
        NETS["float64"].predict(X[:, :2])
