"""How many epochs are trained together, and the same training with one at a time."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from fastbp.batches import sources
from fastbp.training import steps


@pytest.fixture
def pieces(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Note how many orders each piece has."""
    seen: list[int] = []

    class Noted(steps.Piece):
        def __init__(self, *arguments):  # type: ignore[no-untyped-def]
            super().__init__(*arguments)
            seen.append(len(self.orders))

    monkeypatch.setattr(steps, "Piece", Noted)
    return seen


@contextmanager
def at_most(samples: int) -> Iterator[None]:
    """Train so many samples together; 0: one epoch at a time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources, "SAMPLES_TOGETHER", samples)
        yield
