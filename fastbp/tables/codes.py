"""How a column becomes numbers: learned from training rows, kept as plain JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from fastbp.tables import cells
from fastbp.tables.arrays import Array, Values
from fastbp.tables.columns import Column
from fastbp.tables.texts import Texts

CLIP = 3.0  # smooth clipping keeps numbers within ±3
LARGEST = 1e18  # of a scaled number; its square is a float32
DATE_PARTS = ("elapsed", "year", "month", "day", "weekday", "hour")
ENOUGH = 100_000  # values drawn from a longer column: quartiles of so many are those of all, to half a per cent
DAY = np.timedelta64(1, "D")


@dataclass
class Code:
    """What was learned of one used column.

    `features` are the names of what it becomes. Which of the other fields have a meaning depends on the kind: a number
    has a `center` and a `factor`, a date one of each for every part, a category its `levels`.
    """

    column: Column
    features: list[str] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)  # of a date
    center: list[float] = field(default_factory=list)
    factor: list[float] = field(default_factory=list)
    edges: list[float] = field(default_factory=list)  # of the bins of a piecewise-linear encoding
    levels: list[str] = field(default_factory=list)  # of a category
    other: bool = False  # whether rare and unseen values have a feature
    missing: bool = False  # whether "is missing" is a feature

    def fits(self) -> bool:
        """Whether there are as many features as the kind of the column has."""
        kind, n, scales = self.column.kind, len(self.features), (len(self.center), len(self.factor))
        if kind == "boolean":
            return n == 1 and len(self.column.words) == 2
        if kind == "category":
            return n == len(self.levels) + self.other + self.missing or (n, len(self.levels), self.other) == (
                1,
                2,
                False,
            )
        if kind == "date":
            known = set(self.parts) <= set(DATE_PARTS)
            return known and n == len(self.parts) + self.missing and scales == (len(self.parts),) * 2
        ascending = len(self.edges) != 1 and bool((np.diff(self.edges) > 0).all())
        return kind == "number" and ascending and scales == (1, 1) and n - self.n_bins - self.missing in (0, 1)

    @property
    def n_bins(self) -> int:
        """The features that are bins of a number."""
        return max(len(self.edges) - 1, 0)

    def in_words(self) -> str:
        """Return how the column enters, in words."""
        kind, n = self.column.kind, len(self.features)
        if kind == "number":
            scaled = ["scaled"] * (n - self.n_bins - self.missing)
            words = " + ".join(scaled + [f"{self.n_bins} bins"] * (self.n_bins > 0))
        elif kind == "date":
            words = ", ".join(self.parts)
        elif kind == "boolean":
            return f"{self.column.words[0]} +1, {self.column.words[1]} −1"
        else:
            if n == 1:
                return f"{_short(self.levels[1])} +1, {_short(self.levels[0])} −1"
            words = f"{len(self.levels)} values, one-hot" + (" + rare" if self.other else "")
        return words + (" + missing" if self.missing else "")


def _short(text: str) -> str:
    return text if len(text) <= 16 else text[:15] + "…"


def of_number(column: Column, values: Array, n_bins: int, scaled: bool, missing: bool) -> Code:
    """Return the code of numbers: scaled, or in at most `n_bins` bins, or both."""
    center, factor = scale_of(np.asarray(drawn_from(values)), lambda: values)
    code = Code(column, center=[center], factor=[factor], missing=missing)
    code.edges = piecewise_edges(values, n_bins) if n_bins else []
    if scaled or not code.edges:
        code.features = [column.name]
    code.features += [f"{column.name}[{t}]" for t in range(len(code.edges) - 1)]
    code.features += [f"{column.name} is missing"] * missing
    return code


def of_date(column: Column, values: Values, missing: bool) -> Code:
    """Return the code of dates: those of their parts that are not constant."""

    def scale(part: str, drawn: Array) -> tuple[float, float]:
        return scale_of(drawn, lambda: date_parts(values, column.day_first, (part,))[0])

    of_drawn = date_parts(drawn_from(values), column.day_first, DATE_PARTS)
    scales = dict(zip(DATE_PARTS, map(scale, DATE_PARTS, of_drawn), strict=True))
    scales = {part: (center, factor) for part, (center, factor) in scales.items() if factor > 0}
    center, factor = [center for center, _ in scales.values()], [factor for _, factor in scales.values()]
    features = [f"{column.name}.{part}" for part in scales] + [f"{column.name} is missing"] * missing
    return Code(column, features, list(scales), center, factor, missing=missing)


def of_category(column: Column, texts: Texts, most: int, least: int) -> Code:
    """Return the code of a category: a feature for each value, or one for two values."""
    levels, other = levels_of(texts, most, least)
    if len(levels) == 2 and not other:
        return Code(column, [column.name], levels=levels)
    missing = column.n_missing > 0
    features = [f"{column.name}={level}" for level in levels] + [f"{column.name}=(other)"] * other
    return Code(column, features + [f"{column.name} is missing"] * missing, levels=levels, other=other, missing=missing)


def scale_of(drawn: Array, every: Callable[[], Array]) -> tuple[float, float]:
    """Return the median, and 1 over the distance of the quartiles (or half the range, where that is 0).

    The scaling of RealMLP (Holzmüller, Grinsztajn & Steinwart 2024, https://arxiv.org/abs/2407.04491). NaN are left
    out. A constant has the factor 0. `every` returns all values, of which `drawn` are some; few columns need them.

    >>> values = np.array([0.0, 1, 2, 3, 4, np.nan])
    >>> scale_of(values, lambda: values)
    (2.0, 0.5)
    """
    present = _finite(drawn)
    if present.size < len(drawn) / 10:  # too few were drawn
        present = _finite(every())
    if not present.size:
        return 0.0, 0.0
    first, median, third = quartiles(present)
    if third == first:
        finite = _finite(every())
        low, high = float(finite.min()), float(finite.max())
    else:
        low = high = 0.0
    with np.errstate(over="ignore", divide="ignore"):
        spread = third - first if third > first else (high / 2 - low / 2)
        factor = 1 / spread if spread > 0 else 0.0
    return float(median), float(factor) if np.isfinite(factor) else 0.0


def quartiles(values: Array) -> list[float]:
    """Return ``np.quantile(values, [0.25, 0.5, 0.75])``, the same bits in a fifth of the time.

    NumPy orders an array around one place several times as fast as around many, so each half is ordered by itself.

    >>> quartiles(np.array([0.0, 3, 2, 9]))
    [1.5, 2.5, 4.5]
    """
    last = len(values) - 1
    low, middle, high = (int(share * last) for share in (0.25, 0.5, 0.75))
    ordered = np.partition(values, middle)
    if low < middle:
        ordered[:middle].partition(low)
    if high > middle:
        ordered[middle + 1 :].partition(high - middle - 1)
    found = []
    for share, place in ((0.25, low), (0.5, middle), (0.75, high)):
        below = ordered[place]
        above = ordered[place + 1 :].min() if place < last else below
        t = share * last - place
        with np.errstate(over="ignore", invalid="ignore"):
            found.append(float(below + (above - below) * t if t < 0.5 else above - (above - below) * (1 - t)))
    return found


def _finite(values: Array) -> Array:
    finite = np.isfinite(values)
    return values if finite.all() else values[finite]


def drawn_from(values: Values) -> Values:
    """Return `ENOUGH` of the values of a long column, all of a shorter one."""
    return values[_some_of(len(values))] if len(values) > ENOUGH else values


@lru_cache(maxsize=1)
def _some_of(n: int) -> Array:
    """Return `ENOUGH` of n places, in order, so that memory is read forwards."""
    return np.sort(np.random.default_rng(0).integers(0, n, ENOUGH))


def smoothly_clipped(scaled: Array) -> Array:
    """Return z / √(1 + (z/3)²), in place: near 0 it is z, and it stays within ±3.

    >>> smoothly_clipped(np.array([0.0, 3.0, LARGEST])).round(3)
    array([0.   , 2.121, 3.   ])
    """
    bound = scaled / CLIP
    np.multiply(bound, bound, out=bound)
    bound += 1
    np.sqrt(bound, out=bound)
    np.divide(scaled, bound, out=scaled)
    return scaled


def date_parts(column: Values, day_first: bool, parts: tuple[str, ...]) -> Array:
    """Return parts of the dates of a column, (n_parts, n): of text, those of each different one."""
    if not isinstance(column, Texts):
        return parts_of(cells.dates(column), parts)
    return column.each(
        ("parts", day_first, parts), lambda values: parts_of(cells.dates_of(values, day_first), parts).T, np.nan
    ).T


def parts_of(moments: Array, parts: Sequence[str]) -> Array:
    """Return parts of dates, (n_parts, n): days since 1970, year, month, day, weekday (Monday is 0), hour of the day.

    >>> parts_of(np.array(["2020-02-03T12:00"], dtype="datetime64[us]"), ["month", "day", "weekday", "hour"])
    array([[ 2.],
           [ 3.],
           [ 0.],
           [12.]])
    """
    days, months = moments.astype("datetime64[D]"), moments.astype("datetime64[M]")
    missing = np.isnat(moments)
    result = np.empty((len(parts), len(moments)))
    values: Array
    for j, part in enumerate(parts):
        if part == "elapsed":
            values = (moments - np.datetime64("1970-01-01")) / DAY
        elif part == "year":
            values = moments.astype("datetime64[Y]").astype(np.int64) + 1970.0
        elif part == "month":
            values = months.astype(np.int64) % 12 + 1.0
        elif part == "day":
            values = (days - months.astype("datetime64[D]")) / DAY + 1
        elif part == "weekday":
            values = (days.astype(np.int64) + 3) % 7 + 0.0
        else:
            values = (moments - days) / np.timedelta64(1, "h")
        result[j] = np.where(missing, np.nan, values)
    return result


def piecewise_edges(values: Array, n_bins: int) -> list[float]:
    """Return the edges of at most `n_bins` bins with equally many values each; [] if they would be fewer than two."""
    present = values[np.isfinite(values)]
    if not present.size:
        return []
    edges = np.unique(np.quantile(present, np.linspace(0, 1, n_bins + 1)))
    return [float(edge) for edge in edges] if len(edges) > 2 else []


def piecewise_linear(values: Array, edges: Array) -> Array:
    """Return (x − b_{t−1}) / (b_t − b_{t−1}), clipped to [0, 1], for every bin t: (n, n_bins). NaN becomes 0.

    Source: Gorishniy, Rubachev & Babenko 2022, https://arxiv.org/abs/2203.05556, equation 1.

    >>> piecewise_linear(np.array([0.0, 1.5, 9.0]), np.array([0.0, 1.0, 2.0]))
    array([[0. , 0. ],
           [1. , 0.5],
           [1. , 1. ]])
    """
    shares: Array = values[:, None] - edges[:-1]
    shares /= np.diff(edges)
    np.fmax(shares, 0, out=shares)  # which makes 0 of NaN
    return np.minimum(shares, 1, out=shares)


def levels_of(texts: Texts, most: int, least: int) -> tuple[list[str], bool]:
    """Return the values of a category in alphabetical order, and whether rare ones were left out.

    Values in fewer than `least` rows are rare, and so are all but the `most` frequent ones.

    >>> levels_of(Texts.of(["b", "a", "b", "a", "c", "d", None]), most=9, least=2)
    (['a', 'b'], True)
    """
    counts = texts.counts()
    frequent = [text for text in sorted(counts, key=counts.__getitem__, reverse=True)[:most] if counts[text] >= least]
    if len(frequent) + 1 == len(counts):  # a feature for all rare values would be that of the only one
        frequent = list(counts)
    return sorted(frequent), len(frequent) < len(counts)
