"""Learning-rate schedules against PyTorch's, at their edges, and refusals."""

import dataclasses
import math
import warnings

import pytest

import fastbp

EPOCHS, RATE = 40, 0.7
COSTS = [1 / (1 + 0.3 * min(epoch, 9)) + 0.001 * (epoch % 3) for epoch in range(EPOCHS)]

PAIRS = {
    "constant": (fastbp.ConstantRate(), lambda s, o: s.ConstantLR(o, factor=1.0)),
    "step": (fastbp.StepDecay(7), lambda s, o: s.StepLR(o, 7)),
    "step 2": (fastbp.StepDecay(1, factor=0.9), lambda s, o: s.StepLR(o, 1, gamma=0.9)),
    "exponential": (fastbp.ExponentialDecay(0.93), lambda s, o: s.ExponentialLR(o, 0.93)),
    "inverse": (fastbp.InverseScaling(), lambda s, o: s.LambdaLR(o, lambda epoch: (epoch + 1) ** -0.5)),
    "inverse 2": (fastbp.InverseScaling(0.8), lambda s, o: s.LambdaLR(o, lambda epoch: (epoch + 1) ** -0.8)),
    "cosine": (fastbp.CosineDecay(EPOCHS), lambda s, o: s.CosineAnnealingLR(o, EPOCHS)),
    "cosine 2": (
        fastbp.CosineDecay(EPOCHS, warm_up=6, start_share=0.25, final_rate=0.03),
        lambda s, o: s.SequentialLR(
            o, [s.LinearLR(o, 0.25, total_iters=6), s.CosineAnnealingLR(o, EPOCHS - 6, 0.03)], milestones=[6]
        ),
    ),
    "by step": (fastbp.ByStep(fastbp.CosineDecay(EPOCHS)), lambda s, o: s.CosineAnnealingLR(o, EPOCHS)),
    "log cosine": (
        fastbp.LogCosine(EPOCHS, cycles=3),
        lambda s, o: s.LambdaLR(
            o, lambda epoch: (1 - math.cos(2 * math.pi * math.log2(1 + 7 * (epoch + 0.5) / 40))) / 2
        ),
    ),
    "one cycle": (fastbp.OneCycle(EPOCHS), lambda s, o: s.OneCycleLR(o, RATE, EPOCHS, cycle_momentum=False)),
    "one cycle 2": (
        fastbp.OneCycle(EPOCHS, rise=0.47, start_divisor=5, final_divisor=30),
        lambda s, o: s.OneCycleLR(
            o, RATE, EPOCHS, pct_start=0.47, div_factor=5, final_div_factor=30, cycle_momentum=False
        ),
    ),
    "one cycle, no time to rise": (
        fastbp.OneCycle(EPOCHS, rise=0.01),
        lambda s, o: s.OneCycleLR(o, RATE, EPOCHS, pct_start=0.01, cycle_momentum=False),
    ),
    "plateau": (fastbp.ReduceOnPlateau(), lambda s, o: s.ReduceLROnPlateau(o)),
    "plateau 2": (
        fastbp.ReduceOnPlateau(factor=0.6, patience=2, threshold=0.01, cooldown=3, smallest_rate=0.2),
        lambda s, o: s.ReduceLROnPlateau(o, factor=0.6, patience=2, threshold=0.01, cooldown=3, min_lr=0.2),
    ),
    "plateau 3": (
        fastbp.ReduceOnPlateau(factor=0.5, patience=0, threshold=0),
        lambda s, o: s.ReduceLROnPlateau(o, factor=0.5, patience=0, threshold=0, eps=0),
    ),
}


def rates(schedule, costs=COSTS, base=RATE):
    """The rate of every epoch of a `fit`."""
    found = []
    for epoch, cost in enumerate(costs):
        found.append(schedule(epoch, base))
        if hasattr(schedule, "observe"):
            schedule.observe(cost)
    return found


@pytest.mark.parametrize("name", PAIRS)
def test_rates_are_those_of_pytorch(name):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    schedule, make = PAIRS[name]
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], RATE)
    expected = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's classes use deprecated ways to call each other
        theirs = make(torch.optim.lr_scheduler, optimizer)
        for epoch, cost in enumerate(COSTS):
            expected.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            if epoch < EPOCHS - 1:
                theirs.step(*([cost] if isinstance(schedule, fastbp.ReduceOnPlateau) else []))
    assert rates(schedule) == pytest.approx(expected, rel=1e-12, abs=1e-15)
    assert name == "constant" or len(set(expected)) > 2


def test_every_schedule_is_tested_here():
    from fastbp.optimizers.schedules import Schedule

    assert {type(schedule) for schedule, _ in PAIRS.values()} == set(Schedule.__subclasses__())


def test_after_the_last_epoch_the_rate_stays():
    assert rates(fastbp.CosineDecay(5, final_rate=0.1), range(9))[5:] == [pytest.approx(0.1)] * 4
    cycle = rates(fastbp.OneCycle(5), range(9))
    assert cycle[4:] == [pytest.approx(RATE / 250000)] * 5


def test_periods_of_the_log_cosine_double():
    """x = (2ᵏ − 1) / (2ᶜ − 1) begins period k: of 60 epochs and 4 periods at epochs 0, 4, 12, 28."""
    schedule = fastbp.LogCosine(60)
    lowest = [e for e in range(60) if schedule(e, 1.0) < min(schedule(e - 1, 1.0) if e else 1, schedule(e + 1, 1.0))]
    assert lowest == [0, 4, 12, 28] and schedule(60, 1.0) == 0.0 and schedule(500, 1.0) == 0.0


@pytest.mark.parametrize("epochs", [1, 2, 3, 4])
def test_one_cycle_of_a_few_epochs(epochs):
    cycle = rates(fastbp.OneCycle(epochs), range(epochs + 2))
    assert all(0 < rate <= RATE for rate in cycle)
    assert cycle[epochs - 1] == pytest.approx(RATE / 250000)


def test_one_cycle_with_its_top_at_the_first_epoch():
    assert fastbp.OneCycle(10, rise=0.1)(0, RATE) == RATE


def test_a_plateau_of_costs_below_0():
    """A cost may be negative, such as poisson's; a larger cost is still worse."""
    schedule = fastbp.ReduceOnPlateau(factor=0.5, patience=1, threshold=0.01)
    assert rates(schedule, [-1.0, -0.999, -0.999, -0.999, -2.0], 0.8) == [0.8, 0.8, 0.8, 0.4, 0.4]


def test_a_plateau_is_forgotten_by_the_next_fit():
    schedule = fastbp.ReduceOnPlateau(factor=0.5, patience=0)
    first = rates(schedule)
    assert rates(schedule) == first and min(first) < RATE


def test_a_base_rate_below_the_smallest_stays_as_it_is():
    schedule = fastbp.ReduceOnPlateau(factor=0.5, patience=0, smallest_rate=0.1)
    assert rates(schedule, [1.0] * 5, 0.01) == [0.01] * 5


@pytest.mark.parametrize("schedule", [schedule for schedule, _ in PAIRS.values()], ids=list(PAIRS))
def test_schedules_are_frozen_and_give_numbers(schedule):
    assert all(type(rate) is float for rate in rates(schedule))
    for field in dataclasses.fields(schedule):
        with pytest.raises(AttributeError):
            setattr(schedule, field.name, 1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: fastbp.StepDecay(0), "StepDecay: every is 0; it must be a whole number of at least 1"),
        (lambda: fastbp.StepDecay(3, factor=1.5), "StepDecay: factor is 1.5; it must be greater than 0 and at most 1"),
        (lambda: fastbp.ExponentialDecay(0), "ExponentialDecay: factor is 0; it must be greater than 0 and at most 1"),
        (lambda: fastbp.InverseScaling(-1), "InverseScaling: power is -1; it must be a finite number of at least 0"),
        (lambda: fastbp.CosineDecay(0), "CosineDecay: epochs is 0; it must be a whole number of at least 1"),
        (lambda: fastbp.CosineDecay(5, warm_up=5), "warm_up is 5; it must be less than epochs, 5"),
        (lambda: fastbp.CosineDecay(5, warm_up=-1), "warm_up is -1; it must be a whole number of at least 0"),
        (lambda: fastbp.CosineDecay(5, start_share=0), "start_share is 0; it must be greater than 0 and at most 1"),
        (lambda: fastbp.CosineDecay(5, final_rate=math.nan), "final_rate is nan; it must be a finite number of at"),
        (lambda: fastbp.LogCosine(0), "LogCosine: epochs is 0; it must be a whole number of at least 1"),
        (lambda: fastbp.LogCosine(9, cycles=0), "LogCosine: cycles is 0; it must be a whole number of at least 1"),
        (lambda: fastbp.OneCycle(0), "OneCycle: epochs is 0; it must be a whole number of at least 1"),
        (lambda: fastbp.OneCycle(5, rise=1), "OneCycle: rise is 1; it must be greater than 0 and less than 1"),
        (lambda: fastbp.OneCycle(5, start_divisor=0), "start_divisor is 0; it must be a finite number greater than 0"),
        (lambda: fastbp.OneCycle(5, final_divisor=math.inf), "final_divisor is inf; it must be a finite number"),
        (lambda: fastbp.ReduceOnPlateau(factor=-0.1), "ReduceOnPlateau: factor is -0.1; it must be greater than 0"),
        (lambda: fastbp.ReduceOnPlateau(patience=-1), "patience is -1; it must be a whole number of at least 0"),
        (lambda: fastbp.ReduceOnPlateau(threshold=1), "threshold is 1; it must be at least 0 and less than 1"),
        (lambda: fastbp.ReduceOnPlateau(cooldown=-1), "cooldown is -1; it must be a whole number of at least 0"),
        (lambda: fastbp.ReduceOnPlateau(smallest_rate=-1), "smallest_rate is -1; it must be a finite number of at"),
    ],
)
def test_values_out_of_range_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: fastbp.ByStep(0.1), "ByStep: schedule is 0.1; it must be a function of the epoch and a base value"),
        (lambda: fastbp.StepDecay(2.5), "StepDecay: every is 2.5; it must be a whole number"),
        (lambda: fastbp.StepDecay(True), "StepDecay: every is True; it must be a whole number"),
        (lambda: fastbp.ExponentialDecay("0.9"), "ExponentialDecay: factor is '0.9'; it must be a number"),
        (lambda: fastbp.ReduceOnPlateau(patience=None), "ReduceOnPlateau: patience is None; it must be a whole number"),
    ],
)
def test_values_that_are_no_numbers_are_refused(make, message):
    with pytest.raises(TypeError, match=message):
        make()
