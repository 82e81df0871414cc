"""A population beside fits one after the other: ``python benchmarks/population.py``.

The members are networks [64,32,10] in float32, trained on the digits with Adam in mini-batches of 32. The figure is
the time of as many `Network.fit` on one thread divided by that of `Population.fit` on several, the median of rounds in
which both take turns; 2 would be all that two threads can give. The parameters of both are compared bit by bit.
"""

import argparse
import os
import statistics
import time
from collections.abc import Sequence

import fastbp
from fastbp.comparison.machine import describe
from fastbp.compiler.threads import launched_layer
from fastbp.data import Split

SIZES, BATCH_SIZE, ADAM = [64, 32, 10], 32, fastbp.Adam()


def networks(n: int) -> list[fastbp.Network]:
    """Return n networks, the same at every call."""
    return [fastbp.Network(SIZES, cost="cross_entropy", seed=seed) for seed in range(n)]


def seconds(nets: Sequence[fastbp.Network], data: Split, epochs: int, n_threads: int, *, together: bool) -> float:
    """Return the time of training the networks, together or one after the other."""
    options = {"epochs": epochs, "batch_size": BATCH_SIZE, "optimizer": ADAM, "progress": False}
    with fastbp.threads(n_threads):
        start = time.perf_counter()
        if together:
            fastbp.Population(nets).fit(data.X_train, data.y_train, **options)
        else:
            for net in nets:
                net.fit(data.X_train, data.y_train, **options)
        return time.perf_counter() - start


def main() -> None:
    """Print the times and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", type=int, default=200)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    data = fastbp.load_digits()
    print(f"{describe()['processor']}, {os.cpu_count()} cores, threads of the layer {launched_layer()}")
    for together in (False, True):
        seconds(networks(4), data, 1, options.threads, together=together)  # compiles
    alone, together, ratios = [], [], []
    for turn in range(options.rounds):
        trained = {kind: networks(options.members) for kind in (False, True)}
        spent = {}
        for kind in (False, True) if turn % 2 else (True, False):
            n_threads = options.threads if kind else 1
            spent[kind] = seconds(trained[kind], data, options.epochs, n_threads, together=kind)
        pairs = zip(trained[False], trained[True], strict=True)
        assert all(a.parameters.tobytes() == b.parameters.tobytes() for a, b in pairs)
        alone.append(spent[False])
        together.append(spent[True])
        ratios.append(spent[False] / spent[True])
    print(f"{options.members} networks {SIZES}, {options.epochs} epochs of {len(data.X_train):,} samples, bits equal")
    print(f"one after the other, one thread   {statistics.median(alone):7.2f} s")
    print(f"a population, {options.threads} threads           {statistics.median(together):7.2f} s")
    print(f"ratio                             {statistics.median(ratios):7.2f}")
    print(f"ratios of the rounds              {' '.join(f'{ratio:.2f}' for ratio in sorted(ratios))}")


if __name__ == "__main__":
    main()
