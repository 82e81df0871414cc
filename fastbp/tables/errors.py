"""The error that all loaders raise for a file they cannot use."""

from collections.abc import Sequence


class DataFileError(ValueError):
    """A data file is damaged, or does not hold what it should.

    The message names the file, what was found, what is required and what to do.

    >>> issubclass(DataFileError, ValueError)
    True
    """


def unknown_name(kind: str, wanted: str, names: Sequence[str]) -> DataFileError:
    """Return the error for a ``"column"`` or ``"array"`` that a file lacks, with the most similar of its `names`.

    >>> str(unknown_name("column", "speceis", ["width", "species"]))
    "no column is named 'speceis'; did you mean 'species'? It has 2: 'width', 'species'"
    """
    from difflib import get_close_matches  # takes long to import, and only an error needs it

    near = get_close_matches(wanted, names, n=1)
    hint = f"did you mean {shorten(near[0])}?" if near else "give one of its names."
    shown = ", ".join(shorten(name) for name in names[:10]) + (", ..." if len(names) > 10 else "")
    return DataFileError(f"no {kind} is named {shorten(wanted)}; {hint} It has {len(names)}: {shown}")


def shorten(value: str) -> str:
    """Return a string from a file in quotes, cut to 40 characters, for a message.

    >>> shorten("abc")
    "'abc'"
    """
    return repr(value if len(value) <= 40 else value[:37] + "...")
