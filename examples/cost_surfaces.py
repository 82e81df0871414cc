"""Cost surfaces, gradient descent on them, and how often it ends in the global minimum.

    python examples/cost_surfaces.py [FOLDER] [--quick]

Covers B14 (repeated steps −η∇C; a local minimum), D5 (gradient descent) and, of C1, "does it find the global minimum?".
Writes `four_valleys.png`, `digits_random.png` and `digits_path.png` to FOLDER, by default the current folder.
"""

import argparse
from collections import Counter
from pathlib import Path

import numpy as np

import fastbp

# One neuron with two weights. Each weight has two samples of its own: the cost of one is least near 0.5 and almost flat
# far below, the cost of the other is least near −2. So the cost has two minima in each weight, and four in both.
NEURON_X = np.array([[4, 0], [1, 0], [0, 4], [0, 1]])
NEURON_Y = np.array([[0.9], [0.1], [0.9], [0.1]])
STEPS, RATE = 1500, 4.0
XOR_X, XOR_Y = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 1, 1, 0])


def descend(net, start):
    """Gradient descent in the two weights of the neuron, w ← w − η ∂C/∂w. Return the parameters after each step."""
    net.parameters = [*start, 0.0]
    way = [net.parameters.copy()]
    for _ in range(STEPS):
        net.weights[0][:] -= RATE * net.gradient(NEURON_X, NEURON_Y).weights[0]
        way.append(net.parameters.copy())
    return way


def four_valleys(folder, each):
    net = fastbp.Network([2, 1], output_activation="sigmoid", cost="squared_error", seed=0, dtype="float64")
    starts = [(v, w) for v in np.linspace(-4, 2, each) for w in np.linspace(-4, 2, each)]
    ways = [descend(net, start) for start in starts]
    ends = Counter()
    for way in ways:
        net.parameters = way[-1]
        ends[tuple(np.round(way[-1][:2], 2) + 0.0), round(net.evaluate(NEURON_X, NEURON_Y).cost, 3)] += 1
    print(f"One neuron, two weights, descent from a grid of {len(ways)} starts, {STEPS} steps with η = {RATE:g}:\n")
    print("  ends at w =        cost  starts")
    for (place, cost), count in sorted(ends.items(), key=lambda item: item[0][1]):
        print(f"  ({place[0]:>5}, {place[1]:>5}){cost:>11}{count:>8}")
    plots = with_plots()
    if plots:
        plane = plots.parameter_directions(net, (1, 0, 0), (1, 0, 1))
        surface = plots.cost_surface(net, NEURON_X, NEURON_Y, plane, extent=((-4.5, 2.5), (-4.5, 2.5)))
        shown = [descend(net, start) for start in ((-4, -3), (-3, 2), (1.5, -1.8), (-0.7, -1))]
        path = folder / "four_valleys.png"
        plots.draw_surface(surface, shown, path)
        print(f"\nThe picture is in {path}.")


def restarts(n, epochs):
    """Train XOR from n random starts, and count the final costs."""
    found = []
    for seed in range(n):
        net = fastbp.Network([2, 2, 1], activation="sigmoid", cost="squared_error", initializer="nielsen_large",
                             seed=seed, dtype="float64")  # fmt: skip
        net.fit(XOR_X, XOR_Y, epochs=epochs, optimizer=fastbp.Rprop(), progress=False)
        found.append((net.evaluate(XOR_X, XOR_Y).cost, net))
    solved = [cost for cost, _ in found if cost < 0.01]
    print(f"""
Does it find the global minimum? XOR with [2, 2, 1] sigmoid neurons, C ≥ 0, from {n} random starts,
{epochs} epochs of Rprop on all four samples: C < 0.01 from {len(solved)} starts, not from {n - len(solved)}.""")
    clusters = Counter(round(cost, 2) for cost, _ in found)
    print("\n  cost    starts   smallest and largest eigenvalue of ∂²C/∂θ², and ‖∇C‖, of one start")
    for cost, count in sorted(clusters.items()):
        net = next(net for value, net in found if round(value, 2) == cost)
        eigenvalues, norm = curvature(net)
        print(f"  {cost:<8}{count:>6}   {eigenvalues[0]:>10.1e} {eigenvalues[-1]:>10.1e}  {norm:.1e}")
    print("""Where no eigenvalue is clearly negative and the gradient is almost 0, the cost has a minimum, or is
too flat for progress. Descent finds *a* minimum, and the start decides which one. More starts help,
and more neurons.""")
    wider = 0
    for seed in range(n):
        net = fastbp.Network([2, 8, 1], activation="sigmoid", cost="squared_error", initializer="nielsen_large",
                             seed=seed, dtype="float64")  # fmt: skip
        net.fit(XOR_X, XOR_Y, epochs=epochs, optimizer=fastbp.Rprop(), progress=False)
        wider += net.evaluate(XOR_X, XOR_Y).cost < 0.01
    print(f"With 8 hidden neurons instead of 2: C < 0.01 from {wider} of {n} starts.")


def curvature(net):
    """Return the eigenvalues of the matrix of second derivatives, from differences of gradients, and ‖∇C‖."""
    size, nudge, theta = net.parameters.size, 1e-4, net.parameters
    rows = np.empty((size, size))
    for i in range(size):
        value, both = theta[i], []
        for moved in (value + nudge, value - nudge):
            theta[i] = moved
            both.append(net.gradient(XOR_X, XOR_Y).vector)
        theta[i] = value
        rows[i] = (both[0] - both[1]) / (2 * nudge)
    return np.linalg.eigvalsh((rows + rows.T) / 2), np.linalg.norm(net.gradient(XOR_X, XOR_Y).vector)


def digits(folder, n, points):
    """Draw the cost around a trained net, and the path of its training."""
    plots = with_plots()
    if not plots:
        return
    data = fastbp.load_digits()
    X, y = data.X_train[:n], data.y_train[:n]
    net = fastbp.Network([64, 30, 10], activation="sigmoid", cost="cross_entropy", seed=0)
    recorder = fastbp.Recorder(lambda net: net.parameters.copy())
    net.fit(X, y, epochs=40, batch_size=10, optimizer=fastbp.SGD(0.5), callbacks=[recorder], progress=False)
    way = np.array(recorder.values)
    plane = plots.principal_directions(way)
    surface = plots.cost_surface(net, X, y, plane, descents=[way], points=points)
    plots.draw_surface(surface, [way], folder / "digits_path.png")
    around = plots.cost_surface(net, X, y, plots.random_directions(net), points=points)
    plots.draw_surface(around, path=folder / "digits_random.png")
    shares = [name[name.index("(") + 1 : -1] for name in plane.names]
    far = np.linalg.norm(way[-1] - way[0])
    print(f"""
Digits, [64, 30, 10], {net.parameters.size:,} parameters: 40 epochs of stochastic gradient descent move the parameters
by {far:.1f}. Two principal directions have {shares[0]} and {shares[1]} of the variance of the path. The final cost
is {net.evaluate(X, y).cost:.4f}; at a corner of the picture in random directions it is {around.costs[0, 0]:.1f}.""")
    print(f"The pictures are in {folder / 'digits_path.png'} and {folder / 'digits_random.png'}.")


def with_plots():
    """Return `fastbp.plots`, or None without matplotlib."""
    from fastbp import plots

    try:
        plots.check()
    except ImportError as error:
        print(f"\nNo picture: {error}")
        return None
    return plots


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path(), help="for pictures, default: current folder")
    parser.add_argument("--quick", action="store_true", help="fewer starts, coarser pictures")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    four_valleys(options.folder, 3 if options.quick else 6)
    restarts(10 if options.quick else 100, 400)
    digits(options.folder, 100 if options.quick else 500, 11 if options.quick else 41)


if __name__ == "__main__":
    main()
