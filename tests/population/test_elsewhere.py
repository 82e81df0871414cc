"""A population on an executor has the bits of one without; what is lost is sent again; errors change nothing more."""

import multiprocessing
import pickle
import threading
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import nullcontext

import numpy as np
import pytest
from conftest import state_of
from executors import ORDERS, PATIENT, ROWS, Fails, Inline, Kills, N, OddError, Writes, outcome
from population_samples import X, Y, learned, networks

import fastbp
from fastbp.population import chunks, elsewhere, parcels
from fastbp.progress import Members

BOLD = [fastbp.Adam(0.4 * (i + 1)) for i in range(N)]  # the cost rises now and then
CASES = {
    "plain": {},
    "two fits": {"fits": 2, "optimizer": "adam"},
    "rows, weights, dropout": {"samples": ROWS, "sample_weight": np.linspace(0, 1, len(X)), "dropout": 0.3},
    "early stopping, l2": {"early_stopping": PATIENT, "l2": [0.0, 0.1] * 3},
    "LBFGS": {"optimizer": fastbp.LBFGS()},
    "halving, dropout": {"halving": fastbp.Halving(2, 2), "dropout": 0.3},
    "halving, best epochs, schedule": {
        "halving": fastbp.Halving(2, 1), "early_stopping": PATIENT, "epochs": [5, 4] * 3,
        "schedule": fastbp.ReduceOnPlateau(patience=1),
    },
    "halving, back to best epochs": {
        "halving": fastbp.Halving(2, 2), "early_stopping": fastbp.EarlyStopping(patience=4, restore_best=True),
        "optimizer": BOLD,
    },
    "halving, permutations": {"halving": fastbp.Halving(2, 2), "shuffle": ORDERS},
}  # fmt: skip


@pytest.fixture(scope="module")
def processes():
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as executor:
        yield executor


@pytest.mark.parametrize("kind", ["threads", "processes", "loky"])
def test_the_same_bits_on_any_executor(kind, processes):
    if kind == "threads":
        executor = ThreadPoolExecutor(2)
    elif kind == "processes":
        executor = nullcontext(processes)
    else:
        loky = pytest.importorskip("joblib.externals.loky", reason="joblib, which has loky, is not installed")
        executor = loky.get_reusable_executor(2)
    with executor as workers:  # loky's is closed, for joblib would use it again and miss its own
        for case, options in CASES.items():
            assert outcome(workers, **options) == outcome(**options), case


def test_the_cases_stop_some_members_early_and_let_some_go_on():
    lengths = {case: [len(of["history"]["cost"]) for of in outcome(**CASES[case])] for case in list(CASES)[5:]}
    assert all(min(of_case) < 5 for of_case in lengths.values())
    back = [of for of in outcome(**CASES["halving, back to best epochs"]) if (of["stopped"] or "").startswith("halv")]
    assert any(of["best_epoch"] < len(of["history"]["cost"]) for of in back)
    assert lengths["halving, dropout"].count(5) == 2 and len(set(lengths["halving, best epochs, schedule"])) > 2


@pytest.mark.parametrize("per_worker", [1, 2, 100])
def test_the_chunks_change_no_bit(per_worker, monkeypatch):
    monkeypatch.setattr(elsewhere, "IF_UNKNOWN", per_worker)
    executor = Inline()
    assert outcome(executor) == outcome()
    assert len(executor.sources) == min(per_worker, N)


def test_memory_maps_stay_in_their_files(tmp_path, processes):
    np.save(tmp_path / "X.npy", X)
    mapped, options = np.load(tmp_path / "X.npy", mmap_mode="r"), {"epochs": 2, "optimizer": fastbp.Adam(0.1)}
    nets = [networks(2) for _ in range(3)]
    for each, given, executor in zip(nets, (X, mapped, mapped), (None, None, processes), strict=True):
        fastbp.Population(each).fit(given, Y, **options, executor=executor)
    assert len({each[1].parameters.tobytes() for each in nets}) == 1


def test_what_is_lost_is_sent_again():
    executor = Inline(lambda n: n in (1, 4, 5))
    assert outcome(executor) == outcome()
    assert len(executor.sources) == N + 3


def test_what_is_lost_again_and_again_ends_the_training():
    nets = networks(2)
    before = [net.parameters.tobytes() for net in nets]
    with pytest.raises(RuntimeError, match=r"member 0: the executor failed 4 times: BrokenExecutor\('lost'\)"):
        fastbp.Population(nets).fit(X, Y, executor=Inline(lambda n: True))
    assert [net.parameters.tobytes() for net in nets] == before and not nets[0]._model.training.locked()


def test_a_broken_pool_leaves_the_rest_to_this_process(tmp_path):
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor:
        options = {"callbacks": Kills(tmp_path, 1), "halving": fastbp.Halving(2, 2)}
        with pytest.warns(RuntimeWarning, match=r"this process trains the remaining 6 members itself") as caught:
            found = outcome(executor, **options)
        assert len(list(tmp_path.iterdir())) == 1 and "executors.py" in caught[0].filename
        assert found == outcome(**options)


def test_an_executor_that_is_shut_down_refuses():
    executor, nets = ThreadPoolExecutor(1), networks(2)
    executor.shutdown()
    with pytest.raises(RuntimeError, match="cannot schedule new futures after shutdown"):
        fastbp.Population(nets).fit(X, Y, executor=executor)


def test_who_cannot_open_the_data_gets_them_with_its_next_task(monkeypatch):
    class Far(Inline):
        """A worker on another machine."""

        def submit(self, function, /, key, source, *rest):
            with monkeypatch.context() as patch:
                patch.setattr(parcels, "_own", {})
                far = source if isinstance(source, bytes) else f"{source}.not"
                return super().submit(function, key, far, *rest)

    executor = Far()
    assert outcome(executor, samples=ROWS) == outcome(samples=ROWS)
    assert sum(isinstance(source, bytes) for source in executor.sources) == N  # all were sent before one came back
    executor = Far()
    monkeypatch.setattr(elsewhere, "_cut", lambda members, _: [[member] for member in members][:1])
    outcome(executor, nets=networks(1), optimizer=None, halving=fastbp.Halving(2, 1))
    assert [isinstance(source, bytes) for source in executor.sources] == [False, True, False, False, False, False]


@pytest.mark.parametrize(
    ("kind", "words", "expected"), [(ValueError, ("on purpose",), ValueError), (OddError, (7, "odd"), RuntimeError)]
)
def test_an_error_of_a_callback_ends_the_training(kind, words, expected, processes):
    nets = networks(3)
    before = [net.parameters.tobytes() for net in nets]
    with pytest.raises(
        expected, match=r"^(on purpose|OddError: odd 7)\n\(while member 1 was trained\)\n\(in another"
    ) as caught:
        fastbp.Population(nets).fit(X, Y, callbacks=[(), Fails(kind, *words), ()], executor=processes)
    notes = "\n".join(caught.value.__notes__)
    assert "(while member 1 was trained)" in notes and "in on_epoch_end" in notes
    assert nets[1].parameters.tobytes() == before[1] and len(nets[1].history) == 0
    assert all(len(net.history) in (0, 10) for net in nets) and not nets[0]._model.training.locked()


def test_ctrl_c_keeps_what_has_come_back(monkeypatch):
    class FirstOnly(Inline):
        def submit(self, function, /, *arguments):
            if not self.futures:
                return super().submit(function, *arguments)
            self.futures.append(type(self.futures[0])())
            return self.futures[-1]

    original, calls = elsewhere.wait, []

    def interrupted(futures, **options):
        calls.append(len(futures))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return original(futures, **options)

    monkeypatch.setattr(elsewhere, "wait", interrupted)
    nets, executor = networks(3), FirstOnly()
    before = [net.parameters.tobytes() for net in nets]
    with pytest.warns(RuntimeWarning, match=r"interrupted after 0 to 4 epochs") as caught:
        histories = fastbp.Population(nets).fit(X, Y, epochs=4, executor=executor)
    assert [w.filename for w in caught] == [__file__]
    assert [len(history) for history in histories] == [4, 0, 0] and calls == [3, 2]
    assert [history.interrupted for history in histories] == [False, True, True]
    assert [net.parameters.tobytes() == old for net, old in zip(nets, before, strict=True)] == [False, True, True]
    assert [future.cancelled() for future in executor.futures] == [False, True, True]


def test_members_interrupted_in_a_halving_are_where_they_were_paused(monkeypatch):
    original, calls = elsewhere.wait, []

    def interrupted(futures, **options):
        calls.append(len(futures))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return original(futures, **options)

    monkeypatch.setattr(elsewhere, "wait", interrupted)
    nets = networks(N)
    with pytest.warns(RuntimeWarning, match=r"interrupted after 2 to 4 epochs"):
        outcome(Inline(), nets=nets, halving=fastbp.Halving(2, 2), epochs=9)
    assert sorted(len(net.history) for net in nets) == [2, 2, 2, 4, 4, 4]
    (at, best) = next((i, net) for i, net in enumerate(nets) if len(net.history) == 4)
    assert best.parameters.tobytes() == outcome(epochs=4)[at]["parameters"]
    assert [net.history.stopped is None for net in nets] == [net.history.interrupted for net in nets]


def test_a_member_that_diverges_stops_alone():
    rates = [fastbp.SGD(rate) for rate in (0.01, 1e9, 0.02)]
    kind = {"cost": "quadratic", "output_activation": "identity", "activation": "relu"}
    results = []
    for executor in (None, Inline()):
        nets = networks(3, **kind)
        with pytest.warns(RuntimeWarning, match="member 1 diverged") as caught:
            fastbp.Population(nets).fit(
                X,
                np.eye(3)[Y],
                optimizer=rates,
                epochs=9,
                batch_size=8,
                executor=executor,
                halving=fastbp.Halving(2, 1, least=2),
            )
        assert [w.filename for w in caught] == [__file__]
        results.append([learned(net) for net in nets])
    assert results[0] == results[1] and results[0][1]["stopped"].startswith("training diverged")


def test_callbacks_begin_and_end_once_and_keep_what_they_count(tmp_path, processes):
    paths = [tmp_path / f"{i}" for i in range(N)]
    writes = [Writes(path) for path in paths]
    found = outcome(processes, callbacks=writes, halving=fastbp.Halving(2, 2))
    for path, of_member in zip(paths, found, strict=True):
        n = len(of_member["history"]["cost"])
        assert path.read_text().splitlines() == ["begin", f"end after {n}, {n}"]
    assert all(callback.epochs == 0 for callback in writes)  # copies were called


def test_the_line_advances_as_members_come_back(monkeypatch):
    told = []

    class Line(Members):
        def member(self, *numbers):
            told.append(numbers)

    monkeypatch.setattr(elsewhere, "Members", Line)
    found = outcome(Inline(), halving=fastbp.Halving(2, 2), early_stopping=PATIENT, optimizer=BOLD)
    assert any(of_member["stopped"].startswith("early") for of_member in found if of_member["stopped"])
    done = sum(len(of_member["history"]["cost"]) for of_member in found)
    assert sum(epochs for epochs, _, _ in told) == done
    assert sum(left_out for _, left_out, _ in told) == N * 5 - done
    assert told[-1][2] == 0


class Unused(Inline):
    def submit(self, *_):
        raise AssertionError("something was sent")


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"executor": 3}, TypeError, "executor is 3; it must be a concurrent.futures.Executor"),
        ({"executor": ThreadPoolExecutor}, TypeError, "it must be a concurrent.futures.Executor"),
        ({"metrics": (lambda outputs, Y: 0.0,)}, TypeError, "member 0: metrics cannot be sent to other processes: "),
        ({"schedule": [None, lambda e, r: r]}, TypeError, "member 1: schedule cannot be sent to other processes: "),
        ({"shuffle": [True, iter(ORDERS)]}, ValueError, "member 1: shuffle is an iterator, which cannot be sent"),
        ({"optimizer": fastbp.LBFGS(), "halving": fastbp.Halving()}, ValueError, "member 0: LBFGS cannot go on in an"),
        ({"epochs": 0}, ValueError, "member 0: epochs is 0"),
    ],
)
def test_what_cannot_be_sent_is_refused_before_anything_is(options, kind, words, monkeypatch):
    monkeypatch.setattr(chunks, "_dumps", pickle.dumps)
    nets = networks(2)
    before = [state_of(net) for net in nets]
    asked = {"executor": Unused(), "validation_data": (X, Y), "epochs": 2, **options}
    with pytest.raises(kind, match=words):
        fastbp.Population(nets).fit(X, Y, **asked)
    assert [state_of(net) for net in nets] == before and not nets[0]._model.training.locked()


def test_a_network_or_data_that_cannot_be_sent_are_named(monkeypatch):
    class Odd(np.ndarray):
        def __reduce_ex__(self, protocol):
            raise TypeError("not me")

    monkeypatch.setattr(chunks, "_dumps", pickle.dumps)
    nets = networks(2)
    with pytest.raises(TypeError, match=r"X cannot be sent to other processes: not me"):
        fastbp.Population(nets).fit(X.view(Odd), Y, executor=Unused())
    with pytest.raises(TypeError, match=r"member 1: sample_weight cannot be sent to other processes: not me"):
        fastbp.Population(nets).fit(X, Y, sample_weight=[None, np.ones(len(X)).view(Odd)], executor=Unused())
    nets[1].metadata["lock"] = threading.Lock()
    with pytest.raises(TypeError, match=r"member 1: the network cannot be sent to other processes: cannot pickle"):
        fastbp.Population(nets).fit(X, Y, executor=Unused())


def test_a_dask_client_is_not_its_executor():
    class Client:
        def get_executor(self):
            raise AssertionError

    with pytest.raises(TypeError, match=r"give executor.get_executor\(\)"):
        fastbp.Population(networks(1)).fit(X, Y, executor=Client())


def test_the_number_of_workers_decides_the_number_of_chunks():
    class Client:
        def ncores(self):
            return {"a": 2, "b": 1}

    class Executor:
        _client = Client()

    cut = [list(elsewhere._cut(range(30), executor)) for executor in (ThreadPoolExecutor(2), Executor(), object())]
    assert [len(pieces) for pieces in cut] == [8, 12, 16]
    assert all([i for piece in pieces for i in piece] == list(range(30)) for pieces in cut)
    assert list(elsewhere._cut([], object())) == []


def test_a_pool_that_is_broken_from_the_start():
    class Broken(Inline):
        def submit(self, *_):
            raise BrokenExecutor("gone")

    with pytest.warns(RuntimeWarning, match=r"the executor is broken \(gone\): this process trains the remaining 6"):
        assert outcome(Broken()) == outcome()
