"""What the ranks of a `fit` compare before anything is changed, and which rows each must have."""

from __future__ import annotations

import hashlib
from types import FunctionType
from typing import Any

import numpy as np

from fastbp.batches.data import Data
from fastbp.batches.sources import KINDS_OF_WEIGHTS
from fastbp.compiler.user_functions import named_by_content
from fastbp.distributed.ranks import Ranks
from fastbp.distributed.shards import Sharded

ASKED = "epochs l2 l1 max_norm clip_norm clip_value shuffle class_weight label_smoothing early_stopping shards".split()


def digest(*arrays: Any) -> str:
    """Return a short digest of the bytes of arrays."""
    found = hashlib.blake2b(digest_size=4)
    for array in arrays:
        found.update(array.tobytes())
    return found.hexdigest()


def described(what: Any) -> str:
    """Return the name of an activation or a cost, and a digest of each function of the user's that has one."""
    functions = (getattr(f, "py_func", f) for f in (what.function, what.derivative))
    users = (f for f in functions if isinstance(f, FunctionType) and not f.__module__.startswith("fastbp."))
    copies = map(named_by_content, users)
    return " ".join([what.name, *(copy.__name__ for copy in copies if copy is not None)])


def agreed(
    net: Any, training: Any, data: Data, asked: Any, batch_size: int, weights_ndim: int, metrics: Any, ranks: Ranks
) -> tuple[Sharded, dict[str, Sharded]]:
    """Return the samples of a `fit` and its data sets in shards.

    Raises ValueError on all ranks if they were not asked for the same, or for something that needs all samples at one
    place, or if one of them has too many rows or too few.
    """
    shards = asked.shards
    _check(asked, data, metrics, ranks)
    ranks.same(lambda: _words(net, training, data, asked, batch_size, weights_ndim))
    given = {"": data.samples, **data.data_sets}
    found = {}
    counts = ranks.gather([len(samples) for samples in given.values() if samples is not None])
    for (name, samples), of_ranks in zip(given.items(), zip(*counts, strict=True), strict=True):
        n = sum(of_ranks)
        for rank, count in enumerate(of_ranks):
            rows = ranks.rows(n, rank)
            if count != rows.stop - rows.start:
                raise ValueError(
                    f"rank {rank} has {count} rows of {f'{name} X'.strip()}; of {n} rows on {ranks.size} ranks it must "
                    f"have {rows.stop - rows.start}: rank r of R has the rows r n // R to (r + 1) n // R"
                )
        assert samples is not None
        found[name] = Sharded(samples, n, shards, ranks)
    trained_on = found.pop("")
    if batch_size < len(trained_on) and batch_size % shards:
        raise ValueError(
            f"batch_size is {batch_size}; a mini-batch has as many rows of each of {shards} shards: give a multiple of "
            f"{shards}, or other shards"
        )
    return trained_on, found


def _check(asked: Any, data: Data, metrics: Any, ranks: Ranks) -> None:
    """Raise ValueError for what ranks cannot do together."""
    if asked.shards & (asked.shards - 1) or asked.shards < ranks.size:
        raise ValueError(f"shards is {asked.shards}; needed is a power of two, at least {ranks.size}, a shard a rank")
    refused = {
        "chunks": (data.samples is None, "give each rank its rows as arrays, which may be memory-mapped"),
        "dropout": (asked.dropout is not None, "leave it out"),
        "validation_split": (asked.validation_split is not None, "give validation_data: each rank its rows"),
        "metrics": (not {"accuracy"}.issuperset(metrics), "only costs and accuracies are added up: compute them later"),
        "permutations as shuffle": (not isinstance(asked.shuffle, bool | np.bool_), "give True or False"),
        "class_weight='balanced'": (isinstance(asked.class_weight, str), "give a dict"),
    }
    for name, (given, instead) in refused.items():
        if given:
            what = "shards" if ranks.communicator is None else "a communicator"
            raise ValueError(f"{name} given with {what}, but a rank need not have all samples: {instead}")


def _words(net: Any, training: Any, data: Data, asked: Any, batch_size: int, weights_ndim: int) -> dict[str, str]:
    """Return what must be the same on all ranks, by names for errors."""
    model, state = training.model, training.state
    of_random = repr((net._own_seed, net._rng.bit_generator.state, training.steps))
    return {
        "sizes": str(model.sizes),
        "activations": ", ".join(map(described, model.activations)),
        "cost": f"{described(model.cost)} {model.cost.parameter or ''}",
        "dtype": str(model.dtype),
        "formulation": net._formulation.name,
        "optimizer": str(training.optimizer),
        "layer_rates": str(training.optimizer.layer_rates),
        "batch_size": str(batch_size),
        **{name: str(getattr(asked, name)) for name in ASKED},
        "weights": KINDS_OF_WEIGHTS[weights_ndim],
        "data sets": str([(name, s.classes, s.weight is not None) for name, s in data.data_sets.items()]),
        "seed (its digest)": digest(np.frombuffer(of_random.encode(), np.uint8)),
        "parameters (their digest)": digest(model.parameters.vector),
        "moments (their digest)": digest(state.first, state.second, state.t),
    }
