"""`benchmarks/peers.py`: a short run of NumPy and fastbp; a peer that learns something else has failed."""

import importlib
import json
import os
import subprocess
import sys
from contextlib import nullcontext

import pytest
from conftest import TESTS, copy_machine_code

SCRIPT = TESTS.parent / "benchmarks" / "peers.py"
OPTIONS = "--quick", "--seconds", "0.001", "--output"


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Call the program in this process; return its exit status, what it printed and its result."""
    monkeypatch.syspath_prepend(SCRIPT.parent)
    peers = importlib.import_module("peers")
    for name in [name for name in os.environ if name.startswith("NUMBA_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(peers.tempfile, "TemporaryDirectory", lambda **_: nullcontext(tmp_path / "cache"))

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["peers.py", *OPTIONS, str(tmp_path / "out"), *arguments])
        status = peers.main()
        return status, capsys.readouterr(), json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))

    return call


def peers_of(result):
    return {peer["name"]: peer for peer in result["cases"][0]["peers"]}


def test_a_run_measures_all_peers_and_says_so(run, tmp_path):
    copy_machine_code(tmp_path / "cache" / "small-loops" / "fastbp")
    status, said, result = run("--case", "small", "--peers", "numpy,vectorized,loops")
    assert status == 0, said
    assert said.err == ""  # the progress line is for terminals
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
        assert peer["label"] in said.out
    assert (tmp_path / "out.png").read_bytes()[:4] == b"\x89PNG"


def test_a_peer_that_learns_something_else_has_failed(run, tmp_path):
    copy_machine_code(tmp_path / "cache" / "small-loops" / "fastbp")
    chosen = "--case", "small", "--peers", "numpy,vectorized,loops", "--plant-wrong"
    status, said, result = run(*chosen, "numpy,vectorized")
    peers = peers_of(result)
    assert status == 1
    assert {name for name, peer in peers.items() if peer["status"] == "failed"} == {"numpy", "vectorized"}
    assert all("reached a cost of" in peers[name]["reason"] for name in ("numpy", "vectorized"))
    assert said.out.count("FAILED: reached a cost of") == 2


def test_predictions_are_checked_and_what_is_missing_is_said(tmp_path):
    """Here as a program."""
    absent = tmp_path / "absent" / "jax"
    absent.mkdir(parents=True)
    (absent / "__init__.py").write_text("raise ModuleNotFoundError(\"No module named 'jax'\")\n")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("NUMBA_")}
    environment["PYTHONPATH"] = os.pathsep.join([str(absent.parent), str(SCRIPT.parent.parent)])
    given = [*OPTIONS, tmp_path / "out", "--predict", "--peers", "numpy,vectorized,jax"]
    done = subprocess.run(
        [sys.executable, SCRIPT, *given], env=environment, capture_output=True, text=True, encoding="utf-8", timeout=300
    )
    peers = peers_of(json.loads((tmp_path / "out.json").read_text(encoding="utf-8")))
    assert done.returncode == 0 and done.stderr == "", done.stdout + done.stderr
    assert peers["numpy"]["status"] == peers["vectorized"]["status"] == "ok"
    assert peers["jax"]["status"] == "left out"
    assert "left out: not installed" in done.stdout


def test_unknown_names_are_refused(run, capsys):
    with pytest.raises(SystemExit) as ended:
        run("--peers", "nunpy")
    assert ended.value.code == 2 and "unknown peers: nunpy; there are numpy, sklearn" in capsys.readouterr().err
