"""What is to be learned: classes, whose labels stay as they are, or numbers, which are scaled."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from fastbp import validation
from fastbp.tables import cells
from fastbp.tables.arrays import LARGEST_EXACT, Array, Values, as_column, counts_of, label_of, label_texts, missing_in
from fastbp.tables.columns import MOST_ODD, few_are_odd
from fastbp.tables.errors import DataFileError, shorten
from fastbp.tables.texts import Texts

Asked = Literal["classify", "regress"]

MOST_VALUES = 20  # a target of whole numbers is classes if it has at most this number of different values,
ROWS_PER_VALUE = 5  # and at least this number of rows for each of them
MOST_CLASSES = 1000  # more are a column of names instead; their one-hot targets could fill the memory
MAX_LABEL = 200  # characters of a class label


@dataclass(frozen=True)
class Target:
    """The target of a table: how its values become what a network learns, and its outputs values again.

    Attributes
    ----------
    names : tuple of str
        The columns; one for classes.
    classes : tuple of str, or None
        The labels in the order of the outputs: numbers ascending, text in alphabetical order. None for numbers.
    mean, deviation : tuple of float
        Of the training rows, one for each column of numbers.
    n_odd : int
        Rows of the training whose value is no number although nearly all others are: they count as missing.
    odd : str or None
        One such value.

    Examples
    --------
    >>> target = Target.of(["0123", "123", "0123"], "code")
    >>> target.classes, target.encode(["123", "0123", "9"])
    (('0123', '123'), array([ 1,  0, -1]))
    >>> target.decode(np.array([[0.9, 0.1]]))
    array(['0123'], dtype=object)
    >>> price = Target.of([100.0, 200.0, 300.0], "price")
    >>> price.encode([200.0, "?"]), price.decode(np.array([[0.0]]))
    (array([[ 0.],
           [nan]]), array([200.]))
    """

    names: tuple[str, ...]
    classes: tuple[str, ...] | None = None
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()
    n_odd: int = 0
    odd: str | None = None
    decimal: str = "."

    @classmethod
    def of(
        cls, values: Any, name: str = "target", kind: Asked | None = None, *, scale: bool = True, decimal: str = "."
    ) -> Target:
        """Return the target of training rows.

        Text is classes, and so are true and false, and whole numbers with 2 to 20 different values in at least five
        times as many rows; other numbers are numbers. If no more than one value in twenty is no number, such as ``>5``,
        or one or two words stand among many numbers, the column is numbers, and these rows count as missing.

        Parameters
        ----------
        values : sequence, or array of numbers of shape (n, k)
        kind : "classify" or "regress", optional
            What it is, instead of what it looks like.
        scale : bool, default True
            Whether numbers are scaled to mean 0 and deviation 1.

        Raises
        ------
        ValueError
            If no value is there, all are the same class, or they can be neither classes nor numbers.
        """
        _check(name, kind, scale, decimal)
        if isinstance(values, np.ndarray) and values.ndim == 2 and values.shape[1] > 1:
            if kind == "classify":
                k = values.shape[1]
                raise DataFileError(f"the target {name!r} has {k} columns; classes are one column of labels")
            names = tuple(f"{name}_{j}" for j in range(values.shape[1]))
            return cls(names, None, *scales(values.astype(np.float64), scale))
        column = as_column(values.ravel() if isinstance(values, np.ndarray) else values, name)
        of = "O" if isinstance(column, Texts) else column.dtype.kind
        if of == "M" and kind != "classify" and not missing_in(column).all():
            raise DataFileError(f"the target {name!r} is dates, which are not learned; name another column")
        counts = counts_of(column)
        if not counts:
            raise DataFileError(f"the target {name!r} has no value in any row")
        numbers = {value: _number(value, decimal) for value in counts}
        odd = [value for value, number in numbers.items() if not np.isfinite(number)]
        n_odd, n_present = sum(counts[value] for value in odd), sum(counts.values())
        codes = kind is None and any(map(_is_code, counts))
        few = few_are_odd(len(odd), len(counts), n_odd, n_present)
        numeric = of != "b" and not codes and (n_odd <= MOST_ODD * n_present or few)
        first_odd = str(odd[0]) if odd else None
        if kind == "regress" and not numeric:
            what = f"text, for example {shorten(first_odd)}" if first_odd else "true and false"
            raise DataFileError(f"the target {name!r} is {what}: classes; regression needs numbers")
        good = {number: counts[value] for value, number in numbers.items() if np.isfinite(number)}
        if kind == "regress" or (
            kind is None and numeric and not means_classes(np.array(list(good)), n_present - n_odd)
        ):
            present = cells.numbers(column, decimal)
            learned = scales(present[np.isfinite(present)][:, None], scale)
            return cls((name,), None, *learned, n_odd, first_odd, decimal)
        if not numeric or kind == "classify":
            odd, n_odd, first_odd = [], 0, None  # a class like the others
        labels = Counter[str]()
        for value, n in counts.items():
            if value not in odd:
                labels[_label(label_of(value))] += n
        return cls((name,), _classes(labels, name), n_odd=n_odd, odd=first_odd, decimal=decimal)

    def encode(self, values: Any) -> Array:
        """Return what a network learns: (n,) numbers of classes, −1 for none of them, or (n, k) numbers, NaN for none.

        Raises ValueError if numbers have another number of columns.
        """
        if self.classes is not None:
            numbers = {label: i for i, label in enumerate(self.classes)}
            texts = _labels(as_column(np.ravel(values) if isinstance(values, np.ndarray) else values))
            return np.array([*(numbers.get(text, -1) for text in texts.values), -1], np.intp)[texts.codes]
        array = None if isinstance(values, Texts) else np.asarray(values)
        if array is not None and array.ndim == 2 and array.shape[1] > 1:
            read = array.astype(np.float64)
        else:
            one = array.ravel() if array is not None and array.ndim == 2 else values
            read = cells.numbers(as_column(one), self.decimal)[:, None]
        if read.shape[1] != len(self.names):
            raise ValueError(f"the target has {read.shape[1]} columns, but {len(self.names)} were learned")
        return self.scaled(read)

    def scaled(self, values: Array) -> Array:
        """Return what a network learns of numbers, (n, k), NaN where they are not finite; classes stay as they are."""
        if self.classes is not None:
            return values
        with np.errstate(invalid="ignore"):
            scaled: Array = (values - self.mean) * self._factor
        scaled[~np.isfinite(scaled)] = np.nan
        return scaled

    def decode(self, outputs: Array) -> Array:
        """Return labels, (n,) of str, or numbers in the units of the target, (n,) or (n, k)."""
        if self.classes is not None:
            best = outputs.argmax(axis=1) if outputs.shape[1] > 1 else (outputs[:, 0] > 0.5).astype(np.intp)
            labels: Array = np.array(self.classes, dtype=object)[best]
            return labels
        values: Array = np.asarray(outputs, dtype=np.float64) * self.deviation + self.mean
        return values[:, 0] if len(self.names) == 1 else values

    def scaled_to(self, values: Array) -> Target:
        """Return it with the mean and the deviation of these numbers, (n, k); classes stay as they are.

        >>> Target.of([1.0, 9.0], "t", scale=False).scaled_to(np.array([[2.0], [4.0]])).encode([3.0, 4.0])
        array([[0.],
               [1.]])
        """
        if self.classes is not None:
            return self
        mean, deviation = scales(values)
        return replace(self, mean=mean, deviation=deviation)

    @property
    def n_outputs(self) -> int:
        """How many outputs a network needs: one for each class, or one for each column of numbers."""
        return len(self.names) if self.classes is None else len(self.classes)

    @property
    def _factor(self) -> Array:
        deviation = np.array(self.deviation)
        factor: Array = np.divide(1.0, deviation, out=np.zeros_like(deviation), where=deviation > 0)
        return factor

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON. `from_dict` is the inverse."""
        classes = None if self.classes is None else list(self.classes)
        scale = {"mean": list(self.mean), "deviation": list(self.deviation)}
        return {"version": 1, "names": list(self.names), "classes": classes, **scale, "decimal": self.decimal}

    @classmethod
    def from_dict(cls, given: Any) -> Target:
        """Return the target that `to_dict` described. Raises ValueError for anything else.

        >>> Target.from_dict(Target.of(["a", "b"], "t").to_dict()).classes
        ('a', 'b')
        """
        try:
            if given["version"] != 1:
                raise ValueError(f"version {given['version']!r} is not known; a newer fastbp has written it")
            names, classes = tuple(given["names"]), given["classes"]
            mean, deviation = (tuple(float(x) for x in given[key]) for key in ("mean", "deviation"))
            result = cls(names, None if classes is None else tuple(classes), mean, deviation, decimal=given["decimal"])
            fits = len(mean) == len(deviation) == (0 if classes is not None else len(names))
            if not fits or not names or not all(isinstance(text, str) for text in (*names, *(classes or ()))):
                raise ValueError("its parts do not fit together")
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"this is no description of a target ({type(error).__name__}: {error})") from None
        return result


def _check(name: Any, kind: Any, scale: Any, decimal: Any) -> None:
    validation.truth("scale", scale)
    for what, given, needed in (
        ("kind", kind, (None, "classify", "regress")),
        ("decimal", decimal, (".", ",")),
    ):
        if not isinstance(given, str | None) or given not in needed:
            raise ValueError(f"{what} is {given!r}; it must be one of {', '.join(map(repr, needed))}")
    if not isinstance(name, str):
        raise TypeError(f"name is {name!r}; it must be a str")


def means_classes(different: Array, n_rows: int) -> bool:
    """Whether numbers are classes: few whole ones (`MOST_VALUES`, `ROWS_PER_VALUE`).

    >>> means_classes(np.arange(100.0), 100), means_classes(np.arange(3.0), 100)
    (False, True)
    """
    whole = bool((different == np.floor(different)).all())
    return whole and 2 <= len(np.unique(different)) <= min(MOST_VALUES, n_rows // ROWS_PER_VALUE)


def scales(values: Array, scale: bool = True) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and deviation of columns; NaN are left out, and a constant has the deviation 0.

    Without `scale` they are those of numbers that stay as they are, 0 and 1.

    >>> scales(np.array([[1e300], [3e300]]))
    ((2e+300,), (1e+300,))
    """
    mean, deviation = [], []
    for column in values.T:
        present = column[np.isfinite(column)]
        low, high = (float(present.min()), float(present.max())) if present.size else (0.0, 0.0)
        # In units near the largest value squares neither overflow nor underflow; a power of two rounds nothing.
        unit = float(np.ldexp(1.0, int(np.frexp(max(-low, high))[1]) - 1))
        varies = low < high and (spread := float((present / unit).std()) * unit) >= np.finfo(np.float64).tiny
        mean.append(float((present / unit).mean()) * unit if varies else low)
        deviation.append(spread if varies else 0.0)
    if not scale:
        mean, deviation = [0.0] * len(mean), [1.0] * len(deviation)
    return tuple(mean), tuple(deviation)


def _labels(column: Values) -> Texts:
    """Return labels as text: those that are the same plain number get the same text, 0123 and long ones stay."""
    texts = label_texts(column)
    return Texts.coded(texts.codes, map(_label, texts.values)) if texts is column else texts


def _number(value: Any, decimal: str) -> float:
    return cells.number(value, decimal) if isinstance(value, str) else float(value)


def _is_code(value: Any) -> bool:
    """Whether a text of digits would change as a number: 0123, or more digits than a float64 has."""
    digits = value.lstrip("+-") if isinstance(value, str) else ""
    return digits.isdigit() and ((len(digits) > 1 and digits[0] == "0") or float(digits) > LARGEST_EXACT)


def _label(text: str) -> str:
    """Return a label without a decimal point if it is a whole number.

    >>> _label("1.0"), _label("0123"), _label("12345678901234567890"), _label("a")
    ('1', '0123', '12345678901234567890', 'a')
    """
    whole, point, rest = text.partition(".")
    if point and whole.lstrip("+-").isdigit() and not rest.strip("0") and abs(float(whole)) <= LARGEST_EXACT:
        digits = whole.lstrip("+-")
        return whole if digits == "0" or digits[0] != "0" else text
    return text


def _classes(labels: Counter[str], name: str) -> tuple[str, ...]:
    different, n_rows = list(labels), labels.total()
    if len(different) == 1:
        raise DataFileError(
            f"the target {name!r} has 1 different value, {shorten(different[0])}; for classes 2 to {MOST_CLASSES} are "
            "required: name the right column"
        )
    if len(different) > MOST_CLASSES or (len(different) > MOST_VALUES and len(different) > n_rows / 2):
        raise DataFileError(
            f"the target {name!r} has {len(different)} different values in {n_rows} rows, such as "
            f"{shorten(different[0])}; classes must be fewer: name another column"
        )
    if long := next((text for text in different if len(text) > MAX_LABEL), None):
        raise DataFileError(
            f"the target {name!r} has the label {shorten(long)} of {len(long)} characters; at most {MAX_LABEL}"
        )
    values = [cells.number(text) for text in different]
    if not np.isnan(values).any():
        return tuple(text for _, text in sorted(zip(values, different, strict=True)))
    return tuple(sorted(different))
