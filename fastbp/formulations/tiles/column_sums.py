"""The sums of a layer of one neuron, where the panels of `panel_sums.py` would sum padding for the most part.

    forward_column   z_s = Σ_k a_sk w_k + b        tiles of a (s, k), whose rows become `row_sums.inner_products`
    gradient_column  ∂C/∂w_k = Σ_s a_sk δ_s        a row of ∂C/∂w (k), sum over s

z, w and δ of that neuron are the first column of their panel; what lies beside it is padding.
"""

from fastbp.compiler.options import INNER, njit
from fastbp.compiler.views import matrix
from fastbp.formulations.tiles.panels import narrow, panel_width
from fastbp.formulations.tiles.row_sums import LINE, inner_products
from fastbp.formulations.tiles.tile import add, add_to_column, outer_add, store_row_sums, wide, zeros


def forward_column(z, a_previous, w, b, scratch, lists, coming, where):
    """z_s = b + Σ_k a_sk w_k, or z_s += Σ_k a_sk w_k unless `begin`: m samples s.

    Shapes: z (rows, width); a_previous (rows, n), in panels; w (n, width); b (width,) or empty, which is 0; scratch
    (≥ n + 4,). Writes: z, rows `first` on, and scratch. The other parameters are those of `forward_panel`.
    """
    first, m, begin = where[0], where[1], where[2] != 0
    width, rows, n = narrow(z), z.size // narrow(z), w.size // narrow(w)
    column, sums, bias = matrix(scratch, 0, 1, n), matrix(scratch, n, 1, 4), b[0] if b.size > 0 else z.dtype.type(0)
    for k in range(n):
        column[0, k] = w[k * width]
    for s in range(first, first + m, 4):
        store_row_sums(inner_products(zeros(z, 4, LINE), a_previous, rows, s, column, n), sums, 0, 0)
        for r in range(4):
            z[(s + r) * width] = (bias if begin else z[(s + r) * width]) + sums[0, r]


@njit(**INNER)
def sum_column(tile, dw, alpha, a, delta, k, begin):
    """Accumulate dw_k += alpha Σ_s a_sk δ_s, alpha being 1 if `begin`: m samples, the inputs of a panel, a, from k on.

    In four tiles side by side: in one, each addition would wait for the one before.
    """
    m, tile1, tile2, tile3 = delta.shape[0], tile, tile, tile
    for s in range(0, m - 3, 4):
        tile = outer_add(tile, delta, s, 0, a, s, 0)
        tile1 = outer_add(tile1, delta, s + 1, 0, a, s + 1, 0)
        tile2 = outer_add(tile2, delta, s + 2, 0, a, s + 2, 0)
        tile3 = outer_add(tile3, delta, s + 3, 0, a, s + 3, 0)
    for s in range(m - m % 4, m):
        tile = outer_add(tile, delta, s, 0, a, s, 0)
    tile, n = add(add(tile, tile1), add(tile2, tile3)), min(a.shape[1], dw.shape[0] - k)
    if begin:
        add_to_column(tile, dw.dtype.type(1), dw, k, 0, n)
    else:
        add_to_column(tile, alpha, dw, k, 0, n)


def gradient_column(dw, alpha, a_previous, delta, lists, coming, where):
    """Accumulate dw_k += alpha Σ_s a_sk δ_s, or dw_k = Σ_s a_sk δ_s if `begin`: m samples s.

    Shapes: dw (n, width); a_previous (rows, ≥ n), in panels, the samples being those from row `first` on; delta
    (m, width). Writes: dw; if `begin`, zeros beside it. The other parameters are those of `gradient_panel`.
    """
    rows, first, begin = where[0], where[1], where[2] != 0
    width, n, m = narrow(dw), dw.size // narrow(dw), delta.size // narrow(delta)
    dw, delta = matrix(dw, 0, n, width), matrix(delta, 0, m, width)
    if begin:
        for k in range(n):
            for c in range(width):
                dw[k, c] = 0
    for k in range(0, n, wide(dw)):
        width_a = panel_width(dw, n - k)
        a = matrix(a_previous, k * rows + first * width_a, m, width_a)
        if width_a == wide(dw):
            sum_column(zeros(dw, 1, 2), dw, alpha, a, delta, k, begin)
        else:
            sum_column(zeros(dw, 1, 1), dw, alpha, a, delta, k, begin)
