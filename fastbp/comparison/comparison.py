"""`Comparison`: what `compare` returns."""

from __future__ import annotations

import csv
import io
import json
import os
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from fastbp import disk, plots, validation
from fastbp.comparison import words
from fastbp.comparison.cells import FORMULATIONS
from fastbp.comparison.rows import Limits, Row
from fastbp.plots.canvas import write as write_picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PathLike = str | os.PathLike[str]
FORMAT = 1


@dataclass
class Comparison:
    """The results of `compare`. Printed, they are a table that ends with a sentence in plain words.

    Attributes
    ----------
    machine : dict
        The machine, without names of hosts or users.
    settings : dict
        The arguments.
    limits : list of Limits
        For each number of threads the measured peaks of multiply-adds and of memory.
    rows : list of Row
        One for each cell, work and formulation: plain data.
    interrupted : bool
        Whether Ctrl-C, or the end of a measuring process, ended it early; the rows are those of the cells done by then.

    Examples
    --------
    >>> import fastbp
    >>> result = fastbp.compare([4, 3, 2], batch_sizes=[8], formulations=["textbook", "vectorized"], rounds=1)
    >>> [(row.work, row.formulation) for row in result.rows]
    [('gradient', 'textbook'), ('gradient', 'vectorized'), ('epoch', 'textbook'), ('epoch', 'vectorized')]
    """

    machine: dict[str, Any]
    settings: dict[str, Any]
    limits: list[Limits] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    interrupted: bool = False

    def __str__(self) -> str:
        task = f"{self.settings['activation']}, {self.settings['cost']}, {self.settings['optimizer']}"
        numpy = f"NumPy {self.machine['numpy']} with {self.machine['blas']}"
        head = [words.filled(f"{self.machine['processor']}; {numpy}; {task}")]
        for limits in self.limits:
            peaks = ", ".join(f"{peak:.0f} GFLOP/s {dtype}" for dtype, peak in limits.peak_gflops.items())
            head.append(f"{limits.threads} thread(s): peak {peaks}; memory {limits.memory_gbs:.0f} GB/s")
        if self.interrupted:
            head.append("interrupted: this is what was measured by then")
        if not self.rows:
            return "\n".join([*head, words.conclusion(self.rows)])
        head.append(words.agreement(self.rows))
        parts = ["\n".join(head), words.table(self.rows), words.compile_times(self.rows), words.conclusion(self.rows)]
        return "\n\n".join(part for part in parts if part)

    def losses(self, formulation: str = "tiles") -> str:
        """Return the cells and works in which another formulation is faster than `formulation`, as a table.

        Raises TypeError or ValueError if there is no such formulation.
        """
        validation.known_name("formulation", formulation, dict.fromkeys(FORMULATIONS))
        return words.losses_table(self.rows, formulation)

    def to_json(self, path: PathLike) -> None:
        """Write all of it to a file for `from_json`.

        Raises OSError if the file cannot be written, TypeError or ValueError if `path` is not a path.
        """
        content = {"format": FORMAT, **asdict(self)}
        disk.write(path, (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())

    @classmethod
    def from_json(cls, path: PathLike) -> Comparison:
        """Read a file of `to_json`.

        Raises OSError if the file cannot be read, ValueError if it holds something else, TypeError if `path` is no
        path.
        """
        named = disk.checked_path(path)
        try:
            text = named.read_text(encoding="utf-8")
            content = json.loads(text)
            if content.pop("format") != FORMAT:
                raise ValueError(f"its format is not {FORMAT}")
            rows = [Row.from_dict(row) for row in content.pop("rows")]
            limits = [
                Limits(each["threads"], each["peak_gflops"], [(int(n), float(s)) for n, s in each["bandwidth_gbs"]])
                for each in content.pop("limits")
            ]
            found = cls(**content, rows=rows, limits=limits)
            str(found)  # which needs all of the content
            return found
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
            raise ValueError(f"{named}: not a comparison that fastbp wrote: {error}") from None

    def to_csv(self, path: PathLike) -> None:
        """Write the rows to a CSV file, their rounds separated by spaces.

        Raises OSError if the file cannot be written, TypeError or ValueError if `path` is not a path.
        """
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        for i, row in enumerate(self.rows):
            values = row.as_dict()
            if i == 0:
                writer.writerow(values)
            values["sizes"] = " ".join(map(str, row.sizes))
            values["rounds_us"] = " ".join(f"{us:.4g}" for us in row.rounds_us)
            writer.writerow("" if value is None else value for value in values.values())
        disk.write(path, text.getvalue().encode())

    def plot_bars(self, path: PathLike | None = None) -> Figure:
        """Draw µs a step as bars, a panel for each cell and work.

        Parameters
        ----------
        path : path-like, optional
            Where to write the figure; its ending is the format, such as ``.png`` or ``.svg``.

        Raises
        ------
        ImportError
            matplotlib is not installed.
        TypeError, ValueError
            There is nothing to draw, or `path` is not the path of a picture.
        """
        return self._draw("bars", path)

    def plot_crossover(self, path: PathLike | None = None) -> Figure:
        """Draw width × mini-batch, coloured by the winner and its lead. Parameters, errors: see `plot_bars`."""
        return self._draw("crossover", path)

    def plot_roofline(self, path: PathLike | None = None) -> Figure:
        """Draw the roofs of this machine and every formulation under them. Parameters, errors: see `plot_bars`."""
        return self._draw("roofline", path)

    def _draw(self, picture: str, path: PathLike | None) -> Figure:
        from fastbp.comparison import pictures

        if not any(row.us for row in self.rows):
            raise ValueError("there is nothing to draw: no cell was measured")
        if path is not None:
            plots.check(path)
        figure: Figure = getattr(pictures, picture)(self)
        if path is not None:
            write_picture(figure, path)
        return figure
