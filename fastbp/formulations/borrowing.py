"""Memory and structs that are made once, kept with the model, and lent to one call at a time."""

from collections.abc import Callable
from types import TracebackType
from typing import Any, Generic, TypeVar

from fastbp.model import Model

KEPT_BYTES = 64 * 1024**2  # of memory, up to which it is kept for the next call: see `borrowed`

Memory = TypeVar("Memory")


class Loan(Generic[Memory]):
    """Made by `borrowed`. While nobody has it, it lies with the model, and knows nothing of it."""

    __slots__ = ("_prepared", "is_kept", "kind", "memory", "needs")

    def __init__(self, kind: str, needs: Any, memory: Memory):
        self.kind, self.needs, self.memory = kind, needs, memory
        self.is_kept = _nbytes(memory) <= KEPT_BYTES
        self._prepared: dict[str, Any] = {}

    def __enter__(self) -> Memory:
        return self.memory

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        prepared, self._prepared = self._prepared, {}
        if kind is None and self.is_kept:
            prepared[self.kind] = self


def borrowed(
    model: Model, kind: str, needs: Any, make: Callable[..., Memory], *arguments: Any, **named: Any
) -> Loan[Memory]:
    """Lend memory for one call: that of the last call of this kind with the same needs, unless somebody else has it.

    Else `make` it, which takes as long as the gradient of a small net; and new memory comes from the system page by
    page, for as long as the sums of a large one take. What the last call left in it is not cleared.
    """
    prepared = model.prepared
    loan: Loan[Memory] | None = prepared.pop(kind, None)  # in one step: no two threads get the same
    if loan is None or loan.needs != needs:
        loan = Loan(kind, needs, make(*arguments, **named))
    loan._prepared = prepared
    return loan


def _nbytes(memory: Any) -> int:
    return sum(map(_nbytes, memory)) if isinstance(memory, tuple) else getattr(memory, "nbytes", 0)
