"""The epochs of a training, and the state that remains after an interruption."""

from __future__ import annotations  # so that naming numpy.random does not import it

import math
import time
import warnings
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from fastbp.batches.samples import SomeRows
from fastbp.compiler.together import at_once, telling
from fastbp.distributed.agreement import digest
from fastbp.distributed.shards import Sharded
from fastbp.distributed.shards import Steps as StepsOverShards
from fastbp.formulations.borrowing import KEPT_BYTES
from fastbp.formulations.interface import Trainer
from fastbp.formulations.step_options import StepOptions
from fastbp.progress import Progress
from fastbp.training import full_batch
from fastbp.training.callbacks import Run
from fastbp.training.divergence import check_finite, is_finite
from fastbp.training.early_stopping import Best, greater_is_better, watched
from fastbp.training.history import History
from fastbp.training.kept import kept_trainer
from fastbp.training.metrics import Evaluation, evaluate, in_words
from fastbp.training.paused import Paused
from fastbp.training.plan import Plan
from fastbp.training.scheduled import Scheduled
from fastbp.training.steps import Steps, drive, in_pieces, one_step_each


class Loop:
    """The work of Python between epochs of a network's training."""

    def __init__(self, plan: Plan, run: Run, paused: Paused | None = None):
        self.training = training = plan.training
        self._plan, self._run = plan, run
        self.trainer: Trainer | None = None  # None where steps are over all samples
        self.progress = Progress(plan.progress, plan.epochs, plan.samples_per_epoch)
        self.last, self._spare = training.copy(0), training.copy(0)
        self._best_state = training.copy(0) if plan.keeps_best else None
        self._best: Best | None = None
        if plan.early_stopping:
            asked, history = plan.early_stopping, run.history
            series = watched(asked.monitor, history)
            greater = greater_is_better(series, asked.mode, history, plan.metrics)
            self._best = Best(series, greater, asked.min_delta, asked.goal)
        self._first, self._start = 1, 0.0
        self._scheduled = self._scheduled_by(plan.options)
        if paused is not None:
            vars(run.history).update(vars(paused.history))
            self._best, self._best_state = paused.best, paused.best_state
            self.last.epochs_done = len(run.history)
            self._first = len(run.history) + 1

    def paused(self) -> Paused:
        """Return what another process needs to continue from here, between two epochs, besides `last`."""
        chosen = self._plan.schedules, self._plan.callbacks
        return Paused(self._run.history, self._best, self._best_state, *chosen)

    def begin(self) -> None:
        """Begin the training, or continue."""
        if self._first == 1:
            self.call("on_train_begin")

    def begin_epoch(self, epoch: int) -> None:
        """Begin an epoch, counted from 1, and those that are trained with it."""
        self._run.epoch = epoch
        self.call("on_epoch_begin")
        self._take_over_changes()
        rate = self.training.state.rate
        self._scheduled.begin_epoch(epoch - 1, rate)
        self._compare(
            lambda: {
                f"learning rate of epoch {epoch}": f"{rate[0]}",
                f"weight decay of epoch {epoch}": f"{self._plan.options.decay[0]}",
            }
        )
        self._start = time.perf_counter()

    def _compare(self, values: Callable[[], dict[str, str]] = dict) -> None:
        """Raise ValueError on all ranks unless they have the same parameters, and the same of these values."""
        theta = self.training.model.parameters.vector
        self._plan.ranks.same(lambda: {**values(), "parameters (their digest)": digest(theta)})

    def advance(self, n_samples: int) -> None:
        """Move the progress bar."""
        self.progress.advance(n_samples)

    def together(self) -> int:
        """Return how many of the next epochs may be trained before anybody has to look."""
        plan = self._plan
        looks = plan.data_sets or plan.schedules or plan.early_stopping or plan.callbacks
        return 1 if looks else plan.source.epochs_together

    def epochs_done(self, epoch: int, costs: Sequence[float], n_samples: int) -> bool:
        """Evaluate and record epochs that were trained together, `epoch` the last one. Return whether to stop."""
        if self.trainer is not None:
            self.trainer.end_epoch()
        trained = time.perf_counter()
        if len(costs) == 1:
            check_finite(epoch, costs[0], self.training)
        elif not is_finite(costs, self.training):
            return self._one_by_one(epoch, len(costs), n_samples)
        plan, model = self._plan, self.training.model
        data_sets = plan.data_sets.items()
        evaluations = {name: evaluate(plan.formulation, model, data, plan.metrics) for name, data in data_sets}
        speed = n_samples * len(costs) / max(trained - self._start, 1e-9)
        _record(self._run.history, costs, evaluations, float(self.training.state.rate[0]), self._start, speed)
        # From this assignment on the epochs count: Ctrl-C before it undoes them.
        self.last, self._spare = self.training.copy_to(self._spare, epoch), self.last
        self.progress.epochs_done(len(costs), in_words(costs[-1], evaluations))
        self._look_for_best(epoch)
        self._tell_schedule(costs[-1], evaluations)
        self.call("on_epoch_end")
        self._run.stop = plan.ranks.any(self._run.stop)
        self._take_over_changes()
        if epoch < plan.epochs and self._run.stop:
            self._run.history.stopped = self._run.history.stopped or "stopped by a callback"
        return self._run.stop

    def _one_by_one(self, epoch: int, n: int, n_samples: int) -> bool:
        """Train the last n epochs again one by one, `epoch` the last one: the one that diverges raises the error."""
        assert self.trainer is not None
        self.training.restore(self.last)
        self.trainer.begin()
        stop = False
        for again in range(epoch - n + 1, epoch + 1):
            self.begin_epoch(again)
            (order,) = self._plan.source.epoch(self.training.rng)
            stop = self.epochs_done(again, [self.trainer.train(order) / n_samples], n_samples)
        return stop

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
        if best.reaches_goal(value):
            why = f"goal reached: {best.series} is {value:.4g}"
        elif asked.patience is not None and best.waited >= asked.patience:
            waited = "1 epoch" if asked.patience == 1 else f"{asked.patience} epochs"
            why = f"early stopping: {best.series} has not improved for {waited}"
        else:
            return
        self._run.stop = True
        if epoch < self._plan.epochs:
            history.stopped = why

    def _tell_schedule(self, cost: float, evaluations: dict[str, Evaluation]) -> None:
        if not self._plan.schedules:
            return
        monitored = [evaluations[name].cost for name in ("validation", *evaluations) if name in evaluations]
        self._scheduled.observe(monitored[0] if monitored else cost)

    def call(self, name: str) -> None:
        """Call this method of all callbacks."""
        for callback in self._plan.callbacks:
            getattr(callback, name)(self._run)

    def _take_over_changes(self) -> None:
        """Continue with the weights of a callback that changed them."""
        if self._plan.callbacks and not np.array_equal(self.training.model.parameters.vector, self.last.theta):
            check_finite(self._run.epoch, 0.0, self.training)
            self.last, self._spare = self.training.copy_to(self._spare, self.last.epochs_done), self.last
            if self.trainer is not None:
                self.trainer.begin()

    def steps(self) -> Steps:
        """Yield the steps of the whole training; at its end, go back to the best epoch if the plan keeps it."""
        if self.training.optimizer.full_batch:
            yield from self._minimizing()
        elif self._plan.shards is not None:
            yield from self._in_shards(self._plan.shards)
        else:
            yield from self._in_mini_batches()
        self._compare()
        if self._best_state is not None and self._best_state.epochs_done > 0:
            self.training.restore(self._best_state)

    def numbers(self) -> AbstractContextManager[Any]:
        """Let NumPy compute with infinite numbers where steps need it, while they are computed."""
        return np.errstate(all="ignore") if self.training.optimizer.full_batch else nullcontext()

    def _in_mini_batches(self) -> Steps:
        plan, training, source, options = self._plan, self.training, self._plan.source, self._plan.options
        source.open()
        if source.weight is not None:
            options = replace(options, sample_weight=source.weight)
        with at_once(lambda: _dry_evaluation(plan)):
            kept = kept_trainer(training, plan.formulation, source.X, source.Y, plan.batch_size, options)
        trainer = kept.trainer
        self._scheduled = self._scheduled_by(kept.options)  # the trainer follows these
        try:
            self.begin()
            trainer.begin()
            self.trainer = trainer
            epoch = partial(source.epoch, training.rng)
            if self._scheduled.by_step:
                epoch = partial(one_step_each, epoch, plan.batch_size, self._begin_step)
            yield from in_pieces(trainer, training.model, epoch, plan.epochs, self, self._first)
        finally:
            trainer.let_go()
            self._scheduled.end()
        training.kept = kept if plan.step_bytes <= KEPT_BYTES else None

    def _begin_step(self, done: int) -> None:
        """Set what follows steps, after so many samples of the running epoch."""
        share = min(done / (self._plan.samples_per_epoch or 1), 1.0)
        self._scheduled.begin_step(self._run.epoch - 1 + share, self.training.state.rate)

    def _scheduled_by(self, options: StepOptions) -> Scheduled:
        return Scheduled(self._plan.schedules, self.training.optimizer, options)

    def _in_shards(self, samples: Sharded) -> Steps:
        """Take steps over mini-batches of rows of every shard, on all ranks. Yield None between two epochs."""
        plan, training, rows = self._plan, self.training, -(-self._plan.batch_size // len(samples.sizes))
        chosen = plan.formulation, training.model, training.optimizer, training.state, samples, rows
        steps = StepsOverShards(*chosen, self._options_of_all())
        self.begin()
        for epoch in range(1, plan.epochs + 1):
            self.begin_epoch(epoch)
            cost = 0.0
            done = 0
            for n_samples, mean in steps.epoch(training.rng, plan.shuffle):
                cost += n_samples * mean
                done += n_samples
                self.advance(n_samples)
                if done < len(samples):
                    self._begin_step(done)
                if not math.isfinite(cost):
                    break
            if self.epochs_done(epoch, [cost / len(samples)], len(samples)) or epoch == plan.epochs or not (yield None):
                return

    def _options_of_all(self) -> StepOptions:
        """Return the options of steps with the weights of all samples."""
        weight, options = self._plan.source.sample_weight, self._plan.options
        return options if weight is None else replace(options, sample_weight=weight)

    def _minimizing(self) -> Steps:
        """Yield None after each iteration over all samples at once."""
        plan, training, samples = self._plan, self.training, self._plan.shards or self._plan.source.samples
        assert samples is not None
        if isinstance(samples, SomeRows):
            samples = samples.copied()
        options = self._options_of_all()
        self.begin()
        self.begin_epoch(1)
        given = training.optimizer, training.state, samples
        iterations = full_batch.iterations(plan.formulation, training.model, *given, plan.epochs, options)
        with closing(iterations):
            why = yield from self._iterate(iterations, len(samples))
        if len(self._run.history) < plan.epochs:
            self._run.history.stopped = self._run.history.stopped or why

    def _iterate(self, iterations: full_batch.Iterations, n: int) -> Generator[None, Any, str]:
        """Do the work after each iteration over n samples; return why they ended."""
        answer: bool | None = None  # begins them; then, whether to stop
        while True:
            try:
                epoch, cost = iterations.send(answer)
            except StopIteration as end:
                return str(end.value)
            self.advance(n)
            answer = self.epochs_done(epoch, [cost], n)
            if not answer and epoch < self._plan.epochs:
                answer = not (yield None)
                if not answer:
                    self.begin_epoch(epoch + 1)

    def undo(self) -> None:
        """Go back to the state after the last whole epoch."""
        self.training.restore(self.last)
        self._run.history.keep(self.last.epochs_done)


def fit(plan: Plan, run: Run) -> History:
    """Train. After an error or Ctrl-C the state is that after the last whole epoch."""
    loop, history = Loop(plan, run), plan.history
    try:
        with telling(loop.progress.tell), loop.numbers(), plan.ranks.together():
            drive(loop.steps())
    except BaseException as error:
        loop.undo()
        if not isinstance(error, KeyboardInterrupt):
            raise
        history.interrupted = True
        words = f"training was interrupted after {len(history)} of {plan.epochs} epochs; the network has the weights of"
        warnings.warn(f"{words} the last whole epoch", RuntimeWarning, stacklevel=4)
    finally:
        loop.progress.close()
    loop.call("on_train_end")
    return history


def _dry_evaluation(plan: Plan) -> None:
    """Do what `evaluate` does after an epoch, with a copy of the network: for `at_once`."""
    model = plan.training.model.unprepared()
    for samples in plan.data_sets.values():
        X, Y = (np.zeros((min(len(samples), 4096), n), model.dtype) for n in (model.sizes[0], model.sizes[-1]))
        plan.formulation.costs(model, X, Y)


def _record(
    history: History,
    costs: Sequence[float],
    evaluations: dict[str, Evaluation],
    rate: float,
    start: float,
    speed: float,
) -> None:
    n = len(costs)
    for data, evaluation in evaluations.items():
        for name, value in evaluation.values().items():
            history.series(f"{data}_{name}").append(value)
    history.learning_rate += [rate] * n
    history.seconds += [(time.perf_counter() - start) / n] * n
    history.samples_per_second += [speed] * n
    history.cost += costs
