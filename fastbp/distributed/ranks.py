"""The processes of an MPI job that train one network: sums over all of them, and an end for all if one fails.

Every exchange begins with `Ranks.agree`. So a process that has failed need not know what the others are about to
exchange: it agrees with them that it has failed, and all leave. Whoever is interrupted by Ctrl-C does the same.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Protocol

import numpy as np

from fastbp.model import Array

STOP, INTERRUPTED, FAILED = 1, 2, 4  # what a rank may have to tell: see `Ranks.agree`
METHODS = "Get_rank", "Get_size", "Sendrecv", "allgather"


class Communicator(Protocol):
    """What is needed of a communicator, with the signatures of mpi4py."""

    def Get_rank(self) -> int: ...

    def Get_size(self) -> int: ...

    def Sendrecv(self, sendbuf: Any, dest: int, *, recvbuf: Any, source: int) -> Any: ...

    def allgather(self, sendobj: Any) -> list[Any]: ...


class _Ended(BaseException):
    """Some ranks have failed or were interrupted: `bits` says which of the two."""

    def __init__(self, bits: int):
        self.bits = bits


class Ranks:
    """The ranks of a communicator, or one rank, alone, without it.

    Raises TypeError unless it is a communicator, ValueError unless the number of ranks is a power of two.

    Attributes
    ----------
    communicator : MPI communicator or None
        As given.
    rank, size : int
        The number of this process, from 0, and of all.
    """

    def __init__(self, communicator: Communicator | None):
        self.rank, self.size = (0, 1) if communicator is None else self._of(communicator)
        self.communicator: Any = communicator
        self._interrupted = False
        self._common: BaseException | None = None  # the error that all ranks know of
        self._partners = [self.rank ^ 1 << i for i in range(self.size.bit_length() - 1)]  # of each level of the tree

    @staticmethod
    def _of(communicator: Communicator) -> tuple[int, int]:
        try:
            if any(not callable(getattr(communicator, name, None)) for name in METHODS):
                raise TypeError(f"it lacks one of the methods {', '.join(METHODS)}")
            rank, size = int(communicator.Get_rank()), int(communicator.Get_size())
        except Exception as error:
            raise TypeError(
                f"communicator is {communicator!r}; it must be one such as mpi4py.MPI.COMM_WORLD: {error}"
            ) from None
        if size < 1 or size & (size - 1):
            raise ValueError(
                f"communicator has {size} ranks; needed is a power of two, such as {1 << size.bit_length()}"
            )
        return rank, size

    def rows(self, n: int, rank: int | None = None) -> slice:
        """Return which of n samples are this rank's, or another one's."""
        rank = self.rank if rank is None else rank
        return slice(rank * n // self.size, (rank + 1) * n // self.size)

    def agree(self, mine: int = 0) -> int:
        """Return the bits that this or any other rank has to tell. If one has failed or is interrupted, all leave."""
        told = self._tell(mine | INTERRUPTED * self._interrupted)
        if told & (INTERRUPTED | FAILED):
            raise _Ended(told)
        return told

    def _tell(self, mine: int) -> int:
        if not self._partners:
            return mine
        bits, theirs = np.array([mine], np.int64), np.zeros(1, np.int64)
        for partner in self._partners:
            self.communicator.Sendrecv(bits, dest=partner, recvbuf=theirs, source=partner)
            bits |= theirs
        return int(bits[0])

    def any(self, flag: bool) -> bool:
        """Whether the flag of any rank is set."""
        return bool(self.agree(STOP * flag) & STOP)

    def gather(self, value: Any) -> list[Any]:
        """Return the value of each rank."""
        self.agree()
        return self._gather(value)

    def _gather(self, value: Any) -> list[Any]:
        return [value] if self.size == 1 else self.communicator.allgather(value)

    def same(self, values: Callable[[], dict[str, str]]) -> None:
        """Raise ValueError on all ranks unless these values, in words by their names, are those of rank 0."""
        if self.size == 1:
            return
        first, *others = self.gather(values())
        for rank, theirs in enumerate(others, start=1):
            for name, words in first.items():
                if theirs.get(name) != words:
                    raise ValueError(
                        f"rank {rank} has {name} {theirs.get(name)}, rank 0 has {words}: all ranks need the same"
                    )

    def add(self, vector: Array, spare: Array) -> None:
        """Add up the vectors of all ranks, in a binary tree whose leaves are the ranks in their order.

        Each number is summed in the same order as if whole vectors went up the tree, so the bits are the same; but at
        each level a rank sums only half of what it has left, and sends the other half. Then the sums go back the same
        way: 2 (1 − 1/R) times the vector for R ranks (recursive halving and doubling; Thakur, Rabenseifner and Gropp,
        *Optimization of collective communication operations in MPICH*, 2005). Writes: vector, spare, which is like it.
        """
        low, high, way = 0, len(vector), []
        for partner in self._partners:
            middle = (low + high) // 2
            halves = slice(low, middle), slice(middle, high)
            mine, theirs = halves if self.rank < partner else reversed(halves)
            self.communicator.Sendrecv(vector[theirs], dest=partner, recvbuf=spare[mine], source=partner)
            vector[mine] += spare[mine]
            low, high = mine.start, mine.stop
            way.append((partner, mine, theirs))
        for partner, mine, theirs in reversed(way):
            self.communicator.Sendrecv(vector[mine], dest=partner, recvbuf=vector[theirs], source=partner)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Whatever ends this block on one rank ends it on all: they raise the same error, or KeyboardInterrupt."""
        with self._noting_interrupts():
            try:
                yield
                self.agree()
            except BaseException as error:
                if error is not self._common:
                    self._common = self._error_of_all(error)
                if error is self._common:
                    raise
                raise self._common from (None if isinstance(error, _Ended) else error)

    def _error_of_all(self, error: BaseException) -> BaseException:
        """Return what this rank raises: its own error where all have the same."""
        interrupted = isinstance(error, KeyboardInterrupt)
        bits = error.bits if isinstance(error, _Ended) else self._tell(INTERRUPTED if interrupted else FAILED)
        self._interrupted = False
        if not bits & FAILED:
            return error if interrupted else KeyboardInterrupt()
        has_own = not isinstance(error, _Ended | KeyboardInterrupt)
        all_words = self._gather(f"{type(error).__name__}: {error}" if has_own else "")
        if has_own and len({*all_words}) == 1:
            return error
        rank, words = next((rank, words) for rank, words in enumerate(all_words) if words)
        kinds = {kind.__name__: kind for kind in (TypeError, ValueError, MemoryError)}
        return kinds.get(words.split(":")[0], RuntimeError)(f"rank {rank} ended the training of all: {words}")

    @contextmanager
    def _noting_interrupts(self) -> Iterator[None]:
        """Let Ctrl-C wait for the next exchange, which must not be left halfway, unless someone else handles it."""
        is_ours = threading.current_thread() is threading.main_thread()
        if self.size == 1 or not is_ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            yield
            return
        signal.signal(signal.SIGINT, self._note_interrupt)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if self._interrupted:  # after the last exchange: only this rank can still be told
            raise KeyboardInterrupt

    def _note_interrupt(self, number: int, frame: FrameType | None) -> None:
        self._interrupted = True


ALONE = Ranks(None)
