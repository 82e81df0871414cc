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
from fastbp.formulations.tiles.registers import ROWS
from fastbp.formulations.tiles.tile import add, add_row, inner_add, lanes, lanes_add, lanes_add_row, load, store, store_lanes, wide, zeros

COLUMN = 4  # samples at a time in `forward_column`
# Rows of a tile of two registers. Four would be too few sums to hide how long each addition takes, where a register is
# a number; so they are for three rows or four, and others are shared out evenly.
MOST, MIDDLE, LEAST = (12, 8, 4) if ROWS == 12 else (6, 5, 4)


@njit(**INNER)
def rows_of_tile(left):
    """Rows of the next tile when `left` remain: as many in each of the least number of tiles, or a few more."""
    n_tiles = (left + MOST - 1) // MOST
    rows = (left + n_tiles - 1) // n_tiles
    return MOST if rows > MIDDLE else MIDDLE if rows > LEAST else LEAST


class Walk(NamedTuple):
    """What `sum_products` is given: arrays as matrices, and how many rows and columns lie between two numbers."""

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
def tile_of_products(tile, of, i, j, pair):
    """A tile of c: the rows from i on, column j and, if there is a `pair`, not 0, the next one."""
    if of.start.size > 0:
        tile = lanes_add_row(tile, of.start, j, pair)
    for p in range(of.n_p):
        tile = lanes_add(tile, of.a, i + p * of.a_rows, p * of.a_columns, of.b, p * of.bp + j * of.bj, pair * of.bj)
    store_lanes(tile, of.c, i + j * of.c_rows, j * of.c_columns, pair * of.c_rows, pair * of.c_columns)


def sum_products(c, a, b, start, n_i, n_j, n_p, ci, cj, ai, ap, bp, bj):
    """c_ij = start_j + Σ_p a_ip b_pj; an empty start is 0. Writes: c.

    c_ij is number ci i + cj j of c, a_ip is number ai i + ap p of a, b_pj is number bp p + bj j of b. What is left for
    a last tile of rows i overlaps with what is there already, and is computed twice. With less than 4 rows i, a tile
    writes up to 3 rows of column j into those of column j + 1, which come later.
    """
    width = lanes(c)
    C = matrix(c, 0, c.size // (ci * width), ci * width)
    A, B = matrix(a, 0, a.size // (ai * width), ai * width), matrix(b, 0, b.size // width, width)
    c_rows, c_columns = (cj, 0) if ci == 1 else (0, cj * width)
    a_rows, a_columns = (ap, 0) if ai == 1 else (0, ap * width)
    of = Walk(C, A, B, matrix(start, 0, start.size // width, width), n_p, c_rows, c_columns, a_rows, a_columns, bp, bj)
    i = 0
    while i < n_i:
        size = rows_of_tile(n_i - i)
        first = max(0, min(i, n_i - size))
        for j in range(0, n_j, 2):
            pair = 1 if j + 1 < n_j else 0
            if size == MOST:
                tile_of_products(zeros(c, MOST, 2), of, first, j, pair)
            elif size == MIDDLE:
                tile_of_products(zeros(c, MIDDLE, 2), of, first, j, pair)
            else:
                tile_of_products(zeros(c, LEAST, 2), of, first, j, pair)
        i += size


def sum_biases(db, delta, m, n):
    """db_j = Σ_s δ_sj, as `tiles` adds them: four sums side by side, of every fourth sample. Two neurons at a time.

    Shapes: db (n, lanes), behind which one more number is written; delta (≥ m, n, lanes). Writes: db.
    """
    row, db = n * lanes(db), matrix(db, 0, 1, db.size)
    for j in range(0, row, wide(db)):
        tile, tile1, tile2, tile3 = zeros(db, 1, 2), zeros(db, 1, 2), zeros(db, 1, 2), zeros(db, 1, 2)
        for s in range(0, m - 3, 4):
            tile = add_row(tile, delta, s * row + j)
            tile1 = add_row(tile1, delta, (s + 1) * row + j)
            tile2 = add_row(tile2, delta, (s + 2) * row + j)
            tile3 = add_row(tile3, delta, (s + 3) * row + j)
        for s in range(m - m % 4, m):
            tile = add_row(tile, delta, s * row + j)
        store(add(add(tile, tile1), add(tile2, tile3)), db, 0, j)


def forward_column(z, a, w, b, scratch, m, n):
    """z_s = b + Σ_k a_sk w_k in the order of `tiles/column_sums.py`, which sums along a register and then across it.

    Shapes: z (≥ m, lanes); a (≥ m, n, lanes); w (n, lanes); b (lanes,); scratch (lanes, COLUMN, lanes). Writes: z
    and scratch.
    """
    width = lanes(z)
    z, a, w = matrix(z, 0, z.size // width, width), matrix(a, 0, a.size // (n * width), n * width), matrix(w, 0, n, width)
    terms = matrix(scratch, 0, COLUMN * width, width)
    left = n % wide(z)
    of_pairs = n if left > lanes(z) else n - left  # inputs in panels of two registers; the others are in one of one
    for s in range(0, m, COLUMN):
        total = add(
            sum_across(zeros(z, COLUMN, 1), terms, a, w, s, 0, of_pairs, wide(z)),
            sum_across(zeros(z, COLUMN, 1), terms, a, w, s, of_pairs, n, lanes(z)),
        )
        store(add_row(total, b, 0), z, s, 0)


@njit(**INNER)
def sum_across(tile, terms, a, w, s, k, stop, width):
    """Σ_k a_sk w_k from k up to `stop`: every width-th in one sum, then sums c and c + width / 2, and so on.

    Writes: terms.
    """
    if k == stop:
        return tile
    half = width // 2
    for c in range(half):
        one, other = tile, tile
        for i in range(k + c, stop, width):
            one = inner_add(one, a, s, i * lanes(a), w, i, 0)
        for i in range(k + c + half, stop, width):
            other = inner_add(other, a, s, i * lanes(a), w, i, 0)
        store(add(one, other), terms, c * COLUMN, 0)
    while half > 1:
        half //= 2
        for c in range(half):
            other = load(tile, terms, (c + half) * COLUMN, 0)
            store(add(load(tile, terms, c * COLUMN, 0), other), terms, c * COLUMN, 0)
    return load(tile, terms, 0, 0)


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
