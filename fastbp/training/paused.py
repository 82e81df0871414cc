"""A training that another process continues: what it needs between two epochs besides the state of the network."""

from __future__ import annotations

from dataclasses import dataclass

from fastbp.training.callbacks import Callback
from fastbp.training.early_stopping import Best
from fastbp.training.history import History
from fastbp.training.scheduled import Schedules
from fastbp.training.state import Snapshot


@dataclass
class Paused:
    """The epochs so far, the best of them, and the objects of a user that may remember something."""

    history: History
    best: Best | None
    best_state: Snapshot | None
    schedules: Schedules
    callbacks: tuple[Callback, ...]
