"""`fastbp compare`: what it prints and writes, and the one line that each mistake gets."""

import os
import warnings
from pathlib import Path
from typing import Any

import command_line
import pytest
from comparison_data import a_grid

from fastbp import comparison
from fastbp.comparison import CROSSOVER, MeasuringError

pytestmark = pytest.mark.usefixtures("folder")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Replace `compare` by one that measures nothing, and return the arguments that it gets."""
    asked: dict[str, Any] = {}

    def compare(**names: Any) -> Any:
        asked.update(names)
        return a_grid()

    monkeypatch.setattr(comparison, "compare", compare)
    return asked


def run(capsys: pytest.CaptureFixture[str], text: str, status: int = 0) -> tuple[str, str]:
    return command_line.run(capsys, "compare", *text.split(), status=status)


def test_a_real_run(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    out, err = run(
        capsys,
        "--sizes 3,2,2 --batch-sizes 2 --formulations textbook,vectorized --rounds 1 --activation relu --optimizer adam"
        " --json c.json --csv c.csv --bars b.png --roofline r.svg",
    )
    assert err == "" and sorted(os.listdir()) == ["b.png", "c.csv", "c.json", "r.svg"]
    assert "[3,2,2], mini-batch 2" in out and "\nHere " in out and out.endswith("wrote r.svg\n")
    assert run(capsys, "--load c.json")[0].strip() == out.split("\nwrote")[0].strip()


def test_options_reach_compare(capsys: pytest.CaptureFixture[str], asked: dict[str, Any]) -> None:
    run(capsys, "")
    assert asked == {"progress": True}
    asked.clear()
    run(
        capsys,
        "--sizes 4,3 --widths 8,16 --batch-sizes 1,2 --dtypes float32,float64 --threads 1,2 --formulations loops,tiles "
        "--activation tanh --cost huber --optimizer adam --rounds 3 --time 99 --cold --quiet",
    )
    assert asked == {
        "sizes": [4, 3], "widths": [8, 16], "batch_sizes": [1, 2], "dtypes": ["float32", "float64"], "threads": [1, 2],
        "formulations": ["loops", "tiles"], "activation": "tanh", "cost": "huber", "optimizer": "adam", "rounds": 3,
        "seconds": 99.0, "cold": True, "progress": False,
    }  # fmt: skip


def test_the_crossover_map(capsys: pytest.CaptureFixture[str], asked: dict[str, Any]) -> None:
    pytest.importorskip("matplotlib")
    out, _ = run(capsys, "--crossover --threads 2 --rounds 3")
    assert asked == {**CROSSOVER, "threads": [2], "rounds": 3, "progress": True}
    assert sorted(os.listdir()) == ["crossover.json", "crossover.png"]
    assert "tiles is not the fastest in 3 of 12 comparisons:" in out
    assert "wrote crossover.json\nwrote crossover.png" in out
    assert CROSSOVER["widths"][0] == 8 and CROSSOVER["widths"][-1] == 2048 and len(CROSSOVER["widths"]) == 9
    assert CROSSOVER["batch_sizes"][0] == 1 and CROSSOVER["batch_sizes"][-1] == 1024
    assert "python" not in CROSSOVER["formulations"]


def test_quiet_prints_nothing(capsys: pytest.CaptureFixture[str], asked: dict[str, Any]) -> None:
    assert run(capsys, "--quiet --csv c.csv") == ("", "") and os.listdir() == ["c.csv"]


def test_interrupted(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def compare(**_: Any) -> Any:
        result = a_grid()
        result.interrupted = True
        warnings.warn("the comparison was interrupted; it has what was measured", RuntimeWarning, stacklevel=2)
        return result

    monkeypatch.setattr(comparison, "compare", compare)
    out, err = run(capsys, "--json c.json", status=130)
    assert err == "fastbp: interrupted; what was measured by then was kept\n" and os.listdir() == ["c.json"]
    assert "interrupted: this is what was measured by then" in out
    assert run(capsys, "--load c.json")[1] == ""


def test_a_measuring_that_failed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def compare(**_: Any) -> Any:
        raise MeasuringError("tiles gives another\ngradient")

    monkeypatch.setattr(comparison, "compare", compare)
    assert run(capsys, "", status=1) == ("", "fastbp: error: tiles gives another gradient\n")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("--formulations tile", "unknown formulation 'tile'; did you mean 'tiles'"),
        ("--sizes 4", "at least an input and an output layer"),
        ("--widths 0", "argument --widths: '0' is not a whole number of 1 or more"),
        ("--batch-sizes 1,x", "'x' is not a whole number"),
        ("--dtypes float16", "fastbp computes in float32 or float64"),
        ("--time 0.1", "takes at least"),
        ("--time 0", "'0' is not a number greater than 0"),
        ("--threads 99999", "this process may use"),
        ("--json no/c.json", "cannot write no/c.json: there is no folder"),
        ("--csv .", "it is a folder"),
        ("--json c --csv c", "another file of this command"),
        ("--bars b.xyz", "needs a name that ends in one of"),
        ("--map m.png", "--map needs --widths"),
        ("--crossover --sizes 4,3", "--sizes and --crossover both say what to measure"),
        ("--load c.json --rounds 3", "--rounds and --load both say what to measure"),
        ("--load c.json --time 3", "--time and --load both say what to measure"),
        ("--load c.json", "c.json: No such file"),
        ("--load text", "text: not a comparison that fastbp wrote"),
        ("--load text --json text", "another file of this command"),
    ],
)
def test_mistakes_get_one_line_before_anything_starts(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, arguments: str, says: str
) -> None:
    Path("text").write_text("text")
    monkeypatch.setattr(comparison.run, "Process", None)
    out, err = run(capsys, arguments, status=2)
    assert out == "" and err.startswith("fastbp: error: ") and err.count("\n") == 1 and says in err
    assert os.listdir() == ["text"]
