"""Training: divergence, epochs in several calls, the progress line, the memory it needs."""

import io
import re
import sys
import tracemalloc

import numpy as np
import pytest
from conftest import relative_difference
from fit_samples import X, Y, network, state
from fit_samples import validated_fit as fit

import fastbp
from fastbp import memory
from fastbp.batches import sources as streaming
from fastbp.formulations.step_options import StepOptions
from fastbp.progress import Progress
from fastbp.training import loop as training
from fastbp.training import state as training_state


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
    """The test above needs this: several epochs succeed before one diverges."""
    x = np.linspace(-1, 1, 40)[:, None]
    net = fastbp.Network([1, 1], cost="quadratic", initializer="zeros", dtype="float32")
    with pytest.raises(fastbp.DivergenceError, match=r"epoch (\d\d+):"):
        net.fit(x, 3 * x, epochs=10_000, batch_size=40, optimizer=fastbp.SGD(20.0))
    assert np.isfinite(net.parameters).all() and np.abs(net.parameters).max() > 1e10


@pytest.mark.filterwarnings("ignore:networks learn from numbers around 0")
def test_a_weight_that_is_infinite_is_divergence_though_the_cost_is_finite(compiled):
    """The cost was computed before the step that overflows."""
    net = fastbp.Network([1, 1], cost="absolute", initializer="zeros", dtype="float32", formulation=compiled)
    with pytest.raises(fastbp.DivergenceError, match="epoch 1: "):
        net.fit([[1e20]], [[1.0]], epochs=1, optimizer=fastbp.SGD(1e30))
    assert net.parameters.tolist() == [0, 0]


def test_large_weights_are_no_divergence():
    """Only their sum overflows."""
    net = fastbp.Network([4, 1], cost="absolute", initializer="zeros", dtype="float32")
    net.parameters[:] = 3e38
    net.biases[0][:] = 0
    net.fit([[0, 0, 0, 0]], [[0]], epochs=1, optimizer=fastbp.SGD(0.1))
    assert len(net.history) == 1


# An epoch in several compiled calls


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_compiled_calls_of_an_epoch_make_no_difference(new_optimizer, dtype, formulation, monkeypatch):
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
    assert "\r" in written and written.count("\n") == 1  # one line, which is overwritten


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
    """The number of bytes that the error of a refused `fit` names."""
    net = network("tiles")
    with monkeypatch.context() as small, pytest.raises(MemoryError, match="needs") as error:
        small.setattr(memory, "physical_memory", lambda: 0)
        net.fit(*data, epochs=1, batch_size=10, progress=False, **options)
    return int(re.search(r"needs ([\d,]+) bytes", str(error.value))[1].replace(",", ""))


def test_the_memory_needed_includes_the_gradient_of_clip_norm_and_the_buffers_of_samples(monkeypatch, tmp_path):
    """Buffers hold whole mini-batches: 30 rows for the 23 in a file; for chunks, the rows of a compiled call."""
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
def test_training_allocates_the_memory_that_it_needs(compiled, options):
    """The arrays of the workspace are counted."""
    net = network(compiled)
    X, Y = np.zeros((50, net.sizes[0]), np.float32), np.zeros((50, net.sizes[-1]), np.float32)
    optimizer = fastbp.Adam()
    chosen = StepOptions(**options)
    said = net._formulation.step_bytes(net._model, optimizer, 50, chosen)

    def trainer():
        state = optimizer.new_state(net.parameters.size, net.dtype)
        return net._formulation.trainer(net._model, optimizer, state, X, Y, 50, chosen)

    trainer()  # finds or compiles its loops, which takes other memory
    tracemalloc.start()
    made = trainer()
    allocated, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert made is not None
    assert said <= allocated + 1000
    assert allocated <= said + 50_000  # for Python objects, and the lookup of compiled functions


@pytest.mark.parametrize("batch_size", [1, 2, 512])  # 512 is summed in parts
def test_an_epoch_ends_with_the_step_in_which_it_diverges(batch_size, formulation, monkeypatch):
    """No further steps follow with NaN; the optimizer's state counts the steps."""
    rng = np.random.default_rng(0)
    X, Y = rng.uniform(-1, 1, (200 * batch_size, 3)), rng.uniform(-1, 1, (200 * batch_size, 2))
    net = fastbp.Network([3, 4, 2], activation="identity", cost="quadratic", seed=0, formulation=formulation)
    steps = []
    monkeypatch.setattr(
        training_state.Training, "restore", lambda self, _: steps.append(int(self.state.t[0]))
    )  # records the steps that it would undo
    with pytest.raises(fastbp.DivergenceError, match="epoch 1: "):
        net.fit(X, Y, epochs=1, batch_size=batch_size, optimizer=fastbp.SGD(1e6))
    assert 1 < steps[0] < 15
