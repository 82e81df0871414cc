"""The sums of a single sample, where a tile of `panel_sums.py` would have one row.

forward_row     z_j = Σ_k a_k w_jk + b_j       the tiles of four inputs k side by side
step_row        w_jk ← w_jk − η a_k δ_j        and at once z_j of the next sample
propagate_row   Σ_j w_jk δ_j                   tiles of (k, j), whose rows become `inner_products`
"""

from typing import Any

from fastbp.compiler.options import INNER, njit
from fastbp.compiler.views import matrix
from fastbp.formulations.tiles.panels import panel_width
from fastbp.formulations.tiles.registers import VECTOR_BYTES
from fastbp.formulations.tiles.tile import (
    add,
    add_row,
    add_to,
    inner_add,
    lanes,
    outer_add,
    prefetch,
    store,
    store_row_sums,
    wide,
    zeros,
)

VECS: Any = None  # bound to 1 and 2
ROWS: Any = None  # bound to the sums that `propagate_row` has side by side
LINE = min(2, 64 // VECTOR_BYTES)  # registers of 64 bytes, or two of 16
HALVES = VECTOR_BYTES < 32  # a panel has 32 bytes: every second one adds to the other half of the 64


def forward_row(z, a_previous, w, b, scratch, lists, coming, where):
    """z_j = b_j + Σ_k a_k w_jk, in four tiles side by side: in one, each addition would wait for the one before.

    Shapes: z (width,); b (width,) or empty, which is 0; a_previous (≥ n,); w (n, width). Writes: z. The other
    parameters are those of `forward_panel`.
    """
    n = w.size // (VECS * lanes(w))
    z, a, w = matrix(z, 0, 1, VECS * lanes(z)), matrix(a_previous, 0, 1, n), matrix(w, 0, n, VECS * lanes(w))
    tile = zeros(z, 1, VECS)
    tile = add_row(tile, b, 0) if b.size > 0 else tile
    tile1, tile2, tile3 = zeros(z, 1, VECS), zeros(z, 1, VECS), zeros(z, 1, VECS)
    for k in range(0, n - 3, 4):
        tile = outer_add(tile, a, 0, k, w, k, 0)
        tile1 = outer_add(tile1, a, 0, k + 1, w, k + 1, 0)
        tile2 = outer_add(tile2, a, 0, k + 2, w, k + 2, 0)
        tile3 = outer_add(tile3, a, 0, k + 3, w, k + 3, 0)
    for k in range(n - n % 4, n):
        tile = outer_add(tile, a, 0, k, w, k, 0)
    store(add(add(tile, tile1), add(tile2, tile3)), z, 0, 0)


@njit(**INNER)
def step_and_add(tile, w, k, step, x, a_next):
    """w_jk += x_k step_j, and then the term w_jk a_k of the next sample. Writes: row k of w."""
    add_to(step, x[k], w, k, 0)
    return outer_add(tile, a_next, 0, k, w, k, 0)


def step_row(z_next, x_next, w, b, x, step, coming):
    """w_jk += x_k step_j, b_j += step_j; and at once, with these weights, z_j of the next sample as in `forward_row`.

    One pass over the weights instead of two. Meanwhile it prefetches `coming`, some inputs of a later sample, a cache
    line now and then: all at once would make it wait. Shapes: z_next, b, step (width,); x, x_next (n,); w (n, width).
    Writes: w, b, z_next.
    """
    n, line = x.size, LINE * lanes(w)
    n_lines, coming = coming.size // line + 1, matrix(coming, 0, 1, coming.size)
    z, a_next, w = matrix(z_next, 0, 1, VECS * lanes(w)), matrix(x_next, 0, 1, n), matrix(w, 0, n, VECS * lanes(w))
    delta = add_row(zeros(w, 1, VECS), step, 0)  # in registers, for what a loop stores might be step as well
    tile = add_row(delta, b, 0)
    store(tile, matrix(b, 0, 1, VECS * lanes(w)), 0, 0)
    tile1, tile2, tile3 = zeros(w, 1, VECS), zeros(w, 1, VECS), zeros(w, 1, VECS)
    for i in range(n_lines):
        prefetch(coming, 0, i * line)
        for k in range(n // 4 * i // n_lines * 4, n // 4 * (i + 1) // n_lines * 4, 4):
            tile = step_and_add(tile, w, k, delta, x, a_next)
            tile1 = step_and_add(tile1, w, k + 1, delta, x, a_next)
            tile2 = step_and_add(tile2, w, k + 2, delta, x, a_next)
            tile3 = step_and_add(tile3, w, k + 3, delta, x, a_next)
    for k in range(n - n % 4, n):
        tile = step_and_add(tile, w, k, delta, x, a_next)
    store(add(add(tile, tile1), add(tile2, tile3)), z, 0, 0)


@njit(**INNER)
def inner_products(tile, A, n_rows, row, v, n):
    """Σ_c A_rc v_c, n columns c, as terms along the rows of a tile, which is zeros: of the rows r from `row` on.

    Each has the terms of one register of 64 bytes, whatever the registers: column c in lane c mod 16 of float32.
    Shapes: A (n_rows, n) in panels, or, if n_rows is 0, with whole rows one behind the other; v (1, ≥ n).
    """
    other, line, whole = tile, LINE * lanes(A), matrix(A, 0, A.size // n, n)
    for start in range(0, n, wide(A)):
        width, stop, at = panel_width(A, n - start), min(wide(A), n - start), 0 if n_rows > 0 else start
        panel = matrix(A, start * n_rows, n_rows, width) if n_rows > 0 else whole
        if HALVES and start // wide(A) % 2 == 1:
            other = inner_add(other, panel, row, at, v, 0, start, stop)
        else:
            for c in range(0, stop - line + 1, line):
                tile = inner_add(tile, panel, row, at + c, v, 0, start + c)
            rest = stop % line
            if rest > 0:
                tile = inner_add(tile, panel, row, at + stop - rest, v, 0, start + stop - rest, rest)
    return add(tile, other) if HALVES else tile


def propagate_row(delta_previous, w, n_rows, delta, n_out):
    """Σ_j w_jk δ_j for one sample, as sums along the rows of the panels of weights, which have `n_rows` each.

    Shapes: delta_previous (n_in,), delta (≥ n_out,), both padded; w (n_rows, n_out), in panels, the first row of
    biases. Writes: delta_previous.
    """
    sums, delta = matrix(delta_previous, 0, 1, delta_previous.size), matrix(delta, 0, 1, delta.size)
    for k in range(0, delta_previous.size, ROWS):
        store_row_sums(inner_products(zeros(w, ROWS, LINE), w, n_rows, 1 + k, delta, n_out), sums, 0, k)
