"""Shards: how samples are cut, and sums over them that do not depend on who has which."""

import numpy as np
import pytest
from ranks_in_threads import on_ranks

from fastbp.batches.samples import Samples
from fastbp.distributed.ranks import Ranks
from fastbp.distributed.shards import Sharded, in_shards


def samples(n, start=0):
    X = np.arange(start, start + n, dtype=float)[:, None]
    return Samples(X, X, False)


def sharded(c, n, shards):
    ranks = Ranks(c)
    rows = ranks.rows(n)
    return Sharded(samples(rows.stop - rows.start, rows.start), n, shards, ranks)


@pytest.mark.parametrize("n", [1, 7, 8, 101])
def test_the_cut_is_the_same_whoever_has_the_rows(n):
    def rows_of_shards(c):
        own = sharded(c, n, 8)
        return [block.X.ravel().tolist() for i in range(len(own.slices)) for block in own.blocks(i)]

    cuts = {str([shard for of_rank in on_ranks(size, rows_of_shards) for shard in of_rank]) for size in (1, 2, 4, 8)}
    assert len(cuts) == 1
    whole = sharded(None, n, 8)
    assert (len(whole), whole.sizes.sum()) == (n, n)
    assert whole.sizes.max() - whole.sizes.min() <= 1


def test_a_total_is_the_tree_over_shards():
    terms = np.random.default_rng(0).standard_normal((8, 1000)).astype(np.float32)

    def job(c):
        of_all = sharded(c, 80, 8)

        def of_shard(i, out):
            out[:] = terms[of_all.first + i]

        return of_all.total(of_shard, np.empty(1000, np.float32)).tobytes()

    expected = terms
    while len(expected) > 1:
        expected = expected[::2] + expected[1::2]
    assert expected.tobytes() != terms.sum(axis=0).tobytes()
    for size in (1, 2, 4, 8):
        assert set(on_ranks(size, job)) == {expected.tobytes()}


def test_totals_of_different_lengths_share_no_memory():
    of_all = sharded(None, 8, 4)

    def total(length):
        return of_all.total(lambda i, out: out.fill(i), np.empty(length)).tolist()

    assert [total(2), total(3), total(2)] == [[6.0] * 2, [6.0] * 3, [6.0] * 2]


def test_samples_of_a_process_alone_are_one_shard():
    alone = in_shards(samples(5))
    assert (len(alone), alone.slices, alone.sizes.tolist(), alone.n_spares) == (5, [slice(0, 5)], [5], 0)
    assert in_shards(alone) is alone
    assert alone.read(0, np.array([3, 1])).X.ravel().tolist() == [3, 1]
