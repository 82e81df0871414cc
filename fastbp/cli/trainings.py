"""What a training is to `fastbp train`, whether it trains one network or a bag of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

from fastbp.cli.models import Model
from fastbp.tables.preprocessor import Preprocessor
from fastbp.training.history import History


@dataclass(frozen=True)
class Trained:
    """What a training has left."""

    model: Model
    made: dict[str, Any]  # how, for the model file
    seconds: float
    time: str  # in words
    epochs: str  # how many are whole, "0" if some network has none
    interrupted: bool
    stopped: str | None = None  # why it ended before its last epoch
    warnings: list[str] = field(default_factory=list)
    history: History | None = None  # of one network


class Training(ABC):
    """A training that has learned what the columns are, and has not begun."""

    recipe: str  # what is trained and why, in words
    preprocessor: Preprocessor | None  # None for images
    n_rows: int
    n_validation: int  # rows held out to stop early

    @abstractmethod
    def lines(self) -> list[str]:
        """Return what is trained, and how, to print before it begins."""

    @abstractmethod
    def run(self) -> Trained:
        """Train. After Ctrl-C the last whole epoch counts."""
