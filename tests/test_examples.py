"""The scripts in `examples/` run as they are, each in a process of its own; those that need MNIST are left out."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from conftest import PACKAGE

EXAMPLES = Path(__file__).parent.parent / "examples"
NOT_HERE = ["load_mnist", *(["sklearn"] if find_spec("sklearn") is None else [])]  # what would need what is missing
SCRIPTS = [
    path
    for path in sorted(EXAMPLES.glob("*.py"))
    if not any(word in path.read_text(encoding="utf-8") for word in NOT_HERE)
]


def run(script, folder, *arguments):
    environment = {key: value for key, value in os.environ.items() if not key.startswith("NUMBA_")}
    environment |= {"PYTHONPATH": str(PACKAGE.parent), "PYTHONIOENCODING": "utf-8", "MPLBACKEND": "Agg"}
    command = [sys.executable, str(script), *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, encoding="utf-8", timeout=300
    )


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """What each script printed and wrote, run once with `--quick` where it knows that."""
    done = {}

    def output(script):
        if script not in done:
            folder = tmp_path_factory.mktemp(script.stem)
            quick = ["--quick"] if "--quick" in script.read_text(encoding="utf-8") else []
            done[script] = run(script, folder, *quick), folder
        return done[script]

    return output


def test_there_are_examples():
    assert "loops_vs_vectorized" in {path.stem for path in SCRIPTS}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_example_runs(script, outputs):
    done, _ = outputs(script)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert done.stdout.strip()
    assert [line for line in done.stdout.splitlines() if len(line) > 100 or line != line.rstrip()] == []


def test_loops_vs_vectorized_prints_what_ran_and_draws(outputs):
    script = EXAMPLES / "loops_vs_vectorized.py"
    done, folder = outputs(script)
    source = script.read_text(encoding="utf-8")
    for function in ("forward", "propagate_error_tiles", "outer_product_vectorized"):
        start = source.index(f"def {function}(")
        code = source[start : source.index("\n\n", start)]
        assert "\n".join(f"      {line}" for line in code.splitlines()) in done.stdout
    assert done.stdout.count("All five give the same numbers") == 3
    for form in ("Python loops", "compiled loops", "parallel loops", "register tiles", "vectorized"):
        assert done.stdout.count(f"  {form}  ") == 4  # for each sum, and in the table
    assert (folder / "loops_vs_vectorized.png").read_bytes()[:4] == b"\x89PNG"


def test_loops_vs_vectorized_compares_nothing_that_differs(tmp_path):
    source = (EXAMPLES / "loops_vs_vectorized.py").read_text(encoding="utf-8")
    right, wrong = "tile = outer_add(tile, A, s, k, w_T, k, j)", "tile = outer_add(tile, A, s, 0, w_T, k, j)"
    assert right in source
    script = tmp_path / "wrong.py"
    script.write_text(source.replace(right, wrong), encoding="utf-8")
    done = run(script, tmp_path, "--quick")
    assert done.returncode == 1
    assert "forward: the five forms differ by" in done.stderr
    assert "GFLOP/s" not in done.stdout
