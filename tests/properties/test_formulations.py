"""All formulations give the same numbers up to rounding.

Differences are relative to the largest absolute number of the array in question: the whole gradient or parameter
vector, all costs. `textbook` is the reference.
"""

import numpy as np
import pytest
from conftest import COMPILED, OPTIMIZERS, relative_difference
from hypothesis import example, given, settings
from hypothesis import strategies as st

import fastbp
from fastbp.formulations import FORMULATIONS, compiled, vectorized

TOLERANCE = {"float64": 1e-12, "float32": 1e-5}
OTHERS = [name for name in FORMULATIONS if name != "textbook"]
SIZES = st.sampled_from([1, 15, 16, 17, 31, 33])
KINDS = [
    ("tanh", "identity", "quadratic"),
    ("sigmoid", "sigmoid", "cross_entropy"),
    ("silu", "softmax", "cross_entropy"),
    ("gelu", "exponential", "poisson"),
    ("softplus", "tanh", "squared_error"),
    ("elu", "identity", "huber"),
]


def samples(net: fastbp.Network, n: int, seed: int):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, (n, net.sizes[0]))
    shape = (n, net.sizes[-1])
    if net.activations[-1].name == "softmax":
        return X, np.eye(shape[1])[rng.integers(0, shape[1], n)]
    return X, rng.uniform(0, 1, shape)


def network(sizes, kind, dtype, seed=0) -> fastbp.Network:
    hidden, output, cost = kind
    return fastbp.Network(
        sizes, activation=hidden, output_activation=output, cost=cost, initializer="lecun", dtype=dtype, seed=seed
    )


def in_every_formulation(net: fastbp.Network, compute):
    results = {}
    for name in FORMULATIONS:
        net.formulation = name
        results[name] = compute(net)
    return results


@settings(deadline=None, max_examples=60, derandomize=True)
@given(
    sizes=st.lists(SIZES, min_size=2, max_size=4),
    n=st.one_of(SIZES, st.integers(1, 40)),
    kind=st.sampled_from(KINDS),
    dtype=st.sampled_from(["float32", "float64"]),
)
@example(sizes=[1, 1], n=1, kind=KINDS[0], dtype="float64")
@example(sizes=[33, 31, 17, 16], n=33, kind=KINDS[2], dtype="float32")
def test_gradients_outputs_and_costs_agree(sizes, n, kind, dtype):
    net = network(sizes, kind, dtype)
    X, Y = samples(net, n, len(sizes))
    gradients = in_every_formulation(net, lambda net: net.gradient(X, Y).vector)
    outputs = in_every_formulation(net, lambda net: net.predict(X))
    evaluations = in_every_formulation(net, lambda net: net.evaluate(X, Y))
    costs = in_every_formulation(net, lambda net: costs_by_row(net, X, Y))
    for name in OTHERS:
        assert gradients[name].dtype == outputs[name].dtype == dtype
        if sizes[-1] > 1 or net.activations[-1].name != "softmax":  # a single softmax output is 1, its gradient 0
            assert relative_difference(gradients[name], gradients["textbook"]) <= TOLERANCE[dtype]
            assert relative_difference(costs[name], costs["textbook"]) <= TOLERANCE[dtype]
        # An output is a sum of terms up to about 1, which may cancel: so a single one can be near 0.
        largest = max(1, np.abs(outputs["textbook"]).max())
        assert np.abs(outputs[name] - outputs["textbook"]).max() <= TOLERANCE[dtype] * largest
        assert evaluations[name].cost == pytest.approx(costs["textbook"].mean(), rel=TOLERANCE[dtype], abs=1e-12)
        assert evaluations[name].accuracy == evaluations["textbook"].accuracy


def costs_by_row(net: fastbp.Network, X, Y):
    dtype = net.dtype
    outputs, costs = FORMULATIONS[net.formulation].costs(net._model, X.astype(dtype), Y.astype(dtype))
    assert outputs.shape == (len(X), net.sizes[-1])
    assert costs.shape == (len(X),) and costs.dtype == np.float64
    return costs


@settings(deadline=None, max_examples=30, derandomize=True)
@given(
    sizes=st.lists(st.sampled_from([1, 2, 15, 17]), min_size=2, max_size=3),
    n=st.integers(1, 35),
    batch_size=st.sampled_from([1, 2, 7, 15, 16, 17, 33, 100]),
    kind=st.sampled_from([kind for kind in KINDS if kind[1] != "softmax"]),
    optimizer=st.sampled_from(list(OPTIMIZERS)),
    dtype=st.sampled_from(["float32", "float64"]),
)
@example(sizes=[15, 17, 2], n=35, batch_size=16, kind=KINDS[1], optimizer="Adam", dtype="float64")  # 16, 16 and 3
@example(sizes=[15, 17, 2], n=35, batch_size=16, kind=KINDS[1], optimizer="Nesterov", dtype="float64")
@example(sizes=[15, 17, 2], n=35, batch_size=16, kind=KINDS[0], optimizer="Momentum", dtype="float32")
def test_whole_fits_agree(sizes, n, batch_size, kind, optimizer, dtype):
    fitted = {}
    for name in FORMULATIONS:
        net = network(sizes, kind, dtype, seed=7)
        X, Y = samples(net, n, 1)
        net.formulation = name
        history = net.fit(X, Y, epochs=3, batch_size=batch_size, optimizer=OPTIMIZERS[optimizer]())
        fitted[name] = net.parameters, history.cost
    for name in OTHERS:
        for given_, expected in zip(fitted[name], fitted["textbook"], strict=True):
            assert relative_difference(given_, expected) <= TOLERANCE[dtype]


@pytest.mark.parametrize(("module", "names"), [(compiled, COMPILED), (vectorized, ["vectorized"])])
@pytest.mark.parametrize("n", [1, 4, 5, 8, 11])
def test_blocks_of_rows_make_no_difference(module, names, n, monkeypatch):
    net = network([5, 4, 3], KINDS[2], "float64")
    X, Y = samples(net, n, 2)
    for name in names:
        net.formulation = name
        whole = net.gradient(X, Y).vector, net.predict(X), costs_by_row(net, X, Y)
        monkeypatch.setattr(module, "ROWS_AT_ONCE", 4)
        parts = net.gradient(X, Y).vector, net.predict(X), costs_by_row(net, X, Y)
        monkeypatch.undo()
        for part, expected in zip(parts, whole, strict=True):
            assert relative_difference(part, expected) <= 1e-14


def test_more_rows_than_are_held_at_once(formulation):
    """2500 rows are computed as 1024 + 1024 + 452; the gradient is the mean over all of them."""
    n = 2500
    assert n > 2 * max(compiled.ROWS_AT_ONCE, vectorized.ROWS_AT_ONCE)
    net = network([2, 3, 1], KINDS[0], "float64")
    net.formulation = formulation
    X, Y = samples(net, n, 3)
    of_single_samples = [net.gradient(X[s : s + 1], Y[s : s + 1]).vector for s in range(n)]
    assert relative_difference(net.gradient(X, Y).vector, np.mean(of_single_samples, axis=0)) <= 1e-12
    assert net.predict(X).shape == (n, 1)
    assert (
        net.predict(X)[-1:] == net.predict(X[-1:])
    ).all() or formulation == "vectorized"  # BLAS may round differently


@pytest.mark.parametrize(("n", "batch_size"), [(7, 3), (6, 3), (2, 3), (1, 1)])
def test_a_last_shorter_mini_batch_is_divided_by_its_own_size(n, batch_size, formulation):
    """An epoch is one step of gradient descent for each mini-batch, in the order drawn from the seed."""
    net = network([4, 3, 2], KINDS[0], "float64", seed=5)
    net.formulation = formulation
    X, Y = samples(net, n, 4)
    by_hand = network([4, 3, 2], KINDS[0], "float64", seed=5)
    rng = by_hand._rng
    for _ in range(3):
        order = rng.permutation(n) if batch_size < n else np.arange(n)
        for start in range(0, n, batch_size):
            rows = order[start : start + batch_size]
            by_hand.parameters = by_hand.parameters - 0.2 * by_hand.gradient(X[rows], Y[rows]).vector
    net.fit(X, Y, epochs=3, batch_size=batch_size, optimizer=fastbp.SGD(0.2))
    assert relative_difference(net.parameters, by_hand.parameters) <= 1e-13


def test_formulation_can_be_changed_between_fits():
    """The optimizer's state and the random generator belong to the network, not to the formulation."""
    nets = [network([3, 4, 2], KINDS[0], "float64", seed=9) for _ in range(2)]
    X, Y = samples(nets[0], 10, 5)
    for net, names in zip(nets, [["loops"] * 3, ["textbook", "loops", "vectorized"]], strict=True):
        optimizer = fastbp.Adam(0.01, epsilon=1e-3)
        for name in names:
            net.formulation = name
            net.fit(X, Y, epochs=2, batch_size=4, optimizer=optimizer)
    assert relative_difference(nets[1].parameters, nets[0].parameters) <= 1e-12
