"""The weights to which a sample's cost is most sensitive, and why."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fastbp.derivatives.explain import symbols
from fastbp.derivatives.explain.layer_trace import LayerTrace
from fastbp.derivatives.explain.tables import ReadableSequence, Table, number
from fastbp.model import Array


@dataclass(frozen=True)
class SensitiveWeight:
    """One weight w_jk, with the two factors of its derivative, ∂C/∂w_jk = a_k δ_j.

    Attributes
    ----------
    layer, j, k : int
        The weight w_jk of a layer.
    derivative : float
        ∂C/∂w_jk.
    a, delta : float
        a_k of the layer before, δ_j of this one.
    a_rank, delta_rank : int
        The ranks of |a_k| and |δ_j| in their layers; 1 is the largest.
    reason : str
        Why the cost is, or is not, sensitive to this weight.
    """

    layer: int
    j: int
    k: int
    derivative: float
    a: float
    delta: float
    a_rank: int
    delta_rank: int
    reason: str


@dataclass(frozen=True)
class Ranking(ReadableSequence[SensitiveWeight]):
    """Weights by |∂C/∂w|, the largest first.

    Attributes
    ----------
    weights : tuple of SensitiveWeight
        ``len``, iteration and indices go over them.
    n_weights : int
        The number of weights that were ranked.
    """

    weights: tuple[SensitiveWeight, ...]
    n_weights: int
    _items = "weights"

    def _tables(self) -> list[Table]:
        rows = [
            [str(i), symbols.of("w", at.layer, at.j, at.k), number(at.derivative), number(at.a), number(at.delta),
             at.reason]
            for i, at in enumerate(self.weights, 1)
        ]  # fmt: skip
        title = f"the {len(self)} most sensitive of {self.n_weights:,} weights, ∂C/∂w_jk = a_k δ_j"
        return [Table(title, ["", "weight", "∂C/∂w", "a_k", "δ_j", "because"], rows, left=(1, 5))]


def ranked(layers: Sequence[LayerTrace], n: int, y: Array) -> Ranking:
    """Return the n weights of these layers with the largest |∂C/∂w|; y is the target of the sample."""
    found: list[tuple[float, int, int, int]] = []
    for at in layers:
        size = np.abs(at.dC_dw).ravel()
        for flat in np.argsort(-size, kind="stable")[:n].tolist():
            found.append((-float(size[flat]), at.l, *divmod(flat, len(at.a_before))))
    by_number = {at.l: at for at in layers}
    weights = [_weight(by_number[l], j, k, y) for _, l, j, k in sorted(found)[:n]]
    return Ranking(tuple(weights), sum(at.w.size for at in layers))


def _weight(at: LayerTrace, j: int, k: int, y: Array) -> SensitiveWeight:
    a, delta = float(at.a_before[k]), float(at.delta[j])
    a_rank, delta_rank = (1 + int((np.abs(v) > abs(v[i])).sum()) for v, i in ((at.a_before, k), (at.delta, j)))
    if a == 0:
        reason = "its input is silent, a_k = 0"
    elif delta == 0:
        reason = "its neuron cannot change the cost, δ_j = 0"
    else:
        reason = f"{_place('a_k', a_rank, len(at.a_before))}, {_place('δ_j', delta_rank, at.n)}"
    if len(y) == at.n and at.is_output:
        reason += f", a_j − y_j = {float(at.a[j]) - float(y[j]):+.2g}"
    derivative = float(at.delta[j] * at.a_before[k])
    return SensitiveWeight(at.l, j, k, derivative, a, delta, a_rank, delta_rank, reason)


def _place(what: str, rank: int, n: int) -> str:
    """Say which rank a number has among the n of its layer.

    >>> _place("a_k", 1, 30), _place("a_k", 12, 30), _place("a_k", 22, 30), _place("a_k", 1, 1)
    ('a_k largest of 30', 'a_k 12th of 30', 'a_k 22nd of 30', 'a_k the only one')
    """
    if n == 1:
        return f"{what} the only one"
    if rank == 1:
        return f"{what} largest of {n}"
    ending = {1: "st", 2: "nd", 3: "rd"}.get(rank % 10 if rank % 100 not in (11, 12, 13) else 0, "th")
    return f"{what} {rank}{ending} of {n}"
