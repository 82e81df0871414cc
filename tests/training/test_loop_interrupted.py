"""Ctrl-C or an error at any moment: the network is as after its last whole epoch."""

import os
import signal
import subprocess
import sys
import warnings

import numpy as np
import pytest
from conftest import OPTIMIZERS, PACKAGE
from covering import every_pair
from fit_samples import network, state
from fit_samples import validated_fit as fit

import fastbp
from fastbp.batches import sources as streaming
from fastbp.optimizers import OptimizerState
from fastbp.progress import Progress
from fastbp.training import loop as training
from fastbp.training import state as training_state

OURS = f"{PACKAGE}{os.sep}"


class Raises(Progress):
    """Raises KeyboardInterrupt at the n-th call."""

    def __init__(self, at):
        self.at, self.calls, self.closed = at, 0, False

    def _count(self):
        self.calls += 1
        if self.calls == self.at:
            raise KeyboardInterrupt

    def advance(self, samples):
        self._count()

    def epochs_done(self, n, description):
        self._count()

    def close(self):
        self.closed = True


EPOCHS = 3


@pytest.fixture(scope="module")
def uninterrupted():
    """The states after 0 … EPOCHS uninterrupted epochs, by formulation and optimizer."""
    known = {}

    def states(formulation, optimizer):
        if (formulation, optimizer) not in known:
            net, made = network(formulation), OPTIMIZERS[optimizer]()
            after = [state(net)]
            for _ in range(EPOCHS):
                fit(net, 1, made)
                after.append(state(net))
            whole = network(formulation)
            history = fit(whole, EPOCHS, OPTIMIZERS[optimizer]())
            assert state(whole) == after[-1]
            known[formulation, optimizer] = after, history
        return known[formulation, optimizer]

    return states


def check_interrupted(net, optimizer, history, after, whole):
    """Check the state after the last whole epoch, and that further training gives the bits of an uninterrupted run."""
    done = len(history)
    assert history.interrupted and net.history is history
    expected = after[done]
    if done == 0:  # the optimizer now has its state before the first step
        moments = net._training.state.first.tobytes(), net._training.state.second.tobytes()
        expected = (expected[0], (*(b"\0" * len(moment) for moment in moments), 0, 0), expected[2])
    assert state(net) == expected
    assert history.cost == whole.cost[:done]
    assert history.validation_cost == whole.validation_cost[:done]
    assert history.validation_accuracy == whole.validation_accuracy[:done]
    assert len(history.seconds) == len(history.samples_per_second) == done
    if done < EPOCHS:
        fit(net, EPOCHS - done, optimizer)
    assert state(net) == after[-1]


def interrupted_fit(net, optimizer):
    with pytest.warns(
        RuntimeWarning, match=r"interrupted after \d of 3 epochs; the network has the weights of the last"
    ):
        return fit(net, EPOCHS, optimizer)


@pytest.mark.parametrize("at", range(1, 1 + EPOCHS * 6))  # an epoch is five chunks and its end
def test_ctrl_c_after_any_chunk(at, formulation, uninterrupted, monkeypatch):
    after, whole = uninterrupted(formulation, "Adam")
    monkeypatch.setattr(streaming, "FLOPS_BETWEEN_LOOKS", 1)
    progress = Raises(at)
    with monkeypatch.context() as patch:
        patch.setattr(training, "Progress", lambda *_: progress)
        net, optimizer = network(formulation), fastbp.Adam(0.01, beta_1=0.8, beta_2=0.95, epsilon=1e-3)
        history = interrupted_fit(net, optimizer)
    assert progress.closed and progress.calls == at
    assert len(history) == at // 6
    # The costs are summed by chunks, so their last digits differ from those of whole epochs.
    assert history.cost == pytest.approx(whole.cost[: len(history)], rel=1e-12)
    history.cost[:] = whole.cost[: len(history)]
    check_interrupted(net, optimizer, history, after, whole)


def raising_at(function, n, position):
    """Wrap `function`: its n-th call raises KeyboardInterrupt, before or after its work."""
    calls = 0

    def wrapped(*arguments, **options):
        nonlocal calls
        calls += 1
        if calls == n and position == "before":
            raise KeyboardInterrupt
        result = function(*arguments, **options)
        if calls == n:
            raise KeyboardInterrupt
        return result

    return wrapped


@pytest.mark.parametrize(
    ("optimizer_name", "position", "n", "where"),
    every_pair(
        OPTIMIZERS,
        ["before", "after"],
        [1, 2, 3],
        ["evaluate", "_record", "check_finite", "Training.copy_to", "OptimizerState.copy_to"],
    ),
)
def test_ctrl_c_during_evaluation_and_snapshot(where, n, position, optimizer_name, uninterrupted, monkeypatch):
    owner, name = training, where
    if "." in where:
        owner, name = getattr(training_state, where.split(".")[0]), "copy_to"
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, raising_at(getattr(owner, name), n, position))
        net, optimizer = network(), OPTIMIZERS[optimizer_name]()
        history = interrupted_fit(net, optimizer)
    assert len(history) == n - 1
    check_interrupted(net, optimizer, history, *uninterrupted("loops", optimizer_name))


@pytest.mark.parametrize("n", [1, 2, 3])
def test_ctrl_c_during_a_compiled_call(n, formulation, uninterrupted, monkeypatch):
    """Python handles the signal after the call, when the weights are those of a later epoch, which must be undone."""
    chosen = network(formulation)._formulation
    original = type(chosen).trainer

    def trainer(self, *arguments):
        made = original(self, *arguments)
        made.train = raising_at(made.train, n, "after")
        return made

    with monkeypatch.context() as patch:
        patch.setattr(type(chosen), "trainer", trainer)
        net, optimizer = network(formulation), OPTIMIZERS["Nesterov"]()
        history = interrupted_fit(net, optimizer)
    assert len(history) == n - 1
    check_interrupted(net, optimizer, history, *uninterrupted(formulation, "Nesterov"))


def run_until_opcode(function, n):
    """Call `function`; raise KeyboardInterrupt before the n-th bytecode instruction of fastbp within `training.fit`.

    Returns the result of `function`, or None if it raises KeyboardInterrupt; whether there was an n-th instruction; and
    the instructions before it, in order: their code and where they are in it.
    """
    count, inside, instructions = 0, False, []

    def trace(frame, event, argument):
        nonlocal count, inside
        if frame.f_code is training.fit.__code__:
            inside = event != "return"
        if not inside or not frame.f_code.co_filename.startswith(OURS):
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            instructions.append((frame.f_code, frame.f_lasti))
            count += 1
            if count == n:
                sys.settrace(None)
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        result = function()
    except KeyboardInterrupt:
        result = None
    finally:
        sys.settrace(before)
    return result, count >= n, instructions


@pytest.mark.parametrize("each", [pytest.param("time", marks=pytest.mark.slow), "seventh instruction"])
def test_ctrl_c_before_any_instruction_of_training(each, uninterrupted):
    """Every bytecode instruction of fastbp that `training.fit` executes, in all files, each time that it is executed.

    Or one of seven instructions, each at one of its times, which take turns: the first, the second, … If `fit` raises
    KeyboardInterrupt, before the first epoch or after the last, there is no new history, but the network is in its
    state after some whole epoch.
    """
    after, whole = uninterrupted("loops", "Momentum")
    _, _, executed = run_until_opcode(lambda: fit(network(), EPOCHS, OPTIMIZERS["Momentum"]()), np.inf)
    assert len(executed) > 3000  # the whole of `fit`
    must_be_among_them = training.fit, type(network()._formulation), training_state.Training, OptimizerState
    files = {code.co_filename for code, _ in executed}
    assert {sys.modules[thing.__module__].__file__ for thing in must_be_among_them} <= files
    times: dict[object, list[int]] = {}
    for n, instruction in enumerate(executed, 1):
        times.setdefault(instruction, []).append(n)
    in_turn = [of_one[i % len(of_one)] for i, of_one in enumerate(list(times.values())[::7])]
    chosen = range(1, len(executed) + 1) if each == "time" else sorted(in_turn)
    came_out = 0
    for n in chosen:
        net, optimizer = network(), OPTIMIZERS["Momentum"]()
        # An interruption between two instructions of `check_finite` can leave NumPy's error state changed. A real
        # Ctrl-C comes only after calls and jumps.
        with warnings.catch_warnings(), np.errstate():
            warnings.simplefilter("ignore")
            history, there_was_one, _ = run_until_opcode(lambda: fit(net, EPOCHS, optimizer), n)  # noqa: B023
        if not there_was_one:
            continue  # some instructions are executed at the first fit only
        if history is None:
            came_out += 1
            untouched = net.parameters.tobytes() == after[0][0] and state(net)[2] == after[0][2]
            assert untouched or state(net) == after[-1], n
        elif history.interrupted:
            check_interrupted(net, optimizer, history, after, whole)
        else:  # Python swallowed it in the generator of the order, which was being closed
            assert state(net) == after[-1], n
    assert came_out < len(chosen) / 3


SIGINT = """
import signal, sys, time, warnings
import numpy as np
import fastbp

signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background process would not have
from fastbp.training import loop as training
from fastbp.progress import Progress

class Tell(Progress):
    def epochs_done(self, n, description):
        print("epoch\\n", end="", flush=True)  # in one piece

rng = np.random.default_rng(0)
X, Y = rng.uniform(-1, 1, (100, 200)), rng.uniform(0, 1, (100, 3))
network = lambda: fastbp.Network([200, 60, 3], activation="tanh", seed=1, formulation=sys.argv[1])
net, other = network(), network()
training.Progress, original = lambda *_: Tell(False, 1, 1), training.Progress
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    history = net.fit(X, Y, epochs=10**6, optimizer=fastbp.Momentum(0.01))
training.Progress = original
assert [(w.category, w.filename) for w in caught] == [(RuntimeWarning, "<string>")], "it points at the call of fit"
other.fit(X, Y, epochs=len(history), optimizer=fastbp.Momentum(0.01))
print("done", history.interrupted, len(history) > 0, net.parameters.tobytes() == other.parameters.tobytes(),
      net._rng.bit_generator.state == other._rng.bit_generator.state,
      net._training.state.first.tobytes() == other._training.state.first.tobytes(), history.cost == other.history.cost)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT to another process on Windows")
def test_a_real_ctrl_c(formulation):
    process = subprocess.Popen(
        [sys.executable, "-c", SIGINT, formulation],
        cwd=PACKAGE.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        for _ in range(3):
            assert process.stdout.readline() == "epoch\n", process.stderr.read()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
    finally:
        process.kill()
    assert out.splitlines()[-1] == "done True True True True True True", err


@pytest.mark.parametrize("error", [RuntimeError, MemoryError, SystemExit])
def test_any_other_error_undoes_the_epoch_too(error, uninterrupted, monkeypatch):
    def failing(*_):
        raise error("on purpose")

    after, _ = uninterrupted("loops", "Adam")
    net, optimizer = network(), OPTIMIZERS["Adam"]()
    fit(net, 2, optimizer)
    with monkeypatch.context() as patch, pytest.raises(error, match="on purpose"):
        patch.setattr(training, "evaluate", failing)
        fit(net, 1, optimizer)
    assert state(net) == after[2] and len(net.history) == 0
    fit(net, 1, optimizer)
    assert state(net) == after[3]
