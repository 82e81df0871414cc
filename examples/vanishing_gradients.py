"""Vanishing gradients: in a deep net of sigmoid neurons the first layers learn slowest.

    python examples/vanishing_gradients.py [FOLDER] [--quick]

Covers N6 (the speed of learning ‖δ⁽ˡ⁾‖ by layer) of the founding texts; Nielsen, chapter 5. Uses MNIST, as in the book,
if $FASTBP_DATA is its folder; otherwise, or with --quick, the digits that come with fastbp. Writes
`vanishing_gradients.png` and `vanishing_by_depth.png` to FOLDER, by default the current folder.
"""

import argparse
import os
from pathlib import Path

import numpy as np

import fastbp
from fastbp.replay import pictures, read_book
from fastbp.replay.slow_learning import N_IMAGES, PUBLISHED_NORMS, speed_of_learning

KINDS = {"sigmoid": "glorot", "tanh": "glorot", "relu": "he"}  # each with initial weights that suit it
DEPTH = 8


def data(quick):
    """Return the name of the data, (X, y), and whether the book uses them."""
    if os.environ.get("FASTBP_DATA") and not quick:
        return "MNIST", read_book().training, True
    digits = fastbp.load_digits("float64")
    return "the digits of fastbp", (digits.X_train, digits.y_train), False


def over_training(training, of_book, epochs):
    """Train nets with 2, 3 and 4 hidden layers of 30 sigmoid neurons, and print the norms."""
    outcomes = {hidden: [speed_of_learning(training, hidden, 1, epochs, "tiles")] for hidden in PUBLISHED_NORMS}
    for hidden, (speed,) in outcomes.items():
        norms = np.array(speed.norms)
        print(f"  {hidden} hidden layers, ‖δ‖ of layer 1, 2, …")
        print("    before training    " + "  ".join(f"{value:8.5f}" for value in norms[0]))
        if of_book:
            print("    in the book        " + "  ".join(f"{value:8.3f}" for value in PUBLISHED_NORMS[hidden]))
        print(f"    after {epochs:>3} epochs   " + "  ".join(f"{value:8.5f}" for value in norms[-1]))
        slower = np.median(norms[:, 1:].max(axis=1) / norms[:, 0])
        print(f"    the largest norm of the other layers is {slower:.1f} times that of layer 1, median of all epochs\n")
    return outcomes


def by_depth(training):
    """Return ‖δ⁽ˡ⁾‖ before training of nets with DEPTH hidden layers, for each activation: the median of seven."""
    X, y = training[0][:N_IMAGES], training[1][:N_IMAGES]
    found = {}
    for kind, initializer in KINDS.items():
        norms = []
        for seed in range(7):
            net = fastbp.Network([X.shape[1], *[30] * DEPTH, 10], activation=kind, output_activation="softmax",
                                 initializer=initializer, seed=seed, dtype="float64")  # fmt: skip
            norms.append(fastbp.error_norms(net, X, y))
        found[kind] = np.median(norms, axis=0)
    print(f"‖δ‖ before training in a net with {DEPTH} hidden layers of 30 neurons, the median of seven:\n")
    print("  layer    " + "".join(f"{l:>9}" for l in range(1, DEPTH + 2)))
    for kind, norms in found.items():
        print(f"  {kind:<9}" + "".join(f"{value:>9.1e}" for value in norms))
    shrinks = (found["sigmoid"][DEPTH - 1] / found["sigmoid"][0]) ** (1 / (DEPTH - 1))
    print(f"""
Each step to an earlier layer multiplies δ by wᵀ and by σ′ (BP2). For sigmoid σ′ ≤ ¼. If the weights
do not make up for it, δ shrinks: here {shrinks:.1f} times from layer to layer. It does not for tanh, with
slope 1 at 0, and for relu, with slope 1 or 0.""")
    return found


def draw(folder, outcomes, found):
    from fastbp import plots

    pictures.speeds(outcomes, width=plots.COLUMN).savefig(folder / "vanishing_gradients.png")
    figure = plots.new_figure(plots.COLUMN, 2.5, dpi=300)
    axes = figure.subplots()
    for (kind, norms), style in zip(found.items(), plots.STYLES, strict=False):
        axes.plot(range(1, DEPTH + 2), norms, label=kind, markersize=4, linewidth=1.4, **style)
    axes.set(yscale="log", xlabel="layer", ylabel="‖δ‖ before training")
    axes.legend(frameon=False)
    plots.plain(axes)
    figure.savefig(folder / "vanishing_by_depth.png")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path(), help="for pictures, default: current folder")
    parser.add_argument("--quick", action="store_true", help="few epochs, on the digits that come with fastbp")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    name, training, of_book = data(options.quick)
    print(f"‖δ⁽ˡ⁾‖ = ‖∂C/∂b⁽ˡ⁾‖ of sigmoid layers on {N_IMAGES:,} images of {name}, full batch:\n")
    outcomes = over_training(training, of_book, 30 if options.quick else 200)
    found = by_depth(training)
    try:
        draw(options.folder, outcomes, found)
        print(f"\nThe pictures are {options.folder / 'vanishing_gradients.png'} and vanishing_by_depth.png.")
    except ImportError as error:
        print(f"\nNo pictures: {error}")


if __name__ == "__main__":
    main()
