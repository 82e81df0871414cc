"""A comparison in words: the grid, the losses, the conclusion."""

import pytest
from comparison_data import SMALL, a_grid, comparison

from fastbp.comparison import Comparison, rows, words
from fastbp.comparison.cells import Cell


def test_a_grid_is_a_line_for_each_cell() -> None:
    result = a_grid((8, 32, 128, 2048), (1, 16))
    text = str(result)
    assert max(map(len, text.splitlines())) <= 100
    lines = [line for line in text.splitlines() if line.split()[:1] == ["2048-2048-2048"]]
    assert len(lines) == 4 and "·" not in text and "  dtype" not in text  # the dtype is the same in all rows
    flat = " ".join(text.split())
    assert "Here tiles won 8 of 8 epochs and 4 of 8 gradients. An epoch took textbook 20 times as long" in flat


def test_losses_are_listed_the_worst_first() -> None:
    result = a_grid()
    lost = words.losses(result.rows)
    assert [(own.batch_size, fastest.formulation, pytest.approx(times)) for own, fastest, times in lost] == [
        (1, "loops", 1.5)
    ] * 3
    table = result.losses().splitlines()
    assert table[0] == "tiles is not the fastest in 3 of 12 comparisons:" and len(table) == 4
    assert "[8,8,8], mini-batch 1, float32, 1 thread" in table[1] and table[1].endswith("loops  1.50")
    assert result.losses("loops").splitlines()[0] == "loops is not the fastest in 9 of 12 comparisons:"


def test_a_formulation_that_wins_everywhere_lost_nowhere() -> None:
    result = comparison([SMALL], lambda cell, work, name: {"tiles": [1.0], "loops": [2.0]}.get(name))
    assert words.conclusion(result.rows).split()[-8:] == "loops 2.00 times as long. It lost nowhere.".split()
    assert result.losses() == "tiles is the fastest in all 2 comparisons"
    assert words.conclusion([]) == "Nothing was measured."


def test_few_losses_are_named_in_the_sentence_by_what_differs() -> None:
    text = " ".join(words.conclusion(a_grid((8, 16), (1, 4)).rows).split())
    assert "It did not win a gradient in [8,8,8] at mini-batch 1 (1.50 times the time of loops)" in text
    close = comparison([SMALL], lambda cell, work, name: {"tiles": [1.0, 1.0], "loops": [1.01, 1.01]}.get(name))
    for row in close.rows:
        if row.work == "gradient":
            row.times_fastest = {"tiles": 1.0, "loops": 1.01}[row.formulation]
    assert "(even with tiles)" in words.conclusion([*close.rows, *_relabelled(close)])


def _relabelled(result: Comparison) -> list[rows.Row]:
    """Three more cells in which loops wins."""
    cells = [Cell((4, 3, 2), m, "float32", 1) for m in (7, 8, 9)]
    return comparison(cells, lambda cell, work, name: {"tiles": [2.0], "loops": [1.0]}.get(name)).rows
