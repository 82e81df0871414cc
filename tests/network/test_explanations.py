"""`Network.trace` and `Network.nudge`: each number against differences, each sum against its terms."""

import itertools
import math
from html.parser import HTMLParser

import numpy as np
import pytest
from conftest import central_difference, relative_difference, state_of

import fastbp
from fastbp.formulations.numpy_functions import cost_and_error, sigma
from fastbp.functions.activations import ACTIVATIONS
from fastbp.functions.costs import COSTS

INF, NAN = float("inf"), float("nan")


def random_net(sizes, activation="tanh", output=None, cost="quadratic", seed=0, dtype="float64"):
    net = fastbp.Network(sizes, activation=activation, output_activation=output, cost=cost, seed=seed, dtype=dtype)
    net.parameters = np.random.default_rng(seed).normal(0, 0.4, net.parameters.size)
    return net


def sample(net, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.uniform(0.1, 0.9, net.sizes[-1])
    return rng.normal(0, 1, net.sizes[0]), y / y.sum()


def cost_from_a(net, l, a, y):
    """C if layer l has the activations `a`."""
    if l == len(net.sizes) - 1:
        output = net.activations[-1]
        if net.cost.name == "cross_entropy" and output.whole_layer:
            return float(-(y * np.log(a)).sum())
        return float(sum(net.cost.function(a_j, y_j) for a_j, y_j in zip(a, y, strict=True)))
    return cost_from_z(net, l + 1, net.weights[l] @ a + net.biases[l], y)


def cost_from_z(net, l, z, y):
    """C if layer l has the weighted inputs `z`."""
    a = sigma(net.activations[l - 1])(z)
    if l == len(net.sizes) - 1:
        return float(cost_and_error(net.cost, net.activations[-1])[0](z, a, y))
    return cost_from_a(net, l, a, y)


def differences(net, trace, y):
    """Check every number of a trace against central differences and its equation."""
    for l, layer in enumerate(trace.layers):
        expected = central_difference(lambda a: cost_from_a(net, l, a, y), layer.a, 1e-4)  # noqa: B023
        assert layer.dC_da == pytest.approx(expected, rel=1e-6, abs=1e-8), (net, l)
        if l > 0:
            expected = central_difference(lambda z: cost_from_z(net, l, z, y), layer.z, 1e-4)  # noqa: B023
            assert layer.delta == pytest.approx(expected, rel=1e-6, abs=1e-8), (net, l)
            assert layer.z == pytest.approx(net.weights[l - 1] @ trace.layers[l - 1].a + net.biases[l - 1], rel=1e-12)
            times = layer.da_dz.T @ layer.dC_da if layer.da_dz.ndim == 2 else layer.da_dz * layer.dC_da
            assert times == pytest.approx(layer.delta, rel=1e-9, abs=1e-13), (net, l)


@pytest.mark.parametrize("cost", COSTS)
def test_every_number_of_a_trace_is_the_derivative_that_differences_find(cost):
    outputs = [name for name, output in ACTIVATIONS.items() if not COSTS[cost].refusal(output)]
    hidden = [name for name, activation in ACTIVATIONS.items() if not activation.whole_layer]
    for i in range(max(len(hidden), len(outputs))):  # takes every hidden and every output activation once
        net = random_net([3, 4, 2, 3], hidden[i % len(hidden)], outputs[i % len(outputs)], cost, seed=i)
        x, y = sample(net, i)
        trace = net.trace(x, y)
        assert trace.cost == pytest.approx(cost_from_a(net, 0, x, y), rel=1e-9)
        differences(net, trace, y)


def test_its_gradient_is_the_gradient_to_the_last_bit():
    for sizes, dtype, cost in [
        ([1, 1], "float32", "quadratic"),
        ([70, 33, 17, 10], "float32", "cross_entropy"),
        ([2, 1, 1, 1, 1, 2], "float64", "huber"),
    ]:
        net = random_net(sizes, "tanh", cost=cost, dtype=dtype)
        x, y = sample(net)
        trace = net.trace(x, y)
        assert trace.gradient.vector.dtype == dtype
        assert np.array_equal(trace.gradient.vector, net.gradient([x], [y]).vector)
        assert trace.cost == net.evaluate([x], [y]).cost
        net.formulation = "textbook"
        assert relative_difference(trace.gradient.vector, net.gradient([x], [y]).vector) < 1e-5
        assert np.array_equal(net.trace(x, y).gradient.vector, trace.gradient.vector)


def test_the_input_layer_has_activations_only():
    trace = random_net([2, 2]).trace([0.5, -1], [0, 1])
    first = trace.layers[0]
    assert first.a.tolist() == [0.5, -1]
    assert [first.z, first.delta, first.w, first.b, first.da_dz, first.dC_dw, first.dC_db, first.activation] == [
        None
    ] * 8


def test_a_trace_keeps_the_numbers_as_they_were():
    net, x = random_net([2, 3, 1]), np.array([1.0, 2.0])
    trace = net.trace(x, [0.0])
    text, before = str(trace), trace.factors(2, 0, 1).product
    net.parameters = net.parameters * 2
    x[:] = 0
    assert str(trace) == text and trace.factors(2, 0, 1).product == before
    assert trace.x.tolist() == [1, 2]


def test_factors_paths_and_terms_give_the_derivative():
    """With softmax, a fused pair or neither, each derivative is the sum of the products along all paths."""
    for output, cost in [("sigmoid", "squared_error"), ("sigmoid", "cross_entropy"), ("softmax", "cross_entropy"),
                         ("softmax", "quadratic"), ("exponential", "poisson"), ("identity", "absolute")]:  # fmt: skip
        net = random_net([2, 3, 4, 2], "sigmoid", output, cost)
        x, y = sample(net)
        trace, gradient = net.trace(x, y), net.gradient([x], [y])
        for l, w in enumerate(gradient.weights, 1):
            after = [range(n) for n in net.sizes[l + 1 :]]
            for j, k in np.ndindex(w.shape):
                one = trace.factors(l, j, k)
                along = [trace.path([k, j, *rest]) for rest in itertools.product(*after)]
                for derivative in (one.product, one.derivative, math.fsum(path.product for path in along)):
                    assert derivative == pytest.approx(w[j, k], rel=1e-10)
            for j, b in enumerate(gradient.biases[l - 1]):
                along = [trace.path([j, *rest], of="bias") for rest in itertools.product(*after)]
                for derivative in (trace.factors(l, j).product, math.fsum(path.product for path in along)):
                    assert derivative == pytest.approx(b, rel=1e-10)
        for l, k in [(0, 1), (1, 2), (2, 3)]:
            terms = trace.terms(l, k)
            along = [
                trace.path([k, *rest], of="activation") for rest in itertools.product(*map(range, net.sizes[l + 1 :]))
            ]
            for derivative in (terms.total, terms.derivative, math.fsum(path.product for path in along)):
                assert derivative == pytest.approx(trace.layers[l].dC_da[k], rel=1e-10)
            assert len(terms) == net.sizes[l + 1]
        for j in range(2):
            assert trace.error_terms(j).total == pytest.approx(trace.layers[3].delta[j], rel=1e-10)
            assert len(trace.error_terms(j)) == (2 if output == "softmax" else 1)


def test_softmax_and_fused_pairs_say_what_they_are():
    net = random_net([2, 3, 2], "sigmoid", "softmax", "cross_entropy")
    trace = net.trace(*sample(net))
    assert len(trace.factors(2, 1, 0)) == 2 and "softmax is a matrix" in str(trace.factors(2, 1, 0))
    assert trace.layers[2].da_dz.shape == (2, 2) and "its diagonal" in str(trace)
    net = random_net([2, 3, 2], "sigmoid", "sigmoid", "cross_entropy")
    factors = net.trace(*sample(net)).factors(2, 1, 0)
    assert len(factors) == 3 and "computed together: ∂C/∂z = a − y" in str(factors)


def test_a_rounded_output_is_not_said_to_be_a_minus_y_where_it_is_not():
    """σ = 0 in float64: ∂a/∂z · ∂C/∂a would be 0 · ∞, and δ = (a − y)(1 − a)."""
    net = fastbp.Network([1, 1], output_activation="sigmoid", cost="poisson", dtype="float64")
    net.parameters = [1.0, -800.0]
    factors = net.trace([1.0], [2.0]).factors(1, 0, 0)
    assert [factor.equals for factor in factors] == ["a⁽⁰⁾[0]", "δ"] and factors.product == -2
    assert "a − y" not in str(factors) and "is not finite, because a has been rounded" in str(factors)


@pytest.mark.parametrize(("output", "cost"), [("sigmoid", "cross_entropy"), ("softmax", "cross_entropy")])
def test_an_output_rounded_to_0_or_1_still_has_its_derivative(output, cost):
    """There ∂a/∂z · ∂C/∂a is 0 · ∞, but δ = a − y is finite."""
    net = fastbp.Network([1, 2], output_activation=output, cost=cost, initializer="zeros")
    net.weights[0][:] = [[900.0], [-900.0]]
    trace = net.trace([1.0], [0.0, 1.0])
    assert not np.isfinite(trace.layers[1].dC_da).all()
    assert trace.layers[1].delta.tolist() == [1, -1]
    factors = trace.factors(1, 0, 0)
    assert [factor.value for factor in factors] == [1, 1] and factors[1].equals == "a − y"
    assert trace.terms(0, 0).total == pytest.approx(1800)
    assert "rounded to 0 or 1" in str(trace)


class Reader(HTMLParser):
    """Collects the text, and the tags that are not closed in order."""

    def __init__(self):
        super().__init__()
        self.open, self.wrong, self.tags, self.text = [], [], set(), []

    def handle_starttag(self, tag, attributes):
        self.open.append(tag)
        self.tags.add(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data):
        self.text.append(data)


def read(html):
    reader = Reader()
    reader.feed(html)
    assert reader.wrong == [] and reader.open == []
    return reader


def everything_printed(net, x, y):
    trace = net.trace(x, y)
    L = len(net.sizes) - 1
    last = [n - 1 for n in net.sizes]
    return [
        trace, trace.factors(L, last[L], last[L - 1]), trace.factors(1, last[1]), trace.path(last),
        trace.terms(0, last[0]), trace.error_terms(last[L]), trace.most_sensitive(30),
        net.nudge(x, y, weight=(1, last[1], last[0])),
    ]  # fmt: skip


def test_printed_explanations_are_readable():
    """Text fits 100 columns for small and large networks; HTML is closed and escaped."""
    odd = fastbp.Activation("<b>a & b</b>", lambda z: z / (1 + abs(z)), lambda z: 1 / (1 + abs(z)) ** 2)
    for net in (random_net([1, 1], odd, odd), random_net([1200, 1100, 1300], "silu", "softmax", "cross_entropy")):
        x, y = sample(net)
        for shown in everything_printed(net, x, y):
            text = str(shown)
            assert [line for line in text.splitlines() if len(line) > 100 or line != line.rstrip()] == []
            assert len(text.splitlines()) < 90
            reader = read(shown._repr_html_())
            assert reader.tags <= {"table", "caption", "tr", "th", "td", "p", "iframe"}
    text = str(random_net([1, 1], odd, odd).trace([1.0], [1.0]))
    assert "<b>a & b</b>" in text
    assert "σ′ of <b>a & b</b>" in "".join(read(random_net([1, 1], odd, odd).trace([1.0], [1.0])._repr_html_()).text)


def test_small_networks_are_shown_whole_and_large_ones_say_what_is_left_out():
    net = random_net([4, 4, 2])
    text = str(net.trace(*sample(net)))
    assert "those with the largest" not in text
    for w in (net.weights[0][3, 2], net.weights[1][1, 2]):
        assert f"{w:.4g}" in text
    net = random_net([30, 20, 2])
    trace = net.trace(*sample(net))
    assert "8 of 20 neurons, those with the largest |δ|" in str(trace)
    assert f"{np.abs(trace.layers[1].delta).max():.4g}" in str(trace).replace("-", "")
    wide = random_net([3, 40, 30])
    trace = wide.trace(*sample(wide))
    assert "18 others" in str(trace.terms(1, 0)) and len(trace.terms(1, 0)) == 30


def test_most_sensitive_is_a_ranking():
    net = random_net([6, 5, 4], "sigmoid", "sigmoid", "squared_error")
    x, y = sample(net)
    x[2] = 0
    trace = net.trace(x, y)
    sizes = np.sort(np.abs(np.concatenate([w.ravel() for w in trace.gradient.weights])))[::-1]
    ranking = trace.most_sensitive(1000)
    assert [abs(at.derivative) for at in ranking] == sizes.tolist() and len(ranking) == ranking.n_weights == 50
    for at in ranking:
        assert (
            at.derivative
            == trace.gradient.weights[at.layer - 1][at.j, at.k]
            == pytest.approx(at.a * at.delta, rel=1e-15)
        )
    assert "silent" in ranking[49].reason and ranking[49].k == 2
    only = trace.most_sensitive(3, layer=2)
    assert {at.layer for at in only} == {2} and "a_j − y_j" in only[0].reason and "a_k largest of 5" in only[0].reason


WRONG_OF_TRACE = [
    (lambda t: t.factors(0, 0, 0), "layer 0 is the input, without weights"),
    (lambda t: t.factors(3, 0, 0), "layer is 3; it must be 1 to 2"),
    (lambda t: t.factors(1, 4, 0), "j is 4; layer 1 has 4 neurons, 0 to 3"),
    (lambda t: t.factors(1, 0, 3), "k is 3; layer 0 has 3 neurons"),
    (lambda t: t.factors(2, 0, -1), "k is -1"),
    (lambda t: t.factors(1, 0.5), "j is 0.5; it must be a whole number"),
    (lambda t: t.path([0]), "length 1; from a weight of this network a path has 2 to 3 neurons"),
    (lambda t: t.path([0, 0, 0, 0], of="activation"), "length 4; from an activation of this network a path has 1 to 3"),
    (lambda t: t.path([0, 0, 0], of="bias"), "length 3; from a bias of this network a path has 1 to 2"),
    (lambda t: t.path([0, 4, 0]), r"neurons\[1\] is 4; layer 1 has 4 neurons"),
    (lambda t: t.path([0, 0], of="weigth"), "of is 'weigth'"),
    (lambda t: t.terms(2, 0), "layer 2 is the output layer"),
    (lambda t: t.terms(0, 3), "k is 3"),
    (lambda t: t.error_terms(2), "j is 2; layer 2 has 2 neurons"),
    (lambda t: t.most_sensitive(0), "n is 0"),
    (lambda t: t.most_sensitive(layer=3), "layer is 3"),
]
WRONG_SAMPLES = [
    ([1, 2], [0, 1], r"x has shape \(2,\); needed is one sample, \(3,\): for row s of X give X\[s\]"),
    ([[1, 2, 3]], [0, 1], r"x has shape \(1, 3\)"),
    ([1, NAN, 3], [0, 1], r"x\[1\] is nan"),
    ([1, 2, 3], [0, 1, 2], r"y has shape \(3,\)"),
    ([1, 2, 3], [0, INF], r"y\[1\] is inf"),
    ([1, 2, 3], 1, "outputs are not classes"),
    ([1, 2, 3], ["a", "b"], "y is of dtype"),
]
WRONG_NUDGES = [
    ({}, r"nothing given to nudge; give one of weight=\(l, j, k\)"),
    ({"weight": (1, 0, 0), "input": 0}, "weight and input given to nudge; give one"),
    ({"weight": (1, 0)}, r"weight is \(1, 0\); needed is \(l, j, k\)"),
    ({"bias": 1}, r"bias is 1; needed is \(l, j\)"),
    ({"weight": (0, 0, 0)}, r"weight\[0\] is 0; .* layer 0 is the input"),
    ({"weight": (1, 0, 3)}, r"weight\[2\] is 3; layer 0 has 3 neurons"),
    ({"bias": (2, 2)}, r"bias\[1\] is 2; layer 2 has 2 neurons"),
    ({"input": 3}, "input is 3; layer 0 has 3"),
    ({"input": 0, "by": 0}, "by is 0"),
    ({"input": 0, "by": NAN}, "by is nan; it must be finite"),
    ({"input": 0, "by": -INF}, "by is -inf; it must be finite"),
    ({"input": 0, "by": "much"}, "by is 'much'; it must be a number"),
    ({"input": 0, "steps": 0}, "steps is 0"),
    ({"input": 0, "shrink": 1}, "shrink is 1; each nudge must be smaller"),
]


def test_wrong_layers_neurons_and_samples_are_refused():
    net = random_net([3, 4, 2])
    trace, before = net.trace([1, 2, 3], [0, 1]), state_of(net)
    for call, message in WRONG_OF_TRACE:
        with pytest.raises((ValueError, TypeError), match=message):
            call(trace)
    for x, y, message in WRONG_SAMPLES:
        for method in (net.trace, lambda x, y: net.nudge(x, y, input=0)):
            with pytest.raises((ValueError, TypeError), match=message):
                method(x, y)
    for arguments, message in WRONG_NUDGES:
        with pytest.raises((ValueError, TypeError), match=message):
            net.nudge([1, 2, 3], [0, 1], **arguments)
    assert state_of(net) == before


def test_targets_are_read_as_elsewhere():
    net = random_net([2, 3], output="softmax", cost="cross_entropy")
    assert net.trace([1, 2], 2).y.tolist() == net.trace([1, 2], [0, 0, 1]).y.tolist() == [0, 0, 1]
    with pytest.raises(ValueError, match=r"y\[0\] is 3; class labels go from 0 to 2"):
        net.trace([1, 2], 3)
    assert random_net([2, 1]).trace([1, 2], 0.5).y.tolist() == [0.5]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_nudges_shrink_with_their_square_and_change_nothing(dtype):
    net = random_net([3, 4, 2], "tanh", "softmax", "cross_entropy", dtype=dtype)
    (x, y), before = sample(net), state_of(net)
    x = x.astype(dtype)
    gradient, kept = net.trace(x, y), x.copy()
    for where, derivative in [
        ({"weight": (1, 2, 1)}, gradient.layers[1].dC_dw[2, 1]),
        ({"weight": (2, 1, 3)}, gradient.layers[2].dC_dw[1, 3]),
        ({"bias": (2, 0)}, gradient.layers[2].dC_db[0]),
        ({"input": 2}, gradient.layers[0].dC_da[2]),
    ]:
        nudge = net.nudge(x, y, **where, by=-0.02)
        assert nudge.derivative == pytest.approx(derivative, rel=1e-12 if dtype == "float64" else 1e-5)
        assert [step.nudge for step in nudge] == pytest.approx([-0.02, -0.002, -2e-4, -2e-5, -2e-6])
        assert [step.predicted for step in nudge] == [nudge.derivative * step.nudge for step in nudge]
        assert [step.order for step in nudge][1:4] == pytest.approx([2, 2, 2], abs=0.03)
        assert math.isnan(nudge[0].order)
        assert bool(nudge.chain) == ("input" not in where)
    assert state_of(net) == before and (x == kept).all()


def test_a_nudge_goes_through_z_and_a_to_the_cost():
    net = random_net([1, 1, 1], "sigmoid", "sigmoid", "squared_error")
    nudge = net.nudge([1.5], [0.2], weight=(1, 0, 0), by=1e-4)
    to_z, to_a, to_cost = nudge.chain
    assert (to_z.predicted, to_z.derivative) == pytest.approx((1.5e-4, 1.5))
    for link in nudge.chain:
        assert link.actual == pytest.approx(link.predicted, rel=1e-3)
    assert to_cost.actual == nudge[0].actual and to_a.symbol == "∂a⁽¹⁾[0]/∂z⁽¹⁾[0]"


def test_a_straight_line_has_no_order_and_says_so():
    net = random_net([2, 1], cost="absolute")
    nudge = net.nudge([1, 2], [9.0], bias=(1, 0))
    assert all(math.isnan(step.order) for step in nudge)
    assert "straight line" in str(nudge)
    assert [step.actual for step in nudge] == pytest.approx([-step.nudge for step in nudge])
