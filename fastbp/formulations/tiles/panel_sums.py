"""The three sums over one panel, as loops around a register tile, and what moves numbers in and out of panels.

    forward_panel    z_sj = Σ_k a_sk w_jk + b_j        tiles of z (s, j), each turn of the sum over k an outer product
    gradient_panel   ∂C/∂w_jk = Σ_s a_sk δ_sj          tiles of ∂C/∂w (k, j), sum over s
    bias_panel       ∂C/∂b_j = Σ_s δ_sj

Error propagation is `forward_panel` again, with δ for a and the transposed weights for w. `row_sums.py` has them for a
single sample, `column_sums.py` for a single neuron.

Each is compiled for panels one and two registers wide, `VECS`, and to go over all terms of a sum or those in a list,
`LISTED` (see `panel_functions.py`). All arrays are flat; their shapes are said where they are cut out.
"""

from typing import Any, NamedTuple

from fastbp.compiler.options import INNER, njit
from fastbp.compiler.views import matrix
from fastbp.formulations.tiles.panels import narrow, panel_width
from fastbp.formulations.tiles.registers import ROWS
from fastbp.formulations.tiles.tile import (
    add,
    add_row,
    add_to,
    claim_at,
    lanes,
    load,
    outer_add,
    prefetch,
    prefetch_at,
    prefetch_to_write_at,
    store,
    store_transposed,
    wide,
    zeros,
)

VECS: Any = None  # bound to 1 and 2
LISTED: Any = None  # bound to False and True
HAS_6: Any = None  # bound to whether there are tiles of 6 rows, of 8 and of 12: else nothing is compiled for them
HAS_8: Any = None
HAS_12: Any = None
LEAST = 4  # rows of a tile, at least
BLOCK = 256  # samples whose gradient is summed in one go

# Rows of the next tile when so many are left. A tile of less than 4 would be no faster than one of 4,
# because its sums are too few to hide how long each addition takes; so up to 3 rows of padding are computed as well.
FOR_16_REGISTERS = 0, 4, 4, 4, 4, 6, 6, 4, 4
FOR_32_REGISTERS = 0, 4, 4, 4, 4, 6, 6, 8, 8, 6, 6, 12, 12, 8, 8, 8, 8
FOR_ONE_COLUMN = 0, 4, 4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12, 8, 8, 8, 8  # of registers

LISTED_ROWS = 8 if ROWS == 12 else 4  # of a tile of the gradient that goes by a list
FEW = 24  # samples whose inputs are copied one after the other
LINE = 64  # bytes of a cache line
CACHED = 16 * 1024  # bytes of weights that stay in the first-level cache while the samples pass by


@njit(**INNER)
def chunk(numbers):
    """How many terms of a sum over a layer are added before the next samples: as many as there is cache for weights."""
    return CACHED // (wide(numbers) * numbers.itemsize)


@njit(**INNER)
def next_rows(left, vecs):
    """Rows of the next tile, `vecs` registers each, when `left` remain."""
    if vecs == 1:
        return FOR_ONE_COLUMN[left] if left < len(FOR_ONE_COLUMN) else 12
    if ROWS < 12:
        return FOR_16_REGISTERS[left] if left < len(FOR_16_REGISTERS) else 6
    return FOR_32_REGISTERS[left] if left < len(FOR_32_REGISTERS) else 12


def sizes_of_tiles(name, vecs):
    """How many rows the tiles of a sum may have, by the name of its function in `panel_functions.py`."""
    if name == "gradient_listed":
        return {LEAST, LISTED_ROWS}
    if vecs == 1 and name != "forward_listed":
        return {4, 8, 12}
    if ROWS < 12:
        return {4, 6}
    return {4, 8, 12} if name == "gradient_panel" else {4, 6, 8, 12}  # inputs are whole tiles of 4


class ForwardSum(NamedTuple):
    """What `forward_panel` is given."""

    z: Any
    a_previous: Any
    w: Any
    b: Any
    coming: Any
    first: int
    m: int
    begin: bool
    ahead: int


@njit(**INNER)
def prefetch_line(w, row):
    """Prefetch a row of a panel, which need not exist."""
    for c in range(0, w.shape[1], LINE // w.itemsize):
        prefetch(w, row, c)


@njit(**INNER)
def forward_tile(tile, of, lists, s, size):
    """z_sj = b_j + Σ_k a_sk w_jk for the samples of a tile, from s on: over all k, or those in `lists`, unless None.

    It prefetches its share of the weights that come next, and of the same inputs of samples to come.
    """
    z, w, rows, n = of.z, of.w, of.z.shape[0], of.w.shape[0]
    if of.begin:
        tile = add_row(tile, of.b, 0) if of.b.size > 0 else tile
    else:
        tile = load(tile, z, s, 0)
    at = s - of.first
    if of.ahead > 0:
        for row in range(at * n // of.m, (at + size) * n // of.m):
            prefetch_line(w, of.ahead + row)
    first, last = at * of.coming.size // of.m, min(of.coming.size, (at + size) * of.coming.size // of.m)
    if lists is not None:
        list_at = s // LEAST * (1 + chunk(w))
        for i in range(list_at + 1, list_at + 1 + lists[list_at]):
            k = lists[i]
            panel = matrix(of.a_previous, k // wide(w) * wide(w) * rows, rows, wide(w))
            tile = outer_add(tile, panel, s, k % wide(w), w, k, 0)
    left = n % wide(w)
    whole = n - left if left <= narrow(w) < wide(w) else n  # the last panel of inputs may be a narrow one
    for part in range(2):
        width, begin, stop = (wide(w), 0, whole) if part == 0 else (narrow(w), whole, n)
        for start in range(begin, stop, width):
            for i in range(first, last):
                for c in range(start * w.itemsize, (start + width) * w.itemsize, LINE):
                    prefetch_at(of.coming, i, c)
            if lists is None or part == 1:
                panel = matrix(of.a_previous, start * rows, rows, width)
                for c in range(min(width, stop - start)):
                    tile = outer_add(tile, panel, s, c, w, start + c, 0)
    store(tile, z, s, 0)


def forward_panel(z, a_previous, w, b, scratch, lists, coming, where):
    """z_sj = b_j + Σ_k a_sk w_jk, or z_sj += Σ_k a_sk w_jk unless `begin`: m samples s, the neurons j of one panel.

    Shapes: z (rows, width); a_previous (rows, n), in panels; w (n, width); b (width,) or empty, which is 0; scratch for
    `forward_column`; lists as in `list_inputs`; coming (≤ m,), addresses of rows of inputs; where (4,): `first`, m,
    `begin`, and how many rows behind w the weights begin that come next, or 0. Writes: z, rows `first` on.
    """
    first, m, begin, ahead = where[0], where[1], where[2] != 0, where[3]
    rows, n = z.size // (VECS * lanes(z)), w.size // (VECS * lanes(w))
    z, w = matrix(z, 0, rows, VECS * lanes(z)), matrix(w, 0, n, VECS * lanes(w))
    of, lists = ForwardSum(z, a_previous, w, b, coming, first, m, begin, ahead), lists if LISTED else None
    s, last = first, first + m
    while s < last:
        size = next_rows(last - s, 2 if LISTED else VECS)
        if size == 4:
            forward_tile(zeros(z, 4, VECS), of, lists, s, size)
        if HAS_6:
            if size == 6:
                forward_tile(zeros(z, 6, VECS), of, lists, s, size)
        if HAS_8:
            if size == 8:
                forward_tile(zeros(z, 8, VECS), of, lists, s, size)
        if HAS_12:
            if size == 12:
                forward_tile(zeros(z, 12, VECS), of, lists, s, size)
        s += size


class GradientSum(NamedTuple):
    """What `gradient_panel` is given, for the inputs of one panel."""

    dw: Any
    alpha: Any
    a_previous: Any  # (width, m), the inputs from `start` on
    delta: Any
    coming: Any
    start: int
    begin: bool


@njit(**INNER)
def prefetch_row(of, k):
    """Prefetch row k of what an update touches next, and claim that of θ: all threads have read it."""
    for c in range(0, of.dw.shape[1], LINE // of.dw.itemsize):
        at = (k * of.dw.shape[1] + c) * of.dw.itemsize
        for vector in range(of.coming.size):
            prefetch_to_write_at(of.coming, vector, at)
        if of.coming.size > 0 and k < of.dw.shape[0]:
            claim_at(of.coming, 0, at)


@njit(**INNER)
def gradient_tile(tile, of, lists, k):
    """Σ_s a_sk δ_sj for a tile of (k, j), over all s, or those in `lists`, unless None: to where its caller has it."""
    m, row = of.delta.shape[0], k - of.start
    if lists is not None:
        at = row // LEAST * (1 + BLOCK)
        for i in range(at + 1, at + 1 + lists[at]):
            tile = outer_add(tile, of.a_previous, row, lists[i], of.delta, lists[i], 0)
    else:
        for start in range(0, m, 8):  # a prefetch here and there in one loop would cost more than the sum
            prefetch_row(of, k + start // 8)
            for s in range(start, min(start + 8, m)):
                tile = outer_add(tile, of.a_previous, row, s, of.delta, s, 0)
    if of.begin:
        store(tile, of.dw, k, 0)
    else:
        add_to(tile, of.alpha, of.dw, k, 0)


def gradient_panel(dw, alpha, a_previous, delta, lists, coming, where):
    """Accumulate dw_jk += alpha Σ_s a_sk δ_sj, or dw_jk = Σ_s a_sk δ_sj if `begin`: m samples s, neurons j of a panel.

    Shapes: dw (n, width); a_previous (rows, ≥ n), in panels, the samples being those from row `first` on;
    delta (m, width); lists as in `list_samples`; coming, addresses of vectors like dw that the update will touch next,
    θ first, which this thread alone may write; where: rows, `first` and `begin`. Writes: dw.
    """
    rows, first, begin = where[0], where[1], where[2] != 0
    n, m = dw.size // (VECS * lanes(dw)), delta.size // (VECS * lanes(delta))
    dw, delta = matrix(dw, 0, n, VECS * lanes(dw)), matrix(delta, 0, m, VECS * lanes(delta))
    lists = lists if LISTED else None
    for start in range(0, n, wide(dw)):
        width, stop = panel_width(dw, n - start), min(n, start + wide(dw))
        a = matrix(a_previous, start * rows + first * width, m, width).T
        of = GradientSum(dw, alpha, a, delta, coming, start, begin)
        k = start
        while k < stop:
            size = min(LISTED_ROWS, stop - k) if LISTED else next_rows(stop - k, VECS)
            for row in range(k, k + size if LISTED else k):  # a list may be too short to prefetch them meanwhile
                prefetch_row(of, row)
            if size == 4:
                gradient_tile(zeros(dw, 4, VECS), of, lists, k)
            if HAS_6:
                if size == 6:
                    gradient_tile(zeros(dw, 6, VECS), of, lists, k)
            if HAS_8:
                if size == 8:
                    gradient_tile(zeros(dw, 8, VECS), of, lists, k)
            if HAS_12:
                if size == 12:
                    gradient_tile(zeros(dw, 12, VECS), of, lists, k)
            k += size


def bias_panel(db, alpha, delta, begin):
    """The same for db_j and Σ_s δ_sj: m samples, one panel. Shapes: db (width,), delta (m, width). Writes: db.

    In four tiles side by side: in one, each addition would wait for the one before.
    """
    m = delta.size // (VECS * lanes(delta))
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


def transpose_weights(to, w, n_in, n_out):
    """Copy a block of weights, w_jk along j, into one with w_jk along k. Shapes: w (n_in, n_out), to (n_out, n_in)."""
    to, w = matrix(to, 0, n_out, n_in), matrix(w, 0, n_in, n_out)
    for k in range(0, n_in, lanes(w)):
        for j in range(0, n_out, lanes(w)):
            store_transposed(load(zeros(w, lanes(w), 1), w, k, j), to, j, k)


@njit(**INNER)
def gather_part(a, X, sample, ahead, rows, row, start):
    """a_sk = x_k of one sample, for the inputs of a panel, from `start` on; prefetches those of the sample `ahead`."""
    left = X.shape[1] - start
    panel = matrix(a, start * rows, rows, panel_width(a, left))
    prefetch(X, ahead, start)
    prefetch(X, ahead, start + lanes(a))
    if left >= wide(a):
        store(load(zeros(a, 1, 2), X, sample, start), panel, row, 0)
    elif left > lanes(a):
        store(load(zeros(a, 1, 2), X, sample, start, left), panel, row, 0)
    else:
        store(load(zeros(a, 1, 1), X, sample, start, left), panel, row, 0)


def gather(a, X, samples, rows, first, n):
    """a_sk = x_k for some samples. Shapes: a (rows, n), in panels; X (n_samples, n). Writes: a, rows `first` on.

    Few samples one after the other, of many some at a time, panel by panel: the other way round, a step of 10 samples
    of 784 inputs took 3 % longer, one of 200 took 2 %.
    """
    X, last = matrix(X, 0, X.size // n, n), samples.size - 1
    if samples.size <= FEW:
        for s in range(samples.size):
            for start in range(0, n, wide(a)):
                gather_part(a, X, samples[s], samples[min(s + 4, last)], rows, first + s, start)
    else:
        for begin in range(0, samples.size, 8):
            for start in range(0, n, wide(a)):
                for s in range(begin, min(begin + 8, samples.size)):
                    gather_part(a, X, samples[s], samples[min(s + 8, last)], rows, first + s, start)
