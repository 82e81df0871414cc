"""The tests of tiles for registers of other sizes: compiled for other machines, and as plain Python."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import TARGETS

SCRIPT = """
import sys
import pytest

folder, left_out = sys.argv[1:]
files = [f"{folder}/test_{name}.py" for name in ("tile", "products", "tiled", "lists")]
chosen = "test_products.py or textbook or one_ or padding or panels or rows or listed"
left_out += " or same_bits_on_one_and_two_threads or lists_are_used"
session = ["-q", "-n", "0", "-x", "-p", "no:cacheprovider"]
sys.exit(pytest.main([*session, "-k", f"test_tile.py or (({chosen}) and not ({left_out}))", *files]))
"""


@pytest.mark.parametrize("target", TARGETS)
def test_other_targets(target):
    """Compiling takes most of the time, so each target gets one dtype and the serial form only.

    Those are registers of two numbers (generic, float64), of eight (avx2, float32), none (python).
    """
    left_out = {"generic": "float32", "avx2": "float64"}.get(target, "nothing")
    command = [sys.executable, "-c", SCRIPT, str(Path(__file__).parent), left_out]
    environment = {**os.environ, **TARGETS[target], "FASTBP_TARGET": target}
    run = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout[-3000:]
