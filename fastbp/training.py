"""Training: epochs, their order of samples, what they achieve; and what stands if they are interrupted."""

from __future__ import annotations  # so that naming numpy.random does not import it

import math
import os
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from fastbp.formulations import Formulation
from fastbp.optimizers import Optimizer, OptimizerState
from fastbp.parameters import Array, Model
from fastbp.progress import Progress

# Between two compiled calls Python can see Ctrl-C and move a progress bar. A long epoch is cut into calls of about
# this many floating-point operations, a tenth of a second or so; where it is cut does not change any weight.
FLOPS_BETWEEN_LOOKS = 1e9


class DivergenceError(ArithmeticError):
    """Training diverged: the cost or a weight is no longer finite. The network has its last finite weights."""


@dataclass
class Evaluation:
    """How well a network does on some samples.

    Attributes
    ----------
    cost : float
        The mean cost of the samples.
    accuracy : float or None
        The share of samples whose class is right, between 0 and 1; None where the targets are not classes.
    """

    cost: float
    accuracy: float | None = None

    def __str__(self) -> str:
        return f"cost {self.cost:.4g}" + ("" if self.accuracy is None else f"  accuracy {self.accuracy:.2%}")


@dataclass
class History:
    """What each epoch of a `fit` achieved, one entry an epoch.

    Attributes
    ----------
    cost : list of float
        The mean cost of the training samples during the epoch, each taken before the step it took part in.
    validation_cost, validation_accuracy : list of float
        On the validation data, after the epoch; empty without validation data, or without classes.
    seconds : list of float
        How long the epoch took, evaluation included.
    samples_per_second : list of float
        Training samples by the seconds that training alone took.
    interrupted : bool
        Whether Ctrl-C ended the training.

    Examples
    --------
    >>> import fastbp
    >>> net = fastbp.Network([2, 3, 1], cost="squared_error", seed=0)
    >>> history = net.fit([[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0], epochs=3)
    >>> len(history), sorted(history.as_dict())[:2]
    (3, ['cost', 'samples_per_second'])
    """

    cost: list[float] = field(default_factory=list)
    validation_cost: list[float] = field(default_factory=list)
    validation_accuracy: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    samples_per_second: list[float] = field(default_factory=list)
    interrupted: bool = False

    def __len__(self) -> int:
        return len(self.cost)

    def keep(self, epochs: int) -> None:
        """Forget all but the first so many epochs."""
        for values in vars(self).values():
            if isinstance(values, list):
                del values[epochs:]

    def as_dict(self) -> dict[str, npt.NDArray[np.float64]]:
        """Return each series that is not empty, as an array."""
        series = {name: value for name, value in vars(self).items() if isinstance(value, list) and value}
        return {name: np.array(value) for name, value in series.items()}

    def __repr__(self) -> str:
        last = ", ".join(f"{name} {values[-1]:.4g}" for name, values in self.as_dict().items())
        return f"History({len(self)} epochs{'; last: ' + last if last else ''})"


@dataclass
class Samples:
    """Checked inputs and targets."""

    X: Array
    Y: Array
    classes: bool  # whether Y says classes


@dataclass
class Training:
    """All that the next epoch depends on. Restoring it undoes an epoch."""

    model: Model
    optimizer: Optimizer
    state: OptimizerState
    rng: np.random.Generator

    def copy(self, epochs_done: int) -> Snapshot:
        """Return how things stand after so many epochs."""
        theta = self.model.parameters.vector.copy()
        return Snapshot(epochs_done, theta, self.state.copy(), self.rng.bit_generator.state)

    def copy_to(self, spare: Snapshot, epochs_done: int) -> Snapshot:
        """Return the same as `copy`, in the memory of a snapshot that is no longer needed."""
        spare.theta[:] = self.model.parameters.vector
        self.state.copy_to(spare.state)
        spare.epochs_done, spare.generator = epochs_done, self.rng.bit_generator.state
        return spare

    def restore(self, snapshot: Snapshot) -> None:
        """Make things as they were."""
        self.model.parameters.vector[:] = snapshot.theta
        snapshot.state.copy_to(self.state)
        self.rng.bit_generator.state = snapshot.generator


@dataclass
class Snapshot:
    """Parameters, optimizer state and random generator as they were at the end of an epoch."""

    epochs_done: int
    theta: Array
    state: OptimizerState
    generator: Any


def fit(
    training: Training,
    formulation: Formulation,
    samples: Samples,
    validation: Samples | None,
    *,
    epochs: int,
    batch_size: int,
    progress: Progress,
) -> History:
    """Train for some epochs. After an error or Ctrl-C everything is as at the end of the last whole epoch."""
    history = History()
    batch_size = min(batch_size, len(samples.X))
    trainer = formulation.trainer(training.model, training.optimizer, training.state, samples.X, samples.Y, batch_size)
    chunk = batch_size * max(1, int(FLOPS_BETWEEN_LOOKS / (training.model.flops_per_sample * batch_size)))
    last, spare = training.copy(0), training.copy(0)
    try:
        trainer.begin()
        for epoch in range(1, epochs + 1):
            start = time.perf_counter()
            cost = 0.0
            for order in _order(training.rng, len(samples.X), batch_size, chunk):
                cost += trainer.train(order)
                progress.advance(len(order))
            trainer.end_epoch()
            _check_finite(epoch, cost, training)
            trained = time.perf_counter()
            evaluation = evaluate(formulation, training.model, validation) if validation else None
            _record(history, cost / len(samples.X), evaluation, start, trained, len(samples.X))
            # From this one assignment on the epoch counts: Ctrl-C anywhere before it undoes the epoch.
            last, spare = training.copy_to(spare, epoch), last
            progress.epoch_done(_describe(history))
    except KeyboardInterrupt:
        training.restore(last)
        history.keep(last.epochs_done)
        history.interrupted = True
        warnings.warn(
            f"training was interrupted after {len(history)} of {epochs} epochs; the network has the weights of the "
            "last whole epoch", RuntimeWarning, stacklevel=3,
        )  # fmt: skip
    except BaseException:
        training.restore(last)
        raise
    finally:
        progress.close()
    return history


def check_memory(formulation: Formulation, training: Training, batch_size: int) -> None:
    """Raise MemoryError, saying how many bytes a step needs, if that is more than this machine has."""
    copies = 2 * (1 + training.optimizer.n_moments) * training.model.parameters.vector.nbytes  # to undo an epoch
    needed = copies + formulation.step_bytes(training.model, training.optimizer, batch_size)
    present = physical_memory()
    if needed > present:
        raise MemoryError(
            f"training with mini-batches of {batch_size} samples needs {needed:,} bytes beyond the data, and this "
            f"machine has {present:,}: choose a smaller batch_size or a smaller network"
        )


def physical_memory() -> float:
    """Bytes of memory of this machine, infinite where that cannot be asked."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return math.inf


def _order(rng: np.random.Generator, n: int, batch_size: int, chunk: int) -> Iterator[npt.NDArray[np.int64]]:
    """A new order of all samples, in pieces of whole mini-batches. A full batch has no order worth the drawing."""
    order = rng.permutation(n) if batch_size < n else np.arange(n)
    for start in range(0, n, chunk):
        yield order[start : start + chunk]


def _check_finite(epoch: int, cost: float, training: Training) -> None:
    theta = training.model.parameters.vector
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(cost) and (np.isfinite(theta.sum()) or np.isfinite(theta).all()):
            return
    raise DivergenceError(
        f"training diverged in epoch {epoch}: the cost or a weight is no longer finite. The network has the weights "
        f"from before that epoch. Try a smaller learning rate than {training.optimizer.learning_rate:g}"
    )


def _record(history: History, cost: float, evaluation: Evaluation | None, start: float, trained: float, n: int) -> None:
    if evaluation is not None:
        history.validation_cost.append(evaluation.cost)
        if evaluation.accuracy is not None:
            history.validation_accuracy.append(evaluation.accuracy)
    history.seconds.append(time.perf_counter() - start)
    history.samples_per_second.append(n / max(trained - start, 1e-9))
    history.cost.append(cost)


def _describe(history: History) -> str:
    words = f"cost {history.cost[-1]:.4g}"
    if history.validation_cost:
        words += f"  validation cost {history.validation_cost[-1]:.4g}"
    if history.validation_accuracy:
        words += f"  accuracy {history.validation_accuracy[-1]:.2%}"
    return words


def evaluate(formulation: Formulation, model: Model, samples: Samples) -> Evaluation:
    """Return the mean cost, and for classes the accuracy."""
    outputs, costs = formulation.costs(model, samples.X, samples.Y)
    return Evaluation(float(costs.mean()), accuracy(outputs, samples.Y) if samples.classes else None)


def accuracy(outputs: Array, Y: Array) -> float:
    """Return the share of rows whose class is right: the largest output, or, for one output, whether it exceeds ½."""
    if Y.shape[1] == 1:
        return float(((outputs > 0.5) == (Y > 0.5)).mean())
    return float((outputs.argmax(axis=1) == Y.argmax(axis=1)).mean())
