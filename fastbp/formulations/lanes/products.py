"""The sums of `sums.py` over registers of nets, each in the order in which `tiles` adds the terms.

    sum_products      c_ij = Σ_p a_ip b_pj        all three sums of backpropagation: what i, p and j are is in the steps
    sum_biases        ∂C/∂b_j = Σ_s δ_sj
    forward_column    z_s = b + Σ_k a_sk w_k      a layer of one neuron, as `tiles/column_sums.py` sums it
    gradient_column   ∂C/∂w_k = Σ_s a_sk δ_s      the same

All arrays are flat, in lanes: a number is a register. So a tile of r rows and one register is r numbers.
"""

from typing import Any, NamedTuple

from fastbp.compiler.options import INNER, njit
from fastbp.compiler.views import matrix, stretch
from fastbp.formulations.tiles.panel_sums import next_rows
from fastbp.formulations.tiles.tile import add, add_row, inner_add, lanes, load, store, wide, zeros

COLUMN = 4  # samples at a time in `forward_column`


class Walk(NamedTuple):
    """What `sum_products` is given: arrays as matrices, and how many rows and numbers lie between two numbers."""

    c: Any
    a: Any
    b: Any
    start: Any
    n_p: int
    c_rows: int
    c_columns: int
    a_rows: int
    a_columns: int
    bp: int
    bj: int


@njit(**INNER)
def tile_of_products(tile, of, i, j, next_j):
    """The rows of a tile from i on, of two columns j of c, which share the loads of a."""
    other = tile
    if of.start.size > 0:
        tile, other = add_row(tile, of.start, j * lanes(of.c)), add_row(other, of.start, next_j * lanes(of.c))
    for p in range(of.n_p):
        row, column = i + p * of.a_rows, p * of.a_columns
        tile = inner_add(tile, of.a, row, column, of.b, p * of.bp + j * of.bj, 0)
        other = inner_add(other, of.a, row, column, of.b, p * of.bp + next_j * of.bj, 0)
    store(tile, of.c, i + j * of.c_rows, j * of.c_columns)
    store(other, of.c, i + next_j * of.c_rows, next_j * of.c_columns)


def sum_products(c, a, b, start, n_i, n_j, n_p, ci, cj, ai, ap, bp, bj):
    """c_ij = start_j + Σ_p a_ip b_pj; an empty start is 0. Writes: c.

    c_ij is number ci i + cj j of c, a_ip is number ai i + ap p of a, b_pj is number bp p + bj j of b. What is left for
    a last tile of rows i or pair of columns j overlaps with what is there already, and is computed twice. With less
    than 4 rows i, a tile writes up to 3 rows of column j into those of column j + 1, which come later.
    """
    width = lanes(c)
    C, A, B = (
        matrix(c, 0, c.size // (ci * width), ci * width),
        matrix(a, 0, a.size // (ai * width), ai * width),
        matrix(b, 0, b.size // width, width),
    )
    c_rows, c_columns = (cj, 0) if ci == 1 else (0, cj * width)
    a_rows, a_columns = (ap, 0) if ai == 1 else (0, ap * width)
    of = Walk(C, A, B, start, n_p, c_rows, c_columns, a_rows, a_columns, bp, bj)
    i = 0
    while i < n_i:
        size = next_rows(n_i - i)
        first = max(0, min(i, n_i - size))
        for j in range(0, n_j, 2):
            next_j = min(j + 1, n_j - 1)
            if size == 12:
                tile_of_products(zeros(c, 12, 1), of, first, j, next_j)
            elif size == 8:
                tile_of_products(zeros(c, 8, 1), of, first, j, next_j)
            elif size == 6:
                tile_of_products(zeros(c, 6, 1), of, first, j, next_j)
            else:
                tile_of_products(zeros(c, 4, 1), of, first, j, next_j)
        i += size


def sum_biases(db, delta, m, n):
    """db_j = Σ_s δ_sj, as `tiles` adds them: four sums side by side, of every fourth sample. Two neurons at a time.

    Shapes: db (n, lanes), behind which one more number is written; delta (≥ m, n, lanes). Writes: db.
    """
    rows = n * lanes(db)
    db, delta = matrix(db, 0, 1, db.size), matrix(delta, 0, delta.size // rows, rows)
    for j in range(0, rows, wide(db)):
        tile, tile1, tile2, tile3 = zeros(db, 1, 2), zeros(db, 1, 2), zeros(db, 1, 2), zeros(db, 1, 2)
        for s in range(0, m - 3, 4):
            tile = add_row(tile, delta[s], j)
            tile1 = add_row(tile1, delta[s + 1], j)
            tile2 = add_row(tile2, delta[s + 2], j)
            tile3 = add_row(tile3, delta[s + 3], j)
        for s in range(m - m % 4, m):
            tile = add_row(tile, delta[s], j)
        store(add(add(tile, tile1), add(tile2, tile3)), db, 0, j)


def forward_column(z, a, w, b, scratch, m, n):
    """z_s = b + Σ_k a_sk w_k in the order of `tiles/column_sums.py`, which sums along a register and then across it.

    Shapes: z (≥ m, lanes); a (≥ m, n, lanes); w (n, lanes); b (lanes,); scratch (2 lanes + 1, COLUMN, lanes). Writes: z
    and scratch.
    """
    width = lanes(z)
    z, a, w = matrix(z, 0, z.size // width, width), matrix(a, 0, a.size // (n * width), n * width), matrix(w, 0, n, width)
    terms = matrix(scratch, 0, (wide(z) + 1) * COLUMN, width)
    left = n % wide(z)
    of_pairs = n if left > lanes(z) else n - left  # inputs in panels of two registers; the others are in one of one
    for s in range(0, m, COLUMN):
        sum_across(terms, 0, a, w, s, 0, of_pairs, wide(z))
        first = load(zeros(z, COLUMN, 1), terms, 0, 0)
        sum_across(terms, 0, a, w, s, of_pairs, n, lanes(z))
        total = add(first, load(zeros(z, COLUMN, 1), terms, 0, 0))
        store(add_row(total, b, 0), z, s, 0)


@njit(**INNER)
def sum_across(terms, at, a, w, s, k, stop, width):
    """Σ_k a_sk w_k from k up to `stop`: every width-th into one term, then the terms by halves. Writes: terms."""
    for c in range(width):
        tile = zeros(a, COLUMN, 1)
        for i in range(k + c, stop, width):
            tile = inner_add(tile, a, s, i * lanes(a), w, i, 0)
        store(tile, terms, c * COLUMN, 0)
    half = width // 2
    while half > 0:
        for c in range(half):
            tile = load(zeros(a, COLUMN, 1), terms, c * COLUMN, 0)
            store(add(tile, load(zeros(a, COLUMN, 1), terms, (c + half) * COLUMN, 0)), terms, c * COLUMN, 0)
        half //= 2


def gradient_column(dw, a, delta, m, n):
    """dw_k = Σ_s a_sk δ_s in the order of `tiles`: four sums side by side, of every fourth sample.

    Shapes: dw (n, lanes), behind which one more number is written; a (≥ m, n, lanes); delta (≥ m, lanes). Writes: dw.
    """
    width = lanes(dw)
    dw, a = matrix(dw, 0, dw.size // width, width), matrix(a, 0, a.size // width, width)
    delta = matrix(delta, 0, delta.size // width, width)
    for k in range(0, n, 2):
        tile, tile1, tile2, tile3 = zeros(dw, 2, 1), zeros(dw, 2, 1), zeros(dw, 2, 1), zeros(dw, 2, 1)
        for s in range(0, m - 3, 4):
            tile = inner_add(tile, a, s * n + k, 0, delta, s, 0)
            tile1 = inner_add(tile1, a, (s + 1) * n + k, 0, delta, s + 1, 0)
            tile2 = inner_add(tile2, a, (s + 2) * n + k, 0, delta, s + 2, 0)
            tile3 = inner_add(tile3, a, (s + 3) * n + k, 0, delta, s + 3, 0)
        for s in range(m - m % 4, m):
            tile = inner_add(tile, a, s * n + k, 0, delta, s, 0)
        store(add(add(tile, tile1), add(tile2, tile3)), dw, k, 0)
