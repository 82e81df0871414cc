"""The experiments of the book's chapters 1 to 3 as data, with the figures of the book.

Nielsen, *Neural Networks and Deep Learning*, 2015, http://neuralnetworksanddeeplearning.com; the programs that draw
its figures are in the folder ``fig`` of github.com/mnielsen/neural-networks-and-deep-learning.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from fastbp.replay.training import N_TRAINING, Training

QUICK_SAMPLES = 100_000  # that `quick` trains on, but at least for an epoch
SMALL, MEDIUM = (784, 30, 10), (784, 100, 10)
MORE_DATA = {100: 69.09, 200: 76.37, 500: 85.29, 1000: 88.85, 2000: 91.27, 5000: 93.24, 10_000: 94.89, 20_000: 95.85,
             N_TRAINING: 95.97}  # fmt: skip


@dataclass(frozen=True)
class Experiment:
    """Some trainings that answer one question."""

    key: str  # its name on the command line and in the file of the book's results
    row: str  # its number in the list of the founding texts' results
    title: str  # the question
    trainings: tuple[Training, ...]  # in the order of the book's program
    seeded: bool = False  # whether the book's program has a seed, so that it can be replayed exactly
    anew: bool = False  # whether each training shuffles a new list of samples

    def quick(self) -> Experiment:
        """Return the same experiment with few epochs."""
        cut = tuple(_few_epochs(training) for training in self.trainings)
        if self.seeded and not self.anew:
            # The next training must find the generators as the whole training leaves them.
            pairs = zip(self.trainings, cut, strict=True)
            cut = tuple(replace(few, left_out=whole.epochs - few.epochs) for whole, few in pairs)
        return replace(self, trainings=cut)


def _few_epochs(training: Training) -> Training:
    most = max(1, QUICK_SAMPLES // training.n // (1 + (training.sizes == MEDIUM)))
    return replace(training, epochs=min(training.epochs, most, 40))


def _overfitting(lmbda: float, published: float, n: int, epochs: int, chaotic: bool = False) -> tuple[Training]:
    told: Any = {"published": published, "chaotic": chaotic}
    return (Training(SMALL, 0.5, epochs, lmbda, draws=(False, True), n=n, on_training=True, **told),)


def _weight_initialization(sizes: tuple[int, ...], scaled: float, large: float) -> tuple[Training, Training]:
    default = Training(sizes, 0.1, 30, 5.0, draws=(False,), evaluated="validation", name="N(0, 1/√n_in)",
                       run="default_weight_initialization", published=scaled)  # fmt: skip
    return default, replace(default, draws=(True,), name="N(0, 1)", run="large_weight_initialization", published=large)


def _more_data() -> tuple[Training, ...]:
    return tuple(
        Training(
            SMALL, 0.5, 1_500_000 // n, n * 0.0001, draws=(False, True) if i == 0 else (True,), n=n, run=str(i),
            evaluated="validation", every_epoch=False, name=f"{n:,} images", published=percent / 100,
        )
        for i, (n, percent) in enumerate(MORE_DATA.items())
    )  # fmt: skip


def _multiple_eta() -> tuple[Training, ...]:
    return tuple(
        Training(
            SMALL, eta, 30, 5.0, draws=(False,), evaluated="validation", on_training=True, run=str(i),
            name=f"η {eta:g}", chaotic=eta == 2.5,
        )
        for i, eta in enumerate((0.025, 0.25, 2.5))
    )  # fmt: skip


EXPERIMENTS = (
    Experiment("network", "N1", "network.py, the first program", (
        Training(SMALL, 3.0, 30, cost="quadratic", name="30 hidden", published=0.9542),
        Training(MEDIUM, 3.0, 30, cost="quadratic", name="100 hidden", published=0.9659),
    )),
    Experiment("learning_rate", "N2", "learning rates that fail", (
        Training(MEDIUM, 0.001, 30, cost="quadratic", name="η 0.001", published=0.2142),
        Training(SMALL, 100.0, 30, cost="quadratic", name="η 100", published=0.1009),
    )),
    Experiment("cross_entropy", "N3", "the cross-entropy cost", (
        Training(SMALL, 0.5, 30, name="30 hidden", published=0.9549),
        Training(MEDIUM, 0.5, 30, name="100 hidden", published=0.9682),
    )),
    Experiment("regularization", "N4", "L2 regularisation", (
        Training(SMALL, 0.5, 30, 5.0, name="30 hidden", published=0.9649),
        Training(MEDIUM, 0.5, 30, 5.0, evaluated="validation", name="100 hidden", published=0.9792),
        Training(MEDIUM, 0.1, 60, 5.0, draws=(False,), evaluated="validation", name="100 hidden, N(0, 1/√n_in)",
                 published=0.9804),
    )),
    Experiment("overfitting", "N5", "overfitting on 1,000 images", _overfitting(0.0, 0.8227, 1000, 400), seeded=True),
    Experiment("regularized", "N5", "the same, regularised", _overfitting(0.1, 0.871, 1000, 400), seeded=True),
    Experiment("overfitting_full", "N5", "all images, not regularised",
               _overfitting(0.0, 0.9533, N_TRAINING, 30, chaotic=True), seeded=True),
    Experiment("regularized_full", "N5", "all images, regularised",
               _overfitting(5.0, 0.9649, N_TRAINING, 30), seeded=True),
    Experiment("weight_initialization_30", "N5", "initial weights, 30 hidden",
               _weight_initialization(SMALL, 0.9653, 0.9648), seeded=True),
    Experiment("weight_initialization_100", "N5", "initial weights, 100 hidden",
               _weight_initialization(MEDIUM, 0.9781, 0.9755), seeded=True),
    Experiment("more_data", "N5", "more data", _more_data(), seeded=True, anew=True),
    Experiment("multiple_eta", "N5", "several learning rates", _multiple_eta(), seeded=True),
)  # fmt: skip
