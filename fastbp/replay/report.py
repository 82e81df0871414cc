"""The table of a replay: the book's figures beside ours. It fits 100 columns."""

from __future__ import annotations

import statistics
import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from fastbp.replay.equality import COST_TOLERANCE, Equality
from fastbp.replay.experiments import SMALL, Experiment
from fastbp.replay.material import DOWNLOADS
from fastbp.replay.slow_learning import PUBLISHED_NORMS, NeuronOutcome
from fastbp.replay.training import N_TRAINING, Outcome, Training

if TYPE_CHECKING:
    from fastbp.replay.result import Replay

COLUMNS = 100
HEAD = ("", "", "the book", "here", "")
VALIDATION = "*"
NOTE = "Accuracies are the best of all epochs, on the test images, or, with a star, on the validation images."
COUNTS = (
    "Where the book's program has a seed: how many of its counts of right answers are equal here, and the largest "
    "relative difference between its costs and ours."
)
SILENT = (
    "Silent outputs: large weights saturate neurons; where σ′ is near 0, so is the gradient of the quadratic cost. An "
    "output that falls to 0 early never recognises its digit, a tenth of the images. The book's network.py does the "
    'same: a footnote mentions "quite some variation" and results "quite a bit worse".'
)
ONE_SEED = (
    "The book's 96.49% of N4 is the best epoch of one seed, that of N5, all images, regularised; other seeds mostly "
    "reach less."
)
CHAOS = (
    "Chaotic: without regularisation on all images, and with η = 2.5, the order of summation decides after a few "
    "epochs; nobody can replay these to the end."
)
CHAOTIC = "chaotic"


def table(replay: Replay) -> str:
    """Return a block for each experiment, and sentences about all of them."""
    blocks = [_row(*HEAD)]
    for experiment, outcomes in replay.outcomes.items():
        if not outcomes:
            continue
        blocks.append(f"{experiment.row:<4}{experiment.title}")
        for repeats in _by_training(outcomes):
            blocks.append(_training_row(replay, experiment, repeats))
            blocks += [] if replay.quick else _silent_rows(repeats)
    if replay.neurons:
        blocks.append("N3  learning slowdown: the output of one neuron that is to turn 1 into 0, after 300 epochs")
        blocks += [_neuron_row(neuron) for neuron in replay.neurons]
    if replay.speeds:
        blocks.append("N6  speed of learning by layer, ‖δ⁽ˡ⁾‖ before training: vanishing gradients")
        blocks += [line for hidden in replay.speeds for line in _speed_rows(replay, hidden)]
    return "\n".join([*blocks, "", *_words(replay)])


def _row(number: str, what: str, book: str, here: str, note: str) -> str:
    return f"{number:<4}{what:<52}{book:>9}{here:>9}  {note}".rstrip()


def _by_training(outcomes: Sequence[Outcome]) -> Iterable[list[Outcome]]:
    groups: dict[int, list[Outcome]] = {}
    for outcome in outcomes:
        groups.setdefault(id(outcome.training), []).append(outcome)
    return groups.values()


def _training_row(replay: Replay, experiment: Experiment, repeats: list[Outcome]) -> str:
    training = repeats[0].training
    star = VALIDATION if training.evaluated == "validation" else " "
    best = sorted(max(each.accuracy) for each in repeats)
    book = "– " if training.published is None else f"{training.published:.2%}{star}"
    here = f"{statistics.median(best):.2%}{star}"
    spread = _spread([f"{100 * each:.2f}" for each in best])
    note = _equality(replay.equality(experiment, repeats[0]), training) if experiment.seeded else spread
    return _row("", _what(training), book, here, note)


def _silent_rows(repeats: list[Outcome]) -> list[str]:
    """Return a row about the seeds with which every output learns, if there are others."""
    training = repeats[0].training
    alive = sorted(max(each.accuracy) for each in repeats if not each.silent)
    if len(alive) == len(repeats) or not _learns(training):
        return []
    here = f"{statistics.median(alive):.2%} " if alive else "– "
    note = _spread([f"{100 * each:.2f}" for each in alive]) if alive else ""
    what = f"  seeds without a silent output: {len(alive)} of {len(repeats)}"
    return [_row("", what, "", here, note)]


def _learns(training: Training) -> bool:
    return training.published is not None and training.published > 0.9


def _what(training: Training) -> str:
    words = [f"[{','.join(map(str, training.sizes))}]", f"η {training.learning_rate:g}"]
    words += [f"λ {training.lmbda:g}"] if training.lmbda else []
    words += [f"{training.n:,} images"] if training.n < N_TRAINING else []
    words += [] if training.large else ["N(0,1/√n_in)"]
    return ", ".join([*words, f"{training.epochs} epoch{'s' * (training.epochs > 1)}"])


def _spread(values: list[str]) -> str:
    return "one seed" if len(values) == 1 else f"{values[0]}…{values[-1]}, {len(values)} seeds"


def _equality(equality: Equality | None, training: Training) -> str:
    if equality is None:
        return CHAOTIC if training.chaotic else ""
    if training.chaotic and not equality.exact:
        return f"{CHAOTIC}: equal for {equality.until}"
    cost = "" if equality.cost_difference is None else f"costs ±{equality.cost_difference:.0e}"
    counts = f"{equality.equal_counts} of {equality.n_counts}" if equality.n_counts else ""
    return ", ".join(filter(None, (counts, cost)))


def _neuron_row(neuron: NeuronOutcome) -> str:
    what = f"{neuron.cost}, η {neuron.learning_rate:g}, w {neuron.start:g}, b {neuron.bias:g}"
    book = "–" if neuron.published is None else f"{neuron.published:.2f}"
    return _row("", what, f"{book} ", f"{neuron.output[-1]:.2f} ", f"from {neuron.output[0]:.2f}")


def _speed_rows(replay: Replay, hidden: int) -> list[str]:
    lines = []
    for l, published in enumerate(PUBLISHED_NORMS[hidden]):
        norms = sorted(speed.norms[0][l] for speed in replay.speeds[hidden])
        what = f"{hidden} hidden layers, layer {l + 1}"
        here = f"{statistics.median(norms):.3f} "
        lines.append(_row("", what, f"{published:g} ", here, _spread([f"{norm:.3f}" for norm in norms])))
    return lines


def _words(replay: Replay) -> list[str]:
    compared = [
        (experiment, outcome.training, equality)
        for experiment, outcomes in replay.outcomes.items()
        for outcome in outcomes
        if experiment.seeded and (equality := replay.equality(experiment, outcome)) is not None
    ]
    steady = [(experiment.title, equality) for experiment, training, equality in compared if not training.chaotic]
    words = [NOTE] if any(replay.outcomes.values()) else []
    if steady:
        words += [COUNTS, _exactness([equality for _, equality in steady])]
        words += [_drift(title, equality) for title, equality in steady if not equality.exact]
    everything = [each for outcomes in replay.outcomes.values() for each in outcomes]
    if any(each.silent and _learns(each.training) for each in everything) and not replay.quick:
        words.append(SILENT)
    if any(experiment.key == "regularization" and outcomes for experiment, outcomes in replay.outcomes.items()):
        words.append(ONE_SEED)
    if len(steady) < len(compared):
        words.append(CHAOS)
    missing = [key for key, runs in replay.published.items() if not runs]
    if missing:
        words.append(f"Not compared, because the folder nielsen lacks {', '.join(missing)} (.json, from {DOWNLOADS}).")
    if replay.quick:
        words.append("Quick: few epochs, whose accuracies stay below the book's.")
    if seconds := _epoch_seconds(replay):
        words.append(
            f"An epoch of [784,30,10] in float64 took {seconds:.2g} s here, evaluation on 10,000 images included; the "
            "author's laptop needed about ten seconds."
        )
    if replay.interrupted:
        words.append("Interrupted: this is what was done by then.")
    return [textwrap.fill(sentence, COLUMNS, break_on_hyphens=False) for sentence in words]


def _exactness(steady: Sequence[Equality]) -> str:
    exact = sum(equality.exact for equality in steady)
    counts, equal = sum(each.n_counts for each in steady), sum(each.equal_counts for each in steady)
    costs, close = sum(each.n_costs for each in steady), sum(each.equal_costs for each in steady)
    words = f"{exact} of {len(steady)} published series replay exactly. Of all of these, {equal:,} of {counts:,} counts"
    return f"{words} are equal" + (f", and {close:,} of {costs:,} costs within {COST_TOLERANCE:.0e}." if costs else ".")


def _drift(title: str, equality: Equality) -> str:
    """Say how a training differs from the book's."""
    wrong = equality.n_counts - equality.equal_counts
    words = f"Not exact: {title}, where {wrong} of {equality.n_counts} counts differ"
    if equality.first_difference is None or equality.first_difference > COST_TOLERANCE:
        return f"{words}."
    return (
        f"{words} and the costs by {equality.first_difference:.0e} after the first epoch, up to "
        f"{equality.cost_difference:.0e} later. It is the same training, in which rounding errors grow; the "
        "formulations differ from each other as much."
    )


def _epoch_seconds(replay: Replay) -> float:
    seconds = [
        epoch
        for outcomes in replay.outcomes.values()
        for outcome in outcomes
        if (t := outcome.training).sizes == SMALL and t.n == N_TRAINING and t.every_epoch and not t.on_training
        for epoch in outcome.seconds[1:]
    ]
    return statistics.median(seconds) if seconds else 0.0
