"""Tables of numbers, as text of at most `WIDTH` columns and as HTML for notebooks."""

import html
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

from fastbp.text import aligned, column_widths

WIDTH = 100
Item = TypeVar("Item")


def number(value: float) -> str:
    """Return a number with four significant digits.

    >>> number(0.123456), number(-1e-9), number(-0.0)
    ('0.1235', '-1e-09', '0')
    """
    return f"{value + 0.0:.4g}"


@dataclass(frozen=True)
class Table:
    """A title, heads, rows of cells, and notes below. Columns in `left` are aligned left, the others right."""

    title: str
    heads: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    notes: Sequence[str] = ()
    left: Sequence[int] = ()

    def text(self) -> str:
        """Return the table as plain text.

        >>> print(Table("two neurons", ["j", "a"], [["0", "0.5"], ["1", "-0.25"]]).text())
        two neurons
          j      a
          0    0.5
          1  -0.25
        """
        cells = [self.heads, *self.rows] if self.heads else [*self.rows]
        lines = [self.title] if self.title else []
        last_column = sum(2 + width for width in column_widths(cells)[:-1]) + 2
        for line in aligned(cells, self.left):
            lines += _within(f"  {line}", last_column)
        for note in self.notes:
            lines += _within(f"  {note}", 2)
        return "\n".join(lines)

    def html(self) -> str:
        """Return the table as HTML, with everything escaped.

        >>> Table("a < b", ["k"], [["1"]]).html()
        '<table><caption>a &lt; b</caption><tr><th>k</th></tr><tr><td>1</td></tr></table>'
        """
        rows = ["".join(f"<th>{html.escape(head)}</th>" for head in self.heads)] if self.heads else []
        rows += ["".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in self.rows]
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        caption = f"<caption>{html.escape(self.title)}</caption>" if self.title else ""
        notes = "".join(f"<p>{html.escape(note)}</p>" for note in self.notes)
        return (f"<table>{caption}{body}</table>" if body else f"<p>{html.escape(self.title)}</p>") + notes


def _within(line: str, indent: int) -> list[str]:
    """Return a line wrapped at `WIDTH`, continuation lines indented."""
    if len(line) <= WIDTH:
        return [line]
    # White space stays: it aligns the columns before the words that are wrapped.
    pieces = textwrap.wrap(line, WIDTH, subsequent_indent=" " * indent, drop_whitespace=False)
    return [piece.rstrip() for piece in pieces]


class Readable:
    """Prints as tables, and shows as tables in a notebook."""

    def _tables(self) -> list[Table]:
        raise NotImplementedError

    def __str__(self) -> str:
        return "\n\n".join(table.text() for table in self._tables())

    def _repr_html_(self) -> str:
        return "".join(table.html() for table in self._tables())


class ReadableSequence(Readable, Generic[Item]):
    """Prints as tables; ``len``, iteration and indices go over its attribute named `_items`."""

    _items: ClassVar[str]

    def __len__(self) -> int:
        return len(getattr(self, self._items))

    def __iter__(self) -> Iterator[Item]:
        return iter(getattr(self, self._items))

    def __getitem__(self, i: int) -> Item:
        item: Item = getattr(self, self._items)[i]
        return item
