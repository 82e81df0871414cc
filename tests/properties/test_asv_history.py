"""What asv has stored becomes the small file that the site draws."""

import json
import subprocess
import sys
from collections import namedtuple

import pytest
from conftest import TESTS

results = pytest.importorskip("asv.results", reason="asv is not installed")
PROGRAM = TESTS.parent / "benchmarks" / "history.py"
Ran = namedtuple("Ran", "result samples number errcode stderr profile")


def store(folder, commit, day, epochs, peaks):
    machine = {"machine": "m", "cpu": "A 1", "arch": "x86_64", "num_cpu": "2", "os": "Linux", "ram": "1", "version": 1}
    (folder / "m").mkdir(exist_ok=True)
    (folder / "m" / "machine.json").write_text(json.dumps(machine))
    stored = results.Results(machine, {}, commit * 40, day * 86_400_000, "3.11", f"env-{commit}", {})
    for name, params, values in (
        ("against_numpy.Epoch.track_epoch", [["'loops'", "'tiles'"]], epochs),
        ("starting.Import.track_import_against_numba", [], [1.25]),
        ("memory.Peak.track_bytes", [], peaks),
    ):
        nothing = [None] * len(values)
        stored.add_result({"name": name, "version": "1", "params": params}, Ran(values, nothing, nothing, 0, "", None))
    stored.save(str(folder))


def run(*arguments):
    command = [sys.executable, str(PROGRAM), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_ratios_are_written_in_the_order_of_time_and_times_are_not(tmp_path):
    stored, written = tmp_path / "results", tmp_path / "history.json"
    stored.mkdir()
    store(stored, "b", 2, [0.7, 0.25], [3])
    store(stored, "a", 1, [float("nan"), 0.5], [3])
    done = run("--results", stored, "--output", written)
    assert done.returncode == 0, done.stderr
    first, second = json.loads(written.read_text(encoding="utf-8"))
    assert (first["commit"], first["date"], first["processor"]) == ("a" * 8, "1970-01-02T00:00+00:00", "A 1")
    assert first["ratios"] == {
        "against_numpy.Epoch.track_epoch, tiles": 0.5,  # the other one did not exist in that commit
        "starting.Import.track_import_against_numba": 1.25,
    }
    assert second["ratios"]["against_numpy.Epoch.track_epoch, loops"] == 0.7
    assert "machine" not in written.read_text(encoding="utf-8")


def test_a_folder_without_ratios_is_an_error(tmp_path):
    done = run("--results", tmp_path, "--output", tmp_path / "history.json")
    assert done.returncode == 2 and "first run asv" in done.stderr
    assert not (tmp_path / "history.json").exists()
