"""A trainer that is kept for the next steps of the same kind: making it takes longer than a short training."""

from __future__ import annotations  # so that naming numpy.random does not import it

from dataclasses import dataclass, field
from operator import is_
from typing import Any

import numpy as np

from fastbp.formulations import Formulation
from fastbp.formulations.interface import Trainer
from fastbp.formulations.step_options import StepOptions
from fastbp.model import Array
from fastbp.training.state import Training

CANNOT_CHANGE = (int, float, tuple, type(None))


@dataclass
class Kept:
    """A trainer and what it was made for. It has no samples, but may have the moments: `Training.hold`."""

    formulation: Formulation
    options: StepOptions
    trainer: Trainer
    given: tuple[Any, ...] | None = None  # the options of the last single step, unless their contents can change
    rows: Array = field(default_factory=lambda: np.empty(0, np.int64))  # 0…n − 1 of its n samples

    def note(self, given: tuple[Any, ...], n: int) -> None:
        """Remember options of a single step of n samples that led to these."""
        can_serve = self.trainer.fits(n) and all(isinstance(option, CANNOT_CHANGE) for option in given)
        self.given, self.rows = given if can_serve else None, np.arange(n)

    def was_given(self, formulation: Formulation, given: tuple[Any, ...], weighted: bool, n: int) -> bool:
        """Whether it can take a step like the last one, of n samples: these are the same objects."""
        if self.given is None or self.formulation is not formulation or weighted is not self.options.weighted:
            return False
        if len(self.rows) != n:
            if not self.trainer.fits(n):
                return False
            self.rows = np.arange(n)
        return all(map(is_, given, self.given))


def kept_trainer(
    training: Training, formulation: Formulation, X: Array, Y: Array, batch_size: int, options: StepOptions
) -> Kept:
    """Return the trainer that the training keeps, with these samples, or a new one if another is needed."""
    kept: Kept | None = training.kept
    if (
        kept is not None and kept.formulation is formulation and kept.options.are_like(options)
        and kept.trainer.fits(batch_size)
    ):  # fmt: skip
        kept.trainer.take(X, Y, options.sample_weight, batch_size)
        return kept
    training.kept = None  # its memory is free before there is new
    of_model = training.model, training.optimizer, training.state
    return Kept(formulation, options, formulation.trainer(*of_model, X, Y, batch_size, options))
