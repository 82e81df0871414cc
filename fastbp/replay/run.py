"""`replay`: runs the experiments, one after the other, and returns their results."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

from fastbp import validation
from fastbp.formulations import FORMULATIONS
from fastbp.network.network import FormulationName
from fastbp.progress import Steps
from fastbp.replay.experiments import EXPERIMENTS, Experiment
from fastbp.replay.material import Book
from fastbp.replay.recipe import SEED, Generators
from fastbp.replay.result import Replay
from fastbp.replay.slow_learning import N_IMAGES, PUBLISHED_NORMS, one_neuron, speed_of_learning
from fastbp.replay.training import Training, train

NEURON, SPEED = "one_neuron", "speed_of_learning"
# Every experiment, in the order of the book.
KEYS = ("network", "learning_rate", "cross_entropy", NEURON, "regularization",
        *(experiment.key for experiment in EXPERIMENTS if experiment.seeded), SPEED)  # fmt: skip
SPEED_EPOCHS = 500


def replay(
    book: Book,
    only: Iterable[str] = (),
    *,
    quick: bool = False,
    seeds: int = 3,
    formulation: FormulationName = "tiles",
    progress: bool = True,
) -> Replay:
    """Run the book's experiments.

    Parameters
    ----------
    book : Book
        MNIST and the results of the book's programs, from `read_book`.
    only : list of str, optional
        Which of the experiments in `KEYS`; left out, all.
    quick : bool, default False
        Whether to train few epochs, with a single seed.
    seeds : int, default 3
        How many seeds the experiments use for which the book has none.
    formulation : {"tiles", "loops", "vectorized", "textbook"}
        Which formulation computes.
    progress : bool, default True
        Show a live line on a terminal.

    Returns
    -------
    Replay
        After Ctrl-C it has what was done by then; a RuntimeWarning says so.

    Raises
    ------
    TypeError, ValueError
        A parameter is not what is described above.

    Examples
    --------
    >>> import numpy as np
    >>> from fastbp.replay import Book
    >>> X, y = np.zeros((4, 784)), np.array([5, 0, 4, 1])
    >>> result = replay(Book((X, y), (X, y), (X, y)), only=["one_neuron"], quick=True, progress=False)
    >>> [(neuron.cost, neuron.start) for neuron in result.neurons]  # it needs no images
    [...('quadratic', 2.0)...]
    """
    if not isinstance(book, Book):
        raise TypeError(f"book is {book!r}; it must be what fastbp.replay.read_book returns")
    listed = validation.entries("only", only, f"a list of experiments, of {', '.join(KEYS)}")
    chosen = [validation.known_name("experiment", key, dict.fromkeys(KEYS)) for key in listed] or list(KEYS)
    quick = validation.truth("quick", quick)
    validation.known_name("formulation", formulation, FORMULATIONS)
    n_seeds = 1 if quick else validation.whole_number("seeds", seeds, 1)
    epochs = 50 if quick else SPEED_EPOCHS
    experiments = [each.quick() if quick else each for each in EXPERIMENTS if each.key in chosen]
    result = Replay(quick=quick, formulation=formulation)
    repeated = [(1 if each.seeded else n_seeds, training) for each in experiments for training in each.trainings]
    n_speeds = n_seeds * len(PUBLISHED_NORMS) * (SPEED in chosen)
    n = sum(times for times, _ in repeated) + (NEURON in chosen) + n_speeds
    total = sum(times * training.work for times, training in repeated) + n_speeds * speed_work(epochs)
    with Steps(validation.truth("progress", progress), "training", n, total) as steps:
        try:
            for experiment in experiments:
                result.outcomes[experiment] = []
                _run(experiment, n_seeds, book, formulation, steps, result)
            _run_slow_learning(chosen, n_seeds, epochs, book, formulation, steps, result)
        except KeyboardInterrupt:
            result.interrupted = True
    if result.interrupted:
        warnings.warn("the replay was interrupted; the result has what was done by then", RuntimeWarning, stacklevel=2)
    return result


def speed_work(epochs: int) -> float:
    """Return how long `speed_of_learning` takes for one network, in the unit of `Training.work`."""
    return 2 * epochs * N_IMAGES * 784 * 30


def _run(
    experiment: Experiment, n_seeds: int, book: Book, formulation: FormulationName, steps: Steps, result: Replay
) -> None:
    for seed in [SEED] if experiment.seeded else range(1, n_seeds + 1):
        generators = Generators(seed)
        for training in experiment.trainings:
            own = generators if experiment.seeded else Generators(seed)
            about = f"{experiment.row} {training}"

            def tell(epoch: int, training: Training = training, about: str = about) -> None:
                part = training.work * epoch / training.epochs
                steps.within(part, f"epoch {min(epoch + 1, training.epochs)}/{training.epochs}  {about}")

            steps.begin(f"epoch 1/{training.epochs}  {about}")
            outcome = train(training, own, seed, book, formulation, experiment.anew, tell)
            result.outcomes[experiment].append(outcome)
            steps.done(training.work)
    if experiment.seeded:
        result.published[experiment.key] = book.published(experiment.key)


def _run_slow_learning(
    chosen: list[str], n_seeds: int, epochs: int, book: Book, formulation: FormulationName, steps: Steps, result: Replay
) -> None:
    if NEURON in chosen:
        steps.begin("one neuron")
        result.neurons = one_neuron(formulation)
    for hidden in PUBLISHED_NORMS if SPEED in chosen else ():
        for seed in range(1, n_seeds + 1):
            steps.begin(f"speed of learning of {hidden} hidden layers")
            outcome = speed_of_learning(book.training, hidden, seed, epochs, formulation)
            result.speeds.setdefault(hidden, []).append(outcome)
            steps.done(speed_work(epochs))
