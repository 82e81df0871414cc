"""Pictures of histories and confusion matrices: they show the numbers, readably, and do not import pyplot."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import TESTS

from fastbp import History, plots

mpl = pytest.importorskip("matplotlib")


def a_history(epochs: int, validation: bool = True, accuracy: bool = True, last: float = 0.01) -> History:
    cost = np.geomspace(1, last, epochs).tolist()
    return History(cost, cost if validation else [], cost if accuracy else [], [1.0] * epochs, [1.0] * epochs)


def is_png(path: Path) -> bool:
    return path.read_bytes().startswith(b"\x89PNG")


def boxes(texts: Any) -> list[Any]:
    """Where texts are in a figure that has been drawn."""
    return [text.get_window_extent() for text in texts if text.get_visible() and text.get_text()]


def overlap(found: list[Any]) -> bool:
    return any(a.overlaps(b) for i, a in enumerate(found) for b in found[:i])


@pytest.mark.parametrize("epochs", [1, 2, 30, 400])
def test_history_at_any_length(tmp_path: Path, epochs: int) -> None:
    figure = plots.history(a_history(epochs), tmp_path / "h.png")
    assert is_png(tmp_path / "h.png")
    cost, accuracy = figure.axes
    assert [np.size(line.get_xdata()) for line in cost.lines] == [epochs, epochs] and len(accuracy.lines) == 1
    assert np.ravel(accuracy.lines[0].get_ydata())[0] == 100
    figure.canvas.draw()
    low, high = cost.get_xlim()
    ticks = [tick for tick in cost.get_xticks() if low <= tick <= high]
    assert ticks and all(tick == round(tick) for tick in ticks)
    for axis in (cost.xaxis, cost.yaxis, accuracy.xaxis, accuracy.yaxis):
        assert not overlap(boxes(axis.get_ticklabels()))
    names = [cost.xaxis.label, cost.yaxis.label, accuracy.xaxis.label, accuracy.yaxis.label]
    assert all(figure.bbox.contains(*box.min) and figure.bbox.contains(*box.max) for box in boxes(names))


def test_history_shows_what_there_is() -> None:
    figure = plots.history(a_history(5, validation=False, accuracy=False))
    assert len(figure.axes) == 1 and [line.get_label() for line in figure.axes[0].lines] == ["training"]
    figure = plots.history(a_history(5), held_out="test")
    assert [line.get_label() for line in figure.axes[0].lines] == ["training", "test"]
    assert figure.axes[1].get_ylabel() == "test accuracy (%)"


def test_a_cost_that_falls_far_is_on_a_logarithmic_axis() -> None:
    assert plots.history(a_history(5, last=0.01)).axes[0].get_yscale() == "log"
    assert plots.history(a_history(5, last=0.5)).axes[0].get_yscale() == "linear"
    assert plots.history(History([1.0, 0.0])).axes[0].get_yscale() == "linear"


def test_no_epochs_no_picture() -> None:
    with pytest.raises(ValueError, match="no epochs"):
        plots.history(History())


@pytest.mark.parametrize(
    ("n", "name"), [(1, "x"), (2, "a quite long name of a class"), (10, ""), (25, "c"), (60, "class "), (300, "c")]
)
def test_confusion_matrix_of_any_size(tmp_path: Path, n: int, name: str) -> None:
    counts = np.diag(np.full(n, 12345)) + 1
    names = [f"{name}{i}" for i in range(n)]
    figure = plots.confusion_matrix(counts, names, tmp_path / "c.png")
    assert is_png(tmp_path / "c.png")
    axes = figure.axes[0]
    assert len(axes.texts) == (n * n if n <= plots.MOST_NUMBERS else 0)
    figure.canvas.draw()
    shown = [label for axis in (axes.xaxis, axes.yaxis) for label in axis.get_ticklabels()]
    for labels in (axes.xaxis.get_ticklabels(), axes.yaxis.get_ticklabels(), axes.texts[:60]):
        assert not overlap(boxes(labels))
    outer = boxes([*shown, axes.xaxis.label, axes.yaxis.label, figure.axes[1].yaxis.label])
    assert all(figure.bbox.contains(*box.min) and figure.bbox.contains(*box.max) for box in outer)


def test_confusion_matrix_leaves_out_zeros_and_needs_no_samples_of_a_class() -> None:
    figure = plots.confusion_matrix([[3, 1], [0, 0]], ["a", "b"])
    assert [text.get_text() for text in figure.axes[0].texts] == ["3", "1"]
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array(), [[0.75, 0.25], [0, 0]])


@pytest.mark.parametrize(("matrix", "classes"), [([[1, 2]], ["a"]), ([[1]], ["a", "b"]), (np.ones((0, 0)), [])])
def test_confusion_matrix_and_names_must_agree(matrix: Any, classes: list[str]) -> None:
    with pytest.raises(ValueError, match="needed is"):
        plots.confusion_matrix(matrix, classes)


def test_check_finds_what_cannot_be_written() -> None:
    plots.check()
    plots.check("figure.svg")
    for path in ("figure", "figure.csv"):
        with pytest.raises(ValueError, match=r"ends in one of .*\.png"):
            plots.check(path)


def test_without_matplotlib_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r'pip install "fastbp\[plot\]"'):
        plots.check()


def test_matplotlib_is_not_imported_with_fastbp_nor_pyplot_with_a_picture() -> None:
    code = (
        "import sys, fastbp.cli.program; assert 'matplotlib' not in sys.modules;"
        "from fastbp import plots, History; plots.history(History([1.0])); plots.confusion_matrix([[1]], 'a');"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=TESTS.parent)
