"""The first layers of many networks with the same inputs, in one pass over the rows of a table."""

import numpy as np

from fastbp.compiler.call import call
from fastbp.compiler.options import LEAN, njit
from fastbp.tables.codes import CLIP, LARGEST

AT_ONCE = 4  # rows of the matrix that are added at once: the sums are read and written once for them


@njit(**LEAN)
def first_layers(
    a,
    z,
    sigma_z,
    rows,
    shares,
    x,
    added,
    matrix,
    center,
    factor,
    scaled,
    missing,
    first,
    n_edges,
    bins,
    edges,
    smooth,
    sigma,
):
    """z_j = b_j + Σ_i c_i t_ij, a_j = σ(z_j): the first layers of all members, for each row of a table.

    Shapes: a (n_members, n, n_first); z, sigma_z (n_members n_first,); matrix, of rows t_i, (…, n_members n_first);
    x (n, n_quantities); added (n, n_others). Writes: a; z, sigma_z, rows and shares, memory for one row.
    """
    n_members, n_first = a.shape[0], a.shape[2]
    for s in range(x.shape[0]):
        n = 0
        for q in range(x.shape[1]):
            v = x[s, q]
            if not np.isfinite(v):
                if missing[q] >= 0:
                    rows[n], shares[n] = missing[q], 1
                    n += 1
                continue
            if scaled[q] >= 0:
                u = min(max((v - center[q]) * factor[q], -LARGEST), LARGEST)
                rows[n], shares[n] = scaled[q], u / np.sqrt(1 + (u / CLIP) ** 2) if smooth else u
                n += 1
            below = 0
            for e in range(first[q], first[q] + n_edges[q]):
                below += v > edges[e]
            if below > 0:
                low, row, share = first[q] + below - 1, bins[q] + below - 1, 0.0
                if below < n_edges[q]:
                    share = (v - edges[low]) / (edges[low + 1] - edges[low])
                    rows[n], shares[n] = row + 1, share
                    n += 1
                rows[n], shares[n] = row, 1 - share
                n += 1
        for i in range(added.shape[1]):
            if added[s, i] >= 0:
                rows[n], shares[n] = added[s, i], 1
                n += 1
        for i in range(n, n + AT_ONCE):
            rows[i], shares[i] = 1, 0
        for j in range(z.size):
            z[j] = matrix[0, j]
        for i in range(0, n, AT_ONCE):
            r0, r1, r2, r3 = rows[i], rows[i + 1], rows[i + 2], rows[i + 3]
            c0, c1, c2, c3 = shares[i], shares[i + 1], shares[i + 2], shares[i + 3]
            for j in range(z.size):
                z[j] += c0 * matrix[r0, j] + c1 * matrix[r1, j] + c2 * matrix[r2, j] + c3 * matrix[r3, j]
        call(sigma, sigma_z, z)  # not in place: some activations go over z twice
        for i in range(n_members):
            for j in range(n_first):
                a[i, s, j] = sigma_z[i * n_first + j]
