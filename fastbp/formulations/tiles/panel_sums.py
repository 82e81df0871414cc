"""The three sums over one panel, as loops around a register tile, and what moves numbers in and out of panels.

    forward_panel    z_sj = Σ_k a_sk w_jk + b_j        tiles of z (s, j), each turn of the sum over k an outer product
    gradient_panel   ∂C/∂w_jk = Σ_s a_sk δ_sj          tiles of ∂C/∂w (k, j), sum over s
    bias_panel       ∂C/∂b_j = Σ_s δ_sj

Error propagation is `forward_panel` again, with δ for a and the transposed weights for w. `forward_row` and
`propagate_row` are the same for a single sample, where a tile would have one row.

Each is compiled for panels one and two registers wide, `VECS` (see `panel_functions.py`). All arrays are flat; their
shapes are said where they are cut out.
"""

from typing import Any

from fastbp.compiler.options import INNER, njit
from fastbp.compiler.views import matrix
from fastbp.formulations.tiles.panels import panel_width
from fastbp.formulations.tiles.registers import ROWS
from fastbp.formulations.tiles.tile import (
    add,
    add_row,
    add_to,
    inner_add,
    lanes,
    load,
    outer_add,
    prefetch,
    store,
    store_row_sums,
    store_transposed,
    wide,
    zeros,
)

VECS: Any = None  # bound to 1 and 2

# Rows of the next tile when so many are left, at most ROWS. A tile of less than 4 would be no faster than one of 4,
# because its sums are too few to hide how long each addition takes; so up to 3 rows of padding are computed as well.
NEXT_ROWS = (0, 4, 4, 4, 4, 6, 6, 8, 8, 6, 6, 12, 12, 8, 8, 8, 8) if ROWS == 12 else (0, 4, 4, 4, 4, 6, 6, 4, 4)


@njit(**INNER)
def next_rows(left):
    """Rows of the next tile when `left` remain."""
    return NEXT_ROWS[left] if left < len(NEXT_ROWS) else ROWS


@njit(**INNER)
def forward_tile(tile, z, a_previous, w, b, rows, s, n, begin, ahead, share):
    """z_sj = b_j + Σ_k a_sk w_jk, or from z_sj on; n inputs k, which lie in panels of `rows` rows.

    Meanwhile `share` of every panel's rows of w are on their way from memory, `ahead` rows further on.
    """
    tile = add_row(tile, b, 0) if begin else load(tile, z, s, 0)
    for start in range(0, n, wide(w)):
        panel = matrix(a_previous, start * rows, rows, panel_width(w, n - start))
        for row in range(ahead, ahead + share):
            prefetch(w, row, 0)
            prefetch(w, row, lanes(w))
        ahead += share
        for c in range(min(wide(w), n - start)):
            tile = outer_add(tile, panel, s, c, w, start + c, 0)
    store(tile, z, s, 0)


def forward_panel(z, a_previous, w, b, rows, first, m, n, begin):
    """z_sj = b_j + Σ_k a_sk w_jk, or z_sj += Σ_k a_sk w_jk unless `begin`: m samples s, the neurons j of one panel.

    Shapes: z (rows, width); a_previous (rows, n), in panels; w (n, width); b (width,). Writes: z, rows `first` on.
    """
    z = matrix(z, 0, rows, VECS * lanes(z))
    w = matrix(w, 0, n, VECS * lanes(w))
    s, last = first, first + m
    while s < last:
        size = next_rows(last - s)
        share = wide(w) * size // m if m > 24 else 0
        ahead = n + (s - first) * n // m
        if size == 12:
            forward_tile(zeros(z, 12, VECS), z, a_previous, w, b, rows, s, n, begin, ahead, share)
        elif size == 8:
            forward_tile(zeros(z, 8, VECS), z, a_previous, w, b, rows, s, n, begin, ahead, share)
        elif size == 6:
            forward_tile(zeros(z, 6, VECS), z, a_previous, w, b, rows, s, n, begin, ahead, share)
        else:
            forward_tile(zeros(z, 4, VECS), z, a_previous, w, b, rows, s, n, begin, ahead, share)
        s += size


def forward_row(z, a_previous, w, b, n):
    """The same for one sample, in four tiles side by side: in one, each addition would wait for the one before.

    Shapes: z, b (width,); a_previous (n,); w (n, width). Writes: z.
    """
    z, a = matrix(z, 0, 1, VECS * lanes(z)), matrix(a_previous, 0, 1, n)
    w = matrix(w, 0, n, VECS * lanes(w))
    tile = add_row(zeros(z, 1, VECS), b, 0)
    tile1, tile2, tile3 = zeros(z, 1, VECS), zeros(z, 1, VECS), zeros(z, 1, VECS)
    for k in range(0, n - 3, 4):
        tile = outer_add(tile, a, 0, k, w, k, 0)
        tile1 = outer_add(tile1, a, 0, k + 1, w, k + 1, 0)
        tile2 = outer_add(tile2, a, 0, k + 2, w, k + 2, 0)
        tile3 = outer_add(tile3, a, 0, k + 3, w, k + 3, 0)
    for k in range(n - n % 4, n):
        tile = outer_add(tile, a, 0, k, w, k, 0)
    store(add(add(tile, tile1), add(tile2, tile3)), z, 0, 0)


def step_row(z_next, x_next, w, b, x, step, n):
    """w_jk += x_k step_j, b_j += step_j; and at once, with these weights, z_j of the next sample as in `forward_row`.

    One pass over the weights instead of two. Shapes: z_next, b, step (width,); x, x_next (n,); w (n, width).
    Writes: w, b, z_next.
    """
    z, a, a_next = matrix(z_next, 0, 1, VECS * lanes(w)), matrix(x, 0, 1, n).T, matrix(x_next, 0, 1, n)
    w, step = matrix(w, 0, n, VECS * lanes(w)), matrix(step, 0, 1, VECS * lanes(w))
    tile = add_row(add_row(zeros(w, 1, VECS), b, 0), step[0], 0)
    store(tile, matrix(b, 0, 1, VECS * lanes(w)), 0, 0)
    tile1, tile2, tile3 = zeros(w, 1, VECS), zeros(w, 1, VECS), zeros(w, 1, VECS)
    for k in range(0, n - 3, 4):
        store(outer_add(load(zeros(w, 4, VECS), w, k, 0), a, k, 0, step, 0, 0), w, k, 0)
        tile = outer_add(tile, a_next, 0, k, w, k, 0)
        tile1 = outer_add(tile1, a_next, 0, k + 1, w, k + 1, 0)
        tile2 = outer_add(tile2, a_next, 0, k + 2, w, k + 2, 0)
        tile3 = outer_add(tile3, a_next, 0, k + 3, w, k + 3, 0)
    for k in range(n - n % 4, n):
        store(outer_add(load(zeros(w, 1, VECS), w, k, 0), a, k, 0, step, 0, 0), w, k, 0)
        tile = outer_add(tile, a_next, 0, k, w, k, 0)
    store(add(add(tile, tile1), add(tile2, tile3)), z, 0, 0)


@njit(**INNER)
def gradient_tile(tile, dw, alpha, a_previous, delta, theta, first, second, k, m, begin):
    """Σ_s a_sk δ_sj for a tile of (k, j), to where `gradient_panel` has it."""
    for s in range(m):
        if s % 8 == 0:  # meanwhile what will be updated is on its way from memory
            for c in (0, lanes(dw)):
                prefetch(theta, k + s // 8, c)
                prefetch(first, k + s // 8, c)
                prefetch(second, k + s // 8, c)
        tile = outer_add(tile, a_previous, k, s, delta, s, 0)
    if begin:
        store(tile, dw, k, 0)
    else:
        add_to(tile, alpha, dw, k, 0)


def gradient_panel(dw, alpha, a_previous, delta, theta, first, second, m, n, begin):
    """Accumulate dw_jk += alpha Σ_s a_sk δ_sj, or dw_jk = Σ_s a_sk δ_sj if `begin`: m samples, a panel by a panel.

    The n inputs k are of one panel, the neurons j of another.

    Shapes: dw (n, width); a_previous (m, ≥ n), one panel; delta (m, width). Writes: dw. The weights and moments that
    an update will touch next, theta, first and second (n, width), are sent for meanwhile.
    """
    theta, first = matrix(theta, 0, n, VECS * lanes(dw)), matrix(first, 0, n, VECS * lanes(dw))
    second = matrix(second, 0, n, VECS * lanes(dw))
    dw = matrix(dw, 0, n, VECS * lanes(dw))
    delta = matrix(delta, 0, m, VECS * lanes(delta))
    a_previous = matrix(a_previous, 0, m, a_previous.size // m).T
    k = 0
    while k < n:
        size = next_rows(n - k)
        if size == 12:
            gradient_tile(zeros(dw, 12, VECS), dw, alpha, a_previous, delta, theta, first, second, k, m, begin)
        elif size == 8:
            gradient_tile(zeros(dw, 8, VECS), dw, alpha, a_previous, delta, theta, first, second, k, m, begin)
        elif size == 6:
            gradient_tile(zeros(dw, 6, VECS), dw, alpha, a_previous, delta, theta, first, second, k, m, begin)
        else:
            gradient_tile(zeros(dw, 4, VECS), dw, alpha, a_previous, delta, theta, first, second, k, m, begin)
        k += size


def bias_panel(db, alpha, delta, m, begin):
    """The same for db_j and Σ_s δ_sj: m samples, one panel. Shapes: db (width,), delta (m, width). Writes: db."""
    db, delta = matrix(db, 0, 1, VECS * lanes(db)), matrix(delta, 0, m, VECS * lanes(delta))
    tile, tile1, tile2, tile3 = zeros(db, 1, VECS), zeros(db, 1, VECS), zeros(db, 1, VECS), zeros(db, 1, VECS)
    for s in range(0, m - 3, 4):
        tile = add_row(tile, delta[s], 0)
        tile1 = add_row(tile1, delta[s + 1], 0)
        tile2 = add_row(tile2, delta[s + 2], 0)
        tile3 = add_row(tile3, delta[s + 3], 0)
    for s in range(m - m % 4, m):
        tile = add_row(tile, delta[s], 0)
    tile = add(add(tile, tile1), add(tile2, tile3))
    if begin:
        store(tile, db, 0, 0)
    else:
        add_to(tile, alpha, db, 0, 0)


def propagate_row(delta_previous, w, n_rows, delta, n_in, n_out):
    """Σ_j w_jk δ_j for one sample, as sums along the rows of the panels of weights, which have `n_rows` each.

    Shapes: delta_previous (n_in,), delta (n_out,), both padded. Writes: delta_previous.
    """
    sums, delta = matrix(delta_previous, 0, 1, n_in), matrix(delta, 0, 1, n_out)
    for k in range(0, n_in, lanes(w)):
        tile = zeros(w, lanes(w), 1)
        for start in range(0, n_out, wide(w)):
            width = panel_width(w, n_out - start)
            panel = matrix(w, start * n_rows + width, n_in, width)
            for c in range(0, min(width, n_out - start), lanes(w)):
                tile = inner_add(tile, panel, k, c, delta, 0, start + c, min(lanes(w), n_out - start - c))
        store_row_sums(tile, sums, 0, k)


def transpose_weights(to, w, n_in, n_out):
    """Copy a block of weights, w_jk along j, into one with w_jk along k. Shapes: w (n_in, n_out), to (n_out, n_in)."""
    to, w = matrix(to, 0, n_out, n_in), matrix(w, 0, n_in, n_out)
    for k in range(0, n_in, lanes(w)):
        for j in range(0, n_out, lanes(w)):
            store_transposed(load(zeros(w, lanes(w), 1), w, k, j), to, j, k)


def gather(a, X, samples, rows, first, n):
    """a_sk = x_k for some samples. Shapes: a (rows, n), in panels; X (n_samples, n). Writes: a, rows `first` on."""
    X = matrix(X, 0, X.size // n, n)
    for s in range(samples.size):
        ahead = samples[min(s + 4, samples.size - 1)]
        for start in range(0, n, wide(a)):
            prefetch(X, ahead, start)
            prefetch(X, ahead, start + lanes(a))
            panel = matrix(a, start * rows, rows, panel_width(a, n - start))
            if n - start >= wide(a):
                store(load(zeros(a, 1, 2), X, samples[s], start), panel, first + s, 0)
            elif n - start > lanes(a):
                store(load(zeros(a, 1, 2), X, samples[s], start, n - start), panel, first + s, 0)
            else:
                store(load(zeros(a, 1, 1), X, samples[s], start, n - start), panel, first + s, 0)
