"""Pages for the browser: a small net and a digit, every number explained, with a slider over the epochs of a training.

    python examples/a_page_to_explore.py [FOLDER]

Covers B4 (drag a weight: predicted ∂C beside actual ΔC), B12 and B13 (several neurons; click a neuron for the sum over
paths, a path for the product of its factors), B15 (the networks that the lesson draws) and D7 (the four equations, a
step at a time). Writes `two_three_two.html` and `a_digit.html` to FOLDER, by default the current folder;
open them in any browser.
"""

import argparse
from pathlib import Path

import numpy as np

import fastbp


def small_net(folder):
    """XOR, learnt by a net [2, 3, 2]: the sample x = (0, 1) before training and after each of 60 epochs."""
    X, y = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=np.float64), np.array([0, 1, 1, 0])
    net = fastbp.Network([2, 3, 2], activation="sigmoid", cost="quadratic", dtype="float64", seed=6)
    recorder = fastbp.Recorder(lambda net: net.trace(X[1], y[1]))
    net.fit(X, y, epochs=60, batch_size=4, optimizer=fastbp.Adam(0.1), callbacks=[recorder], progress=False)
    path = folder / "two_three_two.html"
    recorder.to_html(path, names=["equal", "different"], title="Are two bits different?")
    print(f"{path.name}: the sample x = (0, 1), y = (0, 1) through 2 → 3 → 2 neurons")
    for epoch in (0, 20, 40, 60):
        trace = recorder.values[epoch]
        print(f"  epoch {epoch:2}: a = {trace.layers[2].a.round(3)}, C = {trace.cost:.4f}")


def a_digit(folder):
    """A digit through [64, 30, 10], before training and after each of five epochs."""
    digits = fastbp.load_digits()
    net = fastbp.Network([64, 30, 10], activation="sigmoid", cost="cross_entropy", seed=0)
    x, y = digits.X_test[0], digits.y_test[0]
    recorder = fastbp.Recorder(lambda net: net.trace(x, y))
    net.fit(digits.X_train, digits.y_train, epochs=5, batch_size=10, optimizer=fastbp.SGD(0.5),
            callbacks=[recorder], progress=False)  # fmt: skip
    path = folder / "a_digit.html"
    recorder.to_html(path, names=[f"a {digit}" for digit in range(10)], title=f"Is this a {y}?")
    print(f"\n{path.name}: a {y} through 64 → 30 → 10 neurons, of each layer those that matter most")
    for epoch, trace in enumerate(recorder.values):
        print(f"  epoch {epoch}: a[{y}] = {trace.layers[2].a[y]:.3f}, C = {trace.cost:.4f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path(), help="for pages, default: current folder")
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    small_net(folder)
    a_digit(folder)
    for path in sorted(folder.glob("*.html")):
        print(f"\n{path.name} has {path.stat().st_size / 1e3:.0f} kB", end="")
    print()


if __name__ == "__main__":
    main()
