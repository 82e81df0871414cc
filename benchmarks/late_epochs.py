"""Whether an epoch late in a training takes as long as an early one: ``python benchmarks/late_epochs.py``.

Numbers that decay, such as the moments of a parameter whose gradient stays 0, or the outputs of a saturated neuron,
could end as subnormal numbers, with which Intel's processors are slow. Each case trains a network on one thread; then
that network and a new one take turns in short trainings, and the figure is the median of the ratios of their times.
"""

import argparse
import statistics

import numpy as np

import fastbp
from fastbp.comparison.machine import describe


def labels_at_random() -> tuple[fastbp.Network, tuple[np.ndarray, np.ndarray]]:
    """Return a network with relu that learns labels by heart: some of its neurons die, its softmax becomes sure."""
    rng = np.random.default_rng(0)
    data = rng.random((1437, 64), dtype=np.float32), rng.integers(0, 10, 1437)
    return fastbp.Network([64, 32, 10], cost="cross_entropy", seed=0), data


def unscaled_inputs() -> tuple[fastbp.Network, tuple[np.ndarray, np.ndarray]]:
    """Return a network with sigmoids that gets pixels from 0 to 255, and targets 0 and 1."""
    digits = fastbp.load_digits()
    data = 255 * digits.X_train, np.eye(10, dtype=np.float32)[digits.y_train]
    return fastbp.Network([64, 32, 10], activation="sigmoid", cost="quadratic", seed=0), data


CASES = {
    "[64,32,10] relu softmax, labels at random, Adam": (labels_at_random, fastbp.Adam()),
    "the same, momentum": (labels_at_random, fastbp.Momentum(0.05)),
    "the same, RMSProp": (labels_at_random, fastbp.RMSProp()),
    "[64,32,10] sigmoid, pixels from 0 to 255, Adam": (unscaled_inputs, fastbp.Adam(0.1)),
}


FEW = 20  # epochs of a short training


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    print(f"{describe()['processor']}\n{'µs an epoch':50}{'early':>8}{'late':>8}{'ratio':>8}")
    for name, (make, optimizer) in CASES.items():
        net, (X, Y) = make()
        took: list[tuple[float, float]] = []
        with fastbp.threads(1):
            net.fit(X, Y, epochs=options.epochs, optimizer=optimizer, progress=False)
            for _ in range(options.rounds):
                short = [one.fit(X, Y, epochs=FEW, optimizer=optimizer, progress=False) for one in (make()[0], net)]
                early, late = (1e6 * statistics.median(history.seconds[1:]) for history in short)
                took.append((early, late))
        early, late = (statistics.median(each) for each in zip(*took, strict=True))
        print(f"{name:50}{early:8.0f}{late:8.0f}{statistics.median(b / a for a, b in took):8.2f}")


if __name__ == "__main__":
    main()
