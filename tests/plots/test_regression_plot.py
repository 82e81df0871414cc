"""The regression plot: R and the line are those of NumPy, and everything is readable."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastbp
from fastbp import plots

pytest.importorskip("matplotlib")

RNG = np.random.default_rng(0)
Y = RNG.normal(size=(50, 2)) * [1, 30] + [0, 200]
A = 0.8 * Y + RNG.normal(size=(50, 2)) * [0.3, 20]


def test_r_and_the_line_are_those_of_numpy(tmp_path: Path) -> None:
    figure = plots.regression({"training": (Y, A), "test": (Y[:9], A[:9])}, tmp_path / "r.png", width=7)
    assert (tmp_path / "r.png").stat().st_size > 0 and len(figure.axes) == 4
    for axes, (name, j, n) in zip(
        figure.axes, [(s, j, n) for j in (0, 1) for s, n in (("training", 50), ("test", 9))], strict=True
    ):
        y, a = Y[:n, j], A[:n, j]
        assert axes.get_title() == f"{name}, output {j}: R {np.corrcoef(y, a)[0, 1]:.4f}"
        points, same, line = axes.lines
        np.testing.assert_array_equal(points.get_xydata(), np.column_stack([y, a]))
        np.testing.assert_array_equal(same.get_xdata(), same.get_ydata())
        slope, intercept = np.polyfit(y, a, 1)
        np.testing.assert_allclose(line.get_ydata(), intercept + slope * np.asarray(line.get_xdata()))
        assert axes.get_xlim() == axes.get_ylim()


def test_a_network_of_one_output_and_a_vector_of_targets() -> None:
    net = fastbp.Network([1, 1], initializer="zeros")
    net.weights[0][:] = -2
    X = np.arange(3.0)[:, None]
    axes = plots.regression(([0.0, 1, 2], net.predict(X))).axes[0]
    assert axes.get_title() == "R -1.0000"
    assert axes.get_xlabel() == "target" and axes.get_ylabel() == "output"


@pytest.mark.parametrize(("y", "a", "lines"), [([1, 1], [1, 2], 2), ([1, 2], [1, 1], 3), ([5], [4], 2)])
def test_without_variation_there_is_no_r(y: list[float], a: list[float], lines: int) -> None:
    axes = plots.regression({"all": (y, a)}).axes[0]
    assert axes.get_title() == "all: no R" and len(axes.lines) == lines


@pytest.mark.parametrize("scale", [1e-160, 1e-30, 1e90])
def test_numbers_of_any_size(scale: float) -> None:
    title = plots.regression((scale * Y[:, 0], scale * A[:, 0])).axes[0].get_title()
    assert title == f"R {np.corrcoef(Y[:, 0], A[:, 0])[0, 1]:.4f}"


@pytest.mark.parametrize(
    ("n_sets", "n_out", "width", "rows", "columns"),
    [(1, 1, 3.5, 1, 1), (3, 1, 3.5, 2, 2), (3, 1, 7, 1, 3), (3, 2, 7, 2, 3), (1, 5, 3.5, 3, 2), (4, 1, 3.5, 2, 2)],
)
def test_panels_are_readable(n_sets: int, n_out: int, width: float, rows: int, columns: int) -> None:
    names = ["training", "validation", "test", "all"][:n_sets]
    many = RNG.normal(size=(3000, n_out))
    figure = plots.regression(dict.fromkeys(names, (many, many + RNG.normal(size=many.shape))), width=width)
    figure.canvas.draw()
    places = [axes.get_position() for axes in figure.axes]
    assert len(places) == n_sets * n_out
    assert len({round(place.x0, 2) for place in places}) == columns
    assert len({round(place.y0, 2) for place in places}) == rows
    boxes = [axes.title.get_window_extent() for axes in figure.axes]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    assert all(figure.bbox.contains(*box.min) and figure.bbox.contains(*box.max) for box in boxes)


WRONG: dict[str, tuple[Any, dict[str, Any], type[Exception], str]] = {
    "no pair": (Y, {}, TypeError, r"needed is a pair \(Y, outputs\)"),
    "no data sets": ({}, {}, ValueError, "needed is a pair"),
    "another length": ((Y, A[:3]), {}, ValueError, r"Y has shape \(50, 2\) and outputs \(3, 2\)"),
    "another width": ({"a": (Y, A), "b": (Y[:, 0], A[:, 0])}, {}, ValueError, "have . and . outputs"),
    "too large": ((1e200 * Y, A), {}, ValueError, "larger than 1e100"),
    "not finite": (([np.nan], [1.0]), {}, ValueError, "Y"),
    "names": ((Y, A), {"names": ["a"]}, ValueError, "1 names for 2 outputs"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_data(name: str) -> None:
    data, options, error, message = WRONG[name]
    with pytest.raises(error, match=message):
        plots.regression(data, **options)


def test_several_panels_do_not_go_into_one_ax() -> None:
    ax = plots.new_figure(3, 3).subplots()
    with pytest.raises(ValueError, match="2 panels, but one ax"):
        plots.regression((Y, A), ax=ax)
    assert not ax.has_data()
