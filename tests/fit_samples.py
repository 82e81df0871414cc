"""A small task that several test files train on."""

from typing import Any

import numpy as np

import fastbp
from fastbp.training.full_batch import iterations


def samples(n: int = 23, seed: int = 0) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, (n, 3)), np.eye(2)[rng.integers(0, 2, n)]


X, Y = samples()
HELD_OUT = samples(9, 1)


def network(formulation: str = "loops", dtype: str = "float32", seed: int = 4) -> fastbp.Network:
    made: Any = {"dtype": dtype, "formulation": formulation}
    return fastbp.Network([3, 5, 2], activation="tanh", cost="cross_entropy", seed=seed, **made)


def fit(net: fastbp.Network, epochs: int = 3, **options: Any) -> fastbp.History:
    chosen = {"batch_size": 5, "optimizer": fastbp.Momentum(0.1), **options}
    return net.fit(X, Y, epochs=epochs, **chosen)


def validated_fit(net: fastbp.Network, epochs: int, optimizer: Any = None, **options: Any) -> fastbp.History:
    return fit(net, epochs, **{"optimizer": optimizer, "validation_data": HELD_OUT, **options})


def state(net: fastbp.Network) -> Any:
    """Parameters, optimizer state and random generator."""
    last = net._training
    moments = (
        (last.state.first.tobytes(), last.state.second.tobytes(), int(last.state.t[0]), int(last.steps[0]))
        if last
        else None
    )
    return net.parameters.tobytes(), moments, net._rng.bit_generator.state


def minimize(
    net: fastbp.Network, optimizer: Any, state: Any, samples: Any, epochs: int, epoch_done: Any, options: Any = None
) -> str:
    """Train on all samples at once; `epoch_done` gets the number and the cost of each iteration, True ends them."""
    steps = iterations(net._formulation, net._model, optimizer, state, samples, epochs, options)
    answer = None
    with np.errstate(all="ignore"):
        while True:
            try:
                answer = epoch_done(*steps.send(answer))
            except StopIteration as end:
                return str(end.value)
