"""`benchmarks/step_parts.py` leaves out parts that steps have, and each that counts makes a step faster."""

import re
import subprocess
import sys

from conftest import TESTS

from fastbp.formulations.tiles.panel_functions import COLUMNS

BENCHMARKS = TESTS.parent / "benchmarks"


def test_its_parts_are_functions_of_tiles(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import step_parts

    assert {name for names in step_parts.PARTS.values() for name in names} <= set(COLUMNS)


def test_without_the_sums_a_step_is_faster():
    """And no part that is left out ends the training."""
    command = [sys.executable, BENCHMARKS / "step_parts.py", "--case", "digits", "--rounds", "2"]
    done = subprocess.run(
        [*command, "--seconds", "0.001"], capture_output=True, text=True, encoding="utf-8", timeout=300
    )
    assert done.returncode == 0, done.stderr
    shares = dict(re.findall(r"^  (\w+) .* (-?\d+\.\d)%$", done.stdout, re.MULTILINE))
    assert 30 < float(shares["sums"]) < 100 and 0 < float(shares["rest"]) < 30
    assert float(shares["costs"]) < 50 and float(shares["output"]) < 50
