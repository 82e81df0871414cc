"""The sums of `sums.py` over registers of nets, each in the order in which `tiles` adds the terms.

    sum_products      c_ij = Σ_p a_ip b_pj        all three sums of backpropagation: what i, p and j are is in the steps
    forward_column    z_s = b + Σ_k a_sk w_k      a layer of one neuron, as `tiles/column_sums.py` sums it
    sum_quarters      Σ_s a_sk δ_s, Σ_s δ_sj      for each quarter of the samples, s mod 4 = 0 … 3; and their sum

All arrays are flat, in lanes: a number is a register. So a tile of r rows and one register is r numbers.
"""

from typing import Any, NamedTuple

from fastbp.compiler.options import INNER, njit
from fastbp.compiler.views import matrix
from fastbp.formulations.lanes.register_tile import store_rows
from fastbp.formulations.tiles.registers import ROWS
from fastbp.formulations.tiles.tile import add, add_row, inner_add, lanes, load, store, zeros

COLUMN = 4  # samples at a time in `forward_column`
LINE = 64  # bytes whose numbers are summed side by side there
# Rows of two tiles of one register each. Four rows are too few to hide how long each addition takes, so the
# rows are shared out evenly among tiles.
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
    n_i: int
    n_p: int
    c_rows: int
    c_columns: int
    a_rows: int
    a_columns: int
    bp: int
    bj: int
    begin: bool


@njit(**INNER)
def tiles_of_products(tile, of, size, i, j, pair):
    """Two tiles of c: `size` rows from i on, of column j and, if there is a `pair`, not 0, of the next one."""
    other, row, column = tile, i + j * of.c_rows, j * of.c_columns
    next_row, next_column, width = row + pair * of.c_rows, column + pair * of.c_columns, lanes(of.c)
    if not of.begin:
        tile, other = load(tile, of.c, row, column), load(other, of.c, next_row, next_column)
    elif of.start.size > 0:
        tile, other = add_row(tile, of.start, j * width), add_row(other, of.start, (j + pair) * width)
    for p in range(of.n_p):  # both read the same registers of a
        a_row, a_column, b_row = i + p * of.a_rows, p * of.a_columns, p * of.bp + j * of.bj
        tile = inner_add(tile, of.a, a_row, a_column, of.b, b_row, 0)
        other = inner_add(other, of.a, a_row, a_column, of.b, b_row + pair * of.bj, 0)
    if of.n_i - i >= size:
        store(tile, of.c, row, column)
        store(other, of.c, next_row, next_column)
    else:
        store_rows(tile, of.c, row, column, of.n_i - i)
        store_rows(other, of.c, next_row, next_column, of.n_i - i)


def sum_products(c, a, b, start, n_i, n_j, n_p, ci, cj, ai, ap, bp, bj, begin):
    """c_ij = start_j + Σ_p a_ip b_pj, an empty start being 0; or c_ij += Σ_p a_ip b_pj unless `begin`. Writes: c.

    c_ij is number ci i + cj j of c, a_ip is number ai i + ap p of a, b_pj is number bp p + bj j of b. The last tile may
    read up to 3 rows i more of a and c. Called by address, it gets all these numbers one by one.
    """
    width = lanes(c)
    C = matrix(c, 0, c.size // (ci * width), ci * width)
    A, B = matrix(a, 0, a.size // (ai * width), ai * width), matrix(b, 0, b.size // width, width)
    c_rows, c_columns = (cj, 0) if ci == 1 else (0, cj * width)
    a_rows, a_columns = (ap, 0) if ai == 1 else (0, ap * width)
    of = Walk(C, A, B, start, n_i, n_p, c_rows, c_columns, a_rows, a_columns, bp, bj, begin != 0)
    i = 0
    while i < n_i:
        size = rows_of_tile(n_i - i)
        for j in range(0, n_j, 2):
            pair = 1 if j + 1 < n_j else 0
            if size == MOST:
                tiles_of_products(zeros(c, MOST, 1), of, MOST, i, j, pair)
            elif size == MIDDLE:
                tiles_of_products(zeros(c, MIDDLE, 1), of, MIDDLE, i, j, pair)
            else:
                tiles_of_products(zeros(c, LEAST, 1), of, LEAST, i, j, pair)
        i += size


def forward_column(z, a, w, b, scratch, m, n):
    """z_s = b + Σ_k a_sk w_k in the order of `tiles/column_sums.py`, which sums along 64 bytes and then across them.

    Shapes: z (≥ m, lanes); a (≥ m, n, lanes); w (n, lanes); b (lanes,); scratch (≥ COLUMN · `LINE` / 2 numbers in
    lanes). Writes: z and scratch.
    """
    width, line = lanes(z), LINE // z.itemsize
    z, a, w = (
        matrix(z, 0, z.size // width, width),
        matrix(a, 0, a.size // (n * width), n * width),
        matrix(w, 0, n, width),
    )
    terms = matrix(scratch, 0, COLUMN * line // 2, width)
    for s in range(0, m, COLUMN):
        total = sum_across(zeros(z, COLUMN, 1), terms, a, w, s, n, line)
        store(add_row(total, b, 0), z, s, 0)


@njit(**INNER)
def sum_across(tile, terms, a, w, s, n, width):
    """Σ_k a_sk w_k: every width-th in one sum, then sums c and c + width / 2, and so on. Writes: terms."""
    half = width // 2
    for c in range(half):
        one, other = tile, tile
        for k in range(c, n, width):
            one = inner_add(one, a, s, k * lanes(a), w, k, 0)
        for k in range(c + half, n, width):
            other = inner_add(other, a, s, k * lanes(a), w, k, 0)
        store(add(one, other), terms, c * COLUMN, 0)
    while half > 1:
        half //= 2
        for c in range(half):
            other = load(tile, terms, (c + half) * COLUMN, 0)
            store(add(load(tile, terms, c * COLUMN, 0), other), terms, c * COLUMN, 0)
    return load(tile, terms, 0, 0)


@njit(**INNER)
def term(tile, x, s, j, factor):
    """Tile + x_sj δ_s, or tile + x_sj if `factor`, which is δ, is empty: one number in lanes."""
    return inner_add(tile, x, s, j, factor, s, 0) if factor.size > 0 else add(tile, load(tile, x, s, j))


def sum_quarters(quarters, at, x, factor, m, n, begin):
    """q_ij = Σ_s x_sj δ_s, or Σ_s x_sj, over the samples s = i, i + 4, …; unless `begin`, added to what is there.

    What is left of m after whole fours is in q_0j. Shapes: quarters (4, size), q being n numbers from `at` on;
    x (≥ m, n); factor (≥ m,), which is δ, or empty. Writes: quarters.
    """
    width = lanes(x)
    q, x = matrix(quarters, 0, 4, quarters.size // 4), matrix(x, 0, m, n * width)
    factor = matrix(factor, 0, min(m, factor.size), width)
    for j in range(0, n * width, width):
        tile, tile1, tile2, tile3 = zeros(q, 1, 1), zeros(q, 1, 1), zeros(q, 1, 1), zeros(q, 1, 1)
        if not begin:
            tile, tile1 = load(tile, q, 0, at + j), load(tile, q, 1, at + j)
            tile2, tile3 = load(tile, q, 2, at + j), load(tile, q, 3, at + j)
        for s in range(0, m - 3, 4):
            tile, tile1 = term(tile, x, s, j, factor), term(tile1, x, s + 1, j, factor)
            tile2, tile3 = term(tile2, x, s + 2, j, factor), term(tile3, x, s + 3, j, factor)
        for s in range(m - m % 4, m):
            tile = term(tile, x, s, j, factor)
        store(tile, q, 0, at + j)
        store(tile1, q, 1, at + j)
        store(tile2, q, 2, at + j)
        store(tile3, q, 3, at + j)


def add_quarters(total, quarters, at, n):
    """Σ_i q_ij of n numbers from `at` on, in the order in which `tiles` adds sums side by side. Writes: total.

    Shapes: total (size,); quarters (4, size).
    """
    q, total = matrix(quarters, 0, 4, quarters.size // 4), matrix(total, 0, 1, total.size)
    for j in range(at, at + n * lanes(total), lanes(total)):
        none = zeros(total, 1, 1)
        first, second = add(load(none, q, 0, j), load(none, q, 1, j)), add(load(none, q, 2, j), load(none, q, 3, j))
        store(add(first, second), total, 0, j)
