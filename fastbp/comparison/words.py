"""The table of a comparison and its summary in words. Both fit 100 columns."""

import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from fastbp.comparison.cells import PYTHON, Cell
from fastbp.comparison.rows import EVEN, Row, by_work, ratio
from fastbp.text import aligned

LABELS = {PYTHON: "python loops"}
COLUMNS = 100
TIMES_HEAD = ["µs", "min…max", "×"]
WIDTHS = (12, 6, 13, 5, 6, 13, 5, 9, 7, 4)
MOST_BLOCKS = 6  # with more cells, each has a line instead of a block
MOST_LOSSES = 4  # that the last sentence names; the list under the table of a grid names all


def label(formulation: str) -> str:
    """Return the name of a formulation in tables and pictures."""
    return LABELS.get(formulation, formulation)


def table(rows: Sequence[Row]) -> str:
    """Return a block for each cell, or a line each where there are many."""
    cells = dict.fromkeys(row.cell for row in rows)
    if len(cells) > MOST_BLOCKS:
        return _lines(rows)
    return "\n\n".join(_block(cell, [row for row in rows if row.cell == cell]) for cell in cells)


def _block(cell: Cell, rows: list[Row]) -> str:
    epoch = next(row for row in rows if row.work == "epoch")
    lines = [
        filled(f"{cell}; {epoch.flops_per_byte:.3g} flops/byte, {epoch.bound} roof {epoch.roof_gflops:.3g} GFLOP/s"),
        f"{'':<13}{'a gradient':>22}{'':9}{'a step of an epoch':>22}",
    ]
    shown = [["", *TIMES_HEAD, *TIMES_HEAD, "samples/s", "GFLOP/s", "peak"]]
    for name in dict.fromkeys(row.formulation for row in rows):
        gradient, epoch = (next(r for r in rows if (r.formulation, r.work) == (name, w)) for w in ("gradient", "epoch"))
        row = [label(name), *_times(gradient)]
        if epoch.us is not None and gradient.us is not None:
            row += [*_times(epoch), f"{epoch.samples_per_second:,.0f}", _gflops(epoch), f"{epoch.share_of_peak:.0%}"]
        shown.append(row)
    return "\n".join([*lines, *aligned(shown, left=[0], least=WIDTHS)])


def _gflops(row: Row) -> str:
    gflops = row.gflops or 0.0
    return f"{gflops:.0f}" if gflops >= 1000 else f"{gflops:.3g}"


def _times(row: Row) -> list[str]:
    if row.us is None or row.us_min is None or row.us_max is None:
        return [f"left out: {row.left_out}"]
    return [short(row.us), f"{short(row.us_min)}…{short(row.us_max)}", times(row.times_fastest or 0.0)]


def short(microseconds: float) -> str:
    """Return a time in µs, in few characters.

    >>> short(0.5), short(12.345), short(1234.5), short(1234567.0)
    ('0.50', '12.3', '1234', '1.23e6')
    """
    if microseconds >= 1e6:
        mantissa, exponent = f"{microseconds:.2e}".split("e")
        return f"{mantissa}e{int(exponent)}"
    return f"{microseconds:.0f}" if microseconds >= 100 else f"{microseconds:.{1 if microseconds >= 10 else 2}f}"


def filled(text: str) -> str:
    """Return a text in lines of 100 columns."""
    return textwrap.fill(text, COLUMNS, break_long_words=False, break_on_hyphens=False)


def _lines(rows: Sequence[Row]) -> str:
    """Return a table for each work: µs of the fastest of each cell, and the ratio of the others to it."""
    columns = _differing(rows)
    names = list(dict.fromkeys(row.formulation for row in rows))
    tables = []
    for work, title in (("gradient", "a gradient"), ("epoch", "a step of an epoch")):
        table = [[*(head for head, _, _ in columns), "µs", *map(label, names)]]
        for group in by_work(row for row in rows if row.work == work):
            ratios = {row.formulation: times(row.times_fastest) for row in group if row.times_fastest is not None}
            place = [value(group[0].cell) for _, value, _ in columns]
            table.append([*place, short(group[0].us or 0), *(ratios.get(name, "·") for name in names)])
        lines = (f"  {line}" for line in aligned(table, least=[*[0] * len(columns), *[6] * (1 + len(names))]))
        tables.append("\n".join([f"{title}: µs of the fastest, and times that", *lines]))
    return "\n\n".join(tables)


def _differing(rows: Iterable[Row]) -> list[tuple[str, Callable[[Cell], str], str]]:
    """Return (head of a column, text of a cell, that text in a sentence) of what differs between cells."""
    cells = {row.cell for row in rows}
    parts: list[tuple[str, Callable[[Cell], str], str]] = [
        ("net", lambda cell: "-".join(map(str, cell.sizes)), " in [{}]"),
        ("batch", lambda cell: str(cell.batch_size), " at mini-batch {}"),
        ("dtype", lambda cell: cell.dtype, " in {}"),
        ("threads", lambda cell: str(cell.threads), " on {} thread(s)"),
    ]
    return [part for part in parts if len(set(map(part[1], cells))) > 1]


def times(value: float) -> str:
    """Return a ratio with two decimals, or none from 100 on."""
    return f"{value:.{2 if value < 100 else 0}f}"


def compile_times(rows: Iterable[Row]) -> str:
    """Return how long compiling took, which no other figure contains; empty if nothing was compiled."""
    found: dict[str, None] = {}
    for row in rows:
        if row.cache != "none" and row.compile_s is not None:
            threads = f"{row.threads} thread{'s' * (row.threads > 1)}"
            found[f"{row.formulation} ({row.dtype}, {threads}) {row.compile_s:.2f} s, {row.cache} cache"] = None
    return filled(f"first calls took longer than second ones: {'; '.join(found)}") if found else ""


def agreement(rows: Iterable[Row]) -> str:
    """Return the largest difference of the gradients, for each dtype."""
    worst: dict[str, Row] = {}
    for row in rows:
        if row.difference is not None and row.difference >= (worst.get(row.dtype, row).difference or 0.0):
            worst[row.dtype] = row
    each = [f"{row.difference:.1e} in {dtype} ({label(row.formulation)})" for dtype, row in worst.items()]
    return filled(f"all gradients agree with textbook in float64; largest relative difference {', '.join(each)}")


def losses(rows: Iterable[Row], formulation: str = "tiles") -> list[tuple[Row, Row, float]]:
    """Return (its row, the fastest one's, ratio) of every cell and work in which another formulation is faster."""
    pairs = [(row, group[0]) for group in by_work(rows) for row in group if row.formulation == formulation]
    return [(own, fastest, ratio(own, fastest)) for own, fastest in pairs if own is not fastest]


def losses_table(rows: Sequence[Row], formulation: str = "tiles") -> str:
    """Return every cell and work in which another formulation is faster, a line each."""
    lost, n = losses(rows, formulation), len(by_work(rows))
    if not lost:
        return f"{formulation} is the fastest in all {n} comparisons"
    table = [
        [own.work, str(own.cell), label(fastest.formulation), f"{lead:.2f}", "even" if lead < EVEN else ""]
        for own, fastest, lead in sorted(lost, key=lambda each: -each[2])
    ]
    head = f"{formulation} is not the fastest in {len(lost)} of {n} comparisons:"
    return "\n".join([head, *(f"  {line}" for line in aligned(table, left=(0, 1, 2, 4)))])


def conclusion(rows: Sequence[Row]) -> str:
    """Return in plain words who won, by how much, and where it lost."""
    groups = by_work(rows)
    if not groups:
        return "Nothing was measured."
    epochs = [group for group in groups if group[0].work == "epoch"]
    wins, epochs_won = (Counter(group[0].formulation for group in some) for some in (groups, epochs))
    winner = max(wins, key=lambda name: (wins[name], epochs_won[name]))
    won = epochs_won[winner]
    gradients = f"{wins[winner] - won} of {len(groups) - len(epochs)} gradients"
    words = f"Here {label(winner)} won {won} of {len(epochs)} epochs and {gradients}."
    others = dict.fromkeys(row.formulation for row in rows if row.formulation != winner)
    margins = [each for name in others if (each := _margin(epochs, winner, name))]
    if margins:
        words += f" An epoch took {', '.join(margins)}."
    lost = sorted(losses(rows, winner), key=lambda each: -each[2])
    if lost:
        differing = _differing(rows)
        named = [_loss(*each, differing) for each in lost[:MOST_LOSSES]]
        more = f"; and {len(lost) - MOST_LOSSES} more" if len(lost) > MOST_LOSSES else ""
        words += f" It did not win {'; '.join(named)}{more}."
    else:
        words += " It lost nowhere."
    return filled(words)


def _margin(groups: list[list[Row]], winner: str, name: str) -> str:
    """Return the range of a formulation's times, in units of the winner's."""
    by_name = [{row.formulation: row for row in group} for group in groups]
    found = [ratio(rows[name], rows[winner]) for rows in by_name if winner in rows and name in rows]
    if not found:
        return ""
    low, high = (f"{t:.2f}" if t < 10 else f"{t:.0f}" for t in (min(found), max(found)))
    return f"{label(name)} {low if low == high else f'{low} to {high}'} times as long"


def _loss(own: Row, fastest: Row, lead: float, differing: list[tuple[str, Callable[[Cell], str], str]]) -> str:
    what = {"gradient": "a gradient", "epoch": "an epoch"}[own.work]
    place = "".join(words.format(value(own.cell).replace("-", ",")) for _, value, words in differing)
    outcome = "even with" if lead < EVEN else f"{lead:.2f} times the time of"
    return f"{what}{place} ({outcome} {label(fastest.formulation)})"
