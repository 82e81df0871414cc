"""`Replay`: what `replay` returns."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from fastbp import disk
from fastbp.replay import pictures, report
from fastbp.replay.equality import Equality, compare_series
from fastbp.replay.experiments import Experiment
from fastbp.replay.material import Series
from fastbp.replay.slow_learning import NeuronOutcome, SpeedOutcome
from fastbp.replay.training import Outcome


@dataclass
class Replay:
    """The results of the experiments. Printed, they are a table: the book's figure beside ours.

    Attributes
    ----------
    quick : bool
        Whether only few epochs were trained.
    formulation : str
        Which formulation computed it.
    outcomes : dict of Experiment to list of Outcome
        What each training achieved, in the order in which they ran.
    published : dict of str to dict
        The series of the book's programs, by experiment and run; empty for a missing file.
    neurons : list of NeuronOutcome
        The neuron that learns slowly.
    speeds : dict of int to list of SpeedOutcome
        The speed of learning of each layer, by the number of hidden layers.
    interrupted : bool
        Whether Ctrl-C ended it.

    Examples
    --------
    >>> import numpy as np
    >>> from fastbp.replay import Book, replay
    >>> X, y = np.zeros((4, 784)), np.array([5, 0, 4, 1])
    >>> result = replay(Book((X, y), (X, y), (X, y)), only=["one_neuron"], quick=True, progress=False)
    >>> result.formulation, result.quick, len(result.neurons)
    ('tiles', True, 4)
    """

    quick: bool = False
    formulation: str = "tiles"
    outcomes: dict[Experiment, list[Outcome]] = field(default_factory=dict)
    published: dict[str, dict[str, Series]] = field(default_factory=dict)
    neurons: list[NeuronOutcome] = field(default_factory=list)
    speeds: dict[int, list[SpeedOutcome]] = field(default_factory=dict)
    interrupted: bool = False

    def equality(self, experiment: Experiment, outcome: Outcome) -> Equality | None:
        """Compare with the series of the book's program; None if they are missing."""
        published = self.published.get(experiment.key, {}).get(outcome.training.run)
        if published is None or (self.quick and not outcome.training.every_epoch):  # the book has the last epoch only
            return None
        return compare_series(outcome.series, published)

    def __str__(self) -> str:
        return report.table(self)

    def to_json(self, path: str | os.PathLike[str]) -> None:
        """Write all results as JSON. Raises OSError if the file cannot be written."""
        content: dict[str, Any] = {
            "quick": self.quick, "formulation": self.formulation, "interrupted": self.interrupted,
            "experiments": {
                experiment.key: [asdict(outcome) for outcome in outcomes]
                for experiment, outcomes in self.outcomes.items()
            },
            "neurons": [asdict(neuron) for neuron in self.neurons],
            "speeds": {str(hidden): [asdict(speed) for speed in speeds] for hidden, speeds in self.speeds.items()},
        }  # fmt: skip
        disk.write(path, (json.dumps(content, indent=1) + "\n").encode())

    def plot(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Draw the book's figures and return their paths; needs matplotlib.

        Raises
        ------
        ImportError
            matplotlib is not installed.
        TypeError, ValueError
            `folder` is not a path.
        OSError
            `folder` does not exist, or cannot be written to.
        """
        return pictures.draw(self, disk.checked_path(folder, "folder"))
