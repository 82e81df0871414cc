"""Optimizers: each recurrence against plain Python, and when a fit continues their state or begins a new one."""

import dataclasses
import math

import numpy as np
import pytest
from conftest import OPTIMIZERS, public_optimizers
from covering import every_pair
from fit_samples import network, samples

import fastbp
from fastbp.formulations import FORMULATIONS
from fastbp.optimizers import Optimizer, updates


def sgd(gradient, theta, steps, eta):
    for _ in range(steps):
        theta = [p - eta * g for p, g in zip(theta, gradient(theta), strict=True)]
    return theta


def momentum(gradient, theta, steps, eta, mu):
    v = [0.0] * len(theta)
    for _ in range(steps):
        v = [mu * v_i - eta * g for v_i, g in zip(v, gradient(theta), strict=True)]
        theta = [p + v_i for p, v_i in zip(theta, v, strict=True)]
    return theta


def nesterov(gradient, theta, steps, eta, mu):
    """Nesterov's form: the gradient at the point that looks ahead, which is the θ of fastbp."""
    at, v = list(theta), [0.0] * len(theta)
    for _ in range(steps):
        ahead = [p + mu * v_i for p, v_i in zip(at, v, strict=True)]
        v = [mu * v_i - eta * g for v_i, g in zip(v, gradient(ahead), strict=True)]
        at = [p + v_i for p, v_i in zip(at, v, strict=True)]
    return [p + mu * v_i for p, v_i in zip(at, v, strict=True)]


def adam(gradient, theta, steps, eta, beta_1, beta_2, epsilon):
    """Algorithm 1 of Kingma and Ba, with bias-corrected moments."""
    theta, m, v = list(theta), [0.0] * len(theta), [0.0] * len(theta)
    for t in range(1, steps + 1):
        for i, g in enumerate(gradient(theta)):
            m[i] = beta_1 * m[i] + (1 - beta_1) * g
            v[i] = beta_2 * v[i] + (1 - beta_2) * g * g
        for i in range(len(theta)):
            theta[i] -= eta * (m[i] / (1 - beta_1**t)) / (math.sqrt(v[i] / (1 - beta_2**t)) + epsilon)
    return theta


def rmsprop(gradient, theta, steps, eta, alpha, epsilon, mu=0.0):
    theta, s, u = list(theta), [0.0] * len(theta), [0.0] * len(theta)
    for _ in range(steps):
        for i, g in enumerate(gradient(theta)):
            s[i] = alpha * s[i] + (1 - alpha) * g * g
            u[i] = mu * u[i] + g / (math.sqrt(s[i]) + epsilon)
        theta = [p - eta * u_i for p, u_i in zip(theta, u, strict=True)]
    return theta


def rmsprop_centered(gradient, theta, steps, eta, alpha, epsilon):
    theta, s, h = list(theta), [0.0] * len(theta), [0.0] * len(theta)
    for _ in range(steps):
        for i, g in enumerate(gradient(tuple(theta))):
            s[i] = alpha * s[i] + (1 - alpha) * g * g
            h[i] = alpha * h[i] + (1 - alpha) * g
            theta[i] -= eta * g / (math.sqrt(s[i] - h[i] ** 2) + epsilon)
    return theta


def adagrad(gradient, theta, steps, eta, delta, epsilon):
    theta, s = list(theta), [0.0] * len(theta)
    for t in range(steps):
        g = gradient(theta)
        s = [s_i + g_i * g_i for s_i, g_i in zip(s, g, strict=True)]
        rate = eta / (1 + t * delta)
        theta = [p - rate * g_i / (math.sqrt(s_i) + epsilon) for p, g_i, s_i in zip(theta, g, s, strict=True)]
    return theta


def rprop(gradient, theta, steps, first_step, decrease, increase, smallest, largest):
    """iRprop⁻, by cases as in the paper of Igel and Hüsken."""
    theta, step, last = list(theta), [first_step] * len(theta), [0.0] * len(theta)
    for _ in range(steps):
        for i, g in enumerate(gradient(theta)):
            if g * last[i] > 0:
                step[i] = min(step[i] * increase, largest)
            elif g * last[i] < 0:
                step[i] = max(step[i] * decrease, smallest)
                g = 0.0
            last[i] = g
        theta = [p - math.copysign(d, g) * (g != 0) for p, d, g in zip(theta, step, last, strict=True)]
    return theta


CASES = {
    "SGD": (fastbp.SGD(0.05), sgd, (0.05,)),
    "Momentum": (fastbp.Momentum(0.03), momentum, (0.03, 0.9)),
    "Momentum without any": (fastbp.Momentum(0.05, momentum=0), sgd, (0.05,)),
    "Momentum 0.5": (fastbp.Momentum(0.03, momentum=0.5), momentum, (0.03, 0.5)),
    "Nesterov": (fastbp.Nesterov(0.03), nesterov, (0.03, 0.9)),
    "Nesterov 0.6": (fastbp.Nesterov(0.03, momentum=0.6), nesterov, (0.03, 0.6)),
    "Adam": (fastbp.Adam(), adam, (0.001, 0.9, 0.999, 1e-8)),
    "Adam, all others": (fastbp.Adam(0.05, beta_1=0.7, beta_2=0.9, epsilon=0.01), adam, (0.05, 0.7, 0.9, 0.01)),
    "Adam, no first moment": (fastbp.Adam(0.02, beta_1=0), adam, (0.02, 0.0, 0.999, 1e-8)),
    "AdamW without decay": (fastbp.AdamW(0.02, weight_decay=0), adam, (0.02, 0.9, 0.999, 1e-8)),
    "RMSProp": (fastbp.RMSProp(), rmsprop, (0.01, 0.99, 1e-8)),
    "RMSProp, all others": (fastbp.RMSProp(0.02, alpha=0.7, epsilon=0.01), rmsprop, (0.02, 0.7, 0.01)),
    "RMSProp, momentum": (fastbp.RMSProp(0.003, momentum=0.6), rmsprop, (0.003, 0.99, 1e-8, 0.6)),
    "RMSProp, centered": (
        fastbp.RMSProp(0.01, alpha=0.7, epsilon=0.1, centered=True),
        rmsprop_centered,
        (0.01, 0.7, 0.1),
    ),
    "Adagrad": (fastbp.Adagrad(), adagrad, (0.01, 0.0, 1e-10)),
    "Adagrad, all others": (fastbp.Adagrad(0.1, rate_decay=0.3, epsilon=0.01), adagrad, (0.1, 0.3, 0.01)),
    "Rprop": (fastbp.Rprop(), rprop, (0.01, 0.5, 1.2, 1e-6, 50.0)),
    "Rprop, all others": (
        fastbp.Rprop(0.1, decrease=0.3, increase=1.5, smallest_step=0.02, largest_step=0.15),
        rprop,
        (0.1, 0.3, 1.5, 0.02, 0.15),
    ),
}

x, y = (0.5, -1.25, 2.0), 0.7
START = [0.3, -0.2, 0.1, 0.4]


def gradient_of_one_sample(theta):
    """∂/∂(w, b) of ½(w x + b − y)²."""
    error = sum(w * x_k for w, x_k in zip(theta, x, strict=False)) + theta[-1] - y
    return [error * x_k for x_k in x] + [error]


@pytest.mark.parametrize("case", CASES)
def test_twenty_steps_are_those_of_the_paper(case, formulation):
    optimizer, recurrence, hyperparameters = CASES[case]
    net = fastbp.Network([3, 1], cost="quadratic", dtype="float64", formulation=formulation)
    net.parameters = START
    net.fit([x], [[y]], epochs=20, batch_size=1, optimizer=optimizer)
    expected = recurrence(gradient_of_one_sample, START, 20, *hyperparameters)
    assert net.parameters == pytest.approx(expected, rel=1e-13)
    assert np.abs(net.parameters - START).min() > 1e-3  # every parameter has moved


@pytest.mark.parametrize("case", CASES)
def test_the_public_step_counts_and_takes_the_steps_of_the_paper(case):
    """From a new state, on a cost that the test computes."""
    optimizer, recurrence, hyperparameters = CASES[case]
    theta = np.array(START)
    state = optimizer.new_state(theta.size, theta.dtype)
    for step in range(1, 11):
        optimizer.step(theta, np.array(gradient_of_one_sample(theta)), state)
        assert state.t[0] == step
    assert theta == pytest.approx(recurrence(gradient_of_one_sample, START, 10, *hyperparameters), rel=1e-13)


class OwnStep(Optimizer):
    """A user's optimizer whose `step` does not count."""

    update = "sgd"

    def step(self, theta, gradient, state):
        theta -= float(state.rate[0]) * gradient


class OwnAdam(fastbp.Adam):
    """A user's optimizer whose `step` calls that of its base class with another gradient."""

    def step(self, theta, gradient, state):
        super().step(theta, np.clip(gradient, -1e9, 1e9), state)


@pytest.mark.parametrize(("own", "ours"), [(OwnStep(0.1), fastbp.SGD(0.1)), (OwnAdam(0.1), fastbp.Adam(0.1))])
@pytest.mark.parametrize("formulation", ["vectorized", "textbook"])
def test_a_users_step_is_counted_once(own, ours, formulation):
    (X, Y), nets = samples(), (network(formulation), network(formulation))
    for net, optimizer in zip(nets, (own, ours), strict=True):
        net.fit(X, Y, epochs=2, batch_size=5, optimizer=optimizer)
        assert net._training.state.t[0] == net._training.steps[0] == 10
    assert nets[0].parameters.tobytes() == nets[1].parameters.tobytes()


def test_every_optimizer_is_tested_here():
    classes = {cls for cls in public_optimizers() if not cls.full_batch}  # full-batch optimizers have their own tests
    assert {type(optimizer) for optimizer, _, _ in CASES.values()} == classes
    assert {type(make()) for make in OPTIMIZERS.values()} == classes - {fastbp.Rprop}  # Rprop takes no mini-batches


@pytest.mark.parametrize("make", [*OPTIMIZERS.values(), fastbp.Rprop])
def test_compiled_and_numpy_steps_agree(make):
    """The update functions alone, on gradients of many magnitudes, with the state of the steps before."""
    rng = np.random.default_rng(1)
    optimizer, n = make(), 50
    theta = rng.standard_normal(n)
    ours, numpys = theta.copy(), theta.copy()
    state, numpy_state = optimizer.new_state(n, np.float64), optimizer.new_state(n, np.float64)
    step, begin_step = getattr(updates, optimizer.update), getattr(updates, f"{optimizer.update}_begin_step", None)
    hyper = optimizer.hyper
    for _ in range(20):
        gradient = rng.standard_normal(n) * 10.0 ** rng.integers(-6, 2, n)
        state.t[0] += 1
        if begin_step:
            begin_step(hyper, state.t)
        step(ours, state.first, state.second, hyper, state.t, gradient)
        optimizer.step(numpys, gradient, numpy_state)
        assert ours == pytest.approx(numpys, rel=1e-13)
        assert state.first == pytest.approx(numpy_state.first, rel=1e-13)
        assert state.second == pytest.approx(numpy_state.second, rel=1e-13)


@pytest.mark.parametrize(
    ("name", "formulation", "batch_size", "dtype"),
    every_pair(OPTIMIZERS, FORMULATIONS, [1, 5, 23, 100], ["float32", "float64"]),  # 5: four mini-batches and one of 3
)
def test_two_fits_of_one_epoch_are_one_of_two(name, formulation, batch_size, dtype):
    (X, Y), new_optimizer = samples(), OPTIMIZERS[name]
    once, twice = network(formulation, dtype), network(formulation, dtype)
    once.fit(X, Y, epochs=2, batch_size=batch_size, optimizer=new_optimizer())
    optimizer = new_optimizer()
    for _ in range(2):
        twice.fit(X, Y, epochs=1, batch_size=batch_size, optimizer=optimizer)
    assert once.parameters.tobytes() == twice.parameters.tobytes()
    assert once._rng.bit_generator.state == twice._rng.bit_generator.state


def test_fits_with_the_default_optimizer_continue(formulation):
    X, Y = samples()
    once, twice = network(formulation), network(formulation)
    once.fit(X, Y, epochs=4, batch_size=5, optimizer=fastbp.Adam())
    for _ in range(2):
        twice.fit(X, Y, epochs=2, batch_size=5)
    assert once.parameters.tobytes() == twice.parameters.tobytes()


def test_a_fit_without_optimizer_goes_on_with_the_last_one(formulation):
    X, Y = samples()
    once, twice = network(formulation), network(formulation)
    once.fit(X, Y, epochs=4, batch_size=5, optimizer=fastbp.Nesterov(0.1))
    twice.fit(X, Y, epochs=2, batch_size=5, optimizer=fastbp.Nesterov(0.1))
    twice.fit(X, Y, epochs=2, batch_size=5)
    assert once.parameters.tobytes() == twice.parameters.tobytes()


@pytest.mark.parametrize("name", [name for name in OPTIMIZERS if name != "SGD"])
def test_a_new_object_starts_afresh(name, formulation):
    """Even with the same hyperparameters. All samples are in one mini-batch, so that no order is drawn."""
    X, Y = samples()
    continued, fresh, other = network(formulation), network(formulation), network(formulation)
    optimizer = OPTIMIZERS[name]()
    continued.fit(X, Y, epochs=2, batch_size=23, optimizer=optimizer)
    fresh.fit(X, Y, epochs=2, batch_size=23, optimizer=OPTIMIZERS[name]())
    other.parameters = fresh.parameters.copy()
    continued.fit(X, Y, epochs=2, batch_size=23, optimizer=optimizer)
    fresh.fit(X, Y, epochs=2, batch_size=23, optimizer=OPTIMIZERS[name]())
    other.fit(X, Y, epochs=2, batch_size=23, optimizer=OPTIMIZERS[name]())
    assert fresh.parameters.tobytes() == other.parameters.tobytes()
    assert fresh.parameters.tobytes() != continued.parameters.tobytes()


def test_one_object_for_two_networks_keeps_their_states_apart(new_optimizer, formulation):
    X, Y = samples()
    shared = new_optimizer()
    a, b = network(formulation), network(formulation)
    for net in (a, b, a, b):
        net.fit(X, Y, epochs=1, batch_size=5, optimizer=shared)
    alone = network(formulation)
    alone.fit(X, Y, epochs=2, batch_size=5, optimizer=new_optimizer())
    assert a.parameters.tobytes() == b.parameters.tobytes() == alone.parameters.tobytes()


@pytest.mark.parametrize("make", [*OPTIMIZERS.values(), fastbp.Rprop])
def test_the_rate_of_the_state_is_the_one_that_counts(make, formulation):
    """Setting the rate of the state equals an optimizer made with that rate; a copy of the state has its own."""
    (X, Y), optimizer, net = samples(), make(), network(formulation, "float64")
    other = network(formulation, "float64")
    slower = dataclasses.replace(optimizer, learning_rate=optimizer.learning_rate / 4)
    for each, chosen, factor in ((net, optimizer, 4), (other, slower, 1)):
        state = chosen.new_state(net.parameters.size, net.dtype)
        assert state.rate.tolist() == [chosen.learning_rate]
        if isinstance(chosen, fastbp.Rprop):
            state.second[:] = 0.01
        state.rate[0] /= factor
        trainer = each._formulation.trainer(each._model, chosen, state, *map(np.ascontiguousarray, (X, Y)), 23)
        trainer.begin()
        for _ in range(3):
            trainer.train(np.arange(23))
        trainer.end_epoch()
        kept = state.copy()
        state.rate[0] = 7.0
        assert kept.rate[0] == slower.learning_rate
        kept.copy_to(state)
        assert state.rate[0] == slower.learning_rate
    assert net.parameters.tobytes() == other.parameters.tobytes()
    assert net.parameters.tobytes() != network(formulation, "float64").parameters.tobytes()


def test_an_interrupted_fit_has_its_rate_again(monkeypatch):
    net, optimizer = network("loops"), fastbp.SGD(0.25)
    net.fit(*samples(), epochs=1, optimizer=optimizer)
    with pytest.warns(RuntimeWarning, match="interrupted"), monkeypatch.context() as patch:
        patch.setattr("fastbp.training.loop.check_finite", interrupt)
        net.fit(*samples(), epochs=1, optimizer=optimizer)
    assert net._training.state.rate.tolist() == [0.25]


def interrupt(*arguments):
    raise KeyboardInterrupt


def test_the_base_class_is_no_optimizer():
    net = fastbp.Network([3, 2], formulation="vectorized")
    before = net.parameters.tobytes()
    with pytest.raises(TypeError, match="use SGD, Adam or another"):
        net.fit(*samples(), optimizer=Optimizer(0.1))
    assert net.parameters.tobytes() == before
    for formulation in FORMULATIONS:
        net = fastbp.Network([3, 2], formulation=formulation)
        with pytest.raises(TypeError):
            net.fit(*samples(), optimizer=Optimizer(0.1))


@pytest.mark.parametrize("wrong", [b"adam", 0.1, fastbp.Adam, {"learning_rate": 0.1}])
def test_other_objects_are_refused_as_optimizers(wrong):
    net = fastbp.Network([3, 2])
    with pytest.raises(TypeError, match="it must be an optimizer such as") as error:
        net.fit(*samples(), optimizer=wrong)
    assert repr(wrong) in str(error.value)
