"""The gradient ∂C/∂x of one misread digit, as a picture.

    python examples/a_misread_digit.py [FOLDER] [--quick]

Covers B10 (∂C/∂a of every neuron, the input included) of the founding texts. Uses the digits that come with fastbp, and
MNIST if $FASTBP_DATA is its folder and --quick is not given. Writes `misread_digit.png`, `misread_weights.png` (the
weights of the first layer as images) and `misread_confusions.png` to FOLDER, by default the current folder; the names
for MNIST begin with `mnist_`.
"""

import argparse
import os
from pathlib import Path

import numpy as np

import fastbp
from fastbp.cli.report import confusion_matrix
from fastbp.replay import read_book

STEP, MOST_STEPS = 0.02, 500


def worst(net, X, y):
    """Return the misread sample with the largest wrong output, and the predicted class of every sample."""
    outputs = net.predict(X)
    read = outputs.argmax(axis=1)
    wrong = np.flatnonzero(read != y)
    return wrong[np.argmax(outputs[wrong, read[wrong]])], read


def way_to_right(net, x, y, direction):
    """Move x by small steps in a direction, which may depend on x, until the net reads it as y."""
    moved = x.copy()
    for _ in range(MOST_STEPS):
        if net.predict([moved])[0].argmax() == y:
            return moved
        d = direction(moved)
        moved = np.clip(moved + STEP * d / np.linalg.norm(d), 0, 1)  # still an image
    return None


def explain(net, X, y, name, folder, prefix=""):
    s, read = worst(net, X, y)
    x, right, wrong = X[s].astype(np.float64), int(y[s]), int(read[s])
    outputs = net.predict([x])[0]
    g = net.input_gradient([x], [right])[0]
    print(f"{name}: the net reads {np.mean(read == y):.2%} of {len(y):,} test images correctly.")
    print(f"Image {s} is a {right}, read as {wrong}:\n")
    print(f"  a of {right}: {outputs[right]:.3f}, a of {wrong}: {outputs[wrong]:.3f}")
    print(f"  C = {-np.log(outputs[right]):.3f}, ‖∂C/∂x‖ = {np.linalg.norm(g):.3f}")
    trace = net.trace(x, right)
    difference = np.abs(trace.layers[0].dC_da - g).max()
    print(f"  net.trace gives the same ∂C/∂x; the largest difference is {difference:.0e}")
    print(f"  neuron with the largest |∂C/∂a| in layer 1: {np.argmax(np.abs(trace.layers[1].dC_da))}")
    descended = way_to_right(net, x, right, lambda at: -net.input_gradient([at], [right])[0])
    titles, rows = [f"a {right},\nread as {wrong}", "−∂C/∂x"], [x, -g]
    if descended is not None:
        titles += [f"read as\n{right}", "what\nchanged"]
        rows += [descended, descended - x]
        length = np.linalg.norm(descended - x)
        share = length / np.linalg.norm(x)
        print(f"\n  A change along −∂C/∂x of length {length:.3f}, {share:.1%} of the image's, makes it a {right}.")
        generator = np.random.default_rng(0)
        tries = [generator.standard_normal(x.size) for _ in range(1000)]
        moved = np.array([np.clip(x + length * d / np.linalg.norm(d), 0, 1) for d in tries])
        lucky = np.mean(net.predict(moved).argmax(axis=1) == right)
        print(f"  Of 1,000 changes of that length in random directions, {lucky:.1%} do so.")
    try:
        draw(net, rows, titles, read, y, folder, prefix)
    except ImportError as error:
        print(f"\nNo pictures: {error}")


def draw(net, rows, titles, read, y, folder, prefix):
    from fastbp import plots

    plots.images(rows, titles, folder / f"{prefix}misread_digit.png", signed=["−" in t or "what" in t for t in titles])
    plots.weight_images(net, path=folder / f"{prefix}misread_weights.png")
    plots.confusion_matrix(confusion_matrix(y, read, 10), range(10), folder / f"{prefix}misread_confusions.png",
                           width=plots.COLUMN)  # fmt: skip
    files = ", ".join(f"{prefix}misread_{what}.png" for what in ("digit", "weights", "confusions"))
    print(f"\nThe pictures are in {folder}:\n{files}.")
    print("Blue: more ink here lowers the cost. Vermilion: less ink lowers it.\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path(), help="for pictures, default: current folder")
    parser.add_argument("--quick", action="store_true", help="without MNIST")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    digits = fastbp.load_digits()
    net = fastbp.Network([64, 30, 10], activation="sigmoid", cost="cross_entropy", seed=0)
    net.fit(digits.X_train, digits.y_train, epochs=30, batch_size=10, optimizer=fastbp.SGD(0.5), progress=False)
    explain(net, digits.X_test, digits.y_test, "The digits of fastbp", options.folder)
    if os.environ.get("FASTBP_DATA") and not options.quick:
        book = read_book()
        X, y = book.training
        net = fastbp.Network([784, 30, 10], activation="sigmoid", cost="cross_entropy", seed=0)
        net.fit(X, y, epochs=5, batch_size=10, optimizer=fastbp.SGD(0.5), progress=False)
        explain(net, *book.test, "MNIST", options.folder, "mnist_")


if __name__ == "__main__":
    main()
