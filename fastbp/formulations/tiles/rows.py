"""Rows of matrices in panels, one behind the other, for functions of all neurons of a layer: softmax, costs."""

from fastbp.compiler.call import call
from fastbp.compiler.options import INLINE, INNER, njit
from fastbp.compiler.views import matrix, stretch
from fastbp.formulations.tiles.panels import Panels, panel_width, rows_at, width_at
from fastbp.formulations.tiles.tile import lanes, load, prefetch, store, wide, zeros

AHEAD = 8  # samples whose targets are on their way


@njit(**INNER)
def row_width(A):
    """How many numbers lie between the rows of one sample and the next in `rows_of`."""
    return A.n if A.n > wide(A.numbers) else panel_width(A.numbers, A.n)


@njit(**INLINE)
def room_for(A, scratch, at, first, m):
    """Where m rows of A go, one behind the other: where they lie if A is one panel, else `scratch` from `at` on."""
    return stretch(scratch, at, m * A.n) if A.n > wide(A.numbers) else rows_at(A, 0, first, m)


@njit(**INLINE)
def rows_of(A, scratch, at, first, m, net):
    """The same with m rows of A there."""
    view = room_for(A, scratch, at, first, m)
    if A.n > wide(A.numbers):
        take_layer(view, A, first, m, net)
    return view


@njit(**INNER)
def take_layer(values, A, first, m, net):
    """Copy m rows of A to where one lies behind the other, without padding. Shapes: values (m, n). Writes: values."""
    call(net.functions[0].take_rows, values, A.numbers, A.rows, A.n, first, m)


@njit(**INNER)
def put_back(A, values, first, m, net):
    """Bring rows of `rows_of` back to where they belong, if they were copied. Writes: A."""
    if A.n > wide(A.numbers):
        call(net.functions[0].put_rows, A.numbers, values, A.rows, A.n, first, m)


@njit(**INNER)
def put_errors(A, values, first, m, net):
    """The same for δ. Its padding becomes 0: trained as if it mattered, it would end in slow subnormal numbers."""
    put_back(A, values, first, m, net)
    if A.n <= wide(A.numbers):
        row = matrix(values, 0, m, row_width(A))
        for c in range(A.n - A.n % lanes(row), row.shape[1], lanes(row)):  # registers with padding
            for s in range(m):
                store(load(zeros(row, 1, 1), row, s, c, A.n - c), row, s, c)


@njit(**INNER)
def take_targets(y, Y, samples, n, net):
    """Copy the targets of some samples into rows as in `rows_of`. Writes: y."""
    if n == 1:  # a register around one number may reach into a cache line that has nothing of the sample
        for s in range(samples.size):
            y[s * (y.size // samples.size)] = Y[samples[s], 0]
    elif n <= wide(y):
        call(net.functions[0].gather, y, Y, samples, samples.size, 0, n)
    else:
        to, last = matrix(y, 0, samples.size, n), n - lanes(y)
        for s in range(samples.size):
            ahead = samples[min(s + AHEAD, samples.size - 1)]
            prefetch(Y, ahead, 0)
            prefetch(Y, ahead, n - 1)
            for j in range(0, last, lanes(y)):
                store(load(zeros(y, 1, 1), Y, samples[s], j), to, s, j)
            store(load(zeros(y, 1, 1), Y, samples[s], last), to, s, last)


@njit(**INNER)
def fitting(m, n, stop):
    """How many of m rows of n numbers, one behind the other, have numbers up to `stop` before the end of the last."""
    return min(m, max(0, m - (stop - 1) // n))


def take_rows(values, numbers, rows, n, first, m):
    """Copy m rows of a matrix in panels to where one lies behind the other, without padding.

    Shapes: values (m, n); numbers (rows, n), in panels. Writes: values.
    """
    to, A = matrix(values, 0, 1, values.size), Panels(numbers, rows, n)
    for j in range((n - 1) // wide(numbers) * wide(numbers), -1, -wide(numbers)):
        panel = matrix(rows_at(A, j, first, m), 0, m, width_at(A, j))
        fit = fitting(m, n, j + panel.shape[1])  # what spills over the end of a row is overwritten later
        for s in range(fit):
            for c in range(0, panel.shape[1], lanes(numbers)):
                store(load(zeros(numbers, 1, 1), panel, s, c), to, 0, s * n + j + c)
        for s in range(fit, m):
            for c in range(n - j):
                to[0, s * n + j + c] = panel[s, c]


def put_rows(numbers, values, rows, n, first, m):
    """And back. Writes: numbers."""
    of, A = matrix(values, 0, 1, values.size), Panels(numbers, rows, n)
    for j in range(0, n, wide(numbers)):
        panel = matrix(rows_at(A, j, first, m), 0, m, width_at(A, j))
        fit = fitting(m, n, j + panel.shape[1])  # what lies behind the end of a row becomes padding
        for s in range(fit):
            for c in range(0, panel.shape[1], lanes(numbers)):
                store(load(zeros(numbers, 1, 1), of, 0, s * n + j + c), panel, s, c)
        for s in range(fit, m):
            for c in range(n - j):
                panel[s, c] = of[0, s * n + j + c]
