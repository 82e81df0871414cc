"""Second derivatives against their definitions and differences, in all forms and dtypes; refusals."""

import dataclasses
import itertools
import math

import numba
import numpy as np
import pytest
from conftest import relative_difference
from naive_second_order import empirical_fisher, gauss_newton, input_jacobian

import fastbp
from fastbp import memory
from fastbp.compiler import threads
from fastbp.derivatives import curvature
from fastbp.functions.activations import ACTIVATIONS
from fastbp.functions.costs import COSTS

PAIRS = [
    ("sigmoid", "cross_entropy"), ("softmax", "cross_entropy"), ("softmax", "quadratic"), ("exponential", "poisson"),
    ("tanh", "squared_error"), ("softplus", "poisson"), ("sigmoid", "poisson"), ("softmax", "poisson"),
]  # fmt: skip
HIDDEN = ["sigmoid", "silu", "gelu", "softplus", "tanh"]


def case(sizes, hidden, output, cost, n, dtype="float64", seed=0):
    rng = np.random.default_rng([seed, *sizes])
    net = fastbp.Network(sizes, activation=hidden, output_activation=output, cost=cost, dtype=dtype, seed=seed)
    for b in net.biases:
        b[:] = rng.standard_normal(b.size) / 4
    X, Y = rng.standard_normal((n, sizes[0])), rng.random((n, sizes[-1]))
    if output == "softmax":
        Y /= Y.sum(axis=1, keepdims=True)
    return net, X, Y, rng.standard_normal(net.parameters.size)


def products(net, X, Y, v):
    """All second-order results that this file tests, as arrays."""
    return {
        "hessian": net.hessian_vector_product(X, Y, v).vector,
        "gauss_newton": net.gauss_newton_vector_product(X, Y, v).vector,
        "fisher": net.fisher_vector_product(X, v).vector,
        "empirical_fisher": net.empirical_fisher_vector_product(X, Y, v).vector,
        "diagonal": net.gauss_newton_diagonal(X, Y).vector,
        "jvp": net.jvp(X, np.roll(X, 1, axis=0)),
        "jacobian": curvature.OutputJacobian(net._model, net._samples(X, Y).X, 60)(0)[0].copy(),
    }


@pytest.mark.parametrize("sizes", [[3, 4], [2, 5, 3], [3, 17, 5, 40]])
def test_products_follow_their_definitions(sizes):
    for output, cost in PAIRS:
        net, X, Y, v = case(sizes, "tanh", output, cost, 6)
        G = gauss_newton(net, X, Y)
        given = products(net, X, Y, v)
        assert relative_difference(given["gauss_newton"], G @ v) < 1e-12, (output, cost)
        assert relative_difference(given["diagonal"], np.diag(G)) < 1e-12, (output, cost)
        assert relative_difference(given["empirical_fisher"], empirical_fisher(net, X, Y) @ v) < 1e-12, (output, cost)
        along = [input_jacobian(net, x) @ x_before for x, x_before in zip(X, np.roll(X, 1, axis=0), strict=True)]
        assert relative_difference(given["jvp"], along) < 1e-12, (output, cost)


def test_the_fisher_matrix_is_the_mean_of_squares_over_the_targets_of_the_model():
    """The sum runs over all targets with their probabilities under the density exp(−C), or over quadrature nodes."""
    roots, weights = np.polynomial.hermite_e.hermegauss(12)
    weights = weights / weights.sum()
    counts = np.arange(60.0)
    q = 0.8
    densities = {  # C, output: the values of y and their probabilities, given a
        ("cross_entropy", "sigmoid"): lambda a: ([0.0, 1.0], [1 - a, a]),
        ("quadratic", "tanh"): lambda a: (a + roots, weights),
        ("squared_error", "identity"): lambda a: (a + roots * math.sqrt(0.5), weights),
        ("poisson", "exponential"): lambda a: (
            counts,
            np.exp(counts * math.log(a) - a - [math.lgamma(c + 1) for c in counts]),
        ),
        ("poisson", "softplus"): lambda a: (
            counts,
            np.exp(counts * math.log(a) - a - [math.lgamma(c + 1) for c in counts]),
        ),
        ("absolute", "identity"): lambda a: ([a - 1, a + 1], [0.5, 0.5]),
        (fastbp.Quantile(q), "identity"): lambda a: ([a - 1, a + 1], [q, 1 - q]),
    }
    for (cost, output), density in densities.items():
        net, X, _, v = case([3, 4, 1], "tanh", output, cost, 3)
        expected = np.zeros_like(v)
        for x, a in zip(X, net.predict(X)[:, 0], strict=True):
            for y, p in zip(*density(float(a)), strict=True):
                g = net.gradient(x[None], [[y]]).vector
                expected += p * g * (g @ v) / len(X)
        assert relative_difference(net.fisher_vector_product(X, v).vector, expected) < 1e-10, (cost, output)
    net, X, _, v = case([3, 4, 3], "tanh", "softmax", "cross_entropy", 3)
    expected = np.zeros_like(v)
    for (x, a), c in itertools.product(zip(X, net.predict(X), strict=True), range(3)):
        g = net.gradient(x[None], [c]).vector
        expected += a[c] * g * (g @ v) / len(X)
    assert relative_difference(net.fisher_vector_product(X, v).vector, expected) < 1e-12


@pytest.mark.parametrize("formulation", ["tiles", "textbook"])
def test_the_hessian_product_is_the_difference_of_gradients(formulation):
    """Differences of fourth order, with gradients of any formulation."""
    for hidden, (output, cost) in zip([*HIDDEN, *HIDDEN], PAIRS, strict=False):
        net, X, Y, v = case([3, 5, 4, 2], hidden, output, cost, 7)
        net.formulation = formulation
        given, theta, step = net.hessian_vector_product(X, Y, v).vector, net.parameters.copy(), 1e-3

        def gradient(distance, net=net, X=X, Y=Y, v=v, theta=theta):
            net.parameters = theta + distance * v
            return net.gradient(X, Y).vector

        near, far = gradient(step) - gradient(-step), gradient(2 * step) - gradient(-2 * step)
        assert relative_difference(given, (8 * near - far) / (12 * step)) < 1e-7, (hidden, output, cost)


def test_the_hessian_is_symmetric_and_its_products_are_the_products():
    net, X, Y, v = case([3, 6, 2], "tanh", "identity", "quadratic", 9)
    product = curvature.Product(net._model, *(net._samples(X, Y).X, net._samples(X, Y).Y), "hessian")
    rows = np.array([product(unit) for unit in np.eye(v.size)])
    assert np.abs(rows - rows.T).max() < 1e-15 * v.size
    H = net.hessian(X, Y)
    assert (H == H.T).all() and relative_difference(H, rows) < 1e-14
    assert relative_difference(net.hessian_vector_product(X, Y, v).vector, H @ v) < 1e-13
    single = fastbp.Network([3, 6, 2], activation="tanh", cost="quadratic", seed=0)
    single.parameters = net.parameters
    assert single.hessian(X, Y).dtype == np.float32
    assert relative_difference(single.hessian(X, Y), H) < 1e-5


@pytest.mark.parametrize(
    ("sizes", "n", "dtype"),
    [([5, 33, 40, 3], 60, "float64"), ([4, 6, 2], 1500, "float64"), ([4, 300, 2], 1100, "float64")],
)
def test_the_same_bits_on_any_number_of_threads(sizes, n, dtype, monkeypatch):
    """Also few weights and many samples, summed in parts, and more samples than a workspace holds."""
    if numba.config.NUMBA_NUM_THREADS < 2:
        pytest.skip("Numba has one thread only")
    for layer in threads.PARALLEL_FROM:
        monkeypatch.setitem(threads.PARALLEL_FROM, layer, 0)
    net, X, Y, v = case(sizes, "silu", "softmax", "cross_entropy", n, dtype)
    two = products(net, X, Y, v)
    with fastbp.threads(1):
        one = products(net, X, Y, v)
    assert {name: array.tobytes() for name, array in one.items()} == {name: a.tobytes() for name, a in two.items()}
    assert all(array.dtype == dtype for array in one.values())


@pytest.mark.parametrize("n", [1, 5, 513, 1030])
def test_the_mean_over_samples_is_that_of_its_parts(n):
    """For one sample, several parts, and more samples than a workspace holds; float32 agrees with float64."""
    net, X, Y, v = case([4, 7, 3], "tanh", "softmax", "quadratic", n)
    whole, k = products(net, X, Y, v), n // 3
    if k > 0:
        first, second = products(net, X[:k], Y[:k], v), products(net, X[k:], Y[k:], v)
        for name in ("hessian", "gauss_newton", "fisher", "empirical_fisher", "diagonal"):
            mean = (k * first[name] + (n - k) * second[name]) / n
            assert relative_difference(whole[name], mean) < 1e-12, name
    single = fastbp.Network([4, 7, 3], activation="tanh", output_activation="softmax", cost="quadratic")
    single.parameters = net.parameters
    for name, array in products(single, X, Y, v).items():
        assert relative_difference(array, whole[name]) < 1e-4, name


def test_top_eigenvalues_are_those_of_the_matrix():
    pytest.importorskip("scipy", reason="SciPy is not installed")
    net, X, Y, _ = case([3, 6, 2], "tanh", "sigmoid", "cross_entropy", 9)
    H = np.linalg.eigvalsh(net.hessian(X, Y))[::-1]
    assert net.top_eigenvalues(X, Y, 3) == pytest.approx(H[:3], rel=1e-10)
    G = np.linalg.eigvalsh(gauss_newton(net, X, Y))[::-1]
    for of in ("gauss_newton", "fisher"):
        assert net.top_eigenvalues(X, Y, 2, of=of) == pytest.approx(G[:2], rel=1e-10)
    largest = np.linalg.eigvalsh(empirical_fisher(net, X, Y))[-1]
    assert net.top_eigenvalues(X, Y, of="empirical_fisher") == pytest.approx([largest], rel=1e-10)
    assert net.top_eigenvalues(X, Y, 2).tobytes() == net.top_eigenvalues(X, Y, 2).tobytes()
    with pytest.raises(ValueError, match=r"k is 38; it must be less than the number of parameters, 38: .*eigvalsh"):
        net.top_eigenvalues(X, Y, 38)
    with pytest.raises(ValueError, match="did you mean 'fisher'"):
        net.top_eigenvalues(X, Y, 1, of="fischer")


def test_arguments_are_not_changed():
    net, X, Y, v = case([4, 7, 3], "tanh", "softmax", "quadratic", 5)
    given = [array.copy() for array in (X, Y, v, net.parameters)]
    products(net, X, Y, v)
    net.hessian_vector_product(X, Y, fastbp.ParameterVector(net.sizes, v))
    assert all((a == b).all() for a, b in zip((X, Y, v, net.parameters), given, strict=True))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda n, X, Y: n.hessian_vector_product(X, Y, [1.0, 2.0]),
            ValueError,
            r"v has shape \(2,\); needed is \(17,\)",
        ),
        (lambda n, X, Y: n.fisher_vector_product(X, np.ones((17, 1))), ValueError, r"v has shape \(17, 1\); needed"),
        (lambda n, X, Y: n.hessian_vector_product(X, Y, np.full(17, np.nan)), ValueError, r"v\[0\] is nan"),
        (lambda n, X, Y: n.hessian_vector_product(X, Y, ["a"] * 17), TypeError, "v is of dtype"),
        (
            lambda n, X, Y: n.hessian_vector_product(X, Y, fastbp.ParameterVector([2, 1], np.ones(3))),
            ValueError,
            r"v is of a network with sizes \[2, 1\]; the sizes of this one are \[2, 3, 2\]",
        ),
        (lambda n, X, Y: n.jvp(X, X[:1]), ValueError, "V has 1 rows, but X has 2; every sample needs a direction"),
        (lambda n, X, Y: n.jvp(X, np.ones((2, 3))), ValueError, "V has 3 features, but the network expects 2"),
        (lambda n, X, Y: n.hessian(X, Y[:1]), ValueError, "Y has 1 rows, but X has 2"),
        (lambda n, X, Y: n.top_eigenvalues(X, Y, 0), ValueError, "k is 0; it must be at least 1"),
    ],
)
def test_wrong_arguments_are_refused(call, error, words):
    net = fastbp.Network([2, 3, 2], activation="tanh", cost="quadratic", dtype="float64")
    with pytest.raises(error, match=words):
        call(net, np.ones((2, 2)), np.ones((2, 2)))


def test_a_users_own_functions(monkeypatch):
    """With second derivatives they work like fastbp's; without, an error names what is missing, where it is needed."""
    whole = fastbp.Activation("s", math.sin, math.cos, second_derivative=lambda z: -math.sin(z))
    by_a = fastbp.Activation("t", math.tanh, lambda a: 1 - a * a, "a", second_derivative=lambda a: -2 * a * (1 - a * a))
    log_cosh = fastbp.Cost(
        "log_cosh", lambda a, y: math.log(math.cosh(a - y)), lambda a, y: math.tanh(a - y),
        second_derivative=lambda a, y: 1 - math.tanh(a - y) ** 2, information=lambda a: 1 / 3,
    )  # fmt: skip
    for good in (whole, by_a, log_cosh):
        assert fastbp.check_derivative(good) < 1e-8
    net, X, Y, v = case([2, 3, 2], by_a, whole, log_cosh, 4)
    H, theta, h = net.hessian_vector_product(X, Y, v).vector, net.parameters.copy(), 1e-5
    net.parameters = theta + h * v
    right = net.gradient(X, Y).vector
    net.parameters = theta - h * v
    assert relative_difference(H, (right - net.gradient(X, Y).vector) / (2 * h)) < 1e-8
    net.parameters = theta
    assert relative_difference(net.gauss_newton_vector_product(X, Y, v).vector, gauss_newton(net, X, Y) @ v) < 1e-12
    assert np.isfinite(net.fisher_vector_product(X, v).vector).all()
    bare_s, bare_c = (
        dataclasses.replace(whole, second_derivative=None),
        dataclasses.replace(log_cosh, second_derivative=None, information=None),
    )
    net = case([2, 3, 2], bare_s, "tanh", log_cosh, 4)[0]
    assert np.isfinite(net.gauss_newton_vector_product(X, Y, v).vector).all()
    with pytest.raises(ValueError, match="the activation 's' has no second_derivative, but the Hessian needs it"):
        net.hessian_vector_product(X, Y, v)
    net = case([2, 3, 2], "tanh", "tanh", bare_c, 4)[0]
    assert np.isfinite(net.empirical_fisher_vector_product(X, Y, v).vector).all()
    for method in (net.hessian, net.gauss_newton_diagonal, net.top_eigenvalues):
        with pytest.raises(ValueError, match="the cost 'log_cosh' has no second_derivative"):
            method(X, Y)
    for cost in (bare_c, "huber"):
        net = case([2, 3, 2], "tanh", "tanh", cost, 4)[0]
        with pytest.raises(ValueError, match=r"is not known to be the logarithm of a density, .* use one of quadratic"):
            net.fisher_vector_product(X, v)


def test_a_hessian_that_does_not_fit_says_how_large_it_would_be(monkeypatch):
    monkeypatch.setattr(memory, "physical_memory", lambda: 1000)
    net = fastbp.Network([2, 3, 2], activation="tanh", cost="quadratic")
    with pytest.raises(
        MemoryError, match=r"17 parameters needs 1,156 bytes, and this machine has 1,000: use hessian_v"
    ):
        net.hessian([[1, 2]], [[1, 2]])


def test_derivatives_that_do_not_exist_are_those_that_are_documented():
    for name, expected in {"relu": 0, "leaky_relu": 0, "elu": 1}.items():
        assert ACTIVATIONS[name].second_derivative(0.0) == expected
    for name in ("absolute", "quantile"):
        assert COSTS[name].second_derivative(1.0, 1.0) == 0
    assert COSTS["huber"].second_derivative(2.0, 1.0) == 1 and COSTS["huber"].second_derivative(2.1, 1.0) == 0


@pytest.mark.parametrize(
    "planted",
    [
        fastbp.Activation("planted", math.sin, math.cos, second_derivative=math.sin),
        fastbp.Activation("planted", math.tanh, lambda a: 1 - a * a, "a", second_derivative=lambda a: -2 * a),
        fastbp.Cost(
            "planted", lambda a, y: (a - y) ** 4, lambda a, y: 4 * (a - y) ** 3, second_derivative=lambda a, y: 12
        ),
        dataclasses.replace(ACTIVATIONS["softmax"], name="planted", second_derivative=lambda delta, a, a_dot: None),
    ],
)
def test_check_derivative_finds_a_planted_second_derivative(planted):
    with pytest.raises(ValueError, match=r"the second derivative of 'planted' is wrong at .*: it says .*, differences"):
        fastbp.check_derivative(planted)


@pytest.mark.parametrize("role", ["second_derivative", "information"])
def test_second_derivatives_that_are_not_callable_are_refused(role):
    with pytest.raises(TypeError, match=f"the {role} of cost 'c' is not callable: 3"):
        fastbp.Cost("c", abs, abs, **{role: 3})
    with pytest.raises(TypeError, match="the second_derivative of activation 's' is not callable: 3"):
        fastbp.Activation("s", abs, abs, second_derivative=3)
