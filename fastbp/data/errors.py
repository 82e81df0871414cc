"""The error every loader raises for a file it cannot use."""

import difflib
from collections.abc import Sequence


class DataFileError(ValueError):
    """A data file is damaged, or does not hold what it should.

    The message names the file, what was found, what is required and what to do.

    Examples
    --------
    >>> issubclass(DataFileError, ValueError)
    True

    """


def unknown_name(kind: str, wanted: str, names: Sequence[str]) -> DataFileError:
    """Build the error for a name that a file lacks, with the nearest right one.

    Parameters
    ----------
    kind : str
        What the name stands for: ``"column"`` or ``"array"``.
    wanted : str
        The name asked for.
    names : sequence of str
        The names the file has.

    Returns
    -------
    DataFileError
        To be raised by the caller.

    Examples
    --------
    >>> str(unknown_name("column", "speceis", ["width", "species"]))
    "no column is named 'speceis'; did you mean 'species'? It has 2: 'width', 'species'"

    """
    near = difflib.get_close_matches(wanted, names, n=1)
    hint = f"did you mean {shorten(near[0])}?" if near else "name one that is there."
    shown = ", ".join(shorten(name) for name in names[:10]) + (", ..." if len(names) > 10 else "")
    return DataFileError(f"no {kind} is named {shorten(wanted)}; {hint} It has {len(names)}: {shown}")


def shorten(value: str) -> str:
    """Quote a string found in a file, cut so that junk cannot flood a message.

    Examples
    --------
    >>> shorten("abc")
    "'abc'"

    """
    return repr(value if len(value) <= 40 else value[:37] + "...")
