"""What `Network.fit` does beside its steps, and the rules of a step: checked before anything is changed."""

from __future__ import annotations  # so that naming numpy.random does not import it

import math
import sys
from dataclasses import MISSING, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from fastbp import validation
from fastbp.batches.samples import AnySamples, MappedSamples
from fastbp.batches.sources import Chunks
from fastbp.formulations.step_options import StepOptions
from fastbp.memory import require_memory
from fastbp.model import Array, Model
from fastbp.optimizers import BY_NAME, Adam, LevenbergMarquardt, Optimizer, Rprop
from fastbp.training import callbacks as callbacks_module
from fastbp.training import full_batch, levenberg_marquardt
from fastbp.training import metrics as metrics_module
from fastbp.training.data import Data
from fastbp.training.early_stopping import EarlyStopping, greater_is_better, watched
from fastbp.training.history import History
from fastbp.training.loop import Plan

BATCH_SIZE = 32  # samples in a step, where the user does not say


def optimizer(given: Any, last: Optimizer | None = None) -> Optimizer:
    """Return the optimizer that is meant: `last`, or Adam, if none is given; by its name with its defaults.

    If `last` is just what a name means, it is that, and goes on. Raises TypeError or ValueError.
    """
    if given is None:
        return last or Adam()
    if isinstance(given, Optimizer):
        return given
    if not isinstance(given, str):
        raise TypeError(f"optimizer is {given!r}; it must be an optimizer such as fastbp.SGD(3.0), or a name")
    kind = BY_NAME[validation.known_name("optimizer", given, BY_NAME)]
    if any(field.name == "learning_rate" and field.init and field.default is MISSING for field in fields(kind)):
        raise ValueError(
            f"optimizer is {given!r}, for which there is no usual learning rate: give fastbp.{kind.__name__}"
            "(learning_rate=0.1), or another"
        )
    meant: Optimizer = kind()
    return last if last is not None and _hyperparameters(last) == _hyperparameters(meant) else meant


def _hyperparameters(optimizer: Optimizer) -> tuple[Any, ...]:
    return type(optimizer), *(getattr(optimizer, field.name) for field in fields(optimizer))


def batch_size(given: Any, optimizer: Optimizer) -> int:
    """Return how many samples a step has, at most. Raises TypeError or ValueError for what is no count."""
    if given is not None:
        return validation.whole_number("batch_size", given, 1)
    return sys.maxsize if isinstance(optimizer, Rprop) else BATCH_SIZE  # which the others on the full batch do not use


def plan(
    data: Data,
    epochs: int,
    batch_size: int,
    metrics: Any,
    schedule: Any,
    early_stopping: Any,
    callbacks: Any,
    n_out: int,
) -> tuple[Plan, History]:
    """Return what is done beside the steps, and the history in which it will be. Raises TypeError or ValueError."""
    found = metrics_module.chosen(metrics, n_out)
    if found and not data.data_sets:
        raise ValueError("metrics are measured on validation data: give validation_data or validation_split")
    for name, samples in data.data_sets.items():
        metrics_module.check_classes(found, name, samples)
    history = _new_history(data.data_sets, found)
    if early_stopping is not None:
        _check_early_stopping(early_stopping, history, found)
    if schedule is not None and not callable(schedule):
        raise TypeError(f"schedule is {schedule!r}; it must be a function of the epoch and the base learning rate")
    if data.samples is not None:
        batch_size = min(batch_size, len(data.samples))
    checked = callbacks_module.checked(callbacks)
    return Plan(epochs, batch_size, data.data_sets, found, schedule, early_stopping, checked), history


def _new_history(sets: dict[str, AnySamples], metrics: list[metrics_module.Metric]) -> History:
    others = [metric.name for metric in metrics if metric.name != "accuracy"]
    history = History(
        data_sets={name: ("cost", *["accuracy"] * samples.classes, *others) for name, samples in sets.items()}
    )
    own = {name for name in vars(history) if not name.startswith("validation_")} | {"epoch"}
    for i, name in enumerate(history.names[1:], start=1):
        if name in own or name in history.names[:i]:
            raise ValueError(f"there would be two series {name!r} in the history: rename a data set or a metric")
    return history


def _check_early_stopping(given: Any, history: History, metrics: list[metrics_module.Metric]) -> None:
    if not isinstance(given, EarlyStopping):
        raise TypeError(f"early_stopping is {given!r}; it must be a fastbp.EarlyStopping")
    if not history.data_sets and given.monitor != "cost":
        raise ValueError(
            "early_stopping needs validation data: give validation_data or validation_split; to watch the cost of "
            'training, EarlyStopping(monitor="cost")'
        )
    greater_is_better(watched(given.monitor, history), given.mode, history, metrics)


def step_options(
    *,
    n_samples: int | None,
    n_hidden: int,
    seed: int,
    steps: npt.NDArray[np.int64],
    decay: float,
    sample_weight: Array | None,
    l2: Any,
    l1: Any,
    max_norm: Any,
    dropout: Any,
    clip_norm: Any,
    clip_value: Any,
    chunks: Chunks | None = None,
) -> StepOptions:
    """Return the rules of a step, λ and λ₁ divided by the number of samples. Raises TypeError or ValueError.

    Where that is None, `chunks` count it, if there is a penalty.
    """
    checked_l2, checked_l1 = validation.number("l2", l2, 0.0), validation.number("l1", l1, 0.0)
    if n_samples is None and chunks is not None and (checked_l2 or checked_l1):
        n_samples = chunks.count()
    n = n_samples or 1
    return StepOptions(
        checked_l2 / n,
        checked_l1 / n,
        _limit("clip_value", clip_value),
        _limit("clip_norm", clip_norm),
        _limit("max_norm", max_norm),
        decay,
        _dropout(dropout, n_hidden),
        seed,
        steps,
        np.empty(0) if sample_weight is None else sample_weight,
    )


def _limit(what: str, value: Any) -> float:
    if value is None:
        return math.inf
    limit = validation.number(what, value, 0.0)
    if limit == 0:
        raise ValueError(f"{what} is 0; it must be greater, or left out")
    return limit


def _dropout(given: Any, n_hidden: int) -> tuple[float, ...]:
    if given is None:
        return ()
    if n_hidden == 0:
        raise ValueError(f"dropout is {given!r}, but the network has no hidden layers: leave it out")
    layers = validation.per_layer("dropout", given, n_hidden)
    return tuple(validation.number(f"dropout[{l}]", p, 0.0, below=1.0) for l, p in enumerate(layers))


def check_optimizer(optimizer: Optimizer, data: Data, plan: Plan, options: StepOptions, model: Model) -> None:
    """Raise ValueError if an optimizer that needs all samples in every step does not get them, or other options.

    Or a cost that it is not for; and MemoryError if it has no room.
    """
    name = type(optimizer).__name__
    if (isinstance(optimizer, Rprop) or optimizer.full_batch) and data.samples is None:
        raise ValueError(f"{name} needs all samples in every step; they come in chunks: use another optimizer")
    if optimizer.full_batch:
        if isinstance(optimizer, LevenbergMarquardt) and isinstance(data.samples, MappedSamples):
            raise ValueError(f"{name} needs all samples in memory, as numpy.array(X) makes them")
        full_batch.check_options(optimizer, options)
    elif data.samples is not None:
        optimizer.check(plan.batch_size, len(data.samples))
    if isinstance(optimizer, LevenbergMarquardt):
        levenberg_marquardt.check_cost(model.cost)
        what = f"{name}, which solves for all {model.parameters.vector.size:,} parameters at once,"
        instead = "use a smaller network, or LBFGS, which needs no matrix"
        require_memory(what, levenberg_marquardt.bytes_needed(model), instead)
