"""The sums of a layer of one neuron, where the panels of `panel_sums.py` would sum padding for the most part.

    forward_column   z_s = Σ_k a_sk w_k + b        tiles of a (s, k), whose rows become inner products
    gradient_column  ∂C/∂w_k = Σ_s a_sk δ_s        a row of ∂C/∂w (k), sum over s

z, w and δ of that neuron are the first column of their panel; what lies beside it is padding.
"""

from typing import Any

from fastbp.compiler.views import matrix
from fastbp.formulations.tiles.panels import narrow, panel_width
from fastbp.formulations.tiles.tile import add, add_to_column, inner_add, lanes, outer_add, store_row_sums, wide, zeros

VECS: Any = None  # bound to 1 and 2: of the panel of inputs


def forward_column(z, a_previous, w, b, scratch, first, m, begin):
    """z_s = b + Σ_k a_sk w_k, or z_s += Σ_k a_sk w_k unless `begin`: m samples s.

    Each sum is in the same order whatever the other samples are. Shapes: z (rows, width); a_previous (rows, n), in
    panels; w (n, width); b (width,) or empty, which is 0; scratch (≥ n + 8,). Writes: z, rows `first` on, and scratch.
    """
    width, rows, n = narrow(z), z.size // narrow(z), w.size // narrow(w)
    column, sums, bias = matrix(scratch, 0, 1, n), matrix(scratch, n, 2, 4), b[0] if b.size > 0 else z.dtype.type(0)
    for k in range(n):
        column[0, k] = w[k * width]
    for s in range(first, first + m, 4):
        tile, last = zeros(z, 4, 2), zeros(z, 4, 1)
        for start in range(0, n, wide(z)):
            left = n - start
            panel = matrix(a_previous, start * rows, rows, panel_width(z, left))
            if left >= wide(z):
                tile = inner_add(tile, panel, s, 0, column, 0, start)
            elif left > lanes(z):
                tile = inner_add(tile, panel, s, 0, column, 0, start, left)
            else:
                last = inner_add(last, panel, s, 0, column, 0, start, left)
        store_row_sums(tile, sums, 0, 0)
        store_row_sums(last, sums, 1, 0)
        for r in range(4):
            z[(s + r) * width] = (bias if begin else z[(s + r) * width]) + (sums[0, r] + sums[1, r])


def gradient_column(dw, alpha, a_previous, delta, begin):
    """Accumulate dw_k += alpha Σ_s a_sk δ_s, or dw_k = Σ_s a_sk δ_s if `begin`: m samples, inputs k of one panel.

    In four tiles side by side: in one, each addition would wait for the one before. Shapes: dw (n, width);
    a_previous (m, ≥ n), one panel; delta (m, width). Writes: dw; if `begin`, zeros beside it.
    """
    width, n, m = narrow(dw), dw.size // narrow(dw), delta.size // narrow(delta)
    dw, delta, a = matrix(dw, 0, n, width), matrix(delta, 0, m, width), matrix(a_previous, 0, m, VECS * lanes(dw))
    tile, tile1, tile2, tile3 = zeros(dw, 1, VECS), zeros(dw, 1, VECS), zeros(dw, 1, VECS), zeros(dw, 1, VECS)
    for s in range(0, m - 3, 4):
        tile = outer_add(tile, delta, s, 0, a, s, 0)
        tile1 = outer_add(tile1, delta, s + 1, 0, a, s + 1, 0)
        tile2 = outer_add(tile2, delta, s + 2, 0, a, s + 2, 0)
        tile3 = outer_add(tile3, delta, s + 3, 0, a, s + 3, 0)
    for s in range(m - m % 4, m):
        tile = outer_add(tile, delta, s, 0, a, s, 0)
    tile = add(add(tile, tile1), add(tile2, tile3))
    if begin:
        for k in range(n):
            for c in range(width):
                dw[k, c] = 0
        add_to_column(tile, dw.dtype.type(1), dw, 0, 0, n)
    else:
        add_to_column(tile, alpha, dw, 0, 0, n)
