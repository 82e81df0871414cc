"""Words and numbers for a terminal."""

LONGEST_NAME = 24
"""Class names are cut to so many characters in tables."""


def shortened(text: str, longest: int = LONGEST_NAME) -> str:
    """Return a text from a file fit for a line of a table: without control characters, and not longer than this.

    >>> shortened("a" * 30), shortened("two lines")
    ('aaaaaaaaaaaaaaaaaaaaaaa…', 'two lines')
    """
    clean = "".join(c if c.isprintable() else "?" for c in text)
    return clean if len(clean) <= longest else clean[: longest - 1] + "…"
