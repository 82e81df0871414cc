"""The three products of matrices in panels that everything in `tiles` is made of, a block of samples at a time.

    multiply              z_sj = b_j + Σ_k a_sk w_jk
    multiply_transposed   δ_sk = Σ_j δ_sj w_jk
    sum_outer_products    ∂C/∂w_jk = Σ_s a_sk δ_sj, and `sum_biases` ∂C/∂b_j = Σ_s δ_sj

They cut the sums so that what is read again and again stays in the first-level cache. A layer's `kind_of_sums` says
where in the table its loops around a register tile are: `panel_sums.py`, for one sample `row_sums.py`, for one neuron
`column_sums.py`.
"""

from typing import Any, NamedTuple

from fastbp.compiler.call import call
from fastbp.compiler.options import INLINE, INNER, njit
from fastbp.compiler.views import stretch
from fastbp.formulations.tiles.panel_sums import BLOCK, LEAST, chunk
from fastbp.formulations.tiles.panels import panel, rows_at, width_at
from fastbp.formulations.tiles.tile import lanes, wide

N_KINDS = 4  # of sums: how many rows of `net.functions` are before theirs, for panels of one and of two registers
PANELS, LISTED, ONE_SAMPLE, ONE_NEURON = 0, 2, 4, 6
BIASES, ZERO, SUM = 0, 1, 2  # what a product begins with: b, 0, or what is there, to which it is then added


class Patch(NamedTuple):
    """Some weights of a layer: those of the neurons of a panel and of n inputs. With k = 0, their biases as well."""

    l: int
    j: int  # first neuron
    k: int  # first input
    n: int
    start: int  # where they lie in θ
    size: int


class Into(NamedTuple):
    """Where a sum over samples goes: dw ← Σ if it is to `begin` there, else dw ← dw + alpha Σ."""

    dw: Any
    alpha: Any
    begin: bool


@njit(**INLINE)
def from_(vector, start):
    """Return all of a vector from `start` on."""
    return stretch(vector, start, vector.size - start)


@njit(**INNER)
def depth(numbers, m):
    """How many terms of a sum over a layer are added before the next samples: a `chunk`, or all for few samples."""
    return chunk(numbers) if m > 12 else 2**62


@njit(**INNER)
def kind_of_sums(n, rows, lists):
    """Which sums a layer of n neurons has, with so many rows and these lists: see `PANELS`."""
    if rows == 1:
        return ONE_SAMPLE
    if n == 1:
        return ONE_NEURON
    return LISTED if lists.size > 0 else PANELS


@njit(**INNER)
def multiply(z, a, w, block, begin, inputs, net):
    """z_sj = b_j + Σ_k a_sk w_jk, or with 0 or z_sj for b_j: see `begin`. Writes: the block's rows of z.

    `inputs` says whether a are the network's inputs: only those have lists, and are prefetched for the next block.
    A matrix of one row is never added to.
    """
    rows, m, where = z.rows, block.m, block.where
    lists = stretch(block.lists, 0, block.lists.size if inputs else 0)
    coming = stretch(block.coming, 0, block.coming.size if inputs else 0)
    kind = kind_of_sums(z.n, rows, lists)
    at_once = depth(z.numbers, m) if kind < ONE_SAMPLE else a.n
    for k in range(0, a.n, at_once):  # what is read of a stays in the second level
        n = min(at_once, a.n - k)
        a_k, starts = from_(a.numbers, k * rows), begin != SUM and k == 0
        some = from_(lists, lists_before(lists, k, rows, a.numbers))
        for j in range(0, z.n, wide(z.numbers)):
            width, z_j, w_j = width_at(z, j), panel(z, j), panel(w, j)
            b, w_k = stretch(w_j, 0, width if begin == BIASES else 0), stretch(w_j, (1 + k) * width, n * width)
            turn, next_turn = coming.size * j // z.n, coming.size * min(j + width, z.n) // z.n
            x = stretch(coming, turn, next_turn - turn)
            where[0], where[1], where[2], where[3] = block.first, m, starts, w.rows if m > 24 else 0
            forward = net.functions[kind + width // lanes(z.numbers)].forward
            call(forward, z_j, a_k, w_k, b, block.scratch, some, x, where)
        for s in range(coming.size):
            coming[s] += n * a.numbers.itemsize


@njit(**INNER)
def lists_before(lists, k, rows, numbers):
    """Where the lists of the inputs from k on begin: see `list_inputs`."""
    return k // chunk(numbers) * (rows // LEAST) * (1 + chunk(numbers)) if lists.size > 0 else 0


@njit(**INNER)
def multiply_transposed(to, delta, w, block, begin, net):
    """Σ_j δ_sj w_jk, from ZERO on or added to what is there: see `begin`. Writes: the block's rows of `to`.

    `multiply` with δ for a, no biases, and the weights transposed, a part at a time. One row is never added to.
    """
    numbers, at_once, no_b = delta.numbers, chunk(delta.numbers), stretch(block.scratch, 0, 0)
    no_lists, none_coming, where = stretch(block.lists, 0, 0), stretch(block.coming, 0, 0), block.where
    if to.rows == 1:
        call(net.functions[0].propagate_row, to.numbers, w.numbers, w.rows, delta.numbers, delta.n)
        return
    for j in range(0, delta.n, at_once):
        n, starts = min(at_once, delta.n - j), begin != SUM and j == 0
        delta_j = from_(delta.numbers, j * to.rows)
        for k in range(0, to.n, wide(numbers)):
            width, to_k = width_at(to, k), panel(to, k)
            transpose(block.scratch, w, j, n, k, width, net)
            w_j = stretch(block.scratch, 0, n * width)
            where[0], where[1], where[2], where[3] = block.first, block.m, starts, 0
            forward = net.functions[PANELS + width // lanes(numbers)].forward
            call(forward, to_k, delta_j, w_j, no_b, no_b, no_lists, none_coming, where)


@njit(**INNER)
def transpose(transposed, w, j, n, k, width, net):
    """Copy w_jk, for n neurons j and a panel of inputs k, to where it lies along k. Shapes: transposed (n, width)."""
    for i in range(j, j + n, wide(transposed)):
        columns = width_at(w, i)
        to = stretch(transposed, (i - j) * width, columns * width)
        call(net.functions[0].transpose_weights, to, rows_at(w, i, 1 + k, width), width, columns)


@njit(**INNER)
def sum_biases(to, delta, patch, block, net):
    """dw_0j ← Σ_s δ_sj for the neurons of a patch. Writes: to.dw, its first row."""
    width = width_at(delta, patch.j)
    delta_j = rows_at(delta, patch.j, block.first, block.m)
    call(net.functions[width // lanes(delta_j)].bias_panel, stretch(to.dw, 0, width), to.alpha, delta_j, to.begin)


@njit(**INNER)
def sum_outer_products(to, delta, a, patch, block, coming, net):
    """dw_jk ← Σ_s a_sk δ_sj for the weights of a patch. Writes: to.dw, its last n rows.

    Which samples count for which inputs is listed in `block.lists`, unless they are empty.
    """
    n, width, numbers, m = patch.n, width_at(delta, patch.j), delta.numbers, block.m
    dw, a_k = stretch(to.dw, to.dw.size - n * width, n * width), from_(a.numbers, patch.k * a.rows)
    gradient = net.functions[kind_of_sums(delta.n, a.rows, block.lists) + width // lanes(numbers)].gradient
    for s in range(0, m, BLOCK):
        some, first = min(BLOCK, m - s), block.first + s
        delta_s = rows_at(delta, patch.j, first, some)
        lists = from_(block.lists, s // BLOCK * lists_of_samples(numbers) if block.lists.size > 0 else 0)
        block.where[0], block.where[1], block.where[2] = a.rows, first, to.begin and s == 0
        call(gradient, dw, to.alpha, a_k, delta_s, lists, coming, block.where)


@njit(**INNER)
def lists_of_samples(numbers):
    """How many numbers the lists of `list_samples` take for a panel of inputs."""
    return wide(numbers) // LEAST * (1 + BLOCK)
