"""A learning rate for each layer, and frozen layers: `Optimizer.layer_rates`."""

import dataclasses

import numpy as np
import pytest
from conftest import OPTIMIZERS, relative_difference, state_of
from covering import every_pair, in_turn

import fastbp
from fastbp.formulations import FORMULATIONS
from fastbp.optimizers import BY_NAME
from fastbp.training.state import Training

SIZES = [6, 9, 5, 2]
RATES = [0.5, (2.0, 0.25), 1.0]
FROZEN = [0.0, 1.0, (1.0, 0.0)]
rng = np.random.default_rng(8)
X, Y = rng.uniform(-1, 1, (600, 6)), rng.uniform(-1, 1, (600, 2))
RULES = {"l2": 0.3, "l1": 0.2, "clip_value": 0.05, "max_norm": 0.6}
WITHOUT_RATE = {
    "Rprop": fastbp.Rprop,
    "LBFGS": lambda **given: fastbp.LBFGS(gradient_tolerance=1e-9, cost_tolerance=0, **given),
    "ConjugateGradient": lambda **given: fastbp.ConjugateGradient(1e-9, **given),
    "LevenbergMarquardt": fastbp.LevenbergMarquardt,
}


def optimizer_of(name, layer_rates=None):
    """A new optimizer of that name in one of the tables."""
    if name in WITHOUT_RATE:
        return WITHOUT_RATE[name](layer_rates=layer_rates)
    return dataclasses.replace(OPTIMIZERS[name](), layer_rates=layer_rates)


EVERY = [*OPTIMIZERS, *WITHOUT_RATE]


def network(formulation="tiles", sizes=SIZES, dtype="float64"):
    net = fastbp.Network(sizes, activation="tanh", cost="quadratic", dtype=dtype, seed=3, formulation=formulation)
    for b in net.biases:
        b[:] = np.linspace(-0.5, 0.5, b.size)
    return net


def fitted(name, layer_rates, formulation="tiles", n=37, **options):
    net = network(formulation)
    quiet = {"epochs": 2, "shuffle": False, "progress": False}
    net.fit(X[:n], Y[:n], optimizer=optimizer_of(name, layer_rates), **{**quiet, **options})
    return net


def parts_of(net, vector):
    """The weights and biases of each layer, flat, as views."""
    of_net = fastbp.ParameterVector(net.sizes, vector)
    return [array.reshape(-1) for layer in zip(of_net.weights, of_net.biases, strict=True) for array in layer]


@pytest.mark.parametrize(
    ("name", "formulation", "batch_size", "rules"),
    every_pair(OPTIMIZERS, FORMULATIONS, [7, 600], [{}, RULES]),  # mini-batches of 600 are summed in parts
)
def test_each_part_has_an_optimizer_of_its_own(name, formulation, batch_size, rules):
    """A naive twin: w and b of each layer are trained by an optimizer with a rate of its own, on the same gradient."""
    n, rates = 600 if batch_size == 600 else 37, np.array([(0.5, 0.5), (2.0, 0.25), (1.0, 1.0)]).ravel()
    base, twin = OPTIMIZERS[name](), network()
    net = fitted(name, RATES, formulation, n, batch_size=batch_size, **rules)
    own = [dataclasses.replace(base, learning_rate=base.learning_rate * rate) for rate in rates]
    theta = twin.parameters
    states = [each.new_state(part.size, theta.dtype) for each, part in zip(own, parts_of(twin, theta), strict=True)]
    decay = getattr(base, "weight_decay", 0.0)
    for _ in range(2):
        for start in range(0, n, batch_size):
            gradient = twin.gradient(X[start : min(n, start + batch_size)], Y[start : min(n, start + batch_size)])
            for i, (part, g) in enumerate(zip(parts_of(twin, theta), parts_of(twin, gradient.vector), strict=True)):
                if i % 2 == 0:
                    g += (rules.get("l2", 0) * part + rules.get("l1", 0) * np.sign(part)) / n
                np.clip(g, -rules.get("clip_value", np.inf), rules.get("clip_value", np.inf), out=g)
                if i % 2 == 0:
                    part *= 1 - own[i].learning_rate * decay
                own[i].step(part, g, states[i])
            for w in twin.weights:
                norms = np.sqrt((w * w).sum(axis=1, keepdims=True))
                w *= np.minimum(1, rules.get("max_norm", np.inf) / norms)
    assert relative_difference(net.parameters, twin.parameters) < 1e-11


@pytest.mark.parametrize(("name", "formulation", "clip"), in_turn(EVERY, FORMULATIONS, [None, 0.05]))
def test_layers_above_a_frozen_one_are_trained_as_a_network_of_their_own(name, clip, formulation):
    if name in WITHOUT_RATE and clip and name != "Rprop":
        pytest.skip("takes no clip_norm")
    net, above = network(formulation), network(formulation, SIZES[1:])
    above.weights[0][:], above.biases[0][:] = net.weights[1], net.biases[1]
    above.weights[1][:], above.biases[1][:] = net.weights[2], net.biases[2]
    before = net.parameters.copy()
    options = {"epochs": 3, "shuffle": False, "batch_size": 37, "l2": 0.1, "clip_norm": clip}
    features = np.tanh(X[:37] @ net.weights[0].T + net.biases[0])
    net.fit(X[:37], Y[:37], optimizer=optimizer_of(name, [0, 1, 1]), **options)
    above.fit(features, Y[:37], optimizer=optimizer_of(name), **options)
    n = above.parameters.size
    assert net.parameters[:-n].tobytes() == before[:-n].tobytes()
    assert relative_difference(net.parameters[-n:], above.parameters) < 1e-8


@pytest.mark.parametrize(
    ("name", "formulation", "rules"),
    every_pair(EVERY, FORMULATIONS, [{}, RULES, {"clip_norm": 0.02}, {"dropout": 0.3}]),
)
def test_what_is_frozen_keeps_its_bits(name, rules, formulation):
    if name in WITHOUT_RATE and name != "Rprop" and rules:
        rules = {"l2": 0.3}
    net = network(formulation)
    net.parameters[::5] = -0.0
    net.weights[0][:] *= 9  # beyond max_norm
    before = parts_of(net, net.parameters.copy())
    batch_size = 37 if name == "Rprop" else 10
    net.fit(X[:37], Y[:37], epochs=2, batch_size=batch_size, optimizer=optimizer_of(name, FROZEN), **rules)
    changed = [a.tobytes() != b.tobytes() for a, b in zip(parts_of(net, net.parameters), before, strict=True)]
    assert changed == [False, False, True, True, True, False]
    if name not in ("LBFGS", "ConjugateGradient", "LevenbergMarquardt"):
        state, start = net._training.state, optimizer_of(name).new_state(net.parameters.size, net.dtype)
        for moment, first in ((state.first, start.first), (state.second, start.second)):
            if moment.size:
                kept = zip(parts_of(net, moment), parts_of(net, first), strict=True)
                assert [(a == b).all() for a, b in kept][:2] == [True, True]


@pytest.mark.parametrize("name", EVERY)
def test_factors_of_1_change_no_bit(name, formulation):
    options = {} if name in WITHOUT_RATE else {"batch_size": 10, "l2": 0.1}
    with_factors, without = (fitted(name, rates, formulation, **options) for rates in ([1, (1.0, 1), 1], None))
    assert with_factors.parameters.tobytes() == without.parameters.tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("batch_size", [1, 10, 600])
def test_the_bits_do_not_depend_on_threads(compiled, batch_size, dtype):
    found = []
    for n in (1, 2):
        net = network(compiled, [6, 70, 40, 2], dtype)
        with fastbp.threads(n):
            chosen = fastbp.Adam(layer_rates=[0, 0.5, (1, 2)])
            net.fit(X, Y, epochs=1, batch_size=batch_size, optimizer=chosen, clip_norm=0.1, max_norm=1.0)
        found.append(net.parameters.tobytes())
    assert found[0] == found[1]


def test_rates_follow_the_schedule(formulation):
    """Of plain descent: half the factor with twice the rate, epoch by epoch, are the same steps."""
    options = {"batch_size": 10, "epochs": 3, "schedule": lambda epoch, base: base / (epoch + 1)}
    found = fitted("SGD", [0.5, 0.25, 0.125], formulation, **options)
    expected = network(formulation)
    chosen = fastbp.SGD(OPTIMIZERS["SGD"]().learning_rate / 2, layer_rates=[1, 0.5, 0.25])
    expected.fit(X[:37], Y[:37], optimizer=chosen, shuffle=False, **options)
    assert found.parameters.tobytes() == expected.parameters.tobytes()


def test_a_file_keeps_them(tmp_path, formulation):
    path = tmp_path / "net.safetensors"
    never, net = (network(formulation) for _ in range(2))
    options = {"epochs": 2, "batch_size": 10}
    chosen = optimizer_of("Adam", RATES)
    for each, made in ((never, chosen), (net, optimizer_of("Adam", RATES))):
        each.fit(X[:37], Y[:37], optimizer=made, **options)
    net.save(path, training_state=True)
    resumed = fastbp.load(path)
    assert resumed.optimizer.layer_rates == chosen.layer_rates == (0.5, (2.0, 0.25), 1.0)
    for each in (never, resumed):
        each.fit(X[:37], Y[:37], **options)
    assert resumed.parameters.tobytes() == never.parameters.tobytes()


def test_another_fit_can_thaw_what_was_frozen():
    """Gradual unfreezing: a new optimizer for each stage."""
    net = network()
    for rates in ([0, 0, 1], [0, 1, 1], None):
        before = net.parameters.copy()
        net.fit(X[:37], Y[:37], epochs=1, optimizer=fastbp.Adam(layer_rates=rates))
        of_layers = parts_of(net, net.parameters == before)[::2]
        assert [bool(same.all()) for same in of_layers] == [factor == 0 for factor in rates or [1, 1, 1]]


def test_a_line_search_that_remembers_a_free_layer_leaves_it_when_frozen():
    net, thawed = network(), fastbp.LBFGS()
    net.fit(X[:37], Y[:37], epochs=4, optimizer=thawed)
    frozen = fastbp.LBFGS(layer_rates=[0, 1, 1])
    last = net._training
    net._training = Training(last.model, frozen, last.state, last.rng, last.steps)
    before, cost = net.weights[0].copy(), net.history.cost[-1]
    history = net.fit(X[:37], Y[:37], epochs=3, optimizer=frozen)
    assert (net.weights[0] == before).all() and history.cost[-1] < cost


WRONG = {
    "a number": (0.5, TypeError, r"layer_rates is 0.5; it must be a list with a factor for each layer"),
    "a word": ("all", TypeError, "layer_rates is 'all'; it must be a list"),
    "a dict": ({0: 1.0}, TypeError, "it must be a list"),
    "negative": ([1, -0.1, 1], ValueError, r"layer_rates\[1\] is -0.1; it must be a finite number of at least 0"),
    "infinite": ([1, (1, np.inf), 1], ValueError, r"layer_rates\[1\] is inf; it must be a finite number"),
    "truth": ([True, 1, 1], TypeError, r"layer_rates\[0\] is True; it must be a number"),
    "three": (
        [1, (1, 1, 1), 1],
        ValueError,
        r"layer_rates\[1\] is \(1, 1, 1\); it must be a number, or one for the wei",
    ),
    "nothing": ([0, 0, (0, 0)], ValueError, "one factor at least must be greater than 0"),
    "empty": ([], ValueError, "one factor at least must be greater than 0"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_factors_are_refused(name):
    given, error, message = WRONG[name]
    with pytest.raises(error, match=message):
        fastbp.Adam(layer_rates=given)


@pytest.mark.parametrize("name", WITHOUT_RATE)
def test_steps_without_a_rate_have_only_frozen_layers(name):
    with pytest.raises(
        ValueError, match=f"{name}: layer_rates is .*; its steps have no rate: give 0 for a frozen layer"
    ):
        WITHOUT_RATE[name](layer_rates=[1, 0.5])


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_another_number_of_layers_is_refused_before_anything_changes(name):
    net = network()
    given = {"learning_rate": 0.1} if name in ("sgd", "momentum", "nesterov") else {}
    before = state_of(net)
    with pytest.raises(ValueError, match="for 2 layers, but the network has 3 with weights: give one factor for each"):
        net.fit(X, Y, optimizer=BY_NAME[name](**given, layer_rates=[0, 1]))
    assert state_of(net) == before
