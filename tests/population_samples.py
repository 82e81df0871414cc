"""Populations for the tests: networks trained at once, and copies of them trained alone."""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from conftest import state_of

import fastbp

N_IN, N_OUT = 5, 3
TIMES = "seconds", "samples_per_second"  # of a history, which depend on other members


def samples(n: int = 41, seed: int = 0) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, (n, N_IN)), rng.integers(0, N_OUT, n)


X, Y = samples()
HELD_OUT = samples(11, 1)


def network(seed: int, hidden: Sequence[int] = (7,), **options: Any) -> fastbp.Network:
    return fastbp.Network(
        [N_IN, *hidden, N_OUT], **{"activation": "tanh", "cost": "cross_entropy", **options}, seed=seed
    )


def networks(n: int = 5, **options: Any) -> list[fastbp.Network]:
    return [network(seed, **options) for seed in range(n)]


def learned(net: fastbp.Network) -> dict[str, Any]:
    """All that must be the same, bit for bit."""
    state, history = state_of(net), net.history
    assert history is not None
    state["optimizer"] = repr(net.optimizer)  # without a given one, each network has a new one
    state["history"] = {name: values for name, values in state["history"].items() if name not in TIMES}
    return state | {"stopped": history.stopped, "best_epoch": history.best_epoch}


def check_as_alone(
    nets: list[fastbp.Network], own: Sequence[dict[str, Any]] = (), fits: int = 1, **options: Any
) -> Any:
    """Train a population, and copies of its members alone, with options for all and `own` ones of each."""
    each = own or [{} for _ in nets]
    alone = copy.deepcopy(nets)
    names = {name for of_one in each for name in of_one}
    lists = {name: [of_one.get(name) for of_one in each] for name in names}
    for _ in range(fits):
        histories = fastbp.Population(nets).fit(X, Y, **options, **lists)
        for net, of_one in zip(alone, each, strict=True):
            chosen = {**options, **of_one}
            rows = chosen.pop("samples", None)
            given = (X, Y) if rows is None else (X[rows], Y[rows])
            with fastbp.threads(1):
                net.fit(*given, **chosen)
        for i, (net, other) in enumerate(zip(nets, alone, strict=True)):
            assert learned(net) == learned(other), i
    return histories


@pytest.fixture(params=[1, 2])
def n_threads(request: pytest.FixtureRequest) -> Any:
    """Use so many threads."""
    with fastbp.threads(request.param):
        yield request.param
