"""The book's figures, drawn from a replay: our lines, and circles for the book's values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fastbp import plots
from fastbp.plots.canvas import write as write_picture
from fastbp.replay.experiments import Experiment
from fastbp.replay.material import Series

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from fastbp.replay.result import Replay
    from fastbp.replay.slow_learning import NeuronOutcome, SpeedOutcome
    from fastbp.replay.training import Outcome, Training

# Okabe & Ito's, which colour-blind readers tell apart; the lines differ in their dashes, too.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7")
DASHES: tuple[Any, ...] = ("-", "--", "-.", ":")
MOST_CIRCLES = 20
NARROW = 4.5  # inches: narrower pictures have their panels below each other, and smaller letters


def draw(replay: Replay, folder: Path) -> list[Path]:
    """Draw a picture of each experiment into a folder, and return their paths."""
    figures = {
        experiment.key: _figure(replay, experiment, each) for experiment, each in replay.outcomes.items() if each
    }
    if replay.neurons:
        figures["one_neuron"] = neurons(replay.neurons)
    if replay.speeds:
        figures["speed_of_learning"] = speeds(replay.speeds)
    paths = {name: folder / f"{name}.png" for name in figures}
    for name, figure in figures.items():
        write_picture(figure, paths[name])
    return list(paths.values())


def _figure(replay: Replay, experiment: Experiment, outcomes: list[Outcome]) -> Figure:
    published = replay.published.get(experiment.key, {})
    if experiment.key == "more_data":
        return _more_data(outcomes, published)
    if experiment.key == "multiple_eta":
        return _costs(outcomes, published)
    if outcomes[0].training.on_training:
        return _four(outcomes[0], published.get(outcomes[0].training.run, {}))
    return _accuracies(experiment, outcomes, published)


def _accuracies(experiment: Experiment, outcomes: list[Outcome], published: dict[str, Series]) -> Figure:
    """Draw accuracy by epoch: the median of the seeds, and a band from the worst to the best."""
    figure, axes = _one_panel()
    evaluated = {training.evaluated: None for training in experiment.trainings}
    for i, training in enumerate(experiment.trainings):
        values = np.array([100 * np.array(each.accuracy) for each in outcomes if each.training is training])
        if not len(values):
            continue
        epochs = np.arange(1, values.shape[1] + 1)
        label = training.name if len(evaluated) == 1 else f"{training.name}, {training.evaluated}"
        axes.plot(epochs, np.median(values, axis=0), label=label, **_style(i, len(epochs)))
        axes.fill_between(epochs, values.min(axis=0), values.max(axis=0), color=COLOURS[i], alpha=0.2, linewidth=0)
        told = published.get(training.run, {}).get("evaluation_right") if experiment.seeded else None
        if told:
            _circles(axes, [count / 100 for count in told[: len(epochs)]])
        elif training.published is not None:
            axes.axhline(100 * training.published, color=COLOURS[i], linewidth=0.8, linestyle=DASHES[i])
    _key(axes, bool(published), several=not experiment.seeded)
    _finish(axes, f"accuracy on the {next(iter(evaluated))} images (%)" if len(evaluated) == 1 else "accuracy (%)")
    return figure


def _four(outcome: Outcome, published: Series) -> Figure:
    """Draw costs and accuracies on training and test images: the book's four figures about overfitting."""
    figure = plots.new_figure(9.5, 6.4)
    n = {"evaluation": 10_000, "training": outcome.training.n}
    places = ("training", "cost"), ("evaluation", "right"), ("evaluation", "cost"), ("training", "right")
    for axes, (data, what) in zip(figure.subplots(2, 2).ravel(), places, strict=True):
        name = f"{data}_{what}"
        factor = 100 / n[data] if what == "right" else 1
        ours = [factor * value for value in outcome.series[name]]
        axes.plot(range(1, len(ours) + 1), ours, label=_named("here", outcome.training), **_style(0, len(ours)))
        if name in published:
            _circles(axes, [factor * value for value in published[name][: len(ours)]])
        words = "accuracy (%)" if what == "right" else "cost"
        _finish(axes, f"{words} on the {'test' if data == 'evaluation' else 'training'} images")
        if (data, what) == places[0]:
            _key(axes, bool(published), several=False)
    return figure


def _costs(outcomes: list[Outcome], published: dict[str, Series]) -> Figure:
    figure, axes = _one_panel()
    for i, outcome in enumerate(outcomes):
        costs = outcome.series["training_cost"]
        label = _named(outcome.training.name, outcome.training)
        axes.plot(range(1, len(costs) + 1), costs, label=label, **_style(i, len(costs)))
        _circles(axes, published.get(outcome.training.run, {}).get("training_cost", [])[: len(costs)])
    _key(axes, bool(published), several=False)
    _finish(axes, "cost on the training images")
    return figure


def _named(name: str, training: Training) -> str:
    """Mark a chaotic training: there it is no mistake that the circles lie beside the line."""
    return f"{name} (chaotic)" if training.chaotic else name


def _more_data(outcomes: list[Outcome], published: dict[str, Series]) -> Figure:
    figure, axes = _one_panel()
    sizes = [outcome.training.n for outcome in outcomes]
    axes.plot(sizes, [100 * outcome.accuracy[-1] for outcome in outcomes], label="here", **_style(0, 1))
    told = [100 * (outcome.training.published or 0) for outcome in outcomes]
    axes.plot(sizes, told, "o", color="black", markerfacecolor="none", markersize=7, label="the book")
    axes.set_xscale("log")
    _key(axes, circles=False, several=False)
    _finish(axes, "accuracy on the validation images (%)", "training images")
    return figure


def neurons(outcomes: Sequence[NeuronOutcome], *, width: float = 9.5) -> Figure:
    """Draw how the output of one neuron falls, a panel for each cost, from what `slow_learning.one_neuron` returns.

    `width` is that of the figure in inches; in a narrow one the panels are below each other.
    """
    figure, panels = _panels(2, width)
    for axes, cost in zip(panels, ("quadratic", "cross_entropy"), strict=True):
        for i, neuron in enumerate(each for each in outcomes if each.cost == cost):
            label = f"from w = {neuron.start:g}, b = {neuron.bias:g}"
            axes.plot(neuron.output, label=label, **_style(i, len(neuron.output)))
            if neuron.published is not None:
                axes.plot([len(neuron.output) - 1], [neuron.published], "o", color="black", markerfacecolor="none")
        axes.set_title(f"{cost}, η {neuron.learning_rate:g}", fontsize=10, loc="left")
        if axes is panels[-1]:  # where there is room for it
            _key(axes, any(neuron.published is not None for neuron in outcomes), several=False)
        _finish(axes, "output (wanted: 0)" if axes is panels[0] or width < NARROW else "", narrow=width < NARROW)
    return figure


def speeds(outcomes: Mapping[int, Sequence[SpeedOutcome]], *, width: float | None = None) -> Figure:
    """Draw ‖δ⁽ˡ⁾‖ of the hidden layers by epoch, a panel for each number of them, of several outcomes the median.

    The outcomes are those of `slow_learning.speed_of_learning`, by the number of hidden layers. `width` is that of the
    figure in inches, by default 4.2 for each panel; in a narrow one they are below each other.
    """
    width = 4.2 * len(outcomes) if width is None else width
    figure, panels = _panels(len(outcomes), width)
    for axes, (hidden, found) in zip(panels, outcomes.items(), strict=True):
        norms = np.median([speed.norms for speed in found], axis=0)
        for l in range(hidden):
            axes.plot(norms[:, l], label=f"layer {l + 1}", **_style(l, len(norms)))
        axes.set_yscale("log")
        axes.set_title(f"{hidden} hidden layers", fontsize=10, loc="left")
        axes.legend(frameon=False, fontsize=9, ncols=2)
        _finish(axes, "‖δ‖" if axes is panels[0] or width < NARROW else "", narrow=width < NARROW)
    return figure


def _one_panel() -> tuple[Figure, Axes]:
    figure = plots.new_figure(6, 3.8)
    return figure, figure.subplots()


def _panels(n: int, width: float) -> tuple[Figure, Sequence[Axes]]:
    narrow = width < NARROW
    figure = plots.new_figure(width, 2.2 * n, dpi=300) if narrow else plots.new_figure(width, 3.8)
    rows, columns = (n, 1) if narrow else (1, n)
    return figure, figure.subplots(rows, columns, squeeze=False, sharey=True).ravel().tolist()


def _style(i: int, points: int) -> dict[str, Any]:
    mark = {"marker": "o", "markersize": 3} if points <= 3 else {}
    return {"color": COLOURS[i], "linestyle": DASHES[i], "linewidth": 1.6, **mark}


def _circles(axes: Axes, values: Sequence[float]) -> None:
    every = 1 + len(values) // (MOST_CIRCLES + 1)
    shown = range(0, len(values), every)
    axes.plot([i + 1 for i in shown], [values[i] for i in shown], "o", color="black", markerfacecolor="none",
              markersize=5, markeredgewidth=0.8, zorder=3)  # fmt: skip


def _key(axes: Axes, circles: bool, several: bool) -> None:
    if circles:
        axes.plot([], [], "o", color="black", markerfacecolor="none", markersize=5, label="the book")
    if several:
        axes.plot([], [], color="black", linewidth=0.8, label="thin: the book's best")
    axes.legend(frameon=False, fontsize=9)


def _finish(axes: Axes, y: str, x: str = "epoch", narrow: bool = False) -> None:
    from matplotlib.ticker import MaxNLocator

    if axes.get_xscale() == "linear":
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    axes.set(xlabel=x, ylabel=y)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    if narrow:
        plots.small_letters(axes)
