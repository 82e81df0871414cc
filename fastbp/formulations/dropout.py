"""Which neurons are dropped: decided by a hash, so that neither blocks nor threads change it, nor where samples lie.

Every neuron of every sample in every step has a number of its own, from the seed, the step, the layer l, the sample's
place in the mini-batch and its own index j. The place, not the row of an array: so it is the same number whether the
samples are in memory, in a file or in chunks. The neuron is dropped where its number, uniform on [0, 2³²), lies below
p 2³². Kept numbers are divided by 1 − p, so that the mean of a layer stays what it is in `predict`, where nothing is
dropped ("inverted" dropout; Srivastava et al., *Dropout: a simple way to prevent neural networks from overfitting*,
2014).
"""

import numpy as np

from fastbp.compiler.options import INLINE, LEAN, njit

MASK, HALF, PART = np.uint64(0xFFFFFFFF), np.uint64(16), np.uint64(13)
FIRST, SECOND, GOLDEN = np.uint64(0x85EBCA6B), np.uint64(0xC2B2AE35), np.uint64(0x9E3779B1)


@njit(**INLINE)
def scramble(x):
    """Mix 32 bits, each of which changes about half of the others: the end of MurmurHash3 (Appleby, 2011)."""
    x = ((x ^ (x >> HALF)) * FIRST) & MASK
    x = ((x ^ (x >> PART)) * SECOND) & MASK
    return x ^ (x >> HALF)


@njit(**LEAN)
def layer_key(seed, step, l, place):
    """What all neurons of one layer share, for one sample in one step: the one at `place` of its mini-batch."""
    key = scramble((np.uint64(seed) ^ (np.uint64(step) * GOLDEN)) & MASK)
    return scramble(((key ^ np.uint64(l)) * GOLDEN + np.uint64(place)) & MASK)


@njit(**LEAN)
def drop(a, p, key, j):
    """a_j ← 0 with probability p, else a_j / (1 − p), for neurons from j on; and so for δ_j. Writes: a."""
    limit, scale = np.uint64(p * 4294967296.0), a.dtype.type(1 / (1 - p))
    for i in range(a.size):
        kept = scramble(key ^ ((np.uint64(j + i) * GOLDEN) & MASK)) >= limit
        a[i] = a[i] * scale if kept else a.dtype.type(0)
