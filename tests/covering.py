"""Fewer cases than a full product, which still have every pair of values; ``pytest -m slow`` runs the others."""

import itertools
from collections.abc import Iterable
from typing import Any

import pytest


def every_pair(*lists: Iterable[Any]) -> list[Any]:
    """Return the full product of some lists, of which all cases are marked as slow that no new pair needs.

    What remains keeps this property: any two values of two lists occur together. So it finds every error that is seen
    with one value, or with two values together, whatever the others are; an error that needs three certain values may
    be found by ``pytest -m slow`` only. Cases are taken greedily, those with the most new pairs first, so the choice is
    the same in every process.
    """
    values = [list(each) for each in lists]
    cases = list(itertools.product(*values))
    indices = itertools.product(*(range(len(each)) for each in values))
    pairs = [frozenset(itertools.combinations(enumerate(each), 2)) for each in indices]
    missing, chosen = set().union(*pairs), set()
    while missing:
        best = max(range(len(cases)), key=lambda i: len(pairs[i] & missing))
        chosen.add(best)
        missing -= pairs[best]
    return [case if i in chosen else pytest.param(*case, marks=pytest.mark.slow) for i, case in enumerate(cases)]


def in_turn(*lists: Iterable[Any]) -> list[Any]:
    """Return the full product of some lists; all cases are marked as slow but one of each product of the lists before.

    The values of the last list take turns: the sum of the indices, modulo its length. What remains keeps this property:
    every combination of the other lists occurs, and any of their values with every value of the last, if the product of
    the lengths of the others allows it. It is for a last list, such as the dtypes, whose values run the same loops.
    """
    values = [list(each) for each in lists]
    cases = []
    for indices in itertools.product(*(range(len(each)) for each in values)):
        case = [each[i] for each, i in zip(values, indices, strict=True)]
        its_turn = sum(indices[:-1]) % len(values[-1]) == indices[-1]
        cases.append(tuple(case) if its_turn else pytest.param(*case, marks=pytest.mark.slow))
    return cases
