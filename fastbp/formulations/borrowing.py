"""Memory and structs that are made once, kept with the model, and lent to one call at a time."""

from collections.abc import Callable
from types import TracebackType
from typing import Any, Generic, TypeVar

from fastbp.model import Model

KEPT_BYTES = 64 * 1024**2  # of memory, up to which it is kept for the next call: see `borrowed`

Memory = TypeVar("Memory")


class Loan(Generic[Memory]):
    """Made by `borrowed`."""

    __slots__ = ("_kept", "_kind", "_make", "_needs", "_prepared")

    def __init__(self, prepared: dict[str, Any], kind: str, needs: Any, make: Callable[[], Memory]):
        self._prepared, self._kind, self._needs, self._make = prepared, kind, needs, make

    def __enter__(self) -> Memory:
        kept = self._prepared.pop(self._kind, None)  # in one step: no two threads get the same
        if kept is None or kept[0] != self._needs:
            memory = self._make()
            kept = self._needs, memory, _nbytes(memory)
        self._kept = kept
        lent: Memory = kept[1]
        return lent

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self._kept[2] <= KEPT_BYTES:
            self._prepared[self._kind] = self._kept


def borrowed(model: Model, kind: str, needs: Any, make: Callable[[], Memory]) -> Loan[Memory]:
    """Lend memory for one call: that of the last call of this kind with the same needs, unless somebody else has it.

    Making it takes as long as the gradient of a small net; and new memory comes from the system page by page, for as
    long as the sums of a large one take. What the last call left in it is not cleared.
    """
    return Loan(model.prepared, kind, needs, make)


def _nbytes(memory: Any) -> int:
    return sum(map(_nbytes, memory)) if isinstance(memory, tuple) else getattr(memory, "nbytes", 0)
