"""The arguments of `Network.fit`, checked before anything is changed. `loop.py` runs the `Plan`."""

from __future__ import annotations  # so that naming numpy.random does not import it

import math
import sys
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cached_property
from types import SimpleNamespace
from typing import Any, Protocol, TypeAlias

import numpy as np

from fastbp import validation
from fastbp.batches.data import Data, SampleWeight, Weights, comes_in_chunks, in_arrays, in_chunks, smoothed, source
from fastbp.batches.samples import AnySamples, MappedSamples, Samples
from fastbp.batches.sources import Source
from fastbp.batches.weights import combined
from fastbp.distributed import agreement
from fastbp.distributed.ranks import ALONE, Ranks
from fastbp.distributed.shards import Sharded
from fastbp.formulations import Formulation
from fastbp.formulations.step_options import StepOptions
from fastbp.memory import require_memory
from fastbp.model import Array, Model
from fastbp.optimizers import BY_NAME, Adam, LevenbergMarquardt, Optimizer, Rprop, layer_rates
from fastbp.training import full_batch, levenberg_marquardt, scheduled
from fastbp.training import metrics as of_metrics
from fastbp.training.callbacks import Callback
from fastbp.training.callbacks import checked as checked_callbacks
from fastbp.training.early_stopping import EarlyStopping, greater_is_better, watched
from fastbp.training.history import History
from fastbp.training.scheduled import is_by_step
from fastbp.training.state import Training
from fastbp.training.with_derivatives import with_derivatives

BATCH_SIZE = 32  # the default


class Trainable(Protocol):
    """What `fit` needs of a network."""

    _model: Model
    _training: Training | None  # of the last `fit`
    _rng: np.random.Generator
    _own_seed: int

    @property
    def _formulation(self) -> Formulation: ...


Asked: TypeAlias = SimpleNamespace  # the arguments of `Network.fit` by their names, unchecked


@dataclass
class Plan:
    """The checked arguments of a `fit`, and what follows from them."""

    training: Training
    formulation: Formulation
    source: Source
    options: StepOptions
    epochs: int
    batch_size: int
    data_sets: Mapping[str, AnySamples | Sharded]  # evaluated after every epoch
    metrics: list[of_metrics.Metric]
    schedules: scheduled.Schedules  # of the learning rate and more, by name
    early_stopping: EarlyStopping | None
    callbacks: tuple[Callback, ...]
    history: History
    samples_per_epoch: int | None  # None for chunks of unknown number
    progress: bool  # whether to show a live line
    ranks: Ranks = ALONE
    shards: Sharded | None = None  # the samples of all ranks, if they are in shards
    shuffle: bool = True  # within each shard

    @property
    def keeps_best(self) -> bool:
        """Whether the state after the best epoch is kept."""
        return self.early_stopping is not None and self.early_stopping.restore_best

    @cached_property
    def step_bytes(self) -> int:
        """How much memory a step needs."""
        of_model = self.training.model, self.training.optimizer
        return self.formulation.step_bytes(*of_model, self.batch_size, self.options)


def checked(net: Trainable, X: Any, Y: Any, asked: Asked, ranks: Ranks = ALONE) -> Plan:
    """Return the plan of a `fit`. Raises TypeError, ValueError or MemoryError before anything is changed.

    With a communicator its `ranks` compare what they were asked for. `ALONE` means without shards, too.
    """
    model, epochs = net._model, validation.whole_number("epochs", asked.epochs, 1)
    training = _training(net, asked.optimizer)
    rows = batch_size(asked.batch_size, training.optimizer)
    formulation, X, Y = with_derivatives(net, X, Y, asked)
    data = _data(net, X, Y, asked, rows, epochs)
    weights = Weights(data, asked.class_weight, model.sizes[-1])
    metrics = of_metrics.chosen(asked.metrics, model.sizes[-1])
    of_metrics.check_cost(metrics, model)
    history = _history(data, metrics, asked)
    data = smoothed(data, asked.label_smoothing, model)
    shards: Sharded | None = None
    data_sets: Mapping[str, AnySamples | Sharded] = data.data_sets
    if ranks is not ALONE:
        names = [metric.name for metric in metrics]
        shards, data_sets = agreement.agreed(net, training, data, asked, rows, weights.ndim, names, ranks)
        data.samples_per_epoch = len(shards)
    if data.samples is not None and data.samples_per_epoch is not None:
        rows = min(rows, data.samples_per_epoch)
    samples = source(data, weights, asked.shuffle, model, rows, epochs)
    options = _options(asked, data, samples, training, net._own_seed)
    schedules = scheduled.checked(asked.schedule, training.optimizer, options)
    if data.samples_per_epoch is None and any(map(is_by_step, schedules.values())):
        raise ValueError("schedule has a ByStep, but nobody knows how many steps an epoch has: give steps_per_epoch")
    plan = Plan(
        training, formulation, samples, options, epochs, rows,
        data_sets, metrics, schedules, asked.early_stopping, _callbacks(asked, ranks), history,
        data.samples_per_epoch, validation.truth("progress", asked.progress) and ranks.rank == 0,
        ranks, shards, asked.shuffle is not False,
    )  # fmt: skip
    _check_optimizer(plan, data)
    what = f"besides the data, training with mini-batches of {rows} samples"
    require_memory(what, memory_needed(plan), "choose a smaller batch_size or a smaller network")
    return plan


def of_single_steps(net: Trainable, given: Any, *, mini_batches: bool) -> Training:
    """Return the state of single steps with an optimizer. Raises TypeError, or ValueError if it needs all samples.

    Without `mini_batches` it gets gradients, which may be of all samples: enough for Rprop.
    """
    last = net._training
    chosen = optimizer(given, last.optimizer if last else None)
    if chosen.full_batch or (mini_batches and isinstance(chosen, Rprop)):
        raise ValueError(f"{type(chosen).__name__} needs all samples in every step: use `fit`, or another optimizer")
    return _training(net, chosen)


def weights_of_step(samples: Samples) -> Array | None:
    """Return the weights of the samples of a single step, in their dtype, or None. Raises ValueError."""
    return combined(samples.weight, None, samples.Y)


def options_of_step(net: Trainable, training: Training, samples: Samples, asked: Asked) -> StepOptions:
    """Return the options of a single step. Raises TypeError or ValueError.

    λ and λ₁ are not divided: nobody knows how many samples there are in all.
    """
    data, model = _of_step(samples), net._model
    weights = Weights(data, None, model.sizes[-1])
    return _options(asked, data, source(data, weights, False, model, len(samples), 1), training, net._own_seed)


def _of_step(samples: Samples) -> Data:
    return Data(samples, None, 1, {})


def _training(net: Trainable, given: Any) -> Training:
    last = net._training
    chosen = optimizer(given, last.optimizer if last else None)
    if last and last.optimizer is chosen:
        return last
    state = chosen.new_state(net._model.parameters.vector.size, net._model.dtype)
    return Training(net._model, chosen, state, net._rng, last.steps if last else np.zeros(1, np.int64))


def _data(net: Trainable, X: Any, Y: Any, asked: Asked, rows: int, epochs: int) -> Data:
    if asked.validation_data is not None and asked.validation_split is not None:
        raise ValueError("both validation_data and validation_split are given; choose one of them")
    negative = validation.truth("allow_negative_weights", asked.allow_negative_weights)
    weight = SampleWeight(asked.sample_weight, negative)
    if comes_in_chunks(X, Y):
        if asked.validation_split is not None:
            raise ValueError("validation_split is not possible with chunks; give validation_data instead")
        return in_chunks(X, net._model, weight, asked.validation_data, asked.steps_per_epoch, rows, epochs)
    if asked.steps_per_epoch is not None:
        raise ValueError("steps_per_epoch is for chunks only: give a generator of (X, Y) pairs, or leave it out")
    return in_arrays(X, Y, net._model, weight, asked.validation_data, asked.validation_split, net._own_seed)


def _history(data: Data, metrics: list[of_metrics.Metric], asked: Asked) -> History:
    if metrics and not data.data_sets:
        raise ValueError("metrics are measured on validation data: give validation_data or validation_split")
    for name, samples in data.data_sets.items():
        of_metrics.check_targets(metrics, name, samples)
    others = [metric.name for metric in metrics if metric.name != "accuracy"]
    measured = {name: ("cost", *["accuracy"] * samples.classes, *others) for name, samples in data.data_sets.items()}
    history = History(data_sets=measured)
    own = {name for name in vars(history) if not name.startswith("validation_")} | {"epoch"}
    for i, name in enumerate(history.names[1:], start=1):
        if name in own or name in history.names[:i]:
            raise ValueError(f"the history would have two series {name!r}: rename a data set or a metric")
    if asked.early_stopping is not None:
        _check_early_stopping(asked.early_stopping, history, metrics)
    return history


def _options(asked: Asked, data: Data, samples: Source, training: Training, seed: int) -> StepOptions:
    """Return the options of a step: λ and λ₁ are divided by the number of samples; chunks are counted for that."""
    l2, l1 = validation.number("l2", asked.l2, 0.0), validation.number("l1", asked.l1, 0.0)
    n = data.samples_per_epoch
    if n is None and data.chunks is not None and (l2 or l1):
        n = data.chunks.count()
    return StepOptions(
        l2=l2 / (n or 1), l1=l1 / (n or 1), clip_value=_limit("clip_value", asked.clip_value),
        clip_norm=_limit("clip_norm", asked.clip_norm), max_norm=_limit("max_norm", asked.max_norm),
        decay=getattr(training.optimizer, "weight_decay", 0.0), seed=seed, steps=training.steps,
        dropout=_dropout(asked.dropout, len(training.model.sizes) - 2),
        sample_weight=np.empty(0) if samples.weight is None else samples.weight,
    )  # fmt: skip


def optimizer(given: Any, last: Optimizer | None = None) -> Optimizer:
    """Return an optimizer from an optimizer or a name; None means `last`, or else Adam.

    A name means the optimizer with its defaults, or `last` if that is equal. Raises TypeError or ValueError.
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
            f"optimizer is {given!r}, which has no default learning rate: give fastbp.{kind.__name__}"
            "(learning_rate=0.1), or another rate"
        )
    meant: Optimizer = kind()
    return last if last is not None and _hyperparameters(last) == _hyperparameters(meant) else meant


def _hyperparameters(optimizer: Optimizer) -> tuple[Any, ...]:
    return type(optimizer), *(getattr(optimizer, field.name) for field in fields(optimizer))


def batch_size(given: Any, optimizer: Optimizer) -> int:
    """Return the most samples of a step. Raises TypeError or ValueError unless it is a whole number of at least 1."""
    if given is not None:
        return validation.whole_number("batch_size", given, 1)
    return sys.maxsize if isinstance(optimizer, Rprop) else BATCH_SIZE


def _check_early_stopping(given: Any, history: History, metrics: list[of_metrics.Metric]) -> None:
    if not isinstance(given, EarlyStopping):
        raise TypeError(f"early_stopping is {given!r}; it must be a fastbp.EarlyStopping")
    if not history.data_sets and given.monitor not in ("cost", "training_cost"):
        raise ValueError(
            "early_stopping needs validation data: give validation_data or validation_split, or "
            'EarlyStopping(monitor="cost") for the training cost'
        )
    greater_is_better(watched(given.monitor, history), given.mode, history, metrics)


def _callbacks(asked: Asked, ranks: Ranks) -> tuple[Callback, ...]:
    """Return those that this rank calls."""
    given = checked_callbacks(asked.callbacks)
    return tuple(callback for callback in given if ranks.rank == 0 or not callback.first_rank_only)


def _limit(what: str, value: Any) -> float:
    return math.inf if value is None else validation.positive(what, value)


def _dropout(given: Any, n_hidden: int) -> tuple[float, ...]:
    if given is None:
        return ()
    if n_hidden == 0:
        raise ValueError(f"dropout is {given!r}, but the network has no hidden layers: leave it out")
    layers = validation.per_layer("dropout", given, n_hidden)
    return tuple(validation.number(f"dropout[{l}]", p, 0.0, below=1.0) for l, p in enumerate(layers))


def _check_optimizer(plan: Plan, data: Data) -> None:
    """Raise ValueError if data, options or cost do not suit the optimizer, MemoryError if it needs too much memory."""
    optimizer, model = plan.training.optimizer, plan.training.model
    name = type(optimizer).__name__
    layer_rates.of_layers(optimizer, model.n_layers)
    if (isinstance(optimizer, Rprop) or optimizer.full_batch) and data.samples is None:
        raise ValueError(f"{name} needs all samples in every step, but they come in chunks: use another optimizer")
    if optimizer.full_batch:
        if isinstance(optimizer, LevenbergMarquardt) and isinstance(data.samples, MappedSamples):
            raise ValueError(f"{name} needs all samples in memory: give numpy.array(X)")
        full_batch.check_options(optimizer, plan.options)
        full_batch.check_derivative(optimizer, model)
    elif data.samples is not None:
        optimizer.check(plan.batch_size, plan.samples_per_epoch or len(data.samples))
    if isinstance(optimizer, LevenbergMarquardt):
        levenberg_marquardt.check_cost(model.cost, plan.source.sample_weight)
        levenberg_marquardt.check_regularization(optimizer, plan.options.l2)
        what = f"{name}, which solves for all {model.parameters.vector.size:,} parameters at once,"
        instead = "use a smaller network, or LBFGS, which needs no matrix"
        n_spares = plan.shards.n_spares if plan.shards is not None else 0
        require_memory(what, levenberg_marquardt.bytes_needed(model, n_spares), instead)


def memory_needed(plan: Plan) -> int:
    """Return how many bytes the training allocates."""
    training = plan.training
    snapshots = 2 + plan.keeps_best  # two to undo an epoch, one for the best
    state = training.state.first.nbytes + training.state.second.nbytes
    summed = plan.shards.n_spares + 1 if plan.shards is not None else 0
    kept = snapshots * (training.model.parameters.vector.nbytes + state)
    kept += summed * training.model.parameters.vector.nbytes
    return kept + plan.step_bytes + plan.source.buffer_bytes
