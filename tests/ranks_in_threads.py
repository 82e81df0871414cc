"""Ranks that are threads of this process: what `fit` needs of an MPI communicator, with mpi4py's signatures."""

import queue
import threading
from collections.abc import Callable
from typing import Any

SECONDS = 20  # after which a rank that waits gives up: it would wait forever


class ThreadCommunicator:
    """One of `size` ranks. A message is a copy, as in MPI, and must have the length that the receiver expects."""

    def __init__(self, rank: int, mail: dict[tuple[int, int], Any]):
        self._rank, self._mail = rank, mail
        self._size = max(1, round(len(mail) ** 0.5))

    def Get_rank(self) -> int:
        return self._rank

    def Get_size(self) -> int:
        return self._size

    def Sendrecv(self, sendbuf: Any, dest: int, *, recvbuf: Any, source: int) -> None:
        self._mail[self._rank, dest].put(sendbuf.copy())
        recvbuf[:] = self._mail[source, self._rank].get(timeout=SECONDS)

    def allgather(self, sendobj: Any) -> list[Any]:
        for other in range(self._size):
            self._mail[self._rank, other].put(sendobj)
        return [self._mail[other, self._rank].get(timeout=SECONDS) for other in range(self._size)]


def on_ranks(size: int, job: Callable[[ThreadCommunicator], Any]) -> list[Any]:
    """Return what `job(communicator)` returns or raises on each rank."""
    mail: dict[tuple[int, int], Any] = {(i, j): queue.SimpleQueue() for i in range(size) for j in range(size)}
    results: list[Any] = [None] * size

    def run(rank: int) -> None:
        try:
            results[rank] = job(ThreadCommunicator(rank, mail))
        except BaseException as error:
            results[rank] = error

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(box.empty() for box in mail.values()), "a message was not received"
    return results
