"""`train_on_batch`, `apply_gradient` and `parameter_vjp`: the steps of a user's own loop."""

import copy
import gc
import pickle
import threading
import warnings
import weakref

import numpy as np
import pytest
from conftest import OPTIMIZERS, central_difference, relative_difference, state_of

import fastbp

RNG = np.random.default_rng(0)
X = RNG.standard_normal((40, 5)).astype("f4")
Y = RNG.random((40, 3)).astype("f4")
LABELS = RNG.integers(0, 3, 40)
WEIGHTS = RNG.random(40)


def network(sizes=(5, 17, 6, 3), **choices):
    return fastbp.Network(sizes, **({"activation": "tanh", "cost": "quadratic", "seed": 1} | choices))


def batches(n=40, m=8):
    return [slice(start, start + m) for start in range(0, n, m)]


def same(a, b):
    """Whether two networks have the same bits, moments and counts, but for the identity of the optimizer."""
    first, second = (state_of(net) | {"optimizer": None, "history": None} for net in (a, b))
    return first == second


OPTIONS = {
    "none": {},
    "dropout": {"dropout": 0.4},
    "a list": {"dropout": [0.1, 0.3]},
    "clip_norm": {"clip_norm": 0.05},
    "clip_value": {"clip_value": 0.01},
    "max_norm": {"max_norm": 0.7},
}


@pytest.mark.parametrize("options", OPTIONS)
def test_it_is_the_step_inside_an_epoch(options, formulation):
    optimizer, given = fastbp.Adam(0.01), OPTIONS[options]
    of_fit, own = network(formulation=formulation), network(formulation=formulation)
    history = of_fit.fit(X, Y, epochs=2, batch_size=8, shuffle=False, optimizer=optimizer, **given)
    costs = [[own.train_on_batch(X[b], Y[b], optimizer=optimizer, **given) for b in batches()] for _ in range(2)]
    assert same(of_fit, own)
    assert own.history is None and own.optimizer is optimizer
    np.testing.assert_allclose(np.mean(costs, axis=1), history.cost, rtol=1e-6)


def test_every_optimizer_takes_that_step(new_optimizer):
    of_fit, own = network(dtype="float64"), network(dtype="float64")
    of_fit.fit(X, Y, epochs=3, batch_size=8, shuffle=False, optimizer=new_optimizer())
    optimizer = new_optimizer()
    for _ in range(3):
        for b in batches():
            own.train_on_batch(X[b], Y[b], optimizer=optimizer)
    assert same(of_fit, own)


@pytest.mark.parametrize("m", [1, 8])
@pytest.mark.parametrize("optimizer", [fastbp.SGD(0.1), fastbp.Adam()])
def test_weights_and_labels_are_those_of_fit(m, optimizer):
    of_fit, own = (network(cost="cross_entropy") for _ in range(2))
    of_fit.fit(X, LABELS, epochs=1, batch_size=m, shuffle=False, optimizer=optimizer, sample_weight=WEIGHTS)
    for b in batches(m=m):
        own.train_on_batch(X[b], LABELS[b], optimizer=optimizer, sample_weight=WEIGHTS[b])
    assert same(of_fit, own)


@pytest.mark.parametrize("optimizer", [fastbp.Momentum(0.01), fastbp.SGD(0.01)])
def test_mini_batches_of_all_sizes_with_and_without_weights(optimizer):
    """A trainer is used again only where its bits are those of a new one."""
    wide = RNG.standard_normal((40, 77)).astype("f4")
    sizes = [8, 3, 8, 1, 1, 1, 20, 1, 1, 40, 8, 600, 8, 700, 1100, 1030, 2]
    kept, new = network((77, 21, 3)), network((77, 21, 3))
    for i, m in enumerate(sizes):
        some = RNG.integers(0, 40, m)
        given = {"sample_weight": WEIGHTS[some]} if i % 3 == 2 else {}
        kept.train_on_batch(wide[some], Y[some], optimizer=optimizer, **given)
        if new._training is not None:
            new._training.kept = None
        new.train_on_batch(wide[some], Y[some], optimizer=optimizer, **given)
        assert same(kept, new), (i, m)


@pytest.mark.parametrize("m", [1, 8])
def test_weights_of_outputs_and_below_0_are_those_of_fit(m, formulation):
    weights, targets = np.random.default_rng(5).normal(size=Y.shape), Y.copy()
    weights[::7, 1], targets[::7, 1] = 0, np.nan
    of_fit, own = (network(formulation=formulation) for _ in range(2))
    optimizer, given = fastbp.Adam(), {"sample_weight": weights, "allow_negative_weights": True}
    of_fit.fit(X, targets, epochs=1, batch_size=m, shuffle=False, optimizer=optimizer, **given)
    for b in batches(m=m):
        given["sample_weight"] = weights[b]
        own.train_on_batch(X[b], targets[b], optimizer=optimizer, **given)
    assert same(of_fit, own) and np.isfinite(own.parameters).all()
    before = own.parameters.copy()
    with pytest.raises(ValueError, match="weights must be at least 0, unless allow_negative_weights is True"):
        own.train_on_batch(X[:8], Y[:8], optimizer=optimizer, sample_weight=-np.ones(8))
    assert (own.parameters == before).all()


@pytest.mark.parametrize("new", [fastbp.SGD, fastbp.Adam, fastbp.AdamW, fastbp.RMSProp])
def test_layers_have_rates_of_their_own(new, formulation):
    optimizer = new(0.05, layer_rates=[0, (2.0, 0.0), 0.5])
    of_fit, own, by_gradient = (network(formulation=formulation, dtype="float64") for _ in range(3))
    of_fit.fit(X, Y, epochs=1, batch_size=8, shuffle=False, optimizer=optimizer)
    for b in batches():
        own.train_on_batch(X[b], Y[b], optimizer=optimizer)
        gradient = by_gradient.gradient(X[b], Y[b])
        before = gradient.vector.copy()
        by_gradient.apply_gradient(gradient, optimizer=optimizer)
        assert (gradient.vector == before).all()
    assert same(of_fit, own)
    assert relative_difference(by_gradient.parameters, own.parameters) < 1e-13
    fresh = network(dtype="float64")
    assert (by_gradient.weights[0] == fresh.weights[0]).all() and (by_gradient.biases[1] == fresh.biases[1]).all()


def test_penalties_are_those_of_fit_times_n():
    of_fit, own = network(dtype="float64"), network(dtype="float64")
    of_fit.fit(X, Y, epochs=1, batch_size=8, shuffle=False, optimizer=fastbp.SGD(0.1), l2=0.8, l1=0.4)
    sgd = fastbp.SGD(0.1)
    for b in batches():
        own.train_on_batch(X[b], Y[b], optimizer=sgd, l2=0.8 / 40, l1=0.4 / 40)
    assert same(of_fit, own)


def test_an_option_that_changes_between_two_steps_counts():
    sgd, p = fastbp.SGD(0.1), [0.0, 0.0]
    mutated, plain = network(), network()
    for net, dropout in ((mutated, p), (plain, None)):
        net.train_on_batch(X[:8], Y[:8], optimizer=sgd, dropout=dropout)
    assert same(mutated, plain)
    p[0] = 0.9
    mutated.train_on_batch(X[:8], Y[:8], optimizer=sgd, dropout=p)
    plain.train_on_batch(X[:8], Y[:8], optimizer=sgd)
    assert not np.array_equal(mutated.parameters, plain.parameters)
    assert np.linalg.norm(plain.weights[0], axis=1).max() > 0.5
    plain.train_on_batch(X[:8], Y[:8], optimizer=sgd, max_norm=0.01)
    assert np.linalg.norm(plain.weights[0], axis=1).max() < 0.0101


def halve_weights(net, adam):
    net.weights[0][:] *= 0.5


def fit_and_go_back(net, adam):
    before = net.parameters.copy()
    net.fit(X, Y, epochs=1, batch_size=8, optimizer=adam)
    net.parameters = before


def go_on_with_another_optimizer(net, adam):
    net.train_on_batch(X[:8], Y[:8], optimizer=fastbp.SGD(0.1))


def take_weights(net, adam):
    net.train_on_batch(X[:8], Y[:8], optimizer=adam, sample_weight=np.arange(8))


def step_and_go_back(net, adam):
    before = net.parameters.copy()
    net.train_on_batch(X[:8], Y[:8], optimizer=adam)
    net.parameters = before


def fit_and_step_and_go_back(net, adam):
    before = net.parameters.copy()
    net.fit(X, Y, epochs=1, batch_size=8, optimizer=adam)
    net.train_on_batch(X[:8], Y[:8], optimizer=adam)
    net.parameters = before


@pytest.mark.parametrize(
    "change",
    [
        halve_weights,
        fit_and_go_back,
        go_on_with_another_optimizer,
        take_weights,
        step_and_go_back,
        fit_and_step_and_go_back,
    ],
)
def test_what_happens_between_two_steps_counts(change):
    """The steps that go on with θ in panels, and others whose trainers are made anew, have the same bits."""
    net, other = (network(seed=3) for _ in range(2))
    for each in (net, other):
        adam = fastbp.Adam()
        for i, step in enumerate(batches()):
            if i == 3:
                change(each, adam)
            if each is other and other._training is not None:
                other._training.let_go()
            each.train_on_batch(X[step], Y[step], optimizer=adam)
    assert same(net, other)
    assert net._training.kept.trainer._alone is not None and other._training.kept.trainer._alone is None


def taking_turns(net, optimizer):
    """Yield after each of several steps in all three ways."""
    for i, b in enumerate(batches() * 2):
        if i % 3 == 0:
            net.train_on_batch(X[b], Y[b], optimizer=optimizer)
        elif i % 3 == 1:
            net.apply_gradient(net.gradient(X[b], Y[b]), optimizer=optimizer)
        else:
            net.fit(X[b], Y[b], epochs=1, batch_size=8, shuffle=False, optimizer=optimizer)
        yield


def test_all_ways_to_step_take_the_same_steps(new_optimizer, formulation):
    """The moments continue from one to the other."""
    net, of_fit = (network(dtype="float64", formulation=formulation) for _ in range(2))
    for _ in taking_turns(net, new_optimizer()):
        pass
    of_fit.fit(X, Y, epochs=2, batch_size=8, shuffle=False, optimizer=new_optimizer())
    assert relative_difference(net.parameters, of_fit.parameters) < 1e-12
    assert net._training.state.t[0] == net._training.steps[0] == 10
    for mine, theirs in zip(vars(net._training.state).values(), vars(of_fit._training.state).values(), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-8, atol=1e-15)


@pytest.mark.parametrize("optimizer", ["Adam", "Momentum", "AdamW"])
def test_a_gradient_from_anywhere_is_the_step_inside_fit(optimizer):
    """The same bits: `clip_norm` makes `fit` write the gradient before the step, here without an effect."""
    of_fit, own = network(), network()
    for made, net in ((OPTIMIZERS[optimizer](), of_fit), (OPTIMIZERS[optimizer](), own)):
        for b in batches():
            if net is of_fit:
                net.fit(X[b], Y[b], epochs=1, batch_size=8, shuffle=False, optimizer=made, clip_norm=1e9)
            else:
                net.apply_gradient(net.gradient(X[b], Y[b]).vector, optimizer=made)
    assert same(of_fit, own)


@pytest.mark.parametrize(
    "duplicate",
    [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net)), copy.copy, lambda net: saved_and_loaded(net)],
    ids=["deepcopy", "pickle", "copy", "file"],
)
def test_copies_have_the_moments_of_the_last_step(duplicate, folder):
    net, twin = network(), network()
    for each in (net, twin):
        optimizer = fastbp.Adam()
        for b in batches():
            each.train_on_batch(X[b], Y[b], optimizer=optimizer)
    other = duplicate(net)
    assert same(net, twin) and same(other, twin)
    for each in (other, twin):
        each.train_on_batch(X[:8], Y[:8])
    assert same(other, twin)


def saved_and_loaded(net):
    net.save("net.safetensors", training_state=True)
    return fastbp.load("net.safetensors")


def test_samples_are_not_kept():
    net = network()
    given = [np.array(X[:8]), np.array(Y[:8])]
    for call in (net.train_on_batch, net.fit, net.gradient, lambda x, y: net.predict(x), net.parameter_vjp):
        call(*given)
    gone = [weakref.ref(array) for array in given]
    given.clear()
    gc.collect()
    assert [ref() for ref in gone] == [None, None]


def test_arrays_of_the_user_are_left_alone():
    x, y, w = np.array(X), np.array(Y), np.array(WEIGHTS)
    net = network()
    net.train_on_batch(x, y, sample_weight=w)
    g = net.gradient(x, y)
    before = g.vector.copy()
    net.apply_gradient(g, optimizer=fastbp.AdamW(0.1, weight_decay=0.5))
    net.parameter_vjp(x, y)
    assert all(map(np.array_equal, (x, y, w, g.vector), (X, Y, WEIGHTS, before)))


ALL_SAMPLES = [fastbp.LBFGS(), fastbp.ConjugateGradient(), fastbp.LevenbergMarquardt(), "lbfgs"]


@pytest.mark.parametrize("optimizer", ALL_SAMPLES, ids=str)
def test_optimizers_that_need_all_samples_are_refused(optimizer):
    net = network()
    net.train_on_batch(X, Y)
    before = state_of(net)
    for call in (lambda: net.train_on_batch(X, Y, optimizer=optimizer),
                 lambda: net.apply_gradient(net.parameters, optimizer=optimizer)):  # fmt: skip
        with pytest.raises(ValueError, match="needs all samples in every step: use `fit`, or another optimizer"):
            call()
    assert state_of(net) == before


def test_rprop_takes_gradients_of_all_samples_but_no_mini_batches():
    with pytest.raises(ValueError, match="Rprop needs all samples in every step"):
        network().train_on_batch(X, Y, optimizer="rprop")
    net, of_fit = network(dtype="float64"), network(dtype="float64")
    rprop = fastbp.Rprop()
    for _ in range(5):
        net.apply_gradient(net.gradient(X, Y), optimizer=rprop)
    of_fit.fit(X, Y, epochs=5, optimizer=fastbp.Rprop())
    assert relative_difference(net.parameters, of_fit.parameters) < 1e-12


def test_gradients_of_another_length_or_network_are_refused():
    net = network()
    net.train_on_batch(X, Y)
    before, n = state_of(net), net.parameters.size
    other = fastbp.ParameterVector([n - 1, 1], np.zeros(n, "f4"))
    wrong = np.zeros(n, "f4")
    wrong[7] = np.inf
    for gradient, words in (
        (np.zeros(n - 1), rf"gradient has shape \({n - 1},\); needed is \({n},\)"),
        (np.zeros((n, 1)), "gradient has shape"),
        (other, rf"gradient is of layers \[{n - 1}, 1\]; this network has \[5, 17, 6, 3\]"),
        (wrong, r"gradient\[7\] is inf"),
        (np.full(n, 1e300), r"gradient\[0\] is 1e\+300"),
    ):
        with pytest.raises(ValueError, match=words):
            net.apply_gradient(gradient)
    assert state_of(net) == before


@pytest.mark.parametrize("way", ["train_on_batch", "apply_gradient"])
def test_after_a_step_to_infinity_the_weights_are_those_before_it(way, formulation):
    net = network(formulation=formulation, activation="relu")
    net.train_on_batch(X, Y, optimizer=fastbp.Adam())
    before = net.parameters.copy()
    huge = fastbp.SGD(3e38)
    with pytest.raises(fastbp.DivergenceError, match="weights from before this step"), warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(3):
            start = net.parameters.copy()
            if way == "train_on_batch":
                net.train_on_batch(X, 1000 * Y, optimizer=huge)
            else:
                net.apply_gradient(np.full(before.size, 3e38), optimizer=huge)
    np.testing.assert_array_equal(net.parameters, start)
    assert np.isfinite(net.parameters).all() and net._training.state.t[0] == 0
    net.parameters = before
    assert np.isfinite(net.train_on_batch(X, Y, optimizer=fastbp.Adam()))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_after_good_steps_a_bad_one_is_undone(dtype, formulation):
    net, adam = network(formulation=formulation, dtype=dtype), fastbp.Adam()
    for _ in range(3):
        net.train_on_batch(X[:8], Y[:8], optimizer=adam)
    before = net.parameters.copy()
    with pytest.raises(fastbp.DivergenceError, match="weights from before this step"):
        net.train_on_batch(X[:8], np.full((8, 3), np.finfo(dtype).max ** 0.6), optimizer=adam)
    np.testing.assert_array_equal(net.parameters, before)
    assert net._training.state.t[0] == 0
    assert np.isfinite([net.train_on_batch(X[:8], Y[:8], optimizer=adam) for _ in range(3)]).all()
    assert np.isfinite(net.parameters).all()


def test_one_at_a_time_trains_a_network():
    net = network()

    class Inside(fastbp.Callback):
        def on_epoch_end(self, run):
            for call in (lambda: net.train_on_batch(X, Y), lambda: net.apply_gradient(net.parameters)):
                with pytest.raises(RuntimeError, match="being trained already"):
                    call()

    net.fit(X, Y, epochs=1, callbacks=[Inside()])
    net.train_on_batch(X, Y)  # the lock is free again, also after a refusal
    with pytest.raises(ValueError, match="X has no samples"):
        net.train_on_batch(X[:0], Y[:0])
    net.train_on_batch(X, Y)


def test_threads_that_predict_while_another_trains_get_no_memory_of_it():
    net, done, wrong = network(), threading.Event(), []
    frozen = copy.deepcopy(net)
    expected, gradient = frozen.predict(X), frozen.gradient(X, Y).vector

    def look():
        while not done.is_set():
            if not (np.array_equal(frozen.predict(X), expected)
                    and np.array_equal(frozen.gradient(X, Y).vector, gradient)):  # fmt: skip
                wrong.append(1)

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(300):
        net.train_on_batch(X, Y)
        frozen.predict(X)
    done.set()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("output", ["identity", "sigmoid", "softmax", "exponential"])
@pytest.mark.parametrize("n", [1, 7, 40, 1500])
def test_parameter_vjp_is_the_gradient_of_a_cost_that_couples_outputs_and_samples(output, n):
    """C = ½ (Σ_sj a_sj / n)² + Σ_s a_s0 a_s2, with ∂C/∂a by hand, against central differences."""
    cost = {"softmax": "cross_entropy", "sigmoid": "cross_entropy", "exponential": "poisson"}.get(output, "quadratic")
    net = network((5, 4, 3), output_activation=output, cost=cost, dtype="float64")
    x = np.random.default_rng(2).standard_normal((n, 5))

    def value(theta):
        net.parameters = theta
        a = net.predict(x)
        return 0.5 * (a.sum() / n) ** 2 + (a[:, 0] * a[:, 2]).mean()

    theta = net.parameters.copy()
    numeric = central_difference(value, theta)
    net.parameters = theta
    a = net.predict(x)
    U = np.full_like(a, a.sum() / n / n)
    U[:, 0] += a[:, 2] / n
    U[:, 2] += a[:, 0] / n
    g, outputs = net.parameter_vjp(x, U, return_outputs=True)
    np.testing.assert_array_equal(outputs, a)
    assert relative_difference(g.vector, numeric) < 1e-8


@pytest.mark.parametrize("n", [1, 40, 1500])
def test_with_the_derivative_of_the_cost_it_is_the_gradient(n):
    x, y = np.resize(X, (n, 5)), np.resize(Y, (n, 3))
    net = network(dtype="float64", output_activation="tanh")
    U = (net.predict(x) - y) / n
    assert relative_difference(net.parameter_vjp(x, U).vector, net.gradient(x, y).vector) < 1e-12


def test_results_go_where_out_says(formulation):
    net = network(formulation=formulation)
    for n in (1, 40):
        outputs, vector = np.empty((n, 3), "f4"), np.empty_like(net.parameters)
        assert net.predict(X[:n], out=outputs) is outputs
        np.testing.assert_array_equal(outputs, net.predict(X[:n]))
        for call in (net.gradient, net.parameter_vjp):
            expected = call(X[:n], Y[:n]).vector
            assert call(X[:n], Y[:n], out=vector).vector is vector
            np.testing.assert_array_equal(vector, expected)
            given = fastbp.ParameterVector(net.sizes, np.zeros_like(vector))
            assert call(X[:n], Y[:n], out=given) is given
            np.testing.assert_array_equal(given.vector, expected)


def test_out_that_does_not_fit_is_refused():
    net = fastbp.Network([3, 3], seed=0)
    x, before = np.ones((4, 3), "f4"), net.parameters.copy()
    for out, words in (
        (np.empty((4, 2), "f4"), "out has shape"), (np.empty((4, 3)), "dtype float64"), ([[0.0]], "out is a list"),
        (x, "same memory"), (net.weights[0], "out has shape"), (np.empty((3, 4), "f4").T, "C-contiguous"),
    ):  # fmt: skip
        with pytest.raises((TypeError, ValueError), match=words):
            net.predict(x, out=out)
    for out, words in (
        (net.parameters, "same memory"), (net._model.parameters, "same memory"), (np.empty(11, "f4"), "out has shape"),
        (fastbp.ParameterVector([2, 4], np.empty(12, "f4")), r"out is of layers \[2, 4\]"), (x[0, 0], "out is a float"),
    ):  # fmt: skip
        for call in (net.gradient, net.parameter_vjp):
            with pytest.raises((TypeError, ValueError), match=words):
                call(x, x, out=out)
    assert np.array_equal(net.parameters, before) and (x == 1).all()
