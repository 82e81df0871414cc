"""The steps of a user's own loop: one mini-batch, or one gradient, at a time."""

from __future__ import annotations  # so that naming numpy.random does not import it

import math
from typing import Any

import numpy as np

from fastbp import validation
from fastbp.batches.data import SampleWeight
from fastbp.batches.samples import Samples, checked
from fastbp.formulations.step_options import StepOptions
from fastbp.memory import require_memory
from fastbp.model import Array
from fastbp.training import plan as plans
from fastbp.training.divergence import DivergenceError
from fastbp.training.kept import Kept, kept_trainer
from fastbp.training.plan import Asked, Trainable
from fastbp.training.state import Training

NO_WEIGHT = np.empty(0)
OPTIONS = "l2", "l1", "max_norm", "dropout", "clip_norm", "clip_value"  # of `train_on_batch`, in this order


def train_on_batch(net: Trainable, X: Any, Y: Any, chosen: Any, weights: SampleWeight, given: tuple[Any, ...]) -> float:
    """Take a step of the chosen optimizer, and return the mean cost before it. A refusal changes nothing."""
    training = plans.of_single_steps(net, chosen, mini_batches=True)
    samples = checked(X, Y, net._model, "", *weights)
    weight, n = plans.weights_of_step(samples), len(samples.X)
    kept: Kept | None = training.kept
    if kept is None or not kept.was_given(net._formulation, given, weight is not None, n):
        kept = _new(net, training, samples, given)
    net._training, training.kept = training, kept
    if weight is None and training.holds(kept.trainer):
        training.reset_rate()
        total_cost = kept.trainer.step_alone(samples.X, samples.Y, kept.rows)
        if total_cost is not None:
            if not math.isfinite(total_cost):
                training.begin_anew()
                raise _divergence(training)
            return total_cost / n
    training.begin_step()
    return _several_calls(training, kept, samples, weight) / n


def _several_calls(training: Training, kept: Kept, samples: Samples, weight: Array | None) -> float:
    """Take a step, and return the sum of the costs, weighted."""
    trainer = kept.trainer
    trainer.take(samples.X, samples.Y, NO_WEIGHT if weight is None else weight, len(samples.X))
    trainer.begin(moments=not training.holds(trainer))
    total_cost = trainer.train(kept.rows)
    trainer.end_epoch(moments=False)
    training.hold(trainer)
    trainer.let_go()
    _check_finite(training, total_cost)
    return total_cost


def _new(net: Trainable, training: Training, samples: Samples, given: tuple[Any, ...]) -> Kept:
    """Return a trainer for steps with these options. Raises TypeError, ValueError or MemoryError."""
    asked = Asked(**dict(zip(OPTIONS, given, strict=True)))
    options, n = plans.options_of_step(net, training, samples, asked), len(samples)
    needed = net._formulation.step_bytes(net._model, training.optimizer, n, options)
    what = f"besides the data, a step with a mini-batch of {n} samples"
    require_memory(what, needed, "take fewer samples at a time or a smaller network")
    kept = kept_trainer(training, net._formulation, samples.X, samples.Y, n, options)
    kept.note(given, n)
    return kept


def apply_gradient(net: Trainable, gradient: Array, optimizer: Any) -> None:
    """Take a step down a checked gradient, (n_parameters,)."""
    training = plans.of_single_steps(net, optimizer, mini_batches=False)
    state, decay = training.state, getattr(training.optimizer, "weight_decay", 0.0)
    net._training = training
    training.begin_step()
    options = StepOptions(decay=decay, steps=training.steps)
    net._formulation.apply(net._model, training.optimizer, state, gradient, options)
    _check_finite(training, 0.0)


def _check_finite(training: Training, cost: float) -> None:
    theta = training.model.parameters.vector
    if math.isfinite(cost) and validation.all_finite(theta):
        return
    training.undo_step()
    raise _divergence(training)


def _divergence(training: Training) -> DivergenceError:
    return DivergenceError(
        "the cost or a weight is no longer finite. The network has the weights from before this step; the moments of "
        f"the optimizer begin anew. Try a smaller learning rate than {training.optimizer.learning_rate:g}"
    )
