"""Pictures of a comparison: bars, the roofline, the map of the fastest formulation."""

from pathlib import Path
from typing import Any

import pytest
from comparison_data import LIMITS, SGD, SMALL, a_grid, checked, comparison

from fastbp.comparison import Comparison, rows, words
from fastbp.comparison.cells import FORMULATIONS, Cell


@pytest.fixture
def measured() -> Comparison:
    return comparison([Cell((4, 3, 2), 5, dtype, 1) for dtype in ("float32", "float64")], lambda *_: [1e-5, 2e-5])


@pytest.fixture(scope="module")
def mpl() -> Any:
    return pytest.importorskip("matplotlib")


def visible_texts(figure: Any) -> list[Any]:
    figure.canvas.draw()
    found = [text for axes in figure.axes for text in (*axes.texts, *axes.get_yticklabels(), axes._left_title)]
    return [text for text in found if text.get_text() and text.get_visible()]


@pytest.mark.parametrize("kind", ["bars", "roofline"])
def test_pictures_of_one_net(mpl: Any, measured: Comparison, tmp_path: Path, kind: str) -> None:
    figure = getattr(measured, f"plot_{kind}")(tmp_path / "p.png")
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
    boxes = [text.get_window_extent() for text in visible_texts(figure)]
    assert all(figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 + 1 for box in boxes)
    assert len(figure.axes) == (4 if kind == "bars" else 2)
    if kind == "bars":
        for axes in figure.axes:
            assert len(axes.patches) == len(FORMULATIONS)
            assert [tick.get_text() for tick in axes.get_yticklabels()] == [words.label(name) for name in FORMULATIONS]


def test_bars_say_what_was_left_out(mpl: Any) -> None:
    made = rows.rows_of(SMALL, SGD, LIMITS, checked("tiles", "loops") | checked("textbook", left_out="slow"),
                        {work: {"tiles": [1e-6], "loops": [2e-6]} for work in ("gradient", "epoch")})  # fmt: skip
    result = a_grid()
    result.rows = made
    texts = [text.get_text().strip() for text in result.plot_bars().axes[0].texts]
    assert texts == ["1.00", "2.00  2.00×", "not measured"]


def test_the_map_says_who_wins_and_by_how_much(mpl: Any, tmp_path: Path) -> None:
    figure = a_grid().plot_crossover(tmp_path / "m.png")
    assert (tmp_path / "m.png").read_bytes().startswith(b"\x89PNG")
    gradient, epoch = figure.axes
    said = {(t.get_position()): t.get_text() for t in gradient.texts}
    assert said == {(0, 0): "L 1.5", (1, 0): "L 1.5", (2, 0): "L 1.5", (0, 1): "T 2.0", (1, 1): "T 2.0", (2, 1): "T ="}
    assert {t.get_text() for t in epoch.texts} == {"T 2.0"}
    assert [t.get_text() for t in gradient.get_xticklabels()] == ["8", "32", "128"]
    assert {text.get_text() for text in figure.legends[0].texts} == {"L: loops", "T: tiles"}
    faces = {t.get_position(): patch.get_facecolor() for t, patch in zip(gradient.texts, gradient.patches, strict=True)}
    assert faces[2, 1][:3] == (1, 1, 1) and faces[0, 0] != faces[0, 1]


def test_a_whole_map_has_room_for_its_numbers(mpl: Any) -> None:
    figure = a_grid(tuple(2**k for k in range(3, 12)), tuple(2**k for k in range(11))).plot_crossover()
    figure.canvas.draw()
    for axes in figure.axes:
        assert len(axes.texts) == 99
        for text, patch in zip(axes.texts, axes.patches, strict=True):
            box, cell = text.get_window_extent(), patch.get_window_extent()
            assert cell.x0 <= box.x0 and box.x1 <= cell.x1 and cell.y0 <= box.y0 and box.y1 <= cell.y1


def test_pictures_need_something_to_show(mpl: Any, measured: Comparison) -> None:
    with pytest.raises(ValueError, match="give widths, such as 8, 64, 512"):
        measured.plot_crossover()
    with pytest.raises(ValueError, match="nothing to draw"):
        Comparison({}, {}).plot_bars()
