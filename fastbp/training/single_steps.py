"""The steps of a user's own loop: one mini-batch, or one gradient, at a time."""

from __future__ import annotations  # so that naming numpy.random does not import it

import math
from dataclasses import dataclass
from operator import is_
from typing import Any

import numpy as np

from fastbp.batches.samples import Samples, checked
from fastbp.formulations import Formulation
from fastbp.formulations.interface import Trainer
from fastbp.formulations.step_options import StepOptions
from fastbp.memory import require_memory
from fastbp.model import Array
from fastbp.training import plan as plans
from fastbp.training.loop import DivergenceError
from fastbp.training.plan import Asked, Trainable
from fastbp.training.state import Training

OPTIONS = "l2", "l1", "max_norm", "dropout", "clip_norm", "clip_value"  # of `train_on_batch`, in this order
CANNOT_CHANGE = (int, float, tuple, type(None))


@dataclass
class Kept:
    """The trainer of the last step, for as long as the options stay the same: making it takes longer than a step."""

    formulation: Formulation
    options: tuple[Any, ...] | None  # as given; None if it serves one step only, because their contents could change
    weighted: bool
    trainer: Trainer
    rows: Array  # 0…n − 1
    spare: Array  # memory for θ before the step

    def serves(self, formulation: Formulation, options: tuple[Any, ...], weighted: bool, n: int) -> bool:
        """Whether it can take this step."""
        if self.formulation is not formulation or self.options is None or self.weighted is not weighted:
            return False
        return all(map(is_, options, self.options)) and (len(self.rows) == n or self.trainer.fits(n))


def train_on_batch(net: Trainable, X: Any, Y: Any, chosen: Any, sample_weight: Any, options: tuple[Any, ...]) -> float:
    """Take a step of the chosen optimizer, and return the mean cost before it. A refusal changes nothing."""
    training, samples = plans.of_single_steps(net, chosen), checked(X, Y, net._model)
    weight, n = plans.weights_of_step(samples, sample_weight), len(samples.X)
    kept: Kept | None = training.kept
    if kept is None or not kept.serves(net._formulation, options, weight is not None, n):
        kept = _new(net, training, samples, sample_weight, options)
    elif len(kept.rows) != n:
        kept.rows = np.arange(n)
    trainer = kept.trainer
    net._training, training.kept = training, kept
    training.begin_step(kept.spare)
    trainer.take(samples.X, samples.Y, kept.spare[:0] if weight is None else weight, n)
    trainer.begin(moments=not training.holds(trainer))
    cost = trainer.train(kept.rows) / n
    trainer.end_epoch(moments=False)
    training.hold(trainer)
    trainer.let_go()
    _check_finite(training, cost, kept.spare)
    return cost


def _new(net: Trainable, training: Training, samples: Samples, sample_weight: Any, options: tuple[Any, ...]) -> Kept:
    """Return a trainer for steps like this one. Raises TypeError, ValueError or MemoryError."""
    asked = Asked(sample_weight=sample_weight, **dict(zip(OPTIONS, options, strict=True)))
    formulation, model, n = net._formulation, net._model, len(samples)
    checked_options = plans.options_of_step(net, training, samples, asked)
    needed = formulation.step_bytes(model, training.optimizer, n, checked_options)
    what = f"besides the data, a step with a mini-batch of {n} samples"
    require_memory(what, needed, "take fewer samples at a time or a smaller network")
    of_model = model, training.optimizer, training.state
    trainer = formulation.trainer(*of_model, samples.X, samples.Y, n, checked_options)
    can_serve = trainer.fits(n) and all(isinstance(option, CANNOT_CHANGE) for option in options)
    spare = np.empty_like(model.parameters.vector)
    return Kept(formulation, options if can_serve else None, sample_weight is not None, trainer, np.arange(n), spare)


def apply_gradient(net: Trainable, gradient: Array, optimizer: Any) -> None:
    """Take a step down a checked gradient, (n_parameters,)."""
    training = plans.of_single_steps(net, optimizer)
    spare, state = np.empty_like(gradient), training.state
    decay = getattr(training.optimizer, "weight_decay", 0.0)
    net._training = training
    training.begin_step(spare)
    options = StepOptions(decay=decay, steps=training.steps)
    net._formulation.apply(net._model, training.optimizer, state, gradient, options)
    _check_finite(training, 0.0, spare)


def _check_finite(training: Training, cost: float, before: Array) -> None:
    theta = training.model.parameters.vector
    if math.isfinite(cost) and (math.isfinite(np.vdot(theta, theta)) or np.isfinite(theta).all()):
        return
    training.undo_step(before)
    raise DivergenceError(
        "the cost or a weight is no longer finite. The network has the weights from before this step; the moments of "
        f"the optimizer begin anew. Try a smaller learning rate than {training.optimizer.learning_rate:g}"
    )
