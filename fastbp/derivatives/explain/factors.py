"""Derivatives taken apart: the factors of the chain rule, multiplied along a path and summed over paths."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from fastbp.derivatives.explain.tables import Readable, Table, number

MOST_TERMS = 12  # so many terms of a sum are printed, those that are largest; all are in the data


@dataclass(frozen=True)
class Factor:
    """One derivative of a chain.

    Attributes
    ----------
    symbol : str
        Which derivative it is: ``∂z⁽²⁾[0]/∂w⁽²⁾[0,1]``.
    equals : str
        What it is: ``a⁽¹⁾[1]``.
    value : float
        Its value for this sample.
    """

    symbol: str
    equals: str
    value: float


@dataclass(frozen=True)
class Factors(Readable):
    """A derivative as a product along one path.

    Attributes
    ----------
    of : str
        What the product is: ``∂C/∂w⁽²⁾[0,1]``.
    factors : tuple of Factor
        From the variable to the cost. ``len``, iteration and indices go over them.
    derivative : float
        The same derivative by backpropagation. It equals `product` up to rounding where there is one path only, as
        from a weight of the last layer; else it is the sum over all paths.
    notes : tuple of str
        What else there is to know.
    """

    of: str
    factors: tuple[Factor, ...]
    derivative: float
    notes: tuple[str, ...] = ()

    @property
    def product(self) -> float:
        """The factors multiplied."""
        return math.prod(factor.value for factor in self.factors)

    def __len__(self) -> int:
        return len(self.factors)

    def __iter__(self) -> Iterator[Factor]:
        return iter(self.factors)

    def __getitem__(self, i: int) -> Factor:
        return self.factors[i]

    def _tables(self) -> list[Table]:
        rows = [[factor.symbol, factor.equals, number(factor.value)] for factor in self.factors]
        rows += [["product", "", number(self.product)], ["backpropagation", self.of, number(self.derivative)]]
        title = f"{self.of}: {len(self)} factor{'s' * (len(self) != 1)}"
        return [Table(title, ["factor", "is", "value"], rows, self.notes, left=(0, 1))]


@dataclass(frozen=True)
class Terms(Readable):
    """A derivative as a sum over paths.

    Attributes
    ----------
    of : str
        What the sum is: ``∂C/∂a⁽¹⁾[2]``.
    terms : tuple of Factors
        One for each path. ``len``, iteration and indices go over them.
    neurons : tuple of int
        Through which neuron of the next layer each of them goes.
    derivative : float
        The same derivative by backpropagation; equals `total` up to rounding.
    notes : tuple of str
        What else there is to know.
    """

    of: str
    terms: tuple[Factors, ...]
    neurons: tuple[int, ...]
    derivative: float
    notes: tuple[str, ...] = ()

    @property
    def total(self) -> float:
        """The products of all terms, summed."""
        return math.fsum(term.product for term in self.terms)

    def __len__(self) -> int:
        return len(self.terms)

    def __iter__(self) -> Iterator[Factors]:
        return iter(self.terms)

    def __getitem__(self, i: int) -> Factors:
        return self.terms[i]

    def _tables(self) -> list[Table]:
        order = sorted(range(len(self)), key=lambda i: -abs(self.terms[i].product))
        shown, rest = sorted(order[:MOST_TERMS]), order[MOST_TERMS:]
        heads = ["through", *(_any_neuron(factor.symbol) for factor in self.terms[0]), "product"]
        rows = []
        for i in shown:
            term = self.terms[i]
            rows.append([str(self.neurons[i]), *(number(factor.value) for factor in term), number(term.product)])
        blank = [""] * (len(heads) - 2)
        notes = [f"by backpropagation: {number(self.derivative)}", *self.notes]
        if rest:
            rows.append([f"{len(rest)} others", *blank, number(math.fsum(self.terms[i].product for i in rest))])
            notes.insert(0, f"the {len(shown)} largest of {len(self)} terms, and the sum of the others")
        rows.append(["sum", *blank, number(self.total)])
        return [Table(f"{self.of}: {len(self)} term{'s' * (len(self) != 1)}", heads, rows, notes)]


def _any_neuron(symbol: str) -> str:
    """Return a symbol without its indices.

    >>> _any_neuron("∂a⁽²⁾[0]/∂z⁽²⁾[0]")
    '∂a⁽²⁾/∂z⁽²⁾'
    """
    return re.sub(r"\[.*?\]", "", symbol)
