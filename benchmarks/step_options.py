"""The cost of each option of a training step: ``python benchmarks/step_options.py``.

An epoch of [784,100,10] with mini-batches of 32, with each option and without it, in interleaved rounds. A figure is
the median of the ratios within the rounds.
"""

import argparse
import os
import statistics
from typing import Any

OPTIONS: dict[str, dict[str, Any]] = {
    "l2": {"l2": 1e-4},
    "l1": {"l1": 1e-5},
    "decay": {"decay": 1e-4},
    "clip_value": {"clip_value": 0.01},
    "clip_norm": {"clip_norm": 0.1},
    "max_norm": {"max_norm": 2.0},
    "sample_weight": {"sample_weight": None},
    "dropout": {"dropout": (0.5,), "seed": 1},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--formulations", default="tiles,loops")
    parser.add_argument("--optimizers", default="SGD,Adam")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    for variable in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[variable] = str(arguments.threads)
    for formulation in arguments.formulations.split(","):
        for optimizer in arguments.optimizers.split(","):
            measure(formulation, optimizer, arguments.rounds)


def measure(formulation: str, optimizer_name: str, rounds: int) -> None:
    import numpy as np

    import fastbp
    from fastbp.comparison.timing import interleaved_rounds
    from fastbp.formulations import FORMULATIONS
    from fastbp.formulations.step_options import StepOptions

    rng, n = np.random.default_rng(0), 3200
    X = rng.random((n, 784), dtype=np.float32)
    Y = np.eye(10, dtype=np.float32)[rng.integers(0, 10, n)]
    X.flags.writeable = Y.flags.writeable = False
    order = rng.permutation(n)

    def epoch(options: dict[str, Any]) -> Any:
        given = {**options, "sample_weight": rng.random(n)} if "sample_weight" in options else options
        net = fastbp.Network([784, 100, 10], activation="sigmoid", cost="cross_entropy", seed=0)
        optimizer = getattr(fastbp, optimizer_name)(0.001)
        state = optimizer.new_state(net.parameters.size, net.dtype)
        chosen = net._model, optimizer, state, X, Y, 32, StepOptions(**given)
        trainer = FORMULATIONS[formulation].trainer(*chosen)
        trainer.begin()
        trainer.train(order)  # compiles
        return lambda: trainer.train(order)

    epochs = {"none": epoch({}), **{name: epoch(options) for name, options in OPTIONS.items()}}
    seconds = interleaved_rounds(epochs, rounds, 0.05)
    print(f"\n{formulation}, {optimizer_name}: {statistics.median(seconds['none']) / (n / 32) * 1e6:.1f} µs per step")
    for name in OPTIONS:
        ratio = statistics.median(a / b for a, b in zip(seconds[name], seconds["none"], strict=True))
        print(f"  {name:<14}{ratio - 1:+7.1%}")


if __name__ == "__main__":
    main()
