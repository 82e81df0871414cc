"""Saturation: why a badly wrong neuron may learn slowly, and how cross-entropy avoids this.

    python examples/saturation.py [FOLDER]

Covers N3 (the learning slowdown of one saturated neuron, w = b = 2, with the target 0 for x = 1) and, of C1, "why not
cross-entropy?". Writes `saturation.png` to FOLDER, by default the current folder. Nielsen, chapter 3, "The
cross-entropy cost function".
"""

import argparse
from pathlib import Path

import fastbp
from fastbp.replay import pictures
from fastbp.replay.slow_learning import one_neuron

SHOWN = (0, 50, 100, 150, 200, 300)


def factors(w, b):
    """Print the factors of ∂C/∂w for both costs."""
    for cost in ("quadratic", "cross_entropy"):
        net = fastbp.Network([1, 1], activation="sigmoid", output_activation="sigmoid", cost=cost, dtype="float64")
        net.parameters = [w, b]
        layer = net.trace([1.0], [0.0]).layers[1]
        a, slope, by_w = layer.a[0], layer.da_dz[0], layer.dC_dw[0, 0]
        if cost == "quadratic":
            print(f"  w = {w:g}, b = {b:g}: a = {a:.4f}, σ′(z) = a (1 − a) = {slope:.4f}")
            print(
                f"    quadratic       ∂C/∂w = (a − y) · σ′(z) · x = {layer.dC_da[0]:.4f} · {slope:.4f} · 1 = {by_w:.4f}"
            )
        else:
            print(f"    cross_entropy   ∂C/∂w = (a − y) · x: σ′ cancels          = {by_w:.4f}, "
                  f"{1 / slope:.0f} times as much\n")  # fmt: skip


def epochs_until(cost, rate, below=0.5):
    """Return how many steps the badly wrong neuron needs to reach a < `below`, with this learning rate."""
    net = fastbp.Network([1, 1], output_activation="sigmoid", cost=cost, dtype="float64")
    net.parameters = [2.0, 2.0]
    recorder = fastbp.Recorder(lambda net: float(net.predict([[1.0]])[0, 0]))
    net.fit([[1.0]], [[0.0]], epochs=400, optimizer=fastbp.SGD(rate), callbacks=[recorder], progress=False)
    return next(i for i, a in enumerate(recorder.values) if a < below)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path(), help="for pictures, default: current folder")
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    print("One sigmoid neuron with the target 0 for x = 1. Two starts: slightly wrong, and badly wrong.\n")
    factors(0.6, 0.9)
    factors(2.0, 2.0)
    print("Its output a after some epochs of one step. The book, quadratic cost: 0.09 and 0.20 after 300.\n")
    print("  cost            η      from w, b  " + "".join(f"{epoch:>8}" for epoch in SHOWN))
    outcomes = one_neuron("tiles")
    for neuron in outcomes:
        values = "".join(f"{neuron.output[epoch]:>8.3f}" for epoch in SHOWN)
        print(f"  {neuron.cost:<15} {neuron.learning_rate:<6g} {neuron.start:>4g}, {neuron.bias:<3g} {values}")
    quadratic, entropy = epochs_until("quadratic", 0.15), epochs_until("cross_entropy", 0.15)
    print(f"""
With the quadratic cost, the worse start learns more slowly: where the neuron is saturated, σ′ is
small, and so is ∂C/∂w. With cross-entropy σ′ cancels: the larger the error, the faster it learns.
The book uses a smaller η for it, because it compares the shapes of the curves. With η = 0.15 for
both, a < 0.5 takes {quadratic} steps with the quadratic cost and {entropy} with cross-entropy.

So why not cross-entropy? For outputs that are probabilities it is the better choice; the lesson
takes the quadratic cost because it is the simplest.""")
    try:
        pictures.neurons(outcomes, width=3.5).savefig(folder / "saturation.png")
        print(f"\nThe picture is in {folder / 'saturation.png'}.")
    except ImportError as error:
        print(f"\nNo picture: {error}")


if __name__ == "__main__":
    main()
