"""Training by mini-batches, with the solvers "sgd" and "adam" or fastbp's own optimizers."""

import math
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from fastbp.batches.samples import Samples
from fastbp.batches.sources import rows_between_looks
from fastbp.compiler.together import telling
from fastbp.formulations.borrowing import KEPT_BYTES
from fastbp.formulations.step_options import StepOptions
from fastbp.model import Array
from fastbp.network.network import Network
from fastbp.optimizers import Rprop
from fastbp.progress import STARTING, LiveLine, Progress
from fastbp.sklearn import parameters
from fastbp.sklearn.data import TILES, Reshuffled, Weighted, constant_of_poisson, mean_over_batches, source
from fastbp.sklearn.solvers import Solver
from fastbp.sklearn.stopping import Watcher
from fastbp.training.callbacks import Run, checked
from fastbp.training.history import History
from fastbp.training.steps import Steps, drive, in_pieces

AUTO = 200  # rows of a mini-batch, or all if they are fewer


class Epochs:
    """Trains the network of an estimator, and sets the fitted attributes of the estimator."""

    def __init__(self, estimator: Any, net: Network, solver: Solver, data: Weighted, watcher: Watcher):
        self._estimator, self.net, self._solver, self._watcher = estimator, net, solver, watcher
        self._epochs = 1 if watcher.incremental else estimator.max_iter
        whole = isinstance(solver.optimizer, Rprop) and estimator.batch_size == "auto"
        self.batch_size = len(data) if whole else _batch_size(estimator.batch_size, len(data))
        self._rows = rows_between_looks(net._model, self.batch_size)
        self._place(data)
        options, self._settled = self._options(), True
        with _starting(bool(estimator.progress)):
            self._trainer: Any = TILES.trainer(
                net._model, solver.optimizer, solver.state, self._source.X, self._source.Y, self.batch_size, options
            )
        self._run = Run(net, History(data_sets=watcher.data_sets), self._epochs)
        self._callbacks = checked(() if estimator.callbacks is None else estimator.callbacks)
        self.n_bytes = TILES.step_bytes(net._model, solver.optimizer, self.batch_size, options)
        self.can_be_kept = not (self._callbacks or any(options.dropout) or whole) and self.n_bytes <= KEPT_BYTES

    def _place(self, data: Weighted) -> None:
        n = len(data)
        self._solver.optimizer.check(min(self.batch_size, n), n)
        self._data, self._orders = data, Reshuffled(bool(self._estimator.shuffle), n)
        self._source = source(data, self._orders, self.net._model, self.batch_size, self._rows)
        self._constant = constant_of_poisson(data.Y) if self._estimator.loss == "poisson" else None

    def _weight(self) -> Array:
        weight = self._source.weight
        return np.empty(0, self.net.dtype) if weight is None else weight

    def take(self, data: Weighted) -> bool:
        """Train on other samples from now on. Return False, and change nothing, if they need another trainer."""
        given, n, held = self._estimator.batch_size, len(data), self.batch_size
        if isinstance(given, str):  # a trainer for one row sums it in another order than a trainer for many
            fits = held == min(AUTO, n) or 1 < n < held
        else:
            fits = held == given <= n
        if not fits or not isinstance(data.samples, Samples):
            return False
        self._place(data)
        self._trainer.take(self._source.X, self._source.Y, self._weight())
        return True

    def let_go(self) -> None:
        """Release the samples: they are the caller's, and may be large."""
        nothing = np.empty((0, 0), self.net.dtype)
        self._data = Weighted(Samples(nothing, nothing, False), None)
        self._source = source(self._data, self._orders, self.net._model, 1, 1)
        self._trainer.let_go()

    def settle(self) -> None:
        """Copy the optimizer's moments to the solver's state: after `partial_fit` only the trainer has them."""
        if not self._settled:
            self._trainer.end_epoch(parameters=False)
            self._settled = True

    def _options(self) -> StepOptions:
        estimator = self._estimator
        n_hidden, seed = len(parameters.hidden_layer_sizes(estimator.hidden_layer_sizes)), 0
        dropout = parameters.dropout(estimator.dropout, n_hidden)
        if any(dropout):
            seed = int(estimator._random_state.randint(2**31 - 1))
        steps = estimator.__dict__.setdefault("_steps", np.zeros(1, np.int64))  # converted ones have none yet
        return StepOptions(
            l2=float(estimator.alpha), dropout=dropout, seed=seed, sample_weight=self._weight(), per_batch=True,
            decay=getattr(self._solver.optimizer, "weight_decay", 0.0), steps=steps,
        )  # fmt: skip

    def run(self) -> None:
        """Train. Ctrl-C ends it with a warning; the network has the weights of the last step."""
        self._begin()
        try:
            drive(self._pieces())
        except KeyboardInterrupt:
            warnings.warn("Training interrupted by user.", stacklevel=6)
        finally:
            self._progress.close()
        self._end()

    def steps(self) -> Steps:
        """Yield the steps of the whole training."""
        self._begin()
        yield from self._pieces()
        self._end()

    def _begin(self) -> None:
        estimator = self._estimator
        self._progress = Progress(bool(estimator.progress), self._epochs, len(self._data))
        estimator.n_iter_ = 0
        self._trainer.begin(moments=self._settled)
        self._settled = not self._watcher.incremental
        self._watcher.begin(self.net)

    def _pieces(self) -> Steps:
        epoch = partial(self._source.epoch, self._estimator._random_state)
        self._call("on_train_begin")
        yield from in_pieces(self._trainer, self.net._model, epoch, self._epochs, self)

    def _end(self) -> None:
        self._trainer.end_epoch(moments=self._settled)
        self._watcher.end(self.net)
        self._call("on_train_end")

    @contextmanager
    def as_if_ended(self) -> Iterator[None]:
        """Give the network, for a while between two epochs, the parameters that it would have if training ended."""
        self._trainer.end_epoch(moments=False)
        last: Array = self.net.parameters.copy()
        self._watcher.take_best(self.net)
        try:
            yield
        finally:
            self.net.parameters[:] = last

    def advance(self, n_samples: int) -> None:
        """Move the progress bar."""
        self._progress.advance(n_samples)

    def begin_epoch(self, epoch: int) -> None:
        """Begin an epoch, counted from 1, and those that are trained with it."""
        estimator, self._run.epoch, self._start = self._estimator, epoch, time.perf_counter()
        if estimator.schedule is not None:
            self._solver.state.rate[0] = float(estimator.schedule(epoch - 1, self._solver.optimizer.learning_rate))
        self._call("on_epoch_begin")

    def together(self) -> int:
        """Return how many of the next epochs may be trained before anybody has to look.

        Without a goal, training does not stop before more than `n_iter_no_change` epochs are no improvement. The
        user's generator gives no numbers ahead, and changes of the rate and weights of Poisson's constant are by epoch.
        """
        estimator, watcher = self._estimator, self._watcher
        looks = watcher.looks or watcher.incremental or self._callbacks or estimator.schedule or self._solver.changes
        own = isinstance(estimator.random_state, np.random.RandomState)
        if looks or own or estimator.goal is not None or (self._constant is not None and self._data.weight is not None):
            return 1
        return int(max(1, min(self._source.epochs_together, estimator.n_iter_no_change + 1 - watcher.waited)))

    def epochs_done(self, epoch: int, costs: Sequence[float], n_samples: int) -> bool:
        """Set the fitted attributes. Return whether to stop."""
        for number, cost in enumerate(costs, epoch - len(costs) + 1):
            if self._ends(number, cost + self._constant_term()):
                return True
        self._progress.epochs_done(len(costs), f"loss {self._estimator.loss_:.4g}")
        return False

    def _ends(self, epoch: int, loss: float) -> bool:
        estimator, watcher = self._estimator, self._watcher
        estimator.n_iter_, estimator.loss_ = epoch, loss
        estimator.t_ += len(self._data)
        estimator.loss_curve_.append(loss)
        if estimator.verbose:
            print(f"Iteration {epoch:d}, loss = {loss:.8f}")
        if watcher.looks or self._callbacks:
            self._trainer.end_epoch()
        watcher.epoch_done(self.net, loss)
        if self._callbacks:
            self._record(loss)
        self._solver.epoch_done(estimator.t_)
        stop = self._reached_goal() or (watcher.waited > estimator.n_iter_no_change and self._stops())
        if estimator.schedule is not None:
            self._tell_schedule(loss)
        self._call("on_epoch_end")
        if stop or watcher.incremental or self._run.stop or self._diverged(loss):
            return True
        if epoch == estimator.max_iter:
            warnings.warn(
                f"Stochastic Optimizer: Maximum iterations ({epoch:d}) reached and the optimization hasn't converged "
                "yet.", ConvergenceWarning, stacklevel=11,
            )  # fmt: skip
        return False

    def _reached_goal(self) -> bool:
        if self._watcher.reached_goal and self._estimator.verbose:
            print(f"{self._watcher.why} Stopping.")
        return self._watcher.reached_goal

    def _stops(self) -> bool:
        """Whether to stop after many epochs without improvement; if not, the solver has lowered the rate."""
        stop, words = self._solver.no_improvement()
        if self._estimator.verbose:
            print(f"{self._watcher.why} {words}")
        if not stop:
            self._watcher.waited = 0
        return stop

    def _constant_term(self) -> float:
        if self._constant is None:
            return 0.0
        return mean_over_batches(self._constant, self._data.weight, self._orders.order, self.batch_size)

    def _diverged(self, loss: float) -> bool:
        """Whether no later epoch can make the weights finite again."""
        if math.isfinite(loss) or self._watcher.keeps_best:
            return False
        self._trainer.end_epoch()
        return not np.isfinite(self.net.parameters).all()

    def _record(self, loss: float) -> None:
        history, seconds = self._run.history, time.perf_counter() - self._start
        history.cost.append(loss)
        history.learning_rate.append(float(self._solver.state.rate[0]))
        history.seconds.append(seconds)
        history.samples_per_second.append(len(self._data) / max(seconds, 1e-9))
        if self._watcher.validation_loss is not None:
            history.validation_cost.append(self._watcher.validation_loss)

    def _tell_schedule(self, loss: float) -> None:
        observe = getattr(self._estimator.schedule, "observe", None)
        if observe is not None:
            observe(loss if self._watcher.validation_loss is None else self._watcher.validation_loss)

    def _call(self, name: str) -> None:
        """Call a method of all callbacks; if one changes the weights, training continues from them."""
        if not self._callbacks:
            return
        before: Array = self.net.parameters.copy()
        for callback in self._callbacks:
            getattr(callback, name)(self._run)
        if not np.array_equal(before, self.net.parameters):
            self._trainer.begin()


@contextmanager
def _starting(wanted: bool) -> Iterator[None]:
    """Say on a terminal, if that is `wanted`, when something is compiled."""
    if not wanted:
        yield
        return
    with LiveLine(wanted, "{desc}", STARTING, None, leave=False) as line, telling(line.tell):
        yield


def _batch_size(given: Any, n: int) -> int:
    if isinstance(given, str):
        return min(AUTO, n)
    if given > n:
        warnings.warn(
            "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped", stacklevel=8
        )
    return int(min(given, n))
