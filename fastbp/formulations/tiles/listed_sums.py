"""The sums of the first layer where many inputs are 0: those that are have no part in them, and are passed over.

    note_inputs      which inputs of a sample are not 0
    list_inputs      for each tile of samples, the inputs that are not 0 in all of them
    forward_listed   z_sj = Σ_k a_sk w_jk + b_j       over the inputs k of the list
    list_samples     for each group of inputs, the samples in which not all of them are 0
    gradient_listed  ∂C/∂w_jk = Σ_s a_sk δ_sj         over the samples s of the list

The others add 0 to sums in the same order, so the bits are those of `panel_sums.py`. A list is its length and then its
entries in ascending order.
"""

from typing import Any

from fastbp.compiler.options import INLINE, njit
from fastbp.compiler.views import matrix
from fastbp.formulations.tiles.panel_sums import next_rows
from fastbp.formulations.tiles.panels import panel_width
from fastbp.formulations.tiles.registers import ROWS
from fastbp.formulations.tiles.tile import (
    add_row,
    add_to,
    lanes,
    load,
    nonzero,
    outer_add,
    prefetch,
    store,
    wide,
    zeros,
)

VECS: Any = None  # bound to 1 and 2

GROUP = 8 if ROWS == 12 else 4  # inputs whose samples are listed together: the rows of a tile of the gradient
LEAST = 4  # samples of a tile, at least: so many rows share a place in the lists of inputs


def note_inputs(noted, a, rows, first, m, n):
    """Note which inputs of some samples are not 0: a bit for each, a number for a row of a panel.

    Shapes: a (rows, n), in panels; noted (panels, rows). Writes: noted, of `m` rows from `first` on.
    """
    for k in range(0, n, wide(a)):
        width = panel_width(a, n - k)
        panel, at = matrix(a, k * rows, rows, width), k // wide(a) * rows
        for s in range(first, first + m):
            if width == wide(a):
                noted[at + s] = nonzero(load(zeros(a, 1, 2), panel, s, 0))
            else:
                noted[at + s] = nonzero(load(zeros(a, 1, 1), panel, s, 0))


def list_inputs(listed, stride, noted, a, rows, first, m, n, chunk):
    """For each tile of `forward_listed`, the inputs that are not 0 in all its samples: a list for each chunk of inputs.

    Those of a last, narrow panel are in no list. Shapes: listed (rows / LEAST, stride), stride = 1 + chunk for each
    chunk; noted (panels, rows). Writes: listed.
    """
    s = first
    while s < first + m:
        size, at = next_rows(first + m - s), s // LEAST * stride
        for start in range(0, n, chunk):
            count = 0
            for k in range(start, min(n, start + chunk), wide(a)):
                bits = 0
                for r in range(k // wide(a) * rows + s, k // wide(a) * rows + min(s + size, first + m)):
                    bits |= noted[r]
                if panel_width(a, n - k) == wide(a):
                    for c in range(min(wide(a), n - k)):
                        listed[at + 1 + count] = k - start + c
                        count += (bits >> c) & 1
            listed[at] = count
            at += 1 + chunk
        s += size


@njit(**INLINE)
def forward_listed_tile(tile, z, a_previous, w, b, listed, at, rows, s, n, begin):
    """z_sj = b_j + Σ_k a_sk w_jk, or from z_sj on, over the inputs of a list and those of a narrow panel."""
    tile = add_row(tile, b, 0) if begin else load(tile, z, s, 0)
    for i in range(at + 1, at + 1 + listed[at]):
        k = listed[i]
        panel = matrix(a_previous, k // wide(w) * wide(w) * rows, rows, wide(w))
        tile = outer_add(tile, panel, s, k % wide(w), w, k, 0)
    start = (n - 1) // wide(w) * wide(w)
    if panel_width(w, n - start) < wide(w):
        panel = matrix(a_previous, start * rows, rows, panel_width(w, n - start))
        for c in range(n - start):
            tile = outer_add(tile, panel, s, c, w, start + c, 0)
    store(tile, z, s, 0)


def forward_listed(z, a_previous, w, b, listed, stride, rows, first, m, n, begin):
    """`forward_panel` over the inputs that are listed. Shapes: as there; listed as in `list_inputs`. Writes: z."""
    z = matrix(z, 0, rows, VECS * lanes(z))
    w = matrix(w, 0, n, VECS * lanes(w))
    s, last = first, first + m
    while s < last:
        size, at = next_rows(last - s), s // LEAST * stride
        for row in range(n + (s - first) * n // m, n + (s - first + size) * n // m):
            prefetch(w, row, 0)  # of the inputs after these
            prefetch(w, row, lanes(w))
        if size == 12:
            forward_listed_tile(zeros(z, 12, VECS), z, a_previous, w, b, listed, at, rows, s, n, begin)
        elif size == 8:
            forward_listed_tile(zeros(z, 8, VECS), z, a_previous, w, b, listed, at, rows, s, n, begin)
        elif size == 6:
            forward_listed_tile(zeros(z, 6, VECS), z, a_previous, w, b, listed, at, rows, s, n, begin)
        else:
            forward_listed_tile(zeros(z, 4, VECS), z, a_previous, w, b, listed, at, rows, s, n, begin)
        s += size


def list_samples(listed, stride, noted, m, n):
    """For each group of the inputs of a panel, the samples in which not all of them are 0.

    Shapes: noted (≥ m,), of that panel; listed (n / GROUP, stride), stride ≥ 1 + m. Writes: listed.
    """
    for g in range((n + GROUP - 1) // GROUP):
        at, group, count = g * stride, ((1 << GROUP) - 1) << (g * GROUP), 0
        for s in range(m):
            listed[at + 1 + count] = s
            count += 1 if noted[s] & group != 0 else 0
        listed[at] = count


@njit(**INLINE)
def gradient_listed_tile(tile, dw, alpha, a_previous, delta, theta, first, second, listed, at, k, begin):
    """Σ_s a_sk δ_sj for a tile of (k, j), over the samples of a list."""
    for row in range(k, k + GROUP):  # meanwhile what will be updated is on its way from memory
        for c in (0, lanes(dw)):
            prefetch(theta, row, c)
            prefetch(first, row, c)
            prefetch(second, row, c)
    for i in range(at + 1, at + 1 + listed[at]):
        s = listed[i]
        tile = outer_add(tile, a_previous, k, s, delta, s, 0)
    if begin:
        store(tile, dw, k, 0)
    else:
        add_to(tile, alpha, dw, k, 0)


def gradient_listed(dw, alpha, a_previous, delta, theta, first, second, listed, stride, m, n, begin):
    """`gradient_panel` over the samples that are listed. Shapes: as there; listed as in `list_samples`. Writes: dw."""
    theta, first = matrix(theta, 0, n, VECS * lanes(dw)), matrix(first, 0, n, VECS * lanes(dw))
    second = matrix(second, 0, n, VECS * lanes(dw))
    dw = matrix(dw, 0, n, VECS * lanes(dw))
    delta = matrix(delta, 0, m, VECS * lanes(delta))
    a_previous = matrix(a_previous, 0, m, a_previous.size // m).T
    for k in range(0, n, GROUP):
        at = k // GROUP * stride
        if n - k >= 8 and GROUP == 8:
            tile = zeros(dw, 8, VECS)
            gradient_listed_tile(tile, dw, alpha, a_previous, delta, theta, first, second, listed, at, k, begin)
        else:
            tile = zeros(dw, 4, VECS)
            gradient_listed_tile(tile, dw, alpha, a_previous, delta, theta, first, second, listed, at, k, begin)
