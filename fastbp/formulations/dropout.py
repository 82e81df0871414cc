"""Dropout. A hash decides which neurons are dropped, so that it does not depend on blocks, threads or the source of X.

For every neuron of every sample in every step, a hash of the seed, the step, the layer l, the sample's place in the
mini-batch and the neuron's index j gives a number, uniform on [0, 2³²). The neuron is dropped if it is less than p 2³².
The other activations are divided by 1 − p, so that the mean of a layer stays that of `predict`, which drops nothing
("inverted" dropout; Srivastava et al., *Dropout: a simple way to prevent neural networks from overfitting*, 2014).
"""

import numpy as np

from fastbp.compiler.options import INLINE, LEAN, STRICT, njit

MASK, HALF, PART = np.uint64(0xFFFFFFFF), np.uint64(16), np.uint64(13)
FIRST, SECOND, GOLDEN = np.uint64(0x85EBCA6B), np.uint64(0xC2B2AE35), np.uint64(0x9E3779B1)


@njit(**INLINE)
def scramble(x):
    """Mix 32 bits so that each changes about half of the others: the end of MurmurHash3 (Appleby, 2011)."""
    x = ((x ^ (x >> HALF)) * FIRST) & MASK
    x = ((x ^ (x >> PART)) * SECOND) & MASK
    return x ^ (x >> HALF)


@njit(**LEAN)
def layer_key(seed, step, l, place):
    """Return the hash that all neurons of one layer share, for the sample at `place` of the mini-batch of one step."""
    key = scramble((np.uint64(seed) ^ (np.uint64(step) * GOLDEN)) & MASK)
    return scramble(((key ^ np.uint64(l)) * GOLDEN + np.uint64(place)) & MASK)


@njit(**LEAN, **STRICT)
def drop(a, p, key, j):
    """a_j ← 0 with probability p, else a_j / (1 − p), for neurons from j on; the same for δ_j. Writes: a.

    STRICT, for LLVM would divide by 1 − p, instead of multiplying by 1 / (1 − p), where registers have two numbers.
    """
    limit, scale = np.uint64(p * 4294967296.0), a.dtype.type(1 / (1 - p))
    for i in range(a.size):
        kept = scramble(key ^ ((np.uint64(j + i) * GOLDEN) & MASK)) >= limit
        a[i] = a[i] * scale if kept else a.dtype.type(0)
