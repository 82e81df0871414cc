"""Networks trained in lanes have the bits of the same networks trained alone with `tiles`."""

import numpy as np
import pytest
from conftest import OPTIMIZERS
from numba import config
from numpy.testing import assert_allclose, assert_array_equal

import fastbp
from fastbp.formulations.lanes import trainer as lanes
from fastbp.formulations.step_options import StepOptions

both = pytest.mark.parametrize("dtype", ["float32", "float64"])
REGRESSION = {"activation": "tanh", "cost": "quadratic", "output_activation": "identity"}
SAMPLES, EPOCHS = 45, 2


def data(sizes, dtype):
    rng = np.random.default_rng(0)
    Y = rng.random((SAMPLES, sizes[-1])) + 0.1
    Y = Y / Y.sum(axis=1, keepdims=True) if sizes[-1] > 1 else Y / 2
    return rng.standard_normal((SAMPLES, sizes[0])).astype(dtype), Y.astype(dtype)


def networks(n, sizes, dtype, choices):
    return [fastbp.Network(sizes, dtype=dtype, seed=i, **choices) for i in range(n)]


def in_lanes(nets, optimizers, orders, X, Y, batch_size, **rules):
    """Train networks in lanes. Return their states and costs, (epochs, n_nets)."""
    theta = nets[0].parameters
    states = [optimizer.new_state(theta.size, theta.dtype) for optimizer in optimizers]
    options = [StepOptions(decay=getattr(optimizer, "weight_decay", 0.0), **rules) for optimizer in optimizers]
    for net, optimizer, option in zip(nets, optimizers, options, strict=True):
        suited = lanes.suits(net._model, optimizer, option, batch_size)
        assert suited or batch_size > SAMPLES
    models = [net._model for net in nets]
    trainer = lanes.lanes_trainer(models, optimizers, states, X, Y, batch_size, options)
    trainer.begin()
    costs = [trainer.train(np.array(of_epoch)) / len(X) for of_epoch in orders]
    trainer.end_epoch()
    assert [int(option.steps[0]) for option in options] == [len(orders) * -(-len(X) // batch_size)] * len(nets)
    return states, np.array(costs)


def assert_same(ours, theirs):
    if config.DISABLE_JIT:  # where NumPy adds the terms of a row
        assert_allclose(ours, theirs, rtol=1e-3, atol=1e-6)
    else:
        assert_array_equal(ours, theirs)


def check(sizes, dtype, optimizers, batch_size=16, shared=False, l2=0.0, l1=0.0, clip_value=None, **choices):
    """Train networks in lanes and alone: parameters, moments, counts and costs are the same."""
    X, Y = data(sizes, dtype)
    together, alone = (networks(len(optimizers), sizes, dtype, choices or REGRESSION) for _ in range(2))
    rng = np.random.default_rng(1)
    orders = [[rng.permutation(SAMPLES) for _ in optimizers] for _ in range(EPOCHS)]
    if shared:
        orders = [[of_epoch[0]] * len(optimizers) for of_epoch in orders]
    rules = {"l2": l2 / SAMPLES, "l1": l1 / SAMPLES} | ({} if clip_value is None else {"clip_value": clip_value})
    states, costs = in_lanes(together, optimizers, orders, X, Y, batch_size, **rules)
    for i, (net, optimizer) in enumerate(zip(alone, optimizers, strict=True)):
        shuffle = [of_epoch[i] for of_epoch in orders]
        options = {"l2": l2, "l1": l1, "clip_value": clip_value, "progress": False}
        history = net.fit(X, Y, epochs=EPOCHS, batch_size=batch_size, optimizer=optimizer, shuffle=shuffle, **options)
        assert_same(together[i].parameters, net.parameters)
        state = net._training.state
        assert_same(states[i].first, state.first)
        assert_same(states[i].second, state.second)
        assert_same(costs[:, i], history.cost)
        assert states[i].t[0] == state.t[0]


def adams(n):
    return [fastbp.Adam(0.003 * (i + 1), beta_1=0.9 - 0.1 * i, epsilon=1e-6) for i in range(n)]


@both
@pytest.mark.parametrize(
    "sizes",
    [[8, 16, 16, 1], [3, 5], [20, 1], [9, 1], [1, 1], [2, 3, 1, 4], [1, 7, 1, 2], [5, 18, 19, 2], [17, 8, 9, 7, 1]],
    ids=str,
)
def test_shapes(sizes, dtype):
    check(sizes, dtype, adams(2))


@both
@pytest.mark.parametrize("batch_size", [2, 3, 7, 44, 45, 60])
def test_mini_batches_and_a_last_shorter_one(batch_size, dtype):
    check([5, 7, 1], dtype, adams(2), batch_size)
    check([2, 7, 3], dtype, [fastbp.SGD(0.1)], batch_size)


@both
def test_blocks_change_no_bits(dtype, monkeypatch):
    """A mini-batch goes through all layers in blocks, here of the least size."""
    monkeypatch.setattr(lanes, "ROWS", 1)
    check([5, 7, 1], dtype, adams(2), 43)
    check([2, 1, 3, 1], dtype, [fastbp.SGD(0.1)], 43)


@both
@pytest.mark.parametrize("n_out", [1, 2])
def test_plain_descent_is_rounded_once_but_for_one_neuron_twice(n_out, dtype):
    check([31, n_out], dtype, [fastbp.SGD(0.1), fastbp.SGD(0.03)], 3)
    check([31, n_out], dtype, [fastbp.SGD(0.1), fastbp.SGD(0.03)], 3, l2=0.3)


@both
@pytest.mark.parametrize("sizes", [[4, 6, 3], [4, 6, 1]], ids=str)
def test_every_optimizer_with_penalties_and_limits(sizes, dtype):
    each = [make() for make in OPTIMIZERS.values()]
    n = lanes.lanes_of(np.dtype(dtype))
    for start in range(0, len(each), n):
        check(sizes, dtype, each[start : start + n])
        check(sizes, dtype, each[start : start + n], l2=0.3)
        check(sizes, dtype, each[start : start + n], l2=0.3, l1=0.1, clip_value=0.05)


@pytest.mark.parametrize(
    "activation", ["sigmoid", "relu", "leaky_relu", "elu", "selu", "softplus", "silu", "mish", "gelu"]
)
def test_activations(activation):
    check([4, 6, 3], "float32", adams(2), activation=activation)


@both
@pytest.mark.parametrize("output", ["softmax", "sigmoid", "softplus", "exponential"])
@pytest.mark.parametrize("cost", ["squared_error", "cross_entropy", "absolute", "huber", "poisson"])
def test_outputs_and_costs(cost, output, dtype):
    if cost == "cross_entropy" and output in ("softplus", "exponential"):
        pytest.skip("its outputs are no probabilities")
    of_cost = fastbp.Huber(0.1) if cost == "huber" else cost
    for n_out in (3, 19) if output == "softmax" else (1, 3, 19):
        check([4, 5, n_out], dtype, adams(1), activation="tanh", cost=of_cost, output_activation=output)


@both
def test_groups_of_any_size_and_a_shared_order(dtype):
    for n in (1, lanes.lanes_of(np.dtype(dtype)) - 1, lanes.lanes_of(np.dtype(dtype))):
        check([3, 4, 2], dtype, adams(4)[:n] + [fastbp.SGD(0.1) for _ in range(n - 4)])
    check([3, 4, 2], dtype, adams(2), shared=True)
