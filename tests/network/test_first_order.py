"""First derivatives besides the gradient, against naive twins, each other and documented values; refusals."""

import numpy as np
import pytest
from conftest import needs_two_threads, relative_difference
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_first_order import (
    clipped_gradient,
    in_double,
    input_gradient,
    jacobian,
    norms_by_layer,
    per_sample_gradients,
)
from numba import config
from own_functions import ALGEBRAIC, LOG_COSH

import fastbp
from fastbp import memory
from fastbp.compiler import threads
from fastbp.derivatives import jacobians, per_sample
from fastbp.formulations.tiles import tiled

EXAMPLES = 3 if config.DISABLE_JIT else 25
LARGEST = 9 if config.DISABLE_JIT else 70
TOLERANCE = {"float32": 3e-5, "float64": 1e-12}
both = pytest.mark.parametrize("dtype", ["float32", "float64"])
KINDS = [
    ("tanh", "softmax", "cross_entropy"), ("relu", "identity", "quadratic"), ("gelu", "sigmoid", "cross_entropy"),
    ("elu", "exponential", "poisson"), ("sigmoid", "softmax", "squared_error"), ("softplus", "tanh", "huber"),
    (ALGEBRAIC, ALGEBRAIC, LOG_COSH),
]  # fmt: skip


def network(sizes, kind=KINDS[0], dtype="float64", seed=1):
    hidden, output, cost = kind
    net = fastbp.Network(
        sizes, activation=hidden, output_activation=output, cost=cost, dtype=dtype, seed=seed, initializer="glorot"
    )
    rng = np.random.default_rng(seed)
    for b in net.biases:
        b[:] = rng.uniform(-0.5, 0.5, b.size)
    return net


def samples(net, n, seed=0):
    rng = np.random.default_rng(seed)
    X, Y = rng.uniform(-1, 1, (n, net.sizes[0])), rng.uniform(0.1, 1, (n, net.sizes[-1]))
    return X.astype(net.dtype), (Y / Y.sum(axis=1, keepdims=True)).astype(net.dtype)


def everything(net, X, Y, of, wrt, max_norm):
    return {
        "gradients": net.per_sample_gradients(X, Y),
        "norms": net.per_sample_gradient_norms(X, Y),
        "norms by layer": net.per_sample_gradient_norms(X, Y, by_layer=True),
        "clipped": net.clipped_gradient(X, Y, max_norm).vector,
        "by inputs": net.input_gradient(X, Y),
        "jacobian": net.jacobian(X, of=of, wrt=wrt),
        "vjp": net.vjp(X, Y),
    }


@both
@settings(max_examples=EXAMPLES, deadline=None, derandomize=True)
@given(data=st.data())
def test_all_agree_with_their_naive_twins(dtype, data):
    sizes = data.draw(st.lists(st.integers(1, LARGEST), min_size=2, max_size=5))
    net = network(sizes, data.draw(st.sampled_from(KINDS)), dtype)
    X, Y = samples(net, data.draw(st.integers(1, 12)))
    of = data.draw(st.integers(1, len(sizes) - 1))
    check_against_naive_twins(net, X, Y, of, data.draw(st.integers(0, of - 1)))


@both
def test_layers_whose_sums_are_cut_into_parts(dtype):
    """A layer with more weights than `tiles.CACHED` allows for one part."""
    net = network([5, 150, 140, 3], KINDS[4], dtype)  # σ(0), the value in the padding, is not 0
    check_against_naive_twins(net, *samples(net, 5), of=3, wrt=0)


def check_against_naive_twins(net, X, Y, of, wrt):
    model, double, tolerance = in_double(net), (X.astype(np.float64), Y.astype(np.float64)), TOLERANCE[net.dtype.name]
    norms = norms_by_layer(model, *double)
    max_norm = (
        float(np.median(np.sqrt((norms**2).sum(axis=1)))) or 1.0
    )  # so that some gradients are clipped and some are not
    whole = jacobian(model, double[0], model.n_layers, 0)
    expected = {
        "gradients": per_sample_gradients(model, *double),
        "norms": np.sqrt((norms**2).sum(axis=1)),
        "norms by layer": norms,
        "clipped": clipped_gradient(model, *double, max_norm),
        "by inputs": input_gradient(model, *double),
        "jacobian": jacobian(model, double[0], of, wrt),
        "vjp": np.einsum("si,sik->sk", double[1], whole),
    }
    for name, found in everything(net, X, Y, of, wrt, max_norm).items():
        assert found.dtype == net.dtype and found.flags.writeable, name
        assert np.abs(found - expected[name]).max() <= tolerance * max(1e-3, np.abs(expected[name]).max()), name


@both
def test_more_samples_than_a_workspace_has_room_for(dtype):
    """Several parts of rows and blocks of a Jacobian; the mean of the gradients of samples is the gradient (B8)."""
    net = network([5, 9, 3], dtype=dtype)
    X, Y = samples(net, 2 * tiled.ROWS + 77)
    assert 3 * len(X) > 2 * jacobians.ROWS
    gradients = net.per_sample_gradients(X, Y)
    tolerance = TOLERANCE[dtype]
    assert relative_difference(gradients.mean(axis=0, dtype=np.float64), net.gradient(X, Y).vector) < tolerance
    norms = np.linalg.norm(gradients.astype(np.float64), axis=1)
    assert relative_difference(net.per_sample_gradient_norms(X, Y), norms) < tolerance
    limit = float(np.median(norms))
    clipped = (gradients * np.minimum(1, limit / norms)[:, None]).mean(axis=0)
    assert relative_difference(net.clipped_gradient(X, Y, limit).vector, clipped) < tolerance
    assert relative_difference(net.clipped_gradient(X, Y, 1e9).vector, net.gradient(X, Y).vector) < tolerance
    assert relative_difference(net.jacobian(X)[-5:], jacobian(in_double(net), X[-5:].astype(float), 2, 0)) < tolerance
    by_inputs = input_gradient(in_double(net), X[-5:].astype(float), Y[-5:].astype(float))
    assert relative_difference(net.input_gradient(X, Y)[-5:], by_inputs) < tolerance


@both
def test_a_sample_has_the_same_bits_whatever_is_beside_it(dtype):
    net = network([19, 33, 7], dtype=dtype)
    X, Y = samples(net, 40)
    together, apart = (everything(net, *some, 2, 0, 1.0) for some in ((X, Y), (X[17:18], Y[17:18])))
    for name in set(together) - {"clipped"}:
        assert (together[name][17] == apart[name][0]).all(), name


def test_jacobians_are_multiplied_by_the_chain_rule():
    net = network([6, 20, 35, 4])
    X, Y = samples(net, 9)
    whole, rows = net.jacobian(X), []
    for wrt in (1, 2):
        assert relative_difference(net.jacobian(X, wrt=wrt) @ net.jacobian(X, of=wrt), whole) < 1e-13
    for i in range(4):
        rows.append(net.vjp(X, np.tile(np.eye(4)[i], (9, 1))))
    assert relative_difference(np.stack(rows, axis=1), whole) < 1e-13
    halves = network([6, 20, 35, 4], ("tanh", "identity", "quadratic"))
    assert relative_difference(halves.vjp(X, halves.predict(X) - Y), halves.input_gradient(X, Y)) < 1e-13


def test_norms_of_vanishing_and_of_large_gradients():
    """In float32 the squares would be 0, so they are added in double precision."""
    net = fastbp.Network([1, 1], cost="quadratic", initializer="zeros")
    for size in (1e-25, 1e18):
        (norm,) = net.per_sample_gradient_norms([[0.75]], [[4 * size]])  # |δ| √(x² + 1)
        assert norm == pytest.approx(5 * size, rel=1e-6)
        clipped = net.clipped_gradient([[0.75]], [[4 * size]], 1.0)
        assert clipped.biases[0] == pytest.approx(-min(4 * size, 0.8), rel=1e-6)


def test_a_gradient_of_0_is_clipped_to_0():
    net = fastbp.Network([2, 1], cost="quadratic", initializer="zeros")
    assert (net.clipped_gradient([[1, 2]], [[0]], 1e-3).vector == 0).all()


@needs_two_threads
@pytest.mark.parametrize(
    "dtype", ["float32"]
)  # how samples are shared out does not depend on it, and compiling is slow
def test_the_same_bits_for_one_and_two_threads(dtype, monkeypatch):
    for layer in threads.PARALLEL_FROM:
        monkeypatch.setitem(threads.PARALLEL_FROM, layer, 0)
    seen = set()

    def spy(loop, n_threads):
        seen.add((loop.__name__, n_threads))
        return variant(loop, n_threads)

    variant = per_sample.variant
    for module in (per_sample, jacobians):
        monkeypatch.setattr(module, "variant", spy)
    results = {}
    for n_threads in (1, 2):
        with fastbp.threads(n_threads):
            results[n_threads] = {}
            for kind, sizes, n in ((KINDS[0], [37, 50, 33, 5], 83), (KINDS[2], [4, 3, 40], 1500)):
                net = network(sizes, kind, dtype)
                found = everything(net, *samples(net, n), len(sizes) - 1, 0, 0.2)
                results[n_threads][str(sizes)] = {name: array.tobytes() for name, array in found.items()}
    assert results[1] == results[2]
    names = {"own_errors", "write_gradients", "square_norms", "add_scaled", "propagate_to_inputs", "jacobians"}
    assert seen == {(name, n) for name in names for n in (1, 2)}


def test_values_where_there_is_no_derivative():
    relu = fastbp.Network([1, 1, 1], activation="relu", cost="quadratic", initializer="zeros")
    for w in relu.weights:
        w[:] = 1
    assert relu.jacobian([[0.0], [1e-30]]).ravel().tolist() == [0, 1]
    assert relu.input_gradient([[0.0]], [[1.0]]).ravel().tolist() == [0]
    leaky = fastbp.Network([1, 1], output_activation="leaky_relu", cost="quadratic", initializer="zeros")
    leaky.weights[0][:] = 1
    assert leaky.jacobian([[0.0], [1.0]]).ravel().tolist() == pytest.approx([0.01, 1])
    for cost in ("absolute", "quantile"):
        net = fastbp.Network([1, 1], cost=cost, initializer="zeros")
        net.weights[0][:] = 1
        assert net.input_gradient([[2.0]], [[2.0]]).ravel().tolist() == [0]
        assert (net.per_sample_gradients([[2.0]], [[2.0]]) == 0).all()


def test_derivatives_are_those_of_tiles_whatever_the_formulation():
    net = network([6, 5, 4])
    X, Y = samples(net, 7)
    expected = {name: array.tobytes() for name, array in everything(net, X, Y, 2, 0, 0.1).items()}
    net.formulation = "textbook"
    assert {name: array.tobytes() for name, array in everything(net, X, Y, 2, 0, 0.1).items()} == expected


def test_out_is_written_and_returned():
    net = network([6, 5, 4], dtype="float32")
    X, Y = samples(net, 7)
    out = np.full((7, net.parameters.size), np.nan, np.float32)
    assert net.per_sample_gradients(X, Y, out=out) is out
    assert (out == net.per_sample_gradients(X, Y)).all()


@pytest.mark.parametrize(
    ("out", "error", "message"),
    [
        ([[0.0]], TypeError, "out is a list; it must be a NumPy array"),
        (
            np.zeros((7, 58), np.float32),
            ValueError,
            r"out has shape \(7, 58\) and dtype float32; needed are \(7, 59\)",
        ),
        (np.zeros((7, 59)), ValueError, "dtype float64; needed are"),
        (np.zeros((59, 7), np.float32).T, ValueError, "C-contiguous, aligned and writeable; numpy.empty makes"),
    ],
)
def test_out_that_cannot_be_written_is_refused(out, error, message):
    net = network([6, 5, 4], dtype="float32")
    with pytest.raises(error, match=message):
        net.per_sample_gradients(*samples(net, 7), out=out)
    read_only = np.zeros((7, 59), np.float32)
    read_only.flags.writeable = False
    with pytest.raises(ValueError, match="writeable"):
        net.per_sample_gradients(*samples(net, 7), out=read_only)


def test_bad_arguments_say_what_is_needed():
    net = network([6, 5, 4])
    X, Y = samples(net, 7)
    for call, error, message in (
        (
            lambda: net.vjp(X, np.ones((7, 3))),
            ValueError,
            r"U has shape \(7, 3\); needed is \(7, 4\): a number for each",
        ),
        (lambda: net.vjp(X, np.ones(4)), ValueError, r"U has shape \(4,\); needed is \(7, 4\)"),
        (lambda: net.vjp(X, np.full((7, 4), np.nan)), ValueError, r"U\[0, 0\] is nan"),
        (lambda: net.jacobian(X[:, :5]), ValueError, "X has 5 features, but the network expects 6"),
        (lambda: net.jacobian(X, of=3), ValueError, r"of is 3; it must be 0 to 2, 0 the input"),
        (lambda: net.jacobian(X, of=-1), ValueError, "of is -1; it must be at least 0"),
        (lambda: net.jacobian(X, of=1.0), TypeError, "of is 1.0; it must be a whole number"),
        (lambda: net.jacobian(X, wrt=2), ValueError, "wrt is 2 and of is 2; wrt must be an earlier layer"),
        (lambda: net.jacobian(X, of=1, wrt=5), ValueError, "wrt is 5; it must be 0 to 2"),
        (lambda: net.clipped_gradient(X, Y, 0), ValueError, "max_norm is 0; it must be a finite number greater than 0"),
        (lambda: net.clipped_gradient(X, Y, np.inf), ValueError, "max_norm is inf"),
        (lambda: net.clipped_gradient(X, Y, "1"), TypeError, "max_norm is '1'; it must be a number"),
        (lambda: net.per_sample_gradient_norms(X, Y, by_layer=1), TypeError, "by_layer is 1; it must be True or False"),
        (lambda: net.input_gradient(X, Y[:6]), ValueError, "Y has 6 rows, but X has 7"),
    ):
        with pytest.raises(error, match=message):
            call()


def test_results_too_large_for_memory_say_how_many_bytes_and_what_to_do(monkeypatch):
    net = network([6, 5, 4])
    X, Y = samples(net, 7)
    monkeypatch.setattr(memory, "physical_memory", lambda: 1000)
    with pytest.raises(
        MemoryError, match=r"7 samples by 59 parameters needs 3,304 bytes, .* 1,000: .*_norms and clipped"
    ):
        net.per_sample_gradients(X, Y)
    with pytest.raises(MemoryError, match=r"\(4, 6\) of 7 samples needs 1,344 bytes, .* 1,000: vjp multiplies"):
        net.jacobian(X)
    assert net.per_sample_gradient_norms(X, Y).shape == (7,)  # which needs none of it
    assert net.jacobian(X[:5]).shape == (5, 4, 6)


def test_arguments_are_not_changed():
    net = network([6, 5, 4])
    X, Y = samples(net, 7)
    before = X.copy(), Y.copy(), net.parameters.copy()
    everything(net, X, Y, 2, 1, 0.1)
    assert all((a == b).all() for a, b in zip(before, (X, Y, net.parameters), strict=True))
