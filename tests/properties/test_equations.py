"""The founding texts, statement by statement: a test for each, named after its number.

B: 3Blue1Brown, *Backpropagation calculus*. D: Dhalla, *The Complete Mathematics of Neural Networks and Deep Learning*.
Layer l = 1…L, a⁽⁰⁾ = x, z⁽ˡ⁾ = W⁽ˡ⁾ a⁽ˡ⁻¹⁾ + b⁽ˡ⁾, a⁽ˡ⁾ = σ(z⁽ˡ⁾); k counts layer l − 1 and j layer l. All in float64.
"""

import inspect
import itertools
import math

import numpy as np
import pytest
from conftest import central_difference

import fastbp
from fastbp.formulations import FORMULATIONS, loops, textbook
from fastbp.formulations.array_functions import cost_functions, derivative_function
from fastbp.functions.activations import ACTIVATIONS

EXACT = {"rel": 1e-12, "abs": 1e-15}  # up to rounding


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def network(sizes, activation="sigmoid", cost="squared_error", seed=0, **options):
    options = {"output_activation": "sigmoid", **options}
    net = fastbp.Network(sizes, activation=activation, cost=cost, dtype="float64", seed=seed, **options)
    net.parameters = np.random.default_rng(seed).normal(0, 1, net.parameters.size)
    return net


def samples(net, n, seed=1):
    rng = np.random.default_rng(seed)
    return rng.normal(0, 1, (n, net.sizes[0])), rng.uniform(0, 1, (n, net.sizes[-1]))


@pytest.fixture
def chain():
    """The chain of single neurons: w1, b1, w2, b2, w3, b3."""
    net = network([1, 1, 1, 1])
    net.parameters = [1.0, 0.5, -2.0, 0.25, 1.5, -0.5]
    return net


@pytest.fixture
def several():
    return network([3, 4, 5, 2])


def cost_of(net, X, Y):
    """C as a function of θ."""

    def cost(theta):
        net.parameters = theta
        return net.evaluate(X, Y).cost

    return cost


def test_B1_the_gradient_is_one_vector_in_the_order_of_the_layers(several):
    (X, Y), theta = samples(several, 1), several.parameters.copy()
    g = several.gradient(X, Y)
    in_order = [part.ravel() for w, b in zip(g.weights, g.biases, strict=True) for part in (w, b)]
    assert np.array_equal(g.vector, np.concatenate(in_order))
    assert all(np.shares_memory(g.vector, part) for part in (*g.weights, *g.biases))
    assert g.vector == pytest.approx(central_difference(cost_of(several, X, Y), theta), rel=1e-8, abs=1e-10)


def test_B2_every_number_of_the_chain_of_single_neurons(chain):
    w1, b1, w2, b2, w3, b3 = chain.parameters
    x, y = 0.8, 1.0
    assert [w.size for w in chain.weights] == [b.size for b in chain.biases] == [1, 1, 1]
    a1 = sigmoid(w1 * x + b1)
    a2 = sigmoid(w2 * a1 + b2)
    a3 = sigmoid(w3 * a2 + b3)
    trace = chain.trace([x], [y])
    assert [layer.a[0] for layer in trace.layers] == pytest.approx([x, a1, a2, a3], **EXACT)
    assert trace.cost == pytest.approx((a3 - y) ** 2, **EXACT)
    d3 = 2 * (a3 - y) * a3 * (1 - a3)
    d2 = d3 * w3 * a2 * (1 - a2)
    d1 = d2 * w2 * a1 * (1 - a1)
    assert trace.gradient.vector == pytest.approx([d1 * x, d1, d2 * a1, d2, d3 * a2, d3], **EXACT)


@pytest.mark.parametrize("activation", ["sigmoid", "relu"])
def test_B3_cost_z_and_a_of_one_sample(activation):
    net = network([1, 1, 1], activation, output_activation=activation)
    trace = net.trace([0.7], [0.3])
    for l, (w, b) in enumerate(zip(net.weights, net.biases, strict=True), 1):
        z = w[0, 0] * trace.layers[l - 1].a[0] + b[0]
        assert trace.layers[l].z[0] == pytest.approx(z, **EXACT)
        assert trace.layers[l].a[0] == pytest.approx(sigmoid(z) if activation == "sigmoid" else max(0, z), **EXACT)
    assert trace.cost == pytest.approx((trace.layers[-1].a[0] - 0.3) ** 2, **EXACT)


def test_B4_the_ratio_of_a_nudge_of_the_cost_to_a_nudge_is_the_derivative(chain):
    g = chain.gradient([[0.8]], [[1.0]])
    places = [({"weight": (2, 0, 0)}, g.weights[1][0, 0]), ({"bias": (1, 0)}, g.biases[0][0]),
              ({"input": 0}, chain.input_gradient([[0.8]], [[1.0]])[0, 0])]  # fmt: skip
    for where, derivative in places:
        nudge = chain.nudge([0.8], [1.0], **where, by=0.01, steps=4)
        for step in nudge:
            assert step.predicted == pytest.approx(derivative * step.nudge, rel=1e-12)
        errors = [abs(step.actual / step.nudge - derivative) for step in nudge]
        assert errors == sorted(errors, reverse=True) and errors[-1] < 2e-5 * abs(derivative)
        assert nudge[1].order == pytest.approx(2, abs=0.02)
    in_the_chain = chain.nudge([0.8], [1.0], weight=(3, 0, 0), by=0.01).chain
    assert [link.what for link in in_the_chain] == ["z⁽³⁾[0]", "a⁽³⁾[0]", "C"]
    assert [link.actual for link in in_the_chain] == pytest.approx([link.predicted for link in in_the_chain], rel=0.01)


def test_B5_three_factors_make_the_derivative_of_a_weight(chain, several):
    for net in (chain, several):
        X, Y = samples(net, 1)
        trace, g = net.trace(X[0], Y[0]), net.gradient(X, Y)
        for l, w in enumerate(g.weights, 1):
            for j, k in np.ndindex(w.shape):
                factors = trace.factors(l, j, k)
                assert len(factors) == 3
                assert math.prod(f.value for f in factors) == factors.product == pytest.approx(w[j, k], **EXACT)


def test_B6_the_factors_are_a_and_sigma_prime_and_the_distance(chain):
    trace = chain.trace([0.8], [1.0])
    z, a, a_before = trace.layers[3].z[0], trace.layers[3].a[0], trace.layers[2].a[0]
    first, second, third = trace.factors(3, 0, 0)
    assert (first.symbol, first.equals) == ("∂z⁽³⁾[0]/∂w⁽³⁾[0,0]", "a⁽²⁾[0]") and first.value == a_before
    assert (second.symbol, second.equals) == ("∂a⁽³⁾[0]/∂z⁽³⁾[0]", "σ′(z) = a (1 − a)")
    assert second.value == pytest.approx(sigmoid(z) * (1 - sigmoid(z)), **EXACT)
    assert (third.symbol, third.equals) == ("∂C/∂a⁽³⁾[0]", "2 (a − y)")
    assert third.value == pytest.approx(2 * (a - 1.0), **EXACT)


def test_B7_fire_together_wire_together():
    """∂C/∂w is proportional to the a that it comes from and to the distance a − y; the ranking says so."""
    net = network([4, 3])
    x, y = np.array([0.1, 0.2, 0.4, 0.8]), np.zeros(3)
    g = net.gradient([x], [y]).weights[0]
    assert g[:, 3] == pytest.approx(8 * g[:, 0], **EXACT)
    a = net.predict([x])[0]
    near, far = (net.gradient([x], [a - distance]).weights[0] for distance in (0.01, 0.1))
    assert far == pytest.approx(10 * near, rel=1e-9)
    ranking = net.trace(x, y).most_sensitive(12)
    assert [abs(at.derivative) for at in ranking] == sorted(np.abs(g).ravel(), reverse=True)
    assert ranking[0].k == 3 and "a_k largest of 4" in ranking[0].reason
    assert f"a_j − y_j = {a[ranking[0].j]:+.2g}" in ranking[0].reason


def test_B8_cost_and_gradient_are_means_over_the_samples(several):
    X, Y = samples(several, 7)
    each = several.per_sample_gradients(X, Y)
    assert each.shape == (7, several.parameters.size)
    for s in range(7):
        assert each[s] == pytest.approx(several.trace(X[s], Y[s]).gradient.vector, **EXACT)
    assert each.mean(axis=0) == pytest.approx(several.gradient(X, Y).vector, **EXACT)
    costs = [several.trace(x, y).cost for x, y in zip(X, Y, strict=True)]
    assert several.evaluate(X, Y).cost == pytest.approx(np.mean(costs), **EXACT)


def test_B9_the_same_chain_for_a_bias_with_1_for_its_first_factor(several):
    X, Y = samples(several, 1)
    trace, g = several.trace(X[0], Y[0]), several.gradient(X, Y)
    for l, b in enumerate(g.biases, 1):
        for j in range(b.size):
            factors = trace.factors(l, j)
            assert factors[0].value == 1 and list(factors)[1:] == list(trace.factors(l, j, 0))[1:]
            assert factors.product == pytest.approx(b[j], **EXACT)


def test_B10_the_derivative_by_an_activation_is_the_way_further_back(chain, several):
    trace = chain.trace([0.8], [1.0])
    for l in (1, 2, 3):
        at = trace.layers[l]
        expected = at.w[0, 0] * at.da_dz[0] * at.dC_da[0]
        assert trace.layers[l - 1].dC_da[0] == pytest.approx(expected, **EXACT)
    X, Y = samples(several, 1)
    trace = several.trace(X[0], Y[0])
    differences = central_difference(lambda x: several.evaluate([x], Y).cost, X[0])
    assert trace.layers[0].dC_da == pytest.approx(differences, rel=1e-8)
    assert trace.layers[0].dC_da == pytest.approx(several.input_gradient(X, Y)[0], **EXACT)


def test_B11_one_layer_further_back_the_chain_has_five_factors(chain):
    trace, g = chain.trace([0.8], [1.0]), chain.gradient([[0.8]], [[1.0]])
    path = trace.path([0, 0, 0])
    assert [f.symbol for f in path] == [
        "∂z⁽²⁾[0]/∂w⁽²⁾[0,0]", "∂a⁽²⁾[0]/∂z⁽²⁾[0]", "∂z⁽³⁾[0]/∂a⁽²⁾[0]", "∂a⁽³⁾[0]/∂z⁽³⁾[0]", "∂C/∂a⁽³⁾[0]"
    ]  # fmt: skip
    assert path.product == pytest.approx(g.weights[1][0, 0], **EXACT)
    first = trace.path([0, 0, 0, 0])
    assert len(first) == 7 and first.product == pytest.approx(g.weights[0][0, 0], **EXACT)
    assert trace.path([0, 0, 0], of="bias").product == pytest.approx(g.biases[0][0], **EXACT)


def test_B12_several_neurons_are_the_same_with_more_indices(several):
    X, Y = samples(several, 1)
    trace = several.trace(X[0], Y[0])
    assert trace.cost == pytest.approx(sum((a - y) ** 2 for a, y in zip(trace.layers[3].a, Y[0], strict=True)), **EXACT)
    for l, (w, b) in enumerate(zip(several.weights, several.biases, strict=True), 1):
        for j in range(w.shape[0]):
            z = sum(w[j, k] * trace.layers[l - 1].a[k] for k in range(w.shape[1])) + b[j]
            assert trace.layers[l].z[j] == pytest.approx(z, **EXACT)
            assert trace.layers[l].a[j] == pytest.approx(sigmoid(z), **EXACT)
    first, second, third = trace.factors(3, 1, 4)
    a_j = trace.layers[3].a[1]
    assert (first.value, third.value) == pytest.approx((trace.layers[2].a[4], 2 * (a_j - Y[0, 1])), **EXACT)
    assert second.value == pytest.approx(a_j * (1 - a_j), **EXACT)


def test_B13_the_derivative_by_an_activation_is_a_sum_over_every_path(several):
    X, Y = samples(several, 1)
    trace = several.trace(X[0], Y[0])
    for l, n in enumerate(several.sizes[:-1]):
        for k in range(n):
            terms, after = trace.terms(l, k), trace.layers[l + 1]
            assert [term.product for term in terms] == pytest.approx(after.w[:, k] * after.da_dz * after.dC_da, **EXACT)
            assert [len(term) for term in terms] == [3] * several.sizes[l + 1]
            ends = itertools.product(*map(range, several.sizes[l + 1 :]))
            paths = math.fsum(trace.path([k, *path], of="activation").product for path in ends)
            assert terms.total == pytest.approx(trace.layers[l].dC_da[k], **EXACT)
            assert paths == pytest.approx(trace.layers[l].dC_da[k], **EXACT)


def test_B14_downhill_again_and_again_to_a_local_minimum():
    """Steps of −η∇C end where the gradient is 0; another start ends at another minimum."""
    X, Y = [[0, 0], [0, 1], [1, 0], [1, 1]], [0.0, 1.0, 1.0, 0.0]
    ends = []
    for seed in range(6):
        net = network([2, 2, 1], "tanh", "quadratic", seed, output_activation="tanh")
        theta, step = net.parameters.copy(), net.gradient(X, Y).vector
        cost = net.fit(X, Y, epochs=1, batch_size=4, optimizer=fastbp.SGD(0.3), progress=False).cost
        assert net.parameters == pytest.approx(theta - 0.3 * step, **EXACT)
        cost += net.fit(X, Y, epochs=6000, batch_size=4, progress=False).cost
        assert all(after <= before + 1e-15 for before, after in itertools.pairwise(cost))
        assert np.abs(net.gradient(X, Y).vector).max() < 0.02
        ends.append(cost[-1])
    assert min(ends) < 0.005 and max(ends) > 0.05  # not all starts end at the lowest minimum


def test_B14_the_way_down_is_a_picture():
    pytest.importorskip("matplotlib")
    net = network([1, 1, 1, 1])
    history = net.fit([[0.8]], [[1.0]], epochs=50, batch_size=1, optimizer=fastbp.SGD(1.0), progress=False)
    assert history.plot().axes[0].lines[0].get_ydata().tolist() == history.cost


def test_B15_a_network_as_the_lesson_draws_it():
    pytest.importorskip("matplotlib")
    from fastbp import plots

    net = network([2, 3, 2])
    figure = plots.network(net, [0.5, -1], [1, 0], edges="gradient")
    lines = sum(len(c.get_segments()) for c in figure.axes[0].collections if hasattr(c, "get_segments"))
    assert lines >= sum(w.size for w in net.weights)  # a line for every weight
    shown = " ".join(text.get_text() for text in figure.axes[0].texts)
    assert "0.5" in shown.replace(" ", "")


def test_D1_jacobians_multiply_by_the_chain_rule(several):
    X, Y = samples(several, 3)
    whole = several.jacobian(X)
    assert whole.shape == (3, 2, 3)
    for s, x in enumerate(X):
        for i in range(2):
            differences = central_difference(lambda x, i=i: several.predict([x])[0, i], x)
            assert whole[s, i] == pytest.approx(differences, rel=1e-8, abs=1e-11)
    layers = [several.jacobian(X, of=l, wrt=l - 1) for l in (1, 2, 3)]
    for s, trace in enumerate(several.trace(x, y) for x, y in zip(X, Y, strict=True)):
        for l in (1, 2, 3):  # ∂a/∂z · ∂z/∂a of the layer before = diag(σ′) W
            assert layers[l - 1][s] == pytest.approx(np.diag(trace.layers[l].da_dz) @ several.weights[l - 1], **EXACT)
        assert layers[2][s] @ layers[1][s] @ layers[0][s] == pytest.approx(whole[s], **EXACT)
        gradient = trace.layers[3].dC_da @ whole[s]  # the gradient of a scalar is its Jacobian
        assert gradient == pytest.approx(trace.layers[0].dC_da, **EXACT)


def differences_of(function, v):
    """The Jacobian of a function of a vector by central differences."""
    rows = len(np.atleast_1d(function(v)))
    return np.array([central_difference(lambda v, i=i: np.atleast_1d(function(v))[i], v) for i in range(rows)])


def test_D2_the_parts_of_a_neuron():
    """Each derivative against differences; their product is the derivative of the neuron, and of the network."""
    rng = np.random.default_rng(0)
    w, x, b = rng.uniform(0.5, 1.5, 3), rng.uniform(0.5, 1.5, 3), 0.3
    near = {"rel": 1e-8, "abs": 1e-10}
    binary = [
        (lambda w: w + x, np.eye(3)), (lambda w: w - x, np.eye(3)), (lambda w: x - w, -np.eye(3)),
        (lambda w: w * x, np.diag(x)),  # the Hadamard product
        (lambda w: w / x, np.diag(1 / x)), (lambda w: x / w, np.diag(-x / w**2)),
        (lambda w: np.maximum(w, x), np.diag((w > x).astype(float))),
    ]  # fmt: skip
    for function, jacobian in binary:
        assert differences_of(function, w) == pytest.approx(jacobian, **near)
    scalar = np.array([b])
    assert differences_of(lambda c: x + c, scalar) == pytest.approx(np.ones((3, 1)), **near)  # scalar expansion
    assert differences_of(lambda c: x * c, scalar) == pytest.approx(x[:, None], **near)
    assert differences_of(np.sum, w) == pytest.approx(np.ones((1, 3)), **near)
    s = sigmoid(np.sum(w * x) + b)
    by_x, by_w = s * (1 - s) * np.ones(3) @ np.diag(w), s * (1 - s) * np.ones(3) @ np.diag(x)
    neuron = fastbp.Network(
        [3, 1], activation="sigmoid", output_activation="sigmoid", cost="quadratic", dtype="float64"
    )
    neuron.parameters = [*w, b]
    assert neuron.jacobian([x])[0, 0] == pytest.approx(by_x, **EXACT)
    a = neuron.predict([x])[0, 0]
    assert neuron.gradient([x], [[a - 1]]).weights[0][0] == pytest.approx(by_w, **EXACT)  # where ∂C/∂a = 1
    assert neuron.gradient([x], [[a - 1]]).biases[0][0] == pytest.approx(s * (1 - s), **EXACT)


def test_D3_the_neuron_its_indices_and_a_layer_of_them(several):
    """w_jk goes from neuron k of the layer before to neuron j: changing it changes the z of j only, by a_k."""
    (x, y), l, j, k = (v[0] for v in samples(several, 1)), 2, 3, 1
    before = several.trace(x, y)
    assert several.weights[l - 1].shape == (several.sizes[l], several.sizes[l - 1])
    assert before.layers[l].z == pytest.approx(several.weights[l - 1] @ before.layers[l - 1].a + several.biases[l - 1])
    several.weights[l - 1][j, k] += 0.5
    change = several.trace(x, y).layers[l].z - before.layers[l].z
    assert change == pytest.approx(0.5 * before.layers[l - 1].a[k] * np.eye(5)[j], abs=1e-14)
    several.weights[l - 1][j, k] -= 0.5
    several.biases[l - 1][j] += 0.5
    assert several.trace(x, y).layers[l].z - before.layers[l].z == pytest.approx(0.5 * np.eye(5)[j], abs=1e-14)


def test_D4_the_derivative_of_the_mean_cost_of_a_simple_network():
    """One neuron: ∂C/∂w = (1/n) Σ 2 (a − y) σ′ x, ∂C/∂b the same without x."""
    net = network([3, 1])
    X, Y = samples(net, 9)
    a = sigmoid(X @ net.weights[0][0] + net.biases[0][0])
    error = 2 * (a - Y[:, 0]) * a * (1 - a)
    g = net.gradient(X, Y)
    assert g.weights[0][0] == pytest.approx((error[:, None] * X).mean(axis=0), **EXACT)
    assert g.biases[0][0] == pytest.approx(error.mean(), **EXACT)


@pytest.mark.parametrize("batch_size", [6, 2, 1])
def test_D5_gradient_descent_on_all_samples_on_some_and_on_one(batch_size):
    """An epoch of `fit` is −η∇C of one mini-batch after the other."""
    net, by_hand = network([3, 4, 2]), network([3, 4, 2])
    X, Y = samples(net, 6)
    order = np.array([4, 0, 5, 2, 1, 3])
    net.fit(X, Y, epochs=1, batch_size=batch_size, optimizer=fastbp.SGD(0.7), shuffle=[order], progress=False)
    for start in range(0, 6, batch_size):
        rows = order[start : start + batch_size]
        by_hand.parameters -= 0.7 * by_hand.gradient(X[rows], Y[rows]).vector
    assert net.parameters == pytest.approx(by_hand.parameters, **EXACT)


def test_D6_a_whole_layer_directly_and_why_it_does_not_work_well(several):
    """∂a⁽ᴸ⁾/∂W is a tensor n_L times as large as the gradient, and most of its ∂z/∂W is 0."""
    X, Y = samples(several, 1)
    trace, g = several.trace(X[0], Y[0]), several.gradient(X, Y)
    for l, w in enumerate(several.weights, 1):
        at, n_L = trace.layers[l], several.sizes[-1]
        to_output = np.eye(n_L) if l == 3 else several.jacobian(X, of=3, wrt=l)[0]
        dz_dw = np.einsum("ij,k->ijk", np.eye(at.n), at.a_before)  # ∂z_i/∂w_jk = [i = j] a_k
        da_dw = np.einsum("mi,i,ijk->mjk", to_output, at.da_dz, dz_dw)
        assert dz_dw.size == at.n * w.size and da_dw.size == n_L * w.size
        assert np.count_nonzero(dz_dw) <= w.size  # at most one entry in n
        assert np.tensordot(trace.layers[3].dC_da, da_dw, 1) == pytest.approx(g.weights[l - 1], **EXACT)


def four_equations(net, trace):
    """Yield δ, ∂C/∂W and ∂C/∂b of each layer, from the last, with the four functions of `loops`."""
    dtype, output = np.dtype("float64"), net.activations[-1]
    _, cost_gradient, output_derivative = cost_functions(net.cost, output, dtype)
    layers = trace.layers
    delta = np.empty(layers[-1].n)
    loops.output_error(delta, layers[-1].z, layers[-1].a, trace.y, cost_gradient, 0.0, output_derivative)
    for l in range(len(layers) - 1, 0, -1):
        at = layers[l]
        dw, db = np.empty_like(at.w), np.empty_like(at.b)
        for j in range(at.n):
            loops.accumulate_gradient(dw, db, j, delta[None], at.a_before[None], 1)
        yield l, delta, dw, db
        if l > 1:
            before = np.empty(layers[l - 1].n)
            derivative = derivative_function(net.activations[l - 2], dtype)
            loops.propagate_error(
                before, layers[l - 1].z, layers[l - 1].a, np.ascontiguousarray(at.w), delta, derivative
            )
            delta = before


def test_D7_the_four_equations_as_loops_and_vectorized(several):
    X, Y = samples(several, 1)
    trace, g = several.trace(X[0], Y[0]), several.gradient(X, Y)
    layers = trace.layers
    delta = layers[3].dC_da * layers[3].da_dz  # BP1, the Hadamard product
    for l, by_loops, dw, db in four_equations(several, trace):
        assert by_loops == pytest.approx(delta, **EXACT)
        assert trace.layers[l].delta == pytest.approx(delta, **EXACT)
        assert db == pytest.approx(delta, **EXACT)  # BP3
        assert g.biases[l - 1] == pytest.approx(delta, **EXACT)
        assert dw == pytest.approx(np.outer(delta, layers[l - 1].a), **EXACT)  # BP4, an outer product
        assert g.weights[l - 1] == pytest.approx(np.outer(delta, layers[l - 1].a), **EXACT)
        if l > 1:
            delta = (several.weights[l - 1].T @ delta) * layers[l - 1].da_dz  # BP2
    X, Y = samples(several, 20)
    gradients = []
    for formulation in FORMULATIONS:
        several.formulation = formulation
        gradients.append(several.gradient(X, Y).vector)
    for gradient in gradients[1:]:
        assert gradient == pytest.approx(gradients[0], **EXACT)


def test_D8_the_whole_algorithm_reads_like_the_box():
    """Input, feedforward, output error, backpropagate, output: in this order, and with the right gradient."""
    source = inspect.getsource(textbook.backprop)
    steps = ["feedforward(", "output_error(", "# BP1", "# BP3", "# BP4", "for l in range(2,", "# BP2", "return nabla_w"]
    places = [source.index(step) for step in steps]
    assert places == sorted(places)
    for name in ("sigmoid", "tanh"):
        net = network([3, 4, 5, 2], name, "quadratic", output_activation=ACTIVATIONS[name], formulation="textbook")
        (X, Y), theta = samples(net, 1), net.parameters.copy()
        g = net.gradient(X, Y).vector
        assert g == pytest.approx(central_difference(cost_of(net, X, Y), theta), rel=1e-8, abs=1e-10)
