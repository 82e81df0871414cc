"""Text tables, names and durations for a terminal."""

from collections.abc import Container, Sequence

LONGEST_NAME = 24  # characters of a class name in a table


def shortened(text: str, longest: int = LONGEST_NAME) -> str:
    """Return a text from a file for a table: without control characters, and at most `longest` characters.

    >>> shortened("a" * 30), shortened("two lines")
    ('aaaaaaaaaaaaaaaaaaaaaaa…', 'two lines')
    """
    clean = "".join(c if c.isprintable() else "?" for c in text)
    return clean if len(clean) <= longest else clean[: longest - 1] + "…"


def column_widths(rows: Sequence[Sequence[str]], least: Sequence[int] = ()) -> list[int]:
    """Return the width of each column of a table; rows with fewer cells than others are ignored."""
    n = max(map(len, rows), default=0)
    least = [*least, *[0] * (n - len(least))]
    return [max(least[i], *(len(row[i]) for row in rows if len(row) == n)) for i in range(n)]


def aligned(rows: Sequence[Sequence[str]], left: Container[int] = (), least: Sequence[int] = ()) -> list[str]:
    """Return the rows of a table as lines; the columns `left` are aligned left, the others right.

    In a row with fewer cells than others the last cell is a title, which may be longer than its column. `least` has
    minimum widths of the first columns.

    >>> for line in aligned([["net", "µs"], ["small, and fast", "2"], ["large: left out"]], left=[0]): print(line)
    net              µs
    small, and fast   2
    large: left out
    """
    widths = column_widths(rows, least)
    lines = []
    for row in rows:
        cells = [cell.ljust(widths[i]) if i in left else cell.rjust(widths[i]) for i, cell in enumerate(row)]
        if len(row) < len(widths):
            cells[-1] = row[-1]
        lines.append("  ".join(cells).rstrip())
    return lines


def duration(seconds: float) -> str:
    """Return a duration in words.

    >>> duration(0.25), duration(75), duration(4000)
    ('0.2 s', '1:15', '1:06:40')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
