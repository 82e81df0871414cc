"""Rows of matrices in panels, one behind the other, for functions of all neurons of a layer: softmax, costs, targets."""

from fastbp.compiler.call import call
from fastbp.compiler.options import INLINE, INNER, njit
from fastbp.compiler.views import matrix, stretch
from fastbp.formulations.tiles.panels import panel_width, rows_at
from fastbp.formulations.tiles.tile import lanes, load, store, wide, zeros


@njit(**INNER)
def row_width(A):
    """How many numbers lie between the rows of one sample and the next in `rows_of`."""
    return A.n if A.n > wide(A.numbers) else panel_width(A.numbers, A.n)


@njit(**INLINE)
def rows_of(A, scratch, at, first, m):
    """m rows of A, one behind the other: where they lie if A is one panel, else copied to `scratch` from `at` on."""
    if A.n > wide(A.numbers):
        view = stretch(scratch, at, m * A.n)
        take_rows(view, A, first, m)
    else:
        view = rows_at(A, 0, first, m)
    return view


@njit(**INNER)
def take_rows(values, A, first, m):
    """Copy m rows of A to where one lies behind the other, without padding. Shapes: values (m, n). Writes: values."""
    to, n, numbers = matrix(values, 0, 1, values.size), A.n, A.numbers
    for s in range(m):
        for j in range(0, n, wide(numbers)):
            width = panel_width(numbers, n - j)
            row = matrix(rows_at(A, j, first + s, 1), 0, 1, width)
            if s * n + j + width <= values.size:  # what spills over the end of a row is overwritten by the next
                for c in range(0, width, lanes(numbers)):
                    store(load(zeros(numbers, 1, 1), row, 0, c), to, 0, s * n + j + c)
            else:
                for c in range(n - j):
                    to[0, s * n + j + c] = row[0, c]


@njit(**INNER)
def put_rows(A, values, first, m):
    """And back. Writes: A."""
    of, n, numbers = matrix(values, 0, 1, values.size), A.n, A.numbers
    for s in range(m):
        for j in range(0, n, wide(numbers)):
            width = panel_width(numbers, n - j)
            row = matrix(rows_at(A, j, first + s, 1), 0, 1, width)
            if s * n + j + width <= values.size:  # what lies behind the end of a row becomes padding
                for c in range(0, width, lanes(numbers)):
                    store(load(zeros(numbers, 1, 1), of, 0, s * n + j + c), row, 0, c)
            else:
                for c in range(n - j):
                    row[0, c] = of[0, s * n + j + c]


@njit(**INNER)
def put_outputs(A, values, first, m):
    """Bring rows of `rows_of` back to where they belong; what lies behind the columns becomes 0. Writes: A.

    Trained as if it mattered, padding would end in slow subnormal numbers.
    """
    if A.n > wide(A.numbers):
        put_rows(A, values, first, m)
    else:
        width = panel_width(A.numbers, A.n)
        row = matrix(values, 0, m, width)
        for s in range(m):
            for c in range(0, width, lanes(A.numbers)):
                store(load(zeros(A.numbers, 1, 1), row, s, c, min(lanes(A.numbers), A.n - c)), row, s, c)


@njit(**INNER)
def take_targets(y, Y, samples, n, net):
    """Copy the targets of some samples into rows as in `rows_of`. Writes: y."""
    if n > wide(y):
        for s in range(samples.size):
            for j in range(n):
                y[s * n + j] = Y[samples[s], j]
    else:
        call(net.functions[0].gather, y, Y, samples, samples.size, 0, n)
