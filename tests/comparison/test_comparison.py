"""`fastbp.compare`: what it measures and proves, what it refuses, and the numbers in its rows."""

import csv
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from comparison_data import LIMITS, QUICK, SGD, SMALL, checked, comparison, know_limits

import fastbp
from fastbp import memory
from fastbp.comparison import Comparison, compare, rows, run, words, worker
from fastbp.comparison.cells import FORMULATIONS, Cell
from fastbp.comparison.process import Process
from fastbp.comparison.worker import Worker, Workload


@pytest.fixture(scope="module")
def measured() -> Comparison:
    with pytest.MonkeyPatch.context() as patch:
        know_limits(patch)
        return compare([4, 3, 2], batch_sizes=[5], dtypes=["float32", "float64"], **QUICK)


# Measurements


def test_every_formulation_has_a_row_for_each_work(measured: Comparison) -> None:
    assert [(row.dtype, row.work, row.formulation) for row in measured.rows] == [
        (dtype, work, name)
        for dtype in ("float32", "float64")
        for work in ("gradient", "epoch")
        for name in FORMULATIONS
    ]
    assert not measured.interrupted and {limits.threads for limits in measured.limits} == {1}


def test_the_figures_follow_from_the_rounds(measured: Comparison) -> None:
    for row in measured.rows:
        assert len(row.rounds_us) == 2 and row.us is not None and row.gflops is not None and not row.left_out
        assert row.us == pytest.approx(np.median(row.rounds_us))
        assert (row.us_min, row.us_max) == (min(row.rounds_us), max(row.rounds_us))
        assert row.flops == 2 * 5 * (2 * 4 * 3 + 3 * 3 * 2)
        assert row.samples_per_second == pytest.approx(5e6 / row.us)
        assert row.gflops == pytest.approx(row.flops / row.us / 1e3)
        assert row.share_of_peak == pytest.approx(row.gflops / measured.limits[0].peak_gflops[row.dtype])
        assert row.difference is not None and row.difference <= worker.TOLERANCE[row.dtype]
        assert row.cache in (("warm", "cold") if row.formulation in ("loops", "tiles") else ("none",))
        assert (row.compile_s is None) == (row.cache == "none")
    for group in rows.by_work(measured.rows):
        assert group[0].times_fastest == 1


def test_python_loops_are_checked_and_measured_where_nothing_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    know_limits(monkeypatch)
    asked = []

    class Child(Process):
        def __init__(self, threads: int, *, compiled: bool = True, cache: Path | None = None):
            self.compiled = compiled
            super().__init__(threads, compiled=compiled, cache=cache)

        def ask(self, do: str, **request: Any) -> Any:
            names = request.get("formulations") or list(request.get("plan", ()))
            asked.append((self.compiled, do, *names))
            return super().ask(do, **request)

    monkeypatch.setattr(run, "Process", Child)
    compare([2, 2], batch_sizes=[2], formulations=["python", "vectorized"], **QUICK)
    assert [each for each in asked if len(each) > 2] == [
        (True, "check", "vectorized"), (False, "check", "python"),
        (True, "measure", "vectorized"), (False, "measure", "python"),
    ]  # fmt: skip


def test_the_table_fits_100_columns_and_ends_in_words(measured: Comparison) -> None:
    text = str(measured)
    assert max(map(len, text.splitlines())) <= 100
    assert "largest relative difference" in text and "python loops" in text and "samples/s" in text
    assert text.splitlines()[-1].endswith(".") and "\nHere " in text


def test_a_written_comparison_can_be_read(measured: Comparison, tmp_path: Path) -> None:
    measured.to_json(tmp_path / "c.json")
    assert Comparison.from_json(tmp_path / "c.json") == measured
    measured.to_csv(tmp_path / "c.csv")
    header, *lines = csv.reader((tmp_path / "c.csv").read_text().splitlines())
    assert len(lines) == len(measured.rows) and {len(line) for line in lines} == {len(header)}
    assert [line[header.index("sizes")] for line in lines] == ["4 3 2"] * len(lines)
    assert [float(line[header.index("us")]) for line in lines] == [row.us for row in measured.rows]
    assert sorted(os.listdir(tmp_path)) == ["c.csv", "c.json"]
    for content in ("", "[]", '{"format": 2}', '{"format": 1}'):
        (tmp_path / "c.json").write_text(content)
        with pytest.raises(ValueError, match="not a comparison"):
            Comparison.from_json(tmp_path / "c.json")
    with pytest.raises(OSError):
        measured.to_json(tmp_path / "no" / "c.json")


def test_every_epoch_starts_from_the_same_parameters() -> None:
    work = Workload(SMALL, SGD)
    before = work.theta.copy()
    for name in FORMULATIONS[1:]:
        assert work.epoch(name, 3) > 0
        np.testing.assert_array_equal(work.net.parameters, before)
        assert work.net.history is not None and len(work.net.history) == 1
    assert work.X.shape == (SMALL.steps * 5, 4) and work.Y.shape == (SMALL.steps * 5, 2)
    assert set(np.unique(work.Y)) <= {0, 1} and (work.Y.sum(axis=1) == 1).all()


def test_the_seconds_of_an_epoch_are_divided_by_its_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Workload, "epoch", lambda self, name, steps: 2.0 * steps)
    answer = _worker().measure(asdict(SMALL), {"textbook": 2, "vectorized": 8}, 3, 1e-5)
    assert answer["epoch"] == {"textbook": [2.0] * 3, "vectorized": [2.0] * 3}
    assert {name: len(seconds) for name, seconds in answer["gradient"].items()} == {"textbook": 3, "vectorized": 3}


# Agreement of the formulations


def _worker() -> Worker:
    w = Worker()
    w.start([], activation="sigmoid", cost="quadratic", optimizer="sgd", n_moments=0)
    return w


class Wrong:
    """A formulation whose gradient has a small error in one entry."""

    def __init__(self, formulation: Any):
        self._right = formulation

    def __getattr__(self, name: str) -> Any:
        return getattr(self._right, name)

    def gradient(self, model: Any, X: Any, Y: Any, gradient: Any, sample_weight: Any = None) -> Any:
        cost = self._right.gradient(model, X, Y, gradient, sample_weight)
        gradient[0] += np.abs(gradient).max() * (1e-10 if gradient.dtype == np.float64 else 1e-4)
        return cost


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_formulation_that_disagrees_is_named(monkeypatch: pytest.MonkeyPatch, dtype: str) -> None:
    cell = Cell((4, 3, 2), 5, dtype, 1)
    found = _worker().check(asdict(cell), ["textbook", "vectorized"])
    assert all(facts["difference"] <= worker.TOLERANCE[dtype] for facts in found.values())
    table = fastbp.formulations.FORMULATIONS
    monkeypatch.setitem(table._made, "vectorized", Wrong(table["vectorized"]))
    with pytest.raises(ArithmeticError, match=rf"vectorized gives another gradient .*\[4,3,2\].*{dtype}"):
        _worker().check(asdict(cell), ["textbook", "vectorized"])


def test_vectorized_is_the_reference_where_textbook_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = Workload(SMALL, SGD).reference()
    monkeypatch.setattr(worker, "TEXTBOOK_FLOPS", SMALL.flops / 2)
    np.testing.assert_allclose(Workload(SMALL, SGD).reference(), exact, rtol=1e-12)
    table = fastbp.formulations.FORMULATIONS
    monkeypatch.setitem(table._made, "vectorized", Wrong(table["vectorized"]))
    with pytest.raises(ArithmeticError, match="vectorized gives another gradient than textbook"):
        Workload(SMALL, SGD).reference()


def test_a_formulation_that_is_too_slow_is_left_out_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "TOO_SLOW_S", 1e-9)
    monkeypatch.setattr(worker, "TOO_SLOW", 0.5)
    found = _worker().check(asdict(SMALL), ["textbook", "vectorized"])
    assert "a gradient takes about" in found["textbook"]["left_out"]
    made = rows.rows_of(SMALL, SGD, LIMITS, checked("tiles") | checked("loops", left_out="it takes 9 s"),
                        {work: {"tiles": [1e-6]} for work in ("gradient", "epoch")})  # fmt: skip
    text = words.table(made)
    assert "loops         left out: it takes 9 s" in text and max(map(len, text.splitlines())) <= 100


# Refusals


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"formulations": ["tile"]}, ValueError, "unknown formulation 'tile'; did you mean 'tiles'"),
        ({"formulations": "loops,tiles"}, ValueError, "unknown formulation"),
        ({"activation": "sigmod"}, ValueError, "did you mean 'sigmoid'"),
        ({"activation": "softmax"}, ValueError, "output layer only"),
        ({"cost": fastbp.Huber(1.0)}, TypeError, "cost is .*; it must be one of"),
        ({"optimizer": "adm"}, ValueError, "unknown optimizer 'adm'; did you mean 'adam'"),
        ({"sizes": [4]}, ValueError, "at least an input and an output"),
        ({"widths": [0]}, ValueError, "width is 0; it must be at least 1"),
        ({"batch_sizes": [2.5]}, TypeError, "batch_size is 2.5; it must be a whole number"),
        ({"batch_sizes": []}, ValueError, "batch_sizes, dtypes or threads is empty"),
        ({"dtypes": ["float16"]}, ValueError, "float32 or float64"),
        ({"threads": [0]}, ValueError, "threads is 0"),
        ({"threads": [100_000]}, ValueError, "threads is 100000, but this process may use"),
        ({"rounds": 0}, ValueError, "rounds is 0"),
        ({"at_least_s": 0}, ValueError, "at_least_s is 0; it must be a number of seconds greater than 0"),
        ({"seconds": "9"}, ValueError, "seconds is '9'"),
        ({"cold": 1}, TypeError, "cold is 1"),
        ({"progress": None}, TypeError, "progress is None"),
        ({"widths": [2_000_000]}, MemoryError, r"\[2000000,2000000,2000000\].* bytes, .*: choose smaller layers"),
        ({"sizes": [9, 9], "batch_sizes": [10**12]}, MemoryError, "a smaller batch_size"),
        ({"seconds": 0.5}, ValueError, "3 cells takes at least .*, and seconds=0.5: choose fewer cells"),
        ({"sizes": [9000, 9000], "batch_sizes": [9000], "seconds": 9}, ValueError, "takes at least"),
    ],
)
def test_bad_input_is_refused_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch, arguments: dict[str, Any], error: type[Exception], says: str
) -> None:
    monkeypatch.setattr(run, "Process", None)
    monkeypatch.setattr(memory, "physical_memory", lambda: 64 * 2**30)
    with pytest.raises(error, match=says):
        compare(**arguments)


def test_a_grid_that_turns_out_to_take_longer_is_refused_before_measuring(monkeypatch: pytest.MonkeyPatch) -> None:
    know_limits(monkeypatch)
    monkeypatch.setattr(run.Run, "_measure", None)
    monkeypatch.setattr(run.Run, "_least_seconds", lambda *_: 0.0)
    with pytest.raises(ValueError, match=r"measuring 1 cell takes about .*, and seconds=0\.001"):
        compare([4, 3, 2], batch_sizes=[2], formulations=["vectorized"], seconds=0.001, **QUICK)


# Operations, bytes, ratios


def test_operations_and_bytes_by_hand() -> None:
    """[2, 3, 1] has 6 + 3 weights and 4 biases; a mini-batch of 5 in float64."""
    cell = Cell((2, 3, 1), 5, "float64", 1)
    assert cell.flops == 2 * 5 * (2 * 6 + 3 * 3)
    neurons = 5 * (2 + 1 + 4 * (3 + 1))
    assert cell.bytes("gradient") == cell.bytes("epoch") == 8 * (2 * 13 + neurons)
    assert cell.bytes("epoch", n_moments=2) == 8 * (6 * 13 + neurons) and cell.bytes("gradient", 2) == 8 * (
        26 + neurons
    )
    assert cell.working_set("epoch", 2) == 8 * (3 * 13 + 5 * (2 + 1 + 2 * 4))
    assert cell.steps == 1024 // 5 and Cell((9, 9), 4096, "float32", 1).steps == 1
    assert 1 < Cell((2048,) * 3, 1, "float32", 1).steps < 100
    assert cell.small_enough_for_python and not Cell((999, 999), 99, "float32", 1).small_enough_for_python
    assert str(cell) == "[2,3,1], mini-batch 5, float64, 1 thread"


def test_the_roof_follows_from_the_bandwidth_of_the_working_set() -> None:
    assert [LIMITS.bandwidth(n) for n in (1, 2**14, 2**14 + 1, 2**30)] == [500, 500, 200, 40]
    one, many = Cell((64, 64), 1, "float32", 1), Cell((64, 64), 1024, "float32", 1)
    made = comparison([one, many], lambda *_: [1e-5])
    for row in made.rows:
        memory = row.flops_per_byte * LIMITS.bandwidth(row.cell.working_set(row.work))
        assert row.roof_gflops == pytest.approx(min(200, memory))
        assert row.bound == ("compute" if memory >= 200 else "memory")
    assert {row.bound for row in made.rows} == {"compute", "memory"}


def test_ratios_are_of_the_same_round_but_for_python() -> None:
    times = {"tiles": [1.0, 10.0, 2.0], "loops": [2.0, 20.0, 4.0], "python": [100.0, 200.0, 300.0]}
    made = comparison([SMALL], lambda cell, work, name: times.get(name))
    by_name = {row.formulation: row for row in made.rows if row.work == "epoch"}
    assert [by_name[name].times_fastest for name in ("tiles", "loops", "python")] == [1, 2, 100]


def test_rounds_that_were_disturbed_do_not_decide() -> None:
    """loops has the smaller median, but tiles was faster in two of the three rounds."""
    times = {"tiles": [1.0, 5.0, 9.0], "loops": [1.1, 4.0, 9.9]}
    made = comparison([SMALL], lambda cell, work, name: times.get(name))
    assert [group[0].formulation for group in rows.by_work(made.rows)] == ["tiles", "tiles"]


def test_compile_times_are_of_the_first_cell_and_of_what_had_to_be_compiled() -> None:
    cells = [Cell((4, 3, 2), m, "float32", 1) for m in (1, 2, 3)]
    r = run.Run(cells, SGD, {}, False)
    facts = [(1.0, False), (0.5, True), (0.25, False)]
    r.checked = {
        cell: {name: {"compile_s": s, "cold": cold} for name in ("tiles", "textbook")}
        for cell, (s, cold) in zip(cells, facts, strict=True)
    }
    r._add_compile_times()
    for found in r.checked.values():
        assert (found["tiles"]["compile_s"], found["tiles"]["cache"]) == (1.5, "cold")
        assert (found["textbook"]["compile_s"], found["textbook"]["cache"]) == (None, "none")


def test_cold_is_another_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    know_limits(monkeypatch)
    seen: list[Any] = []

    class Child(Process):
        def __init__(self, threads: int, *, compiled: bool = True, cache: Path | None = None):
            seen.append(cache)
            super().__init__(threads, compiled=compiled, cache=cache)

    monkeypatch.setattr(run, "Process", Child)
    compare([2, 2], batch_sizes=[2], formulations=["vectorized"], cold=True, **QUICK)
    assert seen[0] is not None and not seen[0].exists()
