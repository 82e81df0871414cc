"""The first layers of many networks with the same inputs, in one pass over the rows of a table."""

from typing import NamedTuple

import numpy as np

from fastbp.compiler.call import call
from fastbp.compiler.options import INNER, LEAN, njit
from fastbp.tables.arrays import Array
from fastbp.tables.codes import CLIP, LARGEST

AT_ONCE = 4  # rows of the matrix that are added at once: the sums are read and written once for them


class Memory(NamedTuple):
    """What is known of one row of a table: z and σ(z) of all neurons; which rows of the matrix it adds, with shares."""

    z: Array
    sigma_z: Array
    numbers: Array
    shares: Array


@njit(**INNER)
def add_number(memory, n, v, q, of, smooth):
    """Note what the number v of quantity q adds, behind n others; return how many there are then. Writes: memory."""
    numbers, shares = memory.numbers, memory.shares
    if not np.isfinite(v):
        if of.missing[q] >= 0:
            numbers[n], shares[n] = of.missing[q], 1
            n += 1
        return n
    if of.scaled[q] >= 0:
        u = min(max((v - of.center[q]) * of.factor[q], -LARGEST), LARGEST)
        numbers[n], shares[n] = of.scaled[q], u / np.sqrt(1 + (u / CLIP) * (u / CLIP)) if smooth else u
        n += 1
    below = 0
    for e in range(of.first[q], of.first[q] + of.n_edges[q]):
        below += v > of.edges[e]
    if below > 0:
        low, row, share = of.first[q] + below - 1, of.bins[q] + below - 1, 0.0
        if below < of.n_edges[q]:
            share = (v - of.edges[low]) / (of.edges[low + 1] - of.edges[low])
            numbers[n], shares[n] = row + 1, share
            n += 1
        numbers[n], shares[n] = row, 1 - share
        n += 1
    return n


@njit(**INNER)
def sum_of_rows(memory, matrix, n):
    """z = the first row of the matrix, and n others times their shares. Writes: memory."""
    z, numbers, shares = memory.z, memory.numbers, memory.shares
    for i in range(n, n + AT_ONCE):
        numbers[i], shares[i] = 1, 0
    for j in range(z.size):
        z[j] = matrix[0, j]
    for i in range(0, n, AT_ONCE):
        r0, r1, r2, r3 = numbers[i], numbers[i + 1], numbers[i + 2], numbers[i + 3]
        c0, c1, c2, c3 = shares[i], shares[i + 1], shares[i + 2], shares[i + 3]
        for j in range(z.size):
            z[j] += c0 * matrix[r0, j] + c1 * matrix[r1, j] + c2 * matrix[r2, j] + c3 * matrix[r3, j]


@njit(**LEAN)
def first_layers(a, memory, rows, matrix, quantities, smooth, sigma):
    """z_j = b_j + Σ_i c_i t_ij, a_j = σ(z_j): the first layers of all members, for each row of a table.

    Shapes: a (n_members, n, n_first); matrix, of rows t_i, (…, n_members n_first). `rows` and `quantities` are those of
    `fastbp.tables.terms`. Writes: a, memory.
    """
    n_members, n_first = a.shape[0], a.shape[2]
    for s in range(rows.x.shape[0]):
        n = 0
        for q in range(rows.x.shape[1]):
            n = add_number(memory, n, rows.x[s, q], q, quantities, smooth)
        for i in range(rows.added.shape[1]):
            if rows.added[s, i] >= 0:
                memory.numbers[n], memory.shares[n] = rows.added[s, i], 1
                n += 1
        sum_of_rows(memory, matrix, n)
        call(sigma, memory.sigma_z, memory.z)  # not in place: some activations go over z twice
        for i in range(n_members):
            for j in range(n_first):
                a[i, s, j] = memory.sigma_z[i * n_first + j]
