"""A population on Dask: the same bits, also when a worker is killed in the middle."""

import json
import logging
import runpy
import sys

import pytest
from conftest import TESTS
from executors import Kills, outcome

import fastbp

dask = pytest.importorskip("dask", reason="Dask is not installed: pip install 'fastbp[dask]'")
distributed = pytest.importorskip("dask.distributed")


@pytest.fixture(scope="module")
def client():
    logging.disable(logging.CRITICAL)
    with (
        # A worker that dies ends its tasks with KilledWorker.
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        client.run(lambda path: __import__("sys").path.insert(0, path), str(TESTS))
        yield client
    logging.disable(logging.NOTSET)


@pytest.mark.filterwarnings("ignore")  # Dask's own
@pytest.mark.parametrize("options", [{}, {"halving": fastbp.Halving(2, 2)}], ids=["plain", "halving"])
def test_the_same_bits(client, options):
    assert outcome(client.get_executor(), **options) == outcome(**options)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("failures", [0, 3], ids=["sent again by fastbp", "sent again by Dask"])
@pytest.mark.parametrize("race", [{}, {"halving": fastbp.Halving(2, 2)}], ids=["plain", "halving"])
def test_a_worker_is_killed_in_the_middle(client, race, failures, tmp_path):
    client.run_on_scheduler(lambda dask_scheduler: setattr(dask_scheduler, "allowed_failures", failures))
    options = {"callbacks": Kills(tmp_path, 1), **race}
    assert outcome(client.get_executor(), **options) == outcome(**options)
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.filterwarnings("ignore")
def test_functions_defined_anywhere(client):
    options = {"metrics": (lambda outputs, Y: float(outputs[0, 0]),), "epochs": 2}
    assert outcome(client.get_executor(), **options) == outcome(**options)


@pytest.mark.filterwarnings("ignore")
def test_the_page_of_sweeps(client, tmp_path, monkeypatch, capsys):
    file, page = tmp_path / "s.json", str(TESTS.parent / "examples" / "sweeps_elsewhere.py")
    file.write_text(json.dumps({"address": client.scheduler.address}))  # Client.write_scheduler_file fails at times
    monkeypatch.setattr(sys, "argv", [page, "--quick", "--dask", str(file)])
    runpy.run_path(page, run_name="__main__")
    assert capsys.readouterr().out.startswith("on Dask                 18 nets, ")
