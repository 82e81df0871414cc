"""The meaning of texts in a column: numbers with signs and separators, true and false, dates."""

import re
from collections.abc import Iterable
from datetime import datetime

import numpy as np

from fastbp.tables.arrays import Array, Values
from fastbp.tables.texts import Texts

LONGEST = 400  # characters of a number or a date
TRUE_WORDS = {"true": "false", "yes": "no", "t": "f", "y": "n", "on": "off"}  # and their opposites
_GROUPED = {
    ".": re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d*)?(?:[eE][+-]?\d+)?"),
    ",": re.compile(r"[+-]?\d{1,3}(?:\.\d{3})+(?:,\d*)?(?:[eE][+-]?\d+)?"),
}
_SIGNS = str.maketrans("", "", "$€£¥₹ \u00a0\u202f'%")
_PLAIN = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")
_WITHOUT_YEAR_FIRST = re.compile(r"(\d{1,2})([/.-])(\d{1,2})\2(\d{4}|\d{2})(?:[ T](.+))?")
_YEAR_FIRST = re.compile(r"(\d{4})([/.-])(\d{1,2})(?:\2(\d{1,2}))?(?:[ T](.+))?")
_ISO_LINES = re.compile(r"(?:\d{4}-\d{2}-\d{2}(?:[ T][\d:.]+)?\n)*")
_IN_WORDS = ("%b %d %Y", "%B %d %Y", "%d %b %Y", "%d %B %Y", "%b %Y", "%B %Y", "%b %d, %Y", "%B %d, %Y", "%d-%b-%Y",
             "%d-%b-%y", "%b-%d-%Y", "%a %b %d %H:%M:%S %Y")  # fmt: skip
_CLOCK = ("%H:%M:%S.%f", "%H:%M:%S", "%H:%M", "%I:%M %p", "%I:%M:%S %p", "%H:%M:%S.%fZ", "%H:%M:%SZ", "%H:%M:%S%z")


def number(text: str, decimal: str = ".") -> float:
    """Return the number that a text stands for, with currency, per cent and thousands separators; NaN if none.

    >>> number("$1,234.5"), number("12 %"), number("1.234,5", ","), number("(3)"), number("red")
    (1234.5, 12.0, 1234.5, -3.0, nan)
    """
    if len(text) > LONGEST:
        return np.nan
    if decimal == "." and _PLAIN.fullmatch(text):
        return float(text)
    if text.startswith("(") and text.endswith(")"):
        return -number(text[1:-1], decimal)
    bare = text.translate(_SIGNS).replace("−", "-")
    if _GROUPED[decimal].fullmatch(bare):
        bare = bare.replace("," if decimal == "." else ".", "")
    if decimal == ",":
        bare = bare.replace(",", ".")
    return float(bare) if _PLAIN.fullmatch(bare) else np.nan


def numbers(column: Values, decimal: str = ".") -> Array:
    """Return a column as float64; NaN where it is missing or no number.

    >>> numbers(Texts.of(["1", "2%", None, "x"]))
    array([ 1.,  2., nan, nan])
    """
    if isinstance(column, Texts):
        return column.each(
            ("numbers", decimal), lambda values: np.array([number(v, decimal) for v in values], np.float64), np.nan
        )
    if column.dtype.kind == "f":
        return column
    if column.dtype.kind == "b":
        return column.astype(np.float64)
    return np.full(len(column), np.nan)


def truths(column: Values, yes: str, no: str) -> Array:
    """Return +1 for one word, −1 for the other, 0 for what is missing, NaN for anything else, in any case.

    >>> truths(Texts.of(["Yes", "no", None, "x"]), "yes", "no")
    array([ 1., -1.,  0., nan])
    """
    if isinstance(column, Texts):
        meaning = {yes: 1.0, no: -1.0, "1": 1.0, "0": -1.0, "true": 1.0, "false": -1.0}
        return column.each(
            ("truths", yes, no), lambda values: np.array([meaning.get(v.lower(), np.nan) for v in values], float), 0.0
        )
    if column.dtype.kind == "b":
        return np.where(column, 1.0, -1.0)
    if column.dtype.kind == "f":
        return np.where(column == 1, 1.0, np.where(column == 0, -1.0, np.where(np.isnan(column), 0.0, np.nan)))
    return np.full(len(column), np.nan)


def words_of_truth(values: Iterable[str]) -> tuple[str, str] | None:
    """Return the two words of a column that says yes and no; None if it says something else.

    >>> words_of_truth(["No", "Yes"]), words_of_truth(["yes", "maybe"])
    (('yes', 'no'), None)
    """
    found = {value.lower() for value in values}
    return next(((yes, no) for yes, no in TRUE_WORDS.items() if found == {yes, no}), None)


def day_first(values: Iterable[str]) -> bool | None:
    """Return whether dates such as 31/12/2020 have the day first; None if they do not tell.

    >>> day_first(["01/02/2020", "31/02/2020"]), day_first(["01/02/2020"])
    (True, None)
    """
    for value in values:
        if match := _WITHOUT_YEAR_FIRST.fullmatch(value):
            if int(match[1]) > 12:
                return True
            if int(match[3]) > 12:
                return False
    return None


def is_ambiguous(text: str) -> bool:
    """Whether a date is written with two numbers before the year."""
    return _WITHOUT_YEAR_FIRST.fullmatch(text) is not None


def date(text: str, day_is_first: bool = False) -> np.datetime64:
    """Return the date, perhaps with the time of day, that a text stands for; NaT if none.

    >>> for text in ("2020-12-31 10:30", "31.12.2020", "Jan 5 2001", "soon"): print(date(text, day_is_first=True))
    2020-12-31T10:30:00.000000
    2020-12-31T00:00:00.000000
    2001-01-05T00:00:00.000000
    NaT
    """
    if len(text) > LONGEST:
        return np.datetime64("NaT")
    try:
        if match := _YEAR_FIRST.fullmatch(text):
            year, month, day, clock = int(match[1]), int(match[3]), int(match[4] or 1), match[5]
        elif match := _WITHOUT_YEAR_FIRST.fullmatch(text):
            first, second, year, clock = int(match[1]), int(match[3]), int(match[4]), match[5]
            if year < 100:
                year += 1900 if year > 68 else 2000
            day, month = (first, second) if day_is_first else (second, first)
        else:
            return _date_in_words(text)
        moment = datetime(year, month, day)
        return np.datetime64(moment if clock is None else _at(moment, clock.strip()), "us")
    except ValueError:
        return np.datetime64("NaT")


def dates(column: Values, day_is_first: bool = False) -> Array:
    """Return a column as datetime64; NaT where it is missing or no date."""
    if isinstance(column, Texts):
        return column.each(("dates", day_is_first), lambda values: dates_of(values, day_is_first), np.datetime64("NaT"))
    if column.dtype.kind == "M":
        return column
    return np.full(len(column), np.datetime64("NaT"), dtype="datetime64[us]")


def dates_of(texts: list[str], day_is_first: bool) -> Array:
    """Return the dates that texts stand for; NaT for one that stands for none."""
    if _ISO_LINES.fullmatch("".join([text + "\n" for text in texts])):  # as nearly all programs write them
        try:
            return np.array(texts, dtype="datetime64[us]")
        except ValueError:
            pass  # 2001-02-30
    return np.array([date(text, day_is_first) for text in texts], dtype="datetime64[us]")


def _at(moment: datetime, clock: str) -> datetime:
    clock = re.sub(r"(\.\d{6})\d+", r"\1", clock)
    for form in _CLOCK:
        try:
            time = datetime.strptime(clock, form)
        except ValueError:
            continue
        return moment.replace(hour=time.hour, minute=time.minute, second=time.second, microsecond=time.microsecond)
    raise ValueError(clock)


def _date_in_words(text: str) -> np.datetime64:
    if any(c.isalpha() for c in text) and any(c.isdigit() for c in text):
        for form in _IN_WORDS:
            try:
                return np.datetime64(datetime.strptime(text, form), "us")
            except ValueError:
                continue
    return np.datetime64("NaT")
