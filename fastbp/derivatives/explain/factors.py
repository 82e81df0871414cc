"""The factors of the chain rule for one derivative: multiplied along a path, summed over paths."""

import math
import re
from dataclasses import dataclass

from fastbp.derivatives.explain.tables import ReadableSequence, Table, number

MOST_TERMS = 12  # the largest terms of a sum are printed, at most this many; the data has all of them


@dataclass(frozen=True)
class Factor:
    """One factor of the chain rule.

    Attributes
    ----------
    symbol, equals : str
        The derivative, ``∂z⁽²⁾[0]/∂w⁽²⁾[0,1]``, and its formula, ``a⁽¹⁾[1]``.
    value : float
        Its value for this sample.
    """

    symbol: str
    equals: str
    value: float


@dataclass(frozen=True)
class Factors(ReadableSequence[Factor]):
    """A derivative as a product along one path.

    Attributes
    ----------
    of : str
        The derivative: ``∂C/∂w⁽²⁾[0,1]``.
    factors : tuple of Factor
        From the variable to the cost. ``len``, iteration and indices go over them.
    derivative : float
        The same derivative by backpropagation. It equals `product`, up to rounding, where there is only one path, as
        from a weight of the last layer; otherwise it is the sum over all paths.
    notes : tuple of str
        Remarks printed below the table.
    """

    of: str
    factors: tuple[Factor, ...]
    derivative: float
    notes: tuple[str, ...] = ()
    _items = "factors"

    @property
    def product(self) -> float:
        """The product of the factors."""
        return math.prod(factor.value for factor in self.factors)

    def _tables(self) -> list[Table]:
        rows = [[factor.symbol, factor.equals, number(factor.value)] for factor in self.factors]
        rows += [["product", "", number(self.product)], ["backpropagation", self.of, number(self.derivative)]]
        title = f"{self.of}: {len(self)} factor{'s' * (len(self) != 1)}"
        return [Table(title, ["factor", "is", "value"], rows, self.notes, left=(0, 1))]


@dataclass(frozen=True)
class Terms(ReadableSequence[Factors]):
    """A derivative as a sum over paths.

    Attributes
    ----------
    of : str
        The derivative: ``∂C/∂a⁽¹⁾[2]``.
    terms : tuple of Factors
        One for each path. ``len``, iteration and indices go over them.
    neurons : tuple of int
        The neuron of the next layer that each path goes through.
    derivative : float
        The same derivative by backpropagation; equals `total` up to rounding.
    notes : tuple of str
        Remarks printed below the table.
    """

    of: str
    terms: tuple[Factors, ...]
    neurons: tuple[int, ...]
    derivative: float
    notes: tuple[str, ...] = ()
    _items = "terms"

    @property
    def total(self) -> float:
        """The sum of the products of all terms."""
        return math.fsum(term.product for term in self.terms)

    def _tables(self) -> list[Table]:
        order = sorted(range(len(self)), key=lambda i: -abs(self.terms[i].product))
        shown, rest = sorted(order[:MOST_TERMS]), order[MOST_TERMS:]
        # The heads are the symbols of the first term without the indices of its neurons.
        heads = ["through", *(re.sub(r"\[.*?\]", "", factor.symbol) for factor in self[0]), "product"]
        rows = [
            [str(self.neurons[i]), *(number(factor.value) for factor in self[i]), number(self[i].product)]
            for i in shown
        ]
        blank = [""] * (len(heads) - 2)
        notes = [f"by backpropagation: {number(self.derivative)}", *self.notes]
        if rest:
            rows.append([f"{len(rest)} others", *blank, number(math.fsum(self.terms[i].product for i in rest))])
            notes.insert(0, f"the {len(shown)} largest of {len(self)} terms, and the sum of the others")
        rows.append(["sum", *blank, number(self.total)])
        return [Table(f"{self.of}: {len(self)} term{'s' * (len(self) != 1)}", heads, rows, notes)]
