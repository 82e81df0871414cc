"""Training: epochs, what they achieve, when they end; and what stands if they are interrupted."""

from __future__ import annotations  # so that naming numpy.random does not import it

import math
import os
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from fastbp import validation
from fastbp.batches.samples import AnySamples
from fastbp.batches.sources import Source
from fastbp.formulations import Formulation
from fastbp.formulations.step_options import StepOptions
from fastbp.model import Array, Model, aligned_copy
from fastbp.optimizers import Optimizer, OptimizerState
from fastbp.training import full_batch
from fastbp.training.callbacks import Callback, Run
from fastbp.training.early_stopping import Best, EarlyStopping, greater_is_better, watched
from fastbp.training.history import History
from fastbp.training.metrics import Evaluation, Metric, evaluate
from fastbp.training.progress import Progress

# Between two compiled calls Python can see Ctrl-C and move a progress bar. A long epoch is cut into calls of about
# this many floating-point operations, a tenth of a second or so; where it is cut does not change any weight.
FLOPS_BETWEEN_LOOKS = 1e9


class DivergenceError(ArithmeticError):
    """Training diverged: the cost or a weight is no longer finite. The network has its last finite weights."""


@dataclass
class Training:
    """All that the next epoch depends on. Restoring it undoes an epoch."""

    model: Model
    optimizer: Optimizer
    state: OptimizerState
    rng: np.random.Generator
    steps: npt.NDArray[np.int64]  # (1,): mini-batches that the network was trained on, which decides what is dropped

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, steps=aligned_copy(state["steps"]))

    def copy(self, epochs_done: int) -> Snapshot:
        """Return how things stand after so many epochs."""
        theta = self.model.parameters.vector.copy()
        return Snapshot(epochs_done, theta, self.state.copy(), self.rng.bit_generator.state, int(self.steps[0]))

    def copy_to(self, spare: Snapshot, epochs_done: int) -> Snapshot:
        """Return the same as `copy`, in the memory of a snapshot that is no longer needed."""
        spare.theta[:] = self.model.parameters.vector
        self.state.copy_to(spare.state)
        spare.epochs_done, spare.generator = epochs_done, self.rng.bit_generator.state
        spare.steps = int(self.steps[0])
        return spare

    def restore(self, snapshot: Snapshot) -> None:
        """Make things as they were."""
        self.model.parameters.vector[:] = snapshot.theta
        snapshot.state.copy_to(self.state)
        self.rng.bit_generator.state = snapshot.generator
        self.steps[0] = snapshot.steps


@dataclass
class Snapshot:
    """Parameters, optimizer state, random generator and count of steps as they were at the end of an epoch."""

    epochs_done: int
    theta: Array
    state: OptimizerState
    generator: Any
    steps: int


@dataclass
class Plan:
    """What a `fit` does beside its steps."""

    epochs: int
    batch_size: int
    data_sets: dict[str, AnySamples]  # evaluated after every epoch
    metrics: list[Metric]
    schedule: Callable[[int, float], float] | None
    early_stopping: EarlyStopping | None
    callbacks: tuple[Callback, ...]

    @property
    def keeps_best(self) -> bool:
        """Whether the state after the best epoch is kept."""
        return self.early_stopping is not None and self.early_stopping.restore_best


class Loop:
    """What happens between two epochs."""

    def __init__(self, training: Training, formulation: Formulation, plan: Plan, run: Run, progress: Progress):
        self.training, self._formulation, self._plan, self._run = training, formulation, plan, run
        self.history, self._progress, self.n_samples = run.history, progress, 0
        self.last, self._spare = training.copy(0), training.copy(0)
        self._best_state = training.copy(0) if plan.keeps_best else None
        self._best: Best | None = None
        if plan.early_stopping:
            asked, history = plan.early_stopping, run.history
            series = watched(asked.monitor, history)
            self._best = Best(series, greater_is_better(series, asked.mode, history, plan.metrics), asked.min_delta)
        self._start = 0.0

    def begin(self) -> None:
        """Begin the training and its first epoch."""
        self.call("on_train_begin")
        self._begin_epoch(1)

    def _begin_epoch(self, epoch: int) -> None:
        self._run.epoch = epoch
        self.call("on_epoch_begin")
        self._take_over_changes()
        self._set_rate(epoch)
        self._start = time.perf_counter()

    def _set_rate(self, epoch: int) -> None:
        rate = self.training.optimizer.learning_rate
        if self._plan.schedule is not None:
            rate = self._plan.schedule(epoch - 1, rate)
            rate = validation.number(f"the learning rate that schedule gives for epoch {epoch}", rate, 0.0)
        self.training.state.rate[0] = rate

    def epoch_done(self, epoch: int, cost: float) -> bool:
        """End an epoch, counted from 1, with the mean cost of its samples. Return whether to stop."""
        trained = time.perf_counter()
        _check_finite(epoch, cost, self.training)
        evaluations = self._evaluations()
        speed = self.n_samples / max(trained - self._start, 1e-9)
        _record(self._run.history, cost, evaluations, float(self.training.state.rate[0]), self._start, speed)
        # From this one assignment on the epoch counts: Ctrl-C anywhere before it undoes the epoch.
        self.last, self._spare = self.training.copy_to(self._spare, epoch), self.last
        self._progress.epoch_done(_describe(cost, evaluations))
        self._look_for_best(epoch)
        self._tell_schedule(cost, evaluations)
        self.call("on_epoch_end")
        self._take_over_changes()
        if self._run.stop and epoch < self._plan.epochs:
            self._run.history.stopped = self._run.history.stopped or "stopped by a callback"
        if not self._run.stop and epoch < self._plan.epochs:
            self._begin_epoch(epoch + 1)
        return self._run.stop

    def _evaluations(self) -> dict[str, Evaluation]:
        model, metrics = self.training.model, self._plan.metrics
        return {
            name: evaluate(self._formulation, model, samples, metrics) for name, samples in self._plan.data_sets.items()
        }

    def _look_for_best(self, epoch: int) -> None:
        asked, best, history = self._plan.early_stopping, self._best, self._run.history
        if asked is None or best is None:
            return
        value = history.series(best.series)[-1]
        if best.improves(value):
            if self._best_state is not None:
                self.training.copy_to(self._best_state, epoch)
            best.keep(value, epoch)
            history.best_epoch = epoch
        elif best.waited >= asked.patience:
            self._run.stop = True
            if epoch < self._plan.epochs:
                epochs = "epoch" if asked.patience == 1 else "epochs"
                history.stopped = f"early stopping: {best.series} has not improved for {asked.patience} {epochs}"

    def _tell_schedule(self, cost: float, evaluations: dict[str, Evaluation]) -> None:
        observe = getattr(self._plan.schedule, "observe", None)
        if observe is not None:
            monitored = [evaluations[name].cost for name in ("validation", *evaluations) if name in evaluations]
            observe(monitored[0] if monitored else cost)

    def call(self, name: str) -> None:
        """Call a method of all callbacks."""
        for callback in self._plan.callbacks:
            getattr(callback, name)(self._run)

    def _take_over_changes(self) -> None:
        """If a callback changed the weights, they are the ones that count."""
        if self._plan.callbacks and not np.array_equal(self.training.model.parameters.vector, self.last.theta):
            _check_finite(self._run.epoch, 0.0, self.training)
            self.last, self._spare = self.training.copy_to(self._spare, self.last.epochs_done), self.last
            self.weights_changed()

    def weights_changed(self) -> None:
        """Do what is to be done when somebody else than the trainer has written weights."""

    def restore_best(self) -> None:
        """Go back to the state after the best epoch, where that is wanted."""
        if self._best_state is not None and self._best_state.epochs_done > 0:
            self.training.restore(self._best_state)


def fit(
    training: Training,
    formulation: Formulation,
    source: Source,
    options: StepOptions,
    plan: Plan,
    run: Run,
    progress: Progress,
) -> History:
    """Train for some epochs. After an error or Ctrl-C everything is as at the end of the last whole epoch."""
    loop, history = Loop(training, formulation, plan, run, progress), run.history
    try:
        if training.optimizer.full_batch:
            _minimize(loop, formulation, source, options, plan, progress)
        else:
            _train(loop, formulation, source, options, plan, progress)
        loop.restore_best()
    except KeyboardInterrupt:
        training.restore(loop.last)
        history.keep(loop.last.epochs_done)
        history.interrupted = True
        warnings.warn(
            f"training was interrupted after {len(history)} of {plan.epochs} epochs; the network has the weights of "
            "the last whole epoch", RuntimeWarning, stacklevel=4,
        )  # fmt: skip
    except BaseException:
        training.restore(loop.last)
        history.keep(loop.last.epochs_done)
        raise
    finally:
        progress.close()
    loop.call("on_train_end")
    return history


def _train(
    loop: Loop, formulation: Formulation, source: Source, options: StepOptions, plan: Plan, progress: Progress
) -> None:
    source.open()
    if source.weight is not None:
        options = replace(options, sample_weight=source.weight)
    training, batch_size = loop.training, plan.batch_size
    trained = training.model, training.optimizer, training.state, source.X, source.Y
    trainer = formulation.trainer(*trained, batch_size, options)
    loop.begin()
    trainer.begin()
    loop.weights_changed = trainer.begin  # type: ignore[method-assign]
    for epoch in range(1, plan.epochs + 1):
        cost, n_samples = 0.0, 0
        for rows in source.epoch(training.rng):
            cost += trainer.train(rows)
            n_samples += len(rows)
            progress.advance(len(rows))
            if not math.isfinite(cost):
                break
        trainer.end_epoch()
        loop.n_samples = n_samples
        if loop.epoch_done(epoch, cost / n_samples):
            break


def _minimize(
    loop: Loop, formulation: Formulation, source: Source, options: StepOptions, plan: Plan, progress: Progress
) -> None:
    training, history = loop.training, loop.history
    assert source.samples is not None
    if source.sample_weight is not None:
        options = replace(options, sample_weight=source.sample_weight)
    loop.n_samples = len(source.samples)
    loop.begin()

    def epoch_done(epoch: int, cost: float) -> bool:
        progress.advance(loop.n_samples)
        return loop.epoch_done(epoch, cost)

    given = training.optimizer, training.state, source.samples
    why = full_batch.minimize(formulation, training.model, *given, plan.epochs, epoch_done, options)
    if len(history) < plan.epochs:
        history.stopped = history.stopped or why


def rows_between_looks(model: Model, batch_size: int) -> int:
    """Return how many samples, in whole mini-batches, there are in a compiled call."""
    return batch_size * max(1, int(FLOPS_BETWEEN_LOOKS / (model.flops_per_sample * batch_size)))


def check_memory(
    formulation: Formulation, training: Training, plan: Plan, options: StepOptions, buffer_bytes: int
) -> None:
    """Raise MemoryError, saying how many bytes a step needs, if that is more than this machine has.

    buffer_bytes: of the buffers that samples from files or chunks go through, not allocated yet.
    """
    snapshots = 2 + plan.keeps_best  # to undo an epoch, and to go back to the best
    state = training.state.first.nbytes + training.state.second.nbytes
    kept = snapshots * (training.model.parameters.vector.nbytes + state)
    step = formulation.step_bytes(training.model, training.optimizer, plan.batch_size, options)
    needed = kept + step + buffer_bytes
    present = physical_memory()
    if needed > present:
        raise MemoryError(
            f"training with mini-batches of {plan.batch_size} samples needs {needed:,} bytes beyond the data, and this "
            f"machine has {present:,}: choose a smaller batch_size or a smaller network"
        )


def physical_memory() -> float:
    """Bytes of memory of this machine, infinite where that cannot be asked."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return math.inf


def _check_finite(epoch: int, cost: float, training: Training) -> None:
    theta = training.model.parameters.vector
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(cost) and (np.isfinite(theta.sum()) or np.isfinite(theta).all()):
            return
    if training.optimizer.full_batch:
        advice = "Scale X and Y, or begin with smaller weights"
    else:
        advice = f"Try a smaller learning rate than {training.optimizer.learning_rate:g}"
    raise DivergenceError(
        f"training diverged in epoch {epoch}: the cost or a weight is no longer finite. The network has the weights "
        f"from before that epoch. {advice}"
    )


def _record(
    history: History, cost: float, evaluations: dict[str, Evaluation], rate: float, start: float, speed: float
) -> None:
    for data, evaluation in evaluations.items():
        for name, value in evaluation.values().items():
            history.series(f"{data}_{name}").append(value)
    history.learning_rate.append(rate)
    history.seconds.append(time.perf_counter() - start)
    history.samples_per_second.append(speed)
    history.cost.append(cost)


def _describe(cost: float, evaluations: dict[str, Evaluation]) -> str:
    words = f"cost {cost:.4g}"
    for data, evaluation in evaluations.items():
        words += f"  {data} cost {evaluation.cost:.4g}"
        if evaluation.accuracy is not None:
            words += f"  accuracy {evaluation.accuracy:.2%}"
    return words
