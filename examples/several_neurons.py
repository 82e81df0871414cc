"""Several neurons in each layer: the same with more indices, and derivatives that are sums over paths.

    python examples/several_neurons.py [FOLDER] [--quick]

Covers B1, B7, B8, B10, B12, B13, B15, D3 and D5. The pictures go to FOLDER, by default the current folder.
"""

import argparse
import itertools
import math
from pathlib import Path

import numpy as np

import fastbp

x, y = np.array([0.9, -0.4]), np.array([1.0, 0.0])


def heading(text: str) -> None:
    print(f"\n{text}\n{'=' * len(text)}\n")


def small_network() -> fastbp.Network:
    return fastbp.Network([2, 3, 3, 2], activation="sigmoid", cost="squared_error", dtype="float64", seed=3)


def more_indices(net: fastbp.Network, trace: fastbp.Trace) -> None:
    heading("The same with more indices (B12, D3)")
    print("  z_j = Σ_k w_jk a_k + b_j, for layer 1, as loops over j and k:")
    for j in range(3):
        z = net.biases[0][j]
        for k in range(2):
            z += net.weights[0][j, k] * x[k]
        print(f"    j = {j}: z = {z:8.5f}    trace.layers[1].z[{j}] = {trace.layers[1].z[j]:8.5f}")
    terms = [(a - t) ** 2 for a, t in zip(trace.layers[3].a, y, strict=True)]
    print(f"\n  C = Σ_j (a_j − y_j)² = {' + '.join(f'{term:.5f}' for term in terms)} = {sum(terms):.5f}, ", end="")
    print(f"trace.cost = {trace.cost:.5f}\n")
    print(trace.factors(3, 1, 2))


def every_path(trace: fastbp.Trace) -> None:
    heading("∂C/∂a: a neuron influences the cost through every neuron of the next layer (B13)")
    print(trace.terms(2, 0))
    print("\n  Two layers before the output, there is a path through each pair of neurons of layers 2 and 3:")
    total = 0.0
    for through in itertools.product(range(3), range(2)):
        path = trace.path([0, *through], of="activation")
        total += path.product
        factors = " · ".join(f"{factor.value:.3g}" for factor in path)
        print(f"    a⁽¹⁾[0] → {' → '.join(map(str, through))}    {factors} = {path.product:9.6f}")
    print(f"    the sum over all paths  {total:9.6f}, trace.layers[1].dC_da[0] {trace.layers[1].dC_da[0]:9.6f}")
    n_paths = math.prod([784, 100, 100, 10])
    print(f"  In [784, 100, 100, 10] there are {n_paths:,} paths from input to output; backpropagation takes")
    print(f"  {784 * 100 + 100 * 100 + 100 * 10:,} products for all of them, because it sums at every neuron.")


def down_to_the_input(net: fastbp.Network, trace: fastbp.Trace) -> None:
    heading("Back to the input (B10)")
    print("  ∂C/∂x of the trace   ", trace.layers[0].dC_da.round(6))
    print("  net.input_gradient   ", net.input_gradient([x], [y])[0].round(6))


def which_weights_matter(trace: fastbp.Trace) -> None:
    heading("Which weights matter most, and why (B7)")
    print(trace.most_sensitive(6))


def blobs(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return points of two classes that no straight line separates."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, n)
    angle = rng.uniform(0, math.pi, n) + math.pi * labels
    centre = np.stack([labels - 0.5, 0.25 - 0.5 * labels], axis=1)
    points = centre + np.stack([np.cos(angle), np.sin(angle)], axis=1) + rng.normal(0, 0.15, (n, 2))
    return points, labels


def means(net: fastbp.Network) -> None:
    heading("The gradient is the mean over the samples (B1, B8)")
    X, labels = blobs(50)
    Y = np.eye(2)[labels]
    each, gradient = net.per_sample_gradients(X, Y), net.gradient(X, Y)
    print(f"  per_sample_gradients: {each.shape}; the mean of its first column is {each[:, 0].mean():.6f},")
    print(f"  gradient.vector[0] {gradient.vector[0]:.6f}, gradient.weights[0][0, 0] {gradient.weights[0][0, 0]:.6f}")
    print(f"  largest difference of all columns {np.abs(each.mean(axis=0) - gradient.vector).max():.1e}")
    norms = net.per_sample_gradient_norms(X, Y)
    print(f"  the samples pull in different directions: norms {norms.min():.3f} to {norms.max():.3f},", end=" ")
    print(f"norm of their mean {np.linalg.norm(gradient.vector):.3f}")


def three_ways_down(epochs: int) -> dict[str, list[float]]:
    heading("All samples, a mini-batch, or one sample for each step (D5)")
    X, labels = blobs(400)
    costs = {}
    print(f"  400 points, {epochs} epochs, η = 0.5                cost    accuracy       steps")
    for name, batch_size in [("all 400", 400), ("mini-batches of 20", 20), ("one", 1)]:
        net = fastbp.Network([2, 8, 2], activation="tanh", cost="cross_entropy", dtype="float64", seed=0)
        history = net.fit(X, labels, epochs=epochs, batch_size=batch_size, optimizer=fastbp.SGD(0.5), progress=False)
        result = net.evaluate(X, labels)
        steps = epochs * -(-400 // batch_size)
        print(f"    {name:<35} {result.cost:10.5f}  {100 * result.accuracy:8.2f} %  {steps:10,}")
        costs[name] = history.cost
    print("  A step on few samples follows the gradient less exactly, but the same work gives many more steps.")
    return costs


def pictures(net: fastbp.Network, costs: dict[str, list[float]], folder: Path) -> None:
    from fastbp import plots

    try:
        figure = plots.new_figure(4.6, 3.2)
    except ImportError as error:
        print(f"\nno pictures: {error}")
        return
    axes = figure.subplots()
    for style, (name, cost) in zip(plots.STYLES, costs.items(), strict=False):
        axes.semilogy(range(1, len(cost) + 1), cost, label=name, color=style["color"], linewidth=1.6)
    axes.set_xlabel("epoch")
    axes.set_ylabel("cost")
    axes.legend(frameon=False, title="samples per step", title_fontsize=9)
    plots.plain(axes)
    figure.savefig(folder / "three_ways_down.png")
    plots.network(net, x, y, folder / "several_neurons.png", edges="gradient")
    print("\nwrote several_neurons.png and three_ways_down.png")


def main() -> None:
    parser = argparse.ArgumentParser(description="Several neurons in each layer, in numbers.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path("."), help="for pictures, default: current folder")
    parser.add_argument("--quick", action="store_true", help="fewer epochs")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    net = small_network()
    trace = net.trace(x, y)
    more_indices(net, trace)
    every_path(trace)
    down_to_the_input(net, trace)
    which_weights_matter(trace)
    means(net)
    costs = three_ways_down(20 if arguments.quick else 200)
    pictures(net, costs, arguments.folder)


if __name__ == "__main__":
    main()
