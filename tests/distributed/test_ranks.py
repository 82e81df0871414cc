"""Exchanges between ranks: sums in a fixed tree, what all agree on, errors and Ctrl-C of one that end all."""

import signal
import threading

import numpy as np
import pytest
from ranks_in_threads import ThreadCommunicator, on_ranks

from fastbp.distributed.ranks import ALONE, Ranks


def tree(vectors):
    """The sum by its definition: pairs of neighbours, again and again."""
    while len(vectors) > 1:
        vectors = [a + b for a, b in zip(vectors[::2], vectors[1::2], strict=True)]
    return vectors[0]


@pytest.mark.parametrize("size", [1, 2, 4, 8])
@pytest.mark.parametrize("length", [0, 1, 2, 7, 1000])
def test_sums_are_those_of_the_tree_to_the_last_bit(size, length):
    rng = np.random.default_rng(length)
    vectors = [rng.standard_normal(length).astype(np.float32) for _ in range(size)]

    def job(c):
        vector = vectors[c.Get_rank()].copy()
        Ranks(c).add(vector, np.empty_like(vector))
        return vector.tobytes()

    assert set(on_ranks(size, job)) == {tree(vectors).tobytes()}


def test_the_volume_is_that_of_an_all_reduce():
    """Each rank sends 2 (1 − 1/R) times the vector, in 2 log₂ R messages."""
    sent = []

    class Counts(ThreadCommunicator):
        def Sendrecv(self, sendbuf, dest, *, recvbuf, source):
            sent.append((self.Get_rank(), sendbuf.size))
            super().Sendrecv(sendbuf, dest, recvbuf=recvbuf, source=source)

    on_ranks(8, lambda c: Ranks(Counts(c.Get_rank(), c._mail)).add(np.ones(800), np.empty(800)))
    of_rank_3 = [n for rank, n in sent if rank == 3]
    assert of_rank_3 == [400, 200, 100, 100, 200, 400]
    assert sum(of_rank_3) == 2 * (1 - 1 / 8) * 800


@pytest.mark.parametrize("size", [1, 2, 8])
def test_a_flag_of_one_is_known_to_all(size):
    for who in range(size):
        assert on_ranks(size, lambda c, who=who: Ranks(c).any(c.Get_rank() == who)) == [True] * size
    assert on_ranks(size, lambda c: Ranks(c).any(False)) == [False] * size
    assert on_ranks(size, lambda c: Ranks(c).gather(c.Get_rank())) == [list(range(size))] * size


def test_what_differs_is_named():
    def job(c, rates):
        return Ranks(c).same(lambda: {"epochs": "3", "batch_size": rates[c.Get_rank()]})

    assert on_ranks(4, lambda c: job(c, ["32"] * 4)) == [None] * 4
    errors = on_ranks(4, lambda c: job(c, ["32", "32", "64", "16"]))
    assert {(type(error), str(error)) for error in errors} == {
        (ValueError, "rank 2 has batch_size 64, rank 0 has 32: all ranks need the same")
    }


def together(c, action, where="inside"):
    """Exchange three times in nested blocks; `action` is done before the exchange of that name."""
    ranks = Ranks(c)
    try:
        with ranks.together():
            for name in ("before", "inside"):
                with ranks.together():
                    if name == where:
                        action(c.Get_rank())
                    ranks.any(False)
            if where == "after":
                action(c.Get_rank())
    except BaseException as error:
        return type(error), str(error), type(error.__cause__)
    return "done"


@pytest.mark.parametrize("where", ["before", "inside", "after"])
def test_an_error_of_one_rank_is_that_of_all(where):
    def action(rank):
        if rank == 3:
            raise ValueError("bad rows")

    words = "rank 3 ended the training of all: ValueError: bad rows"
    others = (ValueError, words, type(None))
    assert on_ranks(4, lambda c: together(c, action, where)) == [others] * 3 + [(ValueError, words, ValueError)]
    assert on_ranks(4, lambda c: together(c, lambda rank: None, where)) == ["done"] * 4


def test_an_error_that_all_have_stays_as_it_is():
    def action(rank):
        raise ZeroDivisionError("the same")

    assert on_ranks(2, lambda c: together(c, action)) == [(ZeroDivisionError, "the same", type(None))] * 2


def test_errors_count_more_than_interruptions():
    def action(rank):
        if rank < 2:
            raise KeyboardInterrupt if rank else OSError("disk full")

    kinds = [result[:2] for result in on_ranks(4, lambda c: together(c, action))]
    assert kinds == [(RuntimeError, "rank 0 ended the training of all: OSError: disk full")] * 4


def test_an_interruption_of_one_rank_is_that_of_all():
    def action(rank):
        if rank == 1:
            raise KeyboardInterrupt

    assert [result[0] for result in on_ranks(4, lambda c: together(c, action))] == [KeyboardInterrupt] * 4


def test_ctrl_c_waits_for_the_next_exchange(monkeypatch):
    """With ranks that take their thread for the main one, which alone gets signals."""
    of_thread = threading.local()
    monkeypatch.setattr(signal, "getsignal", lambda _: getattr(of_thread, "handler", signal.default_int_handler))
    monkeypatch.setattr(signal, "signal", lambda _, handler: setattr(of_thread, "handler", handler))
    monkeypatch.setattr(threading, "main_thread", threading.current_thread)
    went_on = []

    def action(rank):
        if rank == 0:
            of_thread.handler(signal.SIGINT, None)
            went_on.append(rank)

    assert [result[0] for result in on_ranks(2, lambda c: together(c, action))] == [KeyboardInterrupt] * 2
    assert went_on == [0]


def test_alone_nothing_is_exchanged():
    assert (ALONE.rank, ALONE.size, ALONE.any(True), ALONE.gather(3), ALONE.rows(7)) == (0, 1, True, [3], slice(0, 7))
    error = OSError("mine")
    with pytest.raises(OSError) as raised, ALONE.together():
        raise error
    assert raised.value is error and error.__cause__ is None


def test_rows_of_the_ranks_follow_one_another():
    rows = on_ranks(8, lambda c: Ranks(c).rows(101))
    assert np.concatenate([np.arange(101)[own] for own in rows]).tolist() == list(range(101))
    assert {own.stop - own.start for own in rows} == {12, 13}


@pytest.mark.parametrize("given", [3, "MPI.COMM_WORLD", object(), ThreadCommunicator, np.zeros(2)])
def test_a_communicator_that_is_none(given):
    with pytest.raises(TypeError, match=r"communicator is .* must be one such as mpi4py"):
        Ranks(given)


def test_a_number_of_ranks_that_is_no_power_of_two():
    errors = on_ranks(3, Ranks)
    assert all(
        isinstance(error, ValueError) and "has 3 ranks; needed is a power of two" in str(error) for error in errors
    )
