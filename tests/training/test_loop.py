"""Training: the history, Ctrl-C anywhere, divergence, where an epoch is cut, the line on a terminal."""

import io
import os
import re
import signal
import subprocess
import sys
import tracemalloc
import warnings

import numpy as np
import pytest
from conftest import OPTIMIZERS, PACKAGE, relative_difference
from fit_samples import HELD_OUT, X, Y, network, state

import fastbp
from fastbp import memory
from fastbp.batches import sources as streaming
from fastbp.formulations.step_options import StepOptions
from fastbp.progress import Progress
from fastbp.training import loop as training
from fastbp.training import state as training_state

OURS = f"{PACKAGE}{os.sep}"
ALWAYS = {"cost", "seconds", "samples_per_second", "learning_rate"}


def fit(net, epochs, optimizer=None, **options):
    return net.fit(X, Y, epochs=epochs, batch_size=5, optimizer=optimizer, **{"validation_data": HELD_OUT, **options})


# The history


def test_history_with_validation_classes(formulation):
    net = network(formulation)
    history = fit(net, 4)
    assert net.history is history and len(history) == 4 and not history.interrupted
    assert set(history.as_dict()) == ALWAYS | {"validation_cost", "validation_accuracy"}
    assert all(len(series) == 4 for series in history.as_dict().values())
    assert all(np.isfinite(series).all() for series in history.as_dict().values())
    evaluation = net.evaluate(*HELD_OUT)
    assert history.validation_cost[-1] == evaluation.cost
    assert history.validation_accuracy[-1] == evaluation.accuracy
    assert min(history.seconds) > 0 and min(history.samples_per_second) > 0


def test_history_without_validation(formulation):
    history = fit(network(formulation), 2, validation_data=None)
    assert history.validation_cost == history.validation_accuracy == []
    assert set(history.as_dict()) == ALWAYS


def test_history_of_targets_that_are_no_classes():
    net = fastbp.Network([3, 2], cost="quadratic", seed=0)
    history = net.fit(X, X[:, :2], epochs=2, validation_data=(X, X[:, :2]))
    assert len(history.validation_cost) == 2 and history.validation_accuracy == []
    assert net.evaluate(X, X[:, :2]).accuracy is None


def test_the_cost_of_an_epoch_is_the_mean_of_the_costs_before_each_step(formulation):
    """With the last, shorter mini-batch counted by its samples."""
    net, by_hand = network(formulation, "float64"), network(formulation, "float64")
    history = fit(net, 1, fastbp.SGD(0.5))
    order, total = by_hand._rng.permutation(23), 0.0
    for start in range(0, 23, 5):
        rows = order[start : start + 5]
        total += by_hand.evaluate(X[rows], Y[rows]).cost * len(rows)
        by_hand.parameters = by_hand.parameters - 0.5 * by_hand.gradient(X[rows], Y[rows]).vector
    assert history.cost == pytest.approx([total / 23], rel=1e-12)


def test_a_new_fit_has_a_new_history():
    net = network()
    first = fit(net, 3)
    second = fit(net, 2)
    assert net.history is second and len(first) == 3 and len(second) == 2


def test_repr_and_str():
    history = fit(network(), 2)
    assert repr(history).startswith("History(2 epochs; last: cost 0.")
    assert repr(fastbp.History()) == "History(0 epochs)"
    assert str(fastbp.Evaluation(0.5, 0.25)) == "cost 0.5  accuracy 25.00%"
    assert str(fastbp.Evaluation(0.5)) == "cost 0.5"


def test_training_learns(formulation):
    net = network(formulation)
    before = net.evaluate(X, Y).cost
    history = fit(net, 30, fastbp.Adam(0.03))
    assert net.evaluate(X, Y).cost < 0.7 * before
    assert history.cost[-1] < history.cost[0]


def test_samples_come_in_another_order_every_epoch(monkeypatch):
    orders = []
    original = streaming.pieces

    def spy(order, rows):
        orders.append(order.tolist())
        return original(order, rows)

    monkeypatch.setattr(streaming, "pieces", spy)
    fit(network(), 3)
    assert all(sorted(order) == list(range(23)) for order in orders)
    assert len({tuple(order) for order in orders}) == 3


# Ctrl-C


class Raises(Progress):
    """Raises KeyboardInterrupt at the n-th thing that training tells it."""

    def __init__(self, at):
        self.at, self.calls, self.closed = at, 0, False

    def _count(self):
        self.calls += 1
        if self.calls == self.at:
            raise KeyboardInterrupt

    def advance(self, samples):
        self._count()

    def epoch_done(self, description):
        self._count()

    def close(self):
        self.closed = True


EPOCHS = 3


@pytest.fixture(scope="module")
def uninterrupted():
    """How things stand after 0 … EPOCHS epochs that nothing interrupts, by formulation and optimizer."""
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
    """All is as after the last whole epoch, and going on gives the bits of a run that was not interrupted."""
    done = len(history)
    assert history.interrupted and net.history is history
    expected = after[done]
    if done == 0:  # the optimizer has a state now: that of before the first step
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
    # Costs are summed by chunks, so they differ in the last digits from those of whole epochs.
    assert history.cost == pytest.approx(whole.cost[: len(history)], rel=1e-12)
    history.cost[:] = whole.cost[: len(history)]
    check_interrupted(net, optimizer, history, after, whole)


def raising_at(function, n, position):
    """`function`, but its n-th call raises KeyboardInterrupt, before or after it has done its work."""
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


@pytest.mark.parametrize("optimizer_name", OPTIMIZERS)
@pytest.mark.parametrize("position", ["before", "after"])
@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize(
    "where", ["evaluate", "_record", "_check_finite", "Training.copy_to", "OptimizerState.copy_to"]
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
    """The signal is handled when the call has returned, with the weights of that epoch: they must be undone."""
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
    """Call `function`; before the n-th instruction of fastbp's that `training.fit` executes raise KeyboardInterrupt.

    Returns what `function` returns, or None if KeyboardInterrupt comes out; whether there was an n-th instruction; and
    the files of the instructions before it.
    """
    count, inside, files = 0, False, set()

    def trace(frame, event, argument):
        nonlocal count, inside
        if frame.f_code is training.fit.__code__:
            inside = event != "return"
        if not inside or not frame.f_code.co_filename.startswith(OURS):
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            files.add(frame.f_code.co_filename)
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
    return result, count >= n, files


def test_ctrl_c_before_any_instruction_of_training(uninterrupted):
    """All that `training.fit` executes, wherever in fastbp it is written, instruction by instruction.

    Where KeyboardInterrupt comes out of `fit`, before the first epoch or after the last, there is no new history,
    but the network is still as after some whole epoch.
    """
    after, whole = uninterrupted("loops", "Momentum")
    n, there_was_one, came_out = 0, True, 0
    while there_was_one:
        n += 1
        net, optimizer = network(), OPTIMIZERS["Momentum"]()
        # An interruption between two instructions can keep NumPy's error state from being restored, in `_check_finite`;
        # a real one comes after calls and jumps only.
        with warnings.catch_warnings(), np.errstate():
            warnings.simplefilter("ignore")
            history, there_was_one, files = run_until_opcode(lambda: fit(net, EPOCHS, optimizer), n)  # noqa: B023
        if not there_was_one:
            break
        if history is None:
            came_out += 1
            untouched = net.parameters.tobytes() == after[0][0] and state(net)[2] == after[0][2]
            assert untouched or state(net) == after[-1], n
        elif history.interrupted:
            check_interrupted(net, optimizer, history, after, whole)
        else:  # raised where it is swallowed: in the generator of the order, as it is closed
            assert state(net) == after[-1], n
    must_be_among_them = training.fit, type(net._training), type(net._training.state), type(net._formulation)
    assert {sys.modules[thing.__module__].__file__ for thing in must_be_among_them} <= files
    assert n > 3000  # it was a walk through the whole of it
    assert came_out < n / 3


SIGINT = """
import signal, sys, time, warnings
import numpy as np
import fastbp

signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background process would not have
from fastbp.training import loop as training
from fastbp.progress import Progress

class Tell(Progress):
    def epoch_done(self, description):
        print("epoch\\n", end="", flush=True)  # in one piece

rng = np.random.default_rng(0)
X, Y = rng.uniform(-1, 1, (500, 20)), rng.uniform(0, 1, (500, 3))
network = lambda: fastbp.Network([20, 10, 3], activation="tanh", seed=1, formulation=sys.argv[1])
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


# Divergence


@pytest.mark.parametrize(
    ("activation", "dtype", "learning_rate"),
    [("relu", "float32", 30.0), ("identity", "float64", 1e6), ("identity", "float32", 5.0)],
)
def test_divergence(activation, dtype, learning_rate, formulation):
    rng = np.random.default_rng(0)
    x, y = rng.uniform(-1, 1, (40, 3)), rng.uniform(-1, 1, (40, 2))

    def new():
        return fastbp.Network(
            [3, 6, 2], activation=activation, cost="quadratic", dtype=dtype, seed=0, formulation=formulation
        )

    net, optimizer = new(), fastbp.Momentum(learning_rate, momentum=0.5)
    with pytest.raises(fastbp.DivergenceError, match=r"smaller learning rate than") as error:
        net.fit(x, y, epochs=10_000, batch_size=20, optimizer=optimizer)
    assert f"{learning_rate:g}" in str(error.value)
    epoch = int(re.search(r"diverged in epoch (\d+):", str(error.value))[1])
    assert np.isfinite(net.parameters).all()
    expected = new()
    if epoch > 1:
        expected.fit(x, y, epochs=epoch - 1, batch_size=20, optimizer=fastbp.Momentum(learning_rate, momentum=0.5))
        assert state(net) == state(expected)
    assert net.parameters.tobytes() == expected.parameters.tobytes()
    assert net._rng.bit_generator.state == expected._rng.bit_generator.state
    assert len(net.history) == epoch - 1


def test_the_epoch_of_divergence_is_not_always_the_first():
    """So that the test above is about something: some epochs go well, then one does not."""
    x = np.linspace(-1, 1, 40)[:, None]
    net = fastbp.Network([1, 1], cost="quadratic", initializer="zeros", dtype="float32")
    with pytest.raises(fastbp.DivergenceError, match=r"epoch (\d\d+):"):
        net.fit(x, 3 * x, epochs=10_000, batch_size=40, optimizer=fastbp.SGD(20.0))
    assert np.isfinite(net.parameters).all() and np.abs(net.parameters).max() > 1e10


@pytest.mark.filterwarnings("ignore:networks learn from numbers around 0")
def test_a_weight_that_is_infinite_is_divergence_though_the_cost_is_finite(compiled):
    """The cost is from before the step that overflows."""
    net = fastbp.Network([1, 1], cost="absolute", initializer="zeros", dtype="float32", formulation=compiled)
    with pytest.raises(fastbp.DivergenceError, match="epoch 1: "):
        net.fit([[1e20]], [[1.0]], epochs=1, optimizer=fastbp.SGD(1e30))
    assert net.parameters.tolist() == [0, 0]


def test_large_weights_are_no_divergence():
    """Their sum overflows; they do not."""
    net = fastbp.Network([4, 1], cost="absolute", initializer="zeros", dtype="float32")
    net.parameters[:] = 3e38
    net.biases[0][:] = 0
    net.fit([[0, 0, 0, 0]], [[0]], epochs=1, optimizer=fastbp.SGD(0.1))
    assert len(net.history) == 1


# Where an epoch is cut


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_where_an_epoch_is_cut_makes_no_difference(new_optimizer, dtype, formulation, monkeypatch):
    whole = network(formulation, dtype)
    fit(whole, 2, new_optimizer())
    n_flops = whole._model.flops_per_sample
    for flops, pieces in ((1, 5), (n_flops * 5, 5), (n_flops * 10, 3), (n_flops * 15, 2), (n_flops * 1e6, 1)):
        monkeypatch.setattr(streaming, "FLOPS_BETWEEN_LOOKS", flops)
        lengths = []
        progress = Progress(False, 1, 1)
        progress.advance = lengths.append
        with monkeypatch.context() as patch:
            patch.setattr(training, "Progress", lambda *_, progress=progress: progress)
            net = network(formulation, dtype)
            history = fit(net, 2, new_optimizer())
        assert len(lengths) == 2 * pieces and sum(lengths) == 2 * 23
        assert state(net) == state(whole)
        assert relative_difference(history.cost, whole.history.cost) < 1e-12


# Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("formulation_", ["loops"])
def test_nothing_is_written_where_there_is_no_terminal(formulation_, capfd):
    fit(network(formulation_), 2)
    assert capfd.readouterr() == ("", "")


def test_nothing_is_written_where_it_is_not_wanted(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    fit(network(), 2, progress=False)
    assert terminal.getvalue() == ""


def test_no_stderr_at_all(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    assert len(fit(network(), 2)) == 2


def test_a_line_on_a_terminal(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", "200")
    history = fit(network(), 3)
    written = terminal.getvalue()
    assert "3/3" in written and "epoch" in written
    assert f"cost {history.cost[-1]:.4g}" in written
    assert f"accuracy {history.validation_accuracy[-1]:.2%}" in written
    assert written.endswith("\n")
    assert "\r" in written and written.count("\n") == 1  # one line, over and over


def test_progress_does_not_change_a_bit(monkeypatch):
    silent, shown = network(), network()
    fit(silent, 2, fastbp.Adam())
    monkeypatch.setattr(sys, "stderr", Terminal())
    fit(shown, 2, fastbp.Adam())
    assert state(silent) == state(shown)


def test_the_line_is_closed_after_divergence(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    net = fastbp.Network([1, 1], cost="quadratic", seed=0)
    with pytest.raises(fastbp.DivergenceError):
        net.fit([[1], [2]], [1, 2], epochs=1000, optimizer=fastbp.SGD(1e3))
    assert terminal.getvalue().endswith("\n")


def test_a_step_too_large_for_memory_is_refused_before_training(formulation, monkeypatch):
    net = network(formulation)
    X, Y = np.ones((50, net.sizes[0])), np.zeros(50, int)
    before = net.parameters.copy()
    net.fit(X, Y, epochs=1, progress=False)
    trained, history, used = net.parameters.copy(), net.history, net._training
    monkeypatch.setattr(memory, "physical_memory", lambda: 100)
    with pytest.raises(MemoryError, match=r"mini-batches of 25 samples needs [\d,]+ bytes, .* 100: choose a smaller"):
        net.fit(X, Y, epochs=1, batch_size=25, optimizer=fastbp.SGD(1.0), progress=False)
    assert (net.parameters == trained).all() and (trained != before).any()
    assert net.history is history and net._training is used


def bytes_needed(monkeypatch, *data, **options):
    """What a `fit` that is refused says it would need."""
    net = network("tiles")
    with monkeypatch.context() as small, pytest.raises(MemoryError, match="needs") as error:
        small.setattr(memory, "physical_memory", lambda: 0)
        net.fit(*data, epochs=1, batch_size=10, progress=False, **options)
    return int(re.search(r"needs ([\d,]+) bytes", str(error.value))[1].replace(",", ""))


def test_what_is_needed_counts_the_gradient_of_clip_norm_and_the_buffers_of_samples(monkeypatch, tmp_path):
    """Buffers are whole mini-batches: of 30 rows for the 23 in a file, as many as a compiled call takes for chunks."""
    path, net = tmp_path / "x.npy", network("tiles")
    np.save(path, X)
    needed = bytes_needed(monkeypatch, X, Y)
    row = (net.sizes[0] + net.sizes[-1]) * 4
    assert bytes_needed(monkeypatch, np.load(path, mmap_mode="r"), Y) == needed + 30 * row
    chunks = bytes_needed(monkeypatch, lambda: iter([(X, Y)]))
    rows = streaming.buffer_rows(streaming.rows_between_looks(net._model, 10), 10, row)
    assert chunks == needed + rows * row
    clipped = bytes_needed(monkeypatch, X, Y, clip_norm=1.0)
    assert clipped >= needed + net.parameters.nbytes


@pytest.mark.parametrize("options", [{}, {"clip_norm": 1.0}], ids=["plain", "clip_norm"])
def test_what_training_allocates_is_what_was_said(compiled, options):
    """The arrays of a workspace, counted."""
    net = network(compiled)
    X, Y = np.zeros((50, net.sizes[0]), np.float32), np.zeros((50, net.sizes[-1]), np.float32)
    optimizer = fastbp.Adam()
    chosen = StepOptions(**options)
    said = net._formulation.step_bytes(net._model, optimizer, 50, chosen)
    tracemalloc.start()
    trainer = net._formulation.trainer(
        net._model, optimizer, optimizer.new_state(net.parameters.size, net.dtype), X, Y, 50, chosen
    )
    allocated, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert trainer is not None
    assert said <= allocated + 1000
    assert allocated <= said + 50_000  # Python's objects, and compiled functions looked up


@pytest.mark.parametrize("batch_size", [1, 2, 512])  # 512: in parts
def test_an_epoch_ends_with_the_step_in_which_it_diverges(batch_size, formulation, monkeypatch):
    """And not after thousands of steps with NaN: those that a step takes are counted by the optimizer's state."""
    rng = np.random.default_rng(0)
    X, Y = rng.uniform(-1, 1, (200 * batch_size, 3)), rng.uniform(-1, 1, (200 * batch_size, 2))
    net = fastbp.Network([3, 4, 2], activation="identity", cost="quadratic", seed=0, formulation=formulation)
    steps = []
    monkeypatch.setattr(
        training_state.Training, "restore", lambda self, _: steps.append(int(self.state.t[0]))
    )  # what it would undo
    with pytest.raises(fastbp.DivergenceError, match="epoch 1: "):
        net.fit(X, Y, epochs=1, batch_size=batch_size, optimizer=fastbp.SGD(1e6))
    assert 1 < steps[0] < 15
