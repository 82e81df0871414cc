"""A `Trace` as tables: all neurons of a small network, the neurons that matter most of a large one."""

from typing import Any

import numpy as np

from fastbp.derivatives.explain import symbols
from fastbp.derivatives.explain.layer_trace import LayerTrace
from fastbp.derivatives.explain.tables import WIDTH, Table, number
from fastbp.model import Array

NEURONS = 8  # at most this many neurons of a layer are shown
INPUTS = 4  # and for each of them at most this many weights


def tables(cost: str, value: float, layers: tuple[LayerTrace, ...], y: Array) -> list[Table]:
    """Return a title, then for every layer a table of its neurons and one of its weights."""
    sizes = " → ".join(str(at.n) for at in layers)
    shown = [most(at.dC_da if at.delta is None else at.delta, NEURONS) for at in layers]
    result = [Table(f"one sample through {sizes}: {cost} cost C = {number(value)}")]
    for at, neurons in zip(layers, shown, strict=True):
        result.append(_neurons(at, neurons, y if at.is_output else None))
        if at.delta is not None:
            result.append(_weights(at, neurons))
    return result


def most(values: Array, n: int) -> list[int]:
    """Return the indices of the n largest absolute values, in ascending order.

    >>> most(np.array([0.1, -3.0, 0.0, 2.0]), 2)
    [1, 3]
    """
    order = np.argsort(-np.abs(np.nan_to_num(values)), kind="stable")[:n]
    return sorted(order.tolist())


def _neurons(at: LayerTrace, shown: list[int], y: Array | None) -> Table:
    note = _cut(len(shown), at.n, "neurons", "|δ|" if at.delta is not None else "|∂C/∂a|")
    if at.delta is None:
        rows = [[str(k), number(at.a[k]), number(at.dC_da[k])] for k in shown]
        return Table("layer 0, the input", ["k", "a = x", "∂C/∂a"], rows, note)
    assert at.activation is not None
    matrix = at.da_dz.ndim == 2
    columns: dict[str, Any] = {"b": at.b, "z": at.z, "a": at.a}
    if y is not None:
        columns["y"] = y
    columns["∂a_j/∂z_j" if matrix else "σ′(z)"] = at.da_dz.diagonal() if matrix else at.da_dz
    columns |= {"∂C/∂a": at.dC_da, "δ = ∂C/∂z = ∂C/∂b": at.delta}
    rows = [[str(j), *(number(column[j]) for column in columns.values())] for j in shown]
    if matrix:
        note.append("∂a/∂z of softmax is a matrix; the table shows its diagonal, da_dz has all of it")
    if not np.isfinite(at.dC_da).all():
        note.append("∂C/∂a divides by an a that has been rounded to 0 or 1; δ is computed without it")
    title = f"layer {at.l}, {at.activation.name}: {symbols.sigma_prime(at.activation)}"
    return Table(f"layer {at.l}, {at.activation.name}" if matrix else title, ["j", *columns], rows, note)


def _weights(at: LayerTrace, neurons: list[int]) -> Table:
    title, a = f"layer {at.l}, weights w[j,k] and ∂C/∂w[j,k] = a_k δ_j", at.a_before
    for n in range(INPUTS, 0, -1):  # as many inputs as fit into the width
        inputs = most(a, n)
        heads = ["j", *(head for k in inputs for head in (f"w[j,{k}]", f"∂C/∂w[j,{k}]"))]
        rows = [[str(j), *(number(v) for k in inputs for v in (at.w[j, k], at.delta[j] * a[k]))] for j in neurons]
        table = Table(title, heads, rows, _cut(len(inputs), len(a), "inputs", "|a|"))
        if all(len(line) <= WIDTH for line in table.text().splitlines()):
            break
    return table


def _cut(shown: int, n: int, what: str, by: str) -> list[str]:
    return [f"{shown} of {n:,} {what}, those with the largest {by}"] if shown < n else []
