"""What `tile.py` lacks for matrices in lanes, whose numbers are registers: v counts the registers of a tile's row.

So a tile of r rows and v registers is a block of r by v numbers of each net; its columns may lie anywhere.
"""

import numpy as np

from fastbp.formulations.tiles.registers import I64, compiles
from fastbp.formulations.tiles.tile import lanes


def lanes_add(tile, A, i, p, B, q, step):
    """Return tile[r, v] + A[i + r, p : p + lanes] * B[q + v step, : lanes]: terms of an outer product of registers."""
    new, width = tile.copy(), lanes(A)
    for v in range(tile.shape[1] // width):
        new[:, v * width : (v + 1) * width] += A[i : i + tile.shape[0], p : p + width] * B[q + v * step, :width]
    return new


@compiles(lanes_add, "array", "index", "index", "array", "index", "index")
def _(code, kinds, tile, A, i, p, B, q, step):
    row, (corner, strides) = code.join_registers(kinds[4], B, q, step), code.corner(kinds[1], A, i, p)

    def term(old, r):
        return code.multiply_add(code.join([code.load_register(corner, strides[0], r)] * code.tile.vecs), row, old)

    return code.combine(tile, term)


def lanes_add_row(tile, B, q, step):
    """Return tile[r, v] + B[q + v step, : lanes]."""
    width = lanes(B)
    return tile + np.concatenate([B[q + v * step, :width] for v in range(tile.shape[1] // width)])


@compiles(lanes_add_row, "array", "index", "index")
def _(code, kinds, tile, B, q, step):
    row = code.join_registers(kinds[1], B, q, step)
    return code.combine(tile, lambda old, r: code.builder.fadd(old, row))


def load_lanes(tile, C, i, j, i_step, j_step):
    """Return C[i + r + v i_step, j + v j_step : … + lanes], a tile of the shape of `tile`."""
    rows, width = tile.shape[0], lanes(C)
    places = [(i + v * i_step, j + v * j_step) for v in range(tile.shape[1] // width)]
    return np.concatenate([C[i : i + rows, j : j + width] for i, j in places], axis=1)


@compiles(load_lanes, "array", "index", "index", "index", "index")
def _(code, kinds, tile, C, i, j, i_step, j_step):
    corners = [_corner_of_column(code, kinds[1], C, (i, j), (i_step, j_step), v) for v in range(code.tile.vecs)]
    return code.combine(
        tile, lambda _, r: code.join([code.load_register(corner, strides[0], r) for corner, strides in corners])
    )


def store_lanes(tile, C, i, j, i_step, j_step, rows=None):
    """Store C[i + r + v i_step, j + v j_step : … + lanes] = tile[r, v], of the first `rows` rows if not of all."""
    rows, width = tile.shape[0] if rows is None else rows, lanes(C)
    for v in range(tile.shape[1] // width):
        at = i + v * i_step, j + v * j_step
        C[at[0] : at[0] + rows, at[1] : at[1] + width] = tile[:rows, v * width : (v + 1) * width]


@compiles(store_lanes, "array", "index", "index", "index", "index", "columns", returns_tile=False)
def _(code, kinds, tile, C, i, j, i_step, j_step, rows=None):
    for v in range(code.tile.vecs):
        corner, strides = _corner_of_column(code, kinds[1], C, (i, j), (i_step, j_step), v)
        for r, row in enumerate(code.rows(tile)):
            with code.if_column(rows, r):
                pointer = code.at(corner, strides[0], r, code.tile.element)
                code.store_part(row, v * code.tile.lanes, code.tile.lanes, pointer)


def _corner_of_column(code, kind, C, at, steps, v):
    places = [code.builder.add(n, code.builder.mul(step, I64(v))) for n, step in zip(at, steps, strict=True)]
    return code.corner(kind, C, *places)
