"""`fastbp train` on ranks: each prepares its own rows only, scaled as all rows are."""

from argparse import Namespace
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from fastbp.cli.one_network import OneNetwork
from fastbp.cli.tables import problem_of_table
from fastbp.tables import Table
from fastbp.tables.preprocessor import Preprocessor

OPTIONS = dict.fromkeys("cost hidden epochs batch_size".split()) | {
    "no_early_stopping": False, "seed": 0, "drop": (), "categorical": (), "dtype": "float32", "activation": "relu",
    "formulation": "tiles",
}  # fmt: skip


def prepared(rank: int, size: int) -> OneNetwork:
    """Return what one of `size` ranks prepares of a table of numbers and letters."""
    rng, letters = np.random.default_rng(0), np.array(list("abcd") * 50)
    table = Table({"x": rng.normal(size=200), "letter": letters, "y": rng.normal(size=200)})
    ranks = SimpleNamespace(rows=lambda n: slice(rank * n // size, (rank + 1) * n // size))
    return OneNetwork(problem_of_table(table, ["y"]), Namespace(**OPTIONS), ranks, "the test says so")  # type: ignore[arg-type]


def test_each_rank_prepares_its_own_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    alone, n_prepared = prepared(0, 1), []
    transform = Preprocessor.transform

    def counted(self: Preprocessor, table: Table) -> np.ndarray:
        n_prepared.append(len(table))
        return transform(self, table)

    monkeypatch.setattr(Preprocessor, "transform", counted)
    of_ranks = [prepared(rank, 4) for rank in range(4)]
    assert sum(n_prepared) == alone.n_rows + alone.n_validation == 160
    assert all(each.n_rows == alone.n_rows for each in of_ranks)
    for name in "_training", "_held_out":
        for i, whole in enumerate(getattr(alone, name)):
            assert_array_equal(np.concatenate([getattr(each, name)[i] for each in of_ranks]), whole)
