"""`benchmarks/peers.py`: a short run of NumPy and fastbp; a peer that learns something else has failed."""

import json
import os
import subprocess
import sys

import pytest
from conftest import TESTS

SCRIPT = TESTS.parent / "benchmarks" / "peers.py"


def run(folder, *arguments):
    environment = {key: value for key, value in os.environ.items() if not key.startswith("NUMBA_")}
    command = [sys.executable, SCRIPT, "--quick", "--seconds", "0.001", "--output", folder / "out", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, encoding="utf-8", timeout=300)
    return done, json.loads((folder / "out.json").read_text(encoding="utf-8"))


def peers_of(result):
    return {peer["name"]: peer for peer in result["cases"][0]["peers"]}


def test_a_run_measures_all_peers_and_says_so(tmp_path):
    done, result = run(tmp_path, "--case", "small", "--peers", "numpy,vectorized,loops")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""  # the progress line is for terminals
    assert result["format"] == 1 and not result["interrupted"]
    assert {"processor", "cores", "system", "python", "load_average"} <= set(result["machine"])
    (case,) = result["cases"]
    assert case["sizes"] == [8, 16, 16, 1] and len(case["peak_gflops"]) == 3
    assert case["cost"]["cost"] < 0.5 * case["cost"]["start"]
    for name, peer in peers_of(result).items():
        assert peer["status"] == "ok", peer
        assert peer["cost"] == pytest.approx(case["cost"]["cost"], rel=1e-3)
        assert len(peer["rounds_us"]) == 2
        assert 0 < peer["min_us"] <= peer["median_us"] <= peer["max_us"]
        assert peer["samples_per_second"] == pytest.approx(32e6 / peer["median_us"])
        assert peer["gflops"] == pytest.approx(32 * (4 * 128 + 6 * (256 + 16)) / peer["median_us"] * 1e-3)
        assert 0 < peer["share_of_peak"] <= 1
        assert peer["first_epoch_s"] > 0
        assert (peer["times_fastest_fastbp"] == 1) == (name == case["fastest_fastbp"])
        assert peer["label"] in done.stdout
    assert (tmp_path / "out.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize("wrong", ["numpy", "vectorized"])
def test_a_peer_that_learns_something_else_has_failed(tmp_path, wrong):
    done, result = run(tmp_path, "--case", "small", "--peers", "numpy,vectorized", "--plant-wrong", wrong)
    peers = peers_of(result)
    assert done.returncode == 1
    assert {name for name, peer in peers.items() if peer["status"] == "failed"} == {wrong}
    assert "reached a cost of" in peers[wrong]["reason"]
    assert "FAILED: reached a cost of" in done.stdout


def test_predictions_are_checked_and_what_is_missing_is_said(tmp_path, monkeypatch):
    absent = tmp_path / "absent" / "jax"
    absent.mkdir(parents=True)
    (absent / "__init__.py").write_text("raise ModuleNotFoundError(\"No module named 'jax'\")\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(absent.parent), str(SCRIPT.parent.parent)]))
    done, result = run(tmp_path, "--predict", "--peers", "numpy,vectorized,jax")
    peers = peers_of(result)
    assert done.returncode == 0, done.stdout
    assert peers["numpy"]["status"] == peers["vectorized"]["status"] == "ok"
    assert peers["jax"]["status"] == "left out"
    assert "left out: not installed" in done.stdout


def test_unknown_names_are_refused(tmp_path):
    command = [sys.executable, SCRIPT, "--peers", "nunpy"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2 and "unknown peers: nunpy; there are numpy, sklearn" in done.stderr
