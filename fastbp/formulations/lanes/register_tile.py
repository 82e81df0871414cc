"""What `tile.py` lacks for matrices in lanes, whose numbers are registers: a last tile with fewer rows."""

from fastbp.formulations.tiles.registers import compiles


def store_rows(tile, C, i, j, rows):
    """Store C[i + r, j + c] = tile[r, c] for the first `rows` rows."""
    C[i : i + rows, j : j + tile.shape[1]] = tile[:rows]


@compiles(store_rows, "array", "index", "index", "index", returns_tile=False)
def _(code, kinds, tile, C, i, j, rows):
    corner, strides = code.corner(kinds[1], C, i, j)
    for r, row in enumerate(code.rows(tile)):
        with code.if_column(rows, r):
            code.store(row, code.row_at(corner, strides[0], r))
