"""Saturation: why a neuron that is badly wrong may learn slowly, and what cross-entropy has to do with it.

    python examples/saturation.py [FOLDER]

Covers N3 (the learning slowdown of one saturated neuron, w = b = 2, that is to turn x = 1 into 0) and, of C1, "why not
cross-entropy?". Writes `saturation.png` into FOLDER, here if there is none. Nielsen, chapter 3, "The cross-entropy cost
function".
"""

import argparse
from pathlib import Path

import fastbp
from fastbp.replay import pictures
from fastbp.replay.slow_learning import one_neuron

SHOWN = (0, 50, 100, 150, 200, 300)


def factors(w, b):
    """Print what ∂C/∂w is made of, for both costs."""
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
            print(f"    cross_entropy   ∂C/∂w = (a − y) · x: σ′ has cancelled    = {by_w:.4f}, "
                  f"{1 / slope:.0f} times as much\n")  # fmt: skip


def epochs_until(cost, rate, below=0.5):
    """Return how many steps the badly wrong neuron needs until a < `below`, with this learning rate."""
    net = fastbp.Network([1, 1], output_activation="sigmoid", cost=cost, dtype="float64")
    net.parameters = [2.0, 2.0]
    recorder = fastbp.Recorder(lambda net: float(net.predict([[1.0]])[0, 0]))
    net.fit([[1.0]], [[0.0]], epochs=400, optimizer=fastbp.SGD(rate), callbacks=[recorder], progress=False)
    return next(i for i, a in enumerate(recorder.values) if a < below)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path(), help="where the picture goes, default here")
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    print("One sigmoid neuron that is to turn x = 1 into 0. Two starts: a bit wrong, and badly wrong.\n")
    factors(0.6, 0.9)
    factors(2.0, 2.0)
    print("Its output a after some epochs, one step each. The book, quadratic cost: 0.09 and 0.20 after 300.\n")
    print("  cost            η      from w, b  " + "".join(f"{epoch:>8}" for epoch in SHOWN))
    outcomes = one_neuron("tiles")
    for neuron in outcomes:
        values = "".join(f"{neuron.output[epoch]:>8.3f}" for epoch in SHOWN)
        print(f"  {neuron.cost:<15} {neuron.learning_rate:<6g} {neuron.start:>4g}, {neuron.bias:<3g} {values}")
    quadratic, entropy = epochs_until("quadratic", 0.15), epochs_until("cross_entropy", 0.15)
    print(f"""
The worse start is the slower one with the quadratic cost: where the neuron is saturated, σ′ is
small, and with it ∂C/∂w. Cross-entropy is made so that σ′ cancels: the further from the goal, the
faster. The book gives it a smaller η, for what counts is the shape of the curve; with η = 0.15 for
both, a < 0.5 takes {quadratic} steps with the quadratic cost and {entropy} with cross-entropy.

So why not cross-entropy? For outputs that are probabilities nothing speaks against it; the lesson
takes the quadratic cost because it is the simplest.""")
    try:
        pictures.neurons(outcomes, width=3.5).savefig(folder / "saturation.png")
        print(f"\nThe picture is in {folder / 'saturation.png'}.")
    except ImportError as error:
        print(f"\nNo picture: {error}")


if __name__ == "__main__":
    main()
