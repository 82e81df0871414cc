"""Learning rate, weight decay and dropout on schedules, by epoch and by step."""

import numpy as np
import pytest
from conftest import needs_two_threads
from ranks_in_threads import on_ranks

import fastbp
from fastbp.formulations import FORMULATIONS

N, SIZE = 50, 16  # the last step of an epoch has two samples
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(N, 5)), np.arange(N) % 3
DECAYS, RATES, DROPS = (0.9, 0.3, 0.6), (0.05, 0.02, 0.01), (0.4, 0.1, 0.0)
BY_EPOCH = {
    "learning_rate": lambda epoch, rate: RATES[epoch],
    "weight_decay": lambda epoch, decay: decay * DECAYS[epoch],
    "dropout": lambda epoch, p: p * DROPS[epoch],
}


def network(formulation="tiles", dtype="float64", seed=1):
    return fastbp.Network(
        [5, 12, 7, 3], activation="tanh", cost="cross_entropy", dtype=dtype, formulation=formulation, seed=seed
    )


def fit(net, **options):
    given = {"epochs": 3, "batch_size": SIZE, "shuffle": False, "progress": False, "optimizer": fastbp.AdamW(0.05)}
    return net.fit(X, Y, **{**given, **options})


def steps():
    return [slice(start, start + SIZE) for start in range(0, N, SIZE)]


def by_hand(net, rate_of, decay_of, epochs=3):
    """AdamW in NumPy, as the docstring of its `step` says: the gradient of `net.gradient`, decay, then the step."""
    optimizer = fastbp.AdamW(0.05)
    state = optimizer.new_state(net.parameters.size, net.dtype)
    for epoch in range(epochs):
        for rows in steps():
            time = epoch + rows.start / N
            g = net.gradient(X[rows], Y[rows]).vector.copy()
            state.rate[0] = rate_of(time)
            for w in net.weights:
                w *= 1 - state.rate[0] * decay_of(time)
            optimizer.step(net.parameters, g, state)
    return net.parameters


@pytest.mark.parametrize("formulation", list(FORMULATIONS))
def test_rate_and_decay_of_each_epoch_are_those_of_a_loop_by_hand(formulation):
    net = network(formulation)
    schedule = {name: BY_EPOCH[name] for name in ("learning_rate", "weight_decay")}
    history = fit(net, optimizer=fastbp.AdamW(0.7, weight_decay=0.5), schedule=schedule)
    expected = by_hand(network(), lambda time: RATES[int(time)], lambda time: 0.5 * DECAYS[int(time)])
    np.testing.assert_allclose(net.parameters, expected, rtol=1e-9, atol=1e-12)
    assert history.learning_rate == list(RATES)


@pytest.mark.parametrize("formulation", list(FORMULATIONS))
def test_rate_and_decay_of_each_step_are_those_of_a_loop_by_hand(formulation):
    net, times = network(formulation), []

    def rate(time, base):
        times.append(time)
        return base / (1 + time)

    schedule = {"learning_rate": fastbp.ByStep(rate), "weight_decay": fastbp.ByStep(fastbp.CosineDecay(3))}
    history = fit(net, optimizer=fastbp.AdamW(0.05, weight_decay=0.5), schedule=schedule)
    expected = by_hand(network(), lambda time: 0.05 / (1 + time), lambda time: fastbp.CosineDecay(3)(time, 0.5))
    np.testing.assert_allclose(net.parameters, expected, rtol=1e-9, atol=1e-12)
    assert times == pytest.approx([epoch + rows.start / N for epoch in range(3) for rows in steps()])
    assert history.learning_rate == pytest.approx([0.05 / (1 + epoch + 48 / 50) for epoch in range(3)])


def same(net, other):
    return np.array_equal(net.parameters, other.parameters)


@pytest.mark.parametrize("formulation", list(FORMULATIONS))
def test_dropout_of_each_epoch_is_that_of_a_fit_of_one_epoch(formulation):
    """To the last bit: which neurons are dropped depends on the steps so far and p only."""
    net, epochs = network(formulation), network(formulation)
    fit(net, dropout=[0.5, 0.25], schedule={"dropout": BY_EPOCH["dropout"]}, shuffle=True)
    optimizer = fastbp.AdamW(0.05)
    for factor in DROPS:
        drops = [0.5 * factor, 0.25 * factor]
        fit(epochs, dropout=drops if factor else None, epochs=1, optimizer=optimizer, shuffle=True)
    assert same(net, epochs)


@pytest.mark.parametrize("formulation", ["tiles", "loops", "vectorized"])
def test_dropout_of_each_step_is_that_of_single_steps(formulation):
    net, single = network(formulation), network(formulation)
    fit(net, dropout=0.5, schedule={"dropout": fastbp.ByStep(fastbp.CosineDecay(3))})
    optimizer = fastbp.AdamW(0.05)
    for epoch in range(3):
        for rows in steps():
            p = fastbp.CosineDecay(3)(epoch + rows.start / N, 0.5)
            single.train_on_batch(X[rows], Y[rows], optimizer=optimizer, dropout=p)
    assert same(net, single)


@pytest.mark.parametrize("formulation", list(FORMULATIONS))
@pytest.mark.parametrize("options", [{"batch_size": SIZE}, {"batch_size": 1}, {"clip_norm": 0.1, "l2": 0.5}])
def test_a_schedule_that_changes_nothing_changes_no_bit(formulation, options):
    """Neither does a compiled call for each step."""
    plain, by_step = network(formulation, "float32"), network(formulation, "float32")
    constant = fastbp.ByStep(fastbp.ConstantRate())
    for net, schedule in ((plain, None), (by_step, dict.fromkeys(BY_EPOCH, constant))):
        fit(net, dropout=0.3, schedule=schedule, shuffle=True, **options)
    assert same(plain, by_step)
    sgd, one_by_one = network(formulation), network(formulation)
    for net, schedule in ((sgd, None), (one_by_one, constant)):
        fit(net, optimizer=fastbp.SGD(0.1), schedule=schedule, shuffle=True, batch_size=1)
    assert same(sgd, one_by_one)


@needs_two_threads
@pytest.mark.parametrize("by_step", [False, True])
def test_two_threads_give_the_same_bits(by_step):
    nets = []
    for n in (1, 2):
        with fastbp.threads(n):
            net = fastbp.Network([60, 200, 90, 3], cost="cross_entropy", seed=0)
            schedule = dict.fromkeys(BY_EPOCH, fastbp.CosineDecay(2, final_rate=0.01))
            if by_step:
                schedule = {name: fastbp.ByStep(each) for name, each in schedule.items()}
            rows = np.random.default_rng(0).normal(size=(600, 60))
            net.fit(rows, np.arange(600) % 3, epochs=2, batch_size=300, optimizer=fastbp.AdamW(0.01, weight_decay=0.1),
                    dropout=0.2, schedule=schedule, progress=False)  # fmt: skip
            nets.append(net)
    assert same(*nets)


@pytest.mark.parametrize("formulation", list(FORMULATIONS))
def test_a_training_that_follows_has_the_values_without_a_schedule(formulation, tmp_path):
    """Whatever the trainer is kept of: a file keeps none."""
    net, optimizer = network(formulation), fastbp.AdamW(0.05, weight_decay=0.5)
    net.train_on_batch(X[:SIZE], Y[:SIZE], optimizer=optimizer, dropout=0.5)
    fit(net, optimizer=optimizer, dropout=0.5, schedule=BY_EPOCH)
    net.save(tmp_path / "net", training_state=True)
    loaded = fastbp.load(tmp_path / "net")
    for each in (net, loaded):
        each.train_on_batch(X[:SIZE], Y[:SIZE], optimizer=each.optimizer, dropout=0.5)
        fit(each, optimizer=each.optimizer, dropout=0.5, epochs=1)
        each.apply_gradient(each.gradient(X, Y).vector, optimizer=each.optimizer)
    assert same(net, loaded)


@pytest.mark.parametrize("by_step", [False, True])
def test_members_of_a_population_have_the_bits_of_networks_alone(by_step):
    made = fastbp.ByStep if by_step else (lambda schedule: schedule)
    schedules = [
        {"weight_decay": made(fastbp.CosineDecay(3))},
        {"dropout": made(fastbp.ExponentialDecay(0.5)), "learning_rate": made(fastbp.OneCycle(3))},
        None,
        {"learning_rate": made(fastbp.ReduceOnPlateau(patience=0, threshold=0.9))},
    ]
    options = {"epochs": 3, "batch_size": SIZE, "dropout": 0.2, "progress": False}
    alone, together = ([network("tiles", "float32", seed) for seed in range(4)] for _ in range(2))
    for net, schedule in zip(alone, schedules, strict=True):
        net.fit(X, Y, optimizer=fastbp.AdamW(0.05, weight_decay=0.5), schedule=schedule, **options)
    optimizers = [fastbp.AdamW(0.05, weight_decay=0.5) for _ in together]
    fastbp.Population(together).fit(X, Y, optimizer=optimizers, schedule=schedules, **options)
    assert all(map(same, alone, together))
    assert alone[3].history.learning_rate == together[3].history.learning_rate


def test_a_dict_for_all_members_observes_costs_for_each():
    pop = fastbp.Population([network(seed=seed) for seed in range(2)])
    shared = {"learning_rate": fastbp.ReduceOnPlateau(factor=0.5, patience=0, threshold=0.9)}
    histories = pop.fit(X, Y, epochs=3, schedule=shared, progress=False)
    assert [history.learning_rate for history in histories] == [pytest.approx([1e-3, 1e-3, 5e-4])] * 2


@pytest.mark.parametrize("by_step", [False, True])
def test_ranks_follow_schedules(by_step):
    """With the bits of one rank, and other bits than without a schedule."""
    schedule = {"learning_rate": fastbp.CosineDecay(3), "weight_decay": fastbp.CosineDecay(3)}
    if by_step:
        schedule = {name: fastbp.ByStep(each) for name, each in schedule.items()}

    def job(communicator):
        rank, size, net = communicator.Get_rank(), communicator.Get_size(), network()
        mine = slice(rank * 48 // size, (rank + 1) * 48 // size)
        history = net.fit(
            X[mine], Y[mine], epochs=3, batch_size=16, optimizer=fastbp.AdamW(0.05, weight_decay=0.9), shards=2,
            schedule=schedule, communicator=communicator, progress=False,
        )  # fmt: skip
        return net.parameters.tobytes(), history.learning_rate

    def decayed_later(communicator):
        nonlocal schedule
        found = []
        for factor in (0.0, 1.0):
            schedule = {"weight_decay": lambda epoch, decay, factor=factor: decay * factor * (epoch >= 1)}
            found.append(job(communicator)[0])
        return found

    (one,), two = on_ranks(1, job), on_ranks(2, job)
    assert two == [one, one]
    last = 2 + 32 / 48 if by_step else 2
    assert one[1][-1] == pytest.approx(fastbp.CosineDecay(3)(last, 0.05))
    ((never, later),) = on_ranks(1, decayed_later)
    assert never != later


def test_ranks_with_different_schedules_are_told_so():
    def job(communicator):
        rows, factor = slice(24 * communicator.Get_rank(), 24 * (communicator.Get_rank() + 1)), communicator.Get_rank()
        network().fit(
            X[rows], Y[rows], epochs=2, batch_size=16, optimizer=fastbp.AdamW(0.05, weight_decay=0.9), shards=2,
            schedule={"weight_decay": lambda epoch, decay: decay / (1 + factor)}, communicator=communicator,
            progress=False,
        )  # fmt: skip

    assert all("weight decay of epoch 1" in str(error) for error in on_ranks(2, job))


def test_chunks_by_step():
    def chunks():
        yield X[:20], Y[:20]
        yield X[20:], Y[20:]

    times = []

    def rate(time, base):
        times.append(round(time, 2))
        return base

    fit(network(), epochs=2, schedule=fastbp.ByStep(rate), shuffle=True)
    assert len(times) == 8
    with pytest.raises(ValueError, match="ByStep, but nobody knows how many steps an epoch has: give steps_per_epoch"):
        network().fit(chunks, epochs=1, schedule=fastbp.ByStep(rate), progress=False)


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        ({"rate": fastbp.ConstantRate()}, "schedule has 'rate'; its keys can be 'learning_rate', 'weight_decay', 'dro"),
        ({"weight_decay": fastbp.ConstantRate()}, "'weight_decay', but Adam has none, or 0: give the largest one"),
        ({"dropout": fastbp.ConstantRate()}, "'dropout', but dropout is 0 or left out: give the largest one"),
    ],
)
def test_schedules_of_what_is_not_there(schedule, message):
    net = network()
    before = net.parameters.copy()
    with pytest.raises(ValueError, match=message):
        fit(net, optimizer="adam", schedule=schedule)
    assert (net.parameters == before).all()


@pytest.mark.parametrize("given", [0.1, {"dropout": 0.1}, {"learning_rate": None}, "cosine"])
def test_what_is_no_function(given):
    with pytest.raises(TypeError, match=r"schedule(.'.*'.)? is .*; it must be a function of the epoch and the "):
        fit(network(), dropout=0.5, schedule=given)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("dropout", 1.0, "the dropout that schedule gives for epoch 1 is 1.0; it must be"),
        ("weight_decay", -0.1, "the weight decay that schedule gives for epoch 1 is -0.1; it must be"),
        ("weight_decay", None, "the weight decay that schedule gives for epoch 1 is None"),
        ("learning_rate", float("nan"), "the learning rate that schedule gives for epoch 1 is nan"),
    ],
)
@pytest.mark.parametrize("by_step", [False, True])
def test_values_out_of_range(name, value, message, by_step):
    net = network()

    def schedule(epoch, base):
        return base if epoch < 0.5 and by_step else value

    with pytest.raises((TypeError, ValueError), match=message):
        fit(net, dropout=0.5, schedule={name: fastbp.ByStep(schedule) if by_step else schedule})
    assert same(net, network()), "the state before the first epoch"
