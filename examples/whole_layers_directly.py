"""The derivatives of a whole layer computed directly, and why this does not work well: measured beside backpropagation.

    python examples/whole_layers_directly.py [FOLDER] [--quick]

Covers D6 (whole layers directly, and what this costs as nets grow) and C2 (backpropagation is reverse mode) of the
founding texts. Writes `whole_layers_directly.png` to FOLDER, by default the current folder.

Four ways to compute the gradient of one sample, all in NumPy, float64:

    differences     nudge every parameter and compute the cost again: two forward passes for each of P parameters
    forward mode    propagate the derivative by every parameter forward through the net: P rows
    whole Jacobians ∂z/∂W of a layer as one matrix, n rows and n·n columns, times the matrices ∂z/∂z of the later
                    layers, multiplied from the input side
    backpropagation propagate one row, δ, backward: reverse mode
"""

import argparse
import time
from pathlib import Path

import numpy as np

import fastbp

WAYS = ("differences", "forward mode", "whole Jacobians", "backpropagation")
LAYERS, ENOUGH = 3, 0.25  # seconds; a method that takes longer is not measured on a larger net


def forward(net, x):
    """Return a of layers 0…L."""
    activations = [x]
    for w, b in zip(net.weights, net.biases, strict=True):
        activations.append(1 / (1 + np.exp(-(w @ activations[-1] + b))))
    return activations


def differences(net, x, y):
    theta, gradient, nudge = net.parameters, np.empty(net.parameters.size), 1e-5
    for i in range(theta.size):
        value, costs = theta[i], []
        for moved in (value + nudge, value - nudge):
            theta[i] = moved
            costs.append(0.5 * np.sum((forward(net, x)[-1] - y) ** 2))
        theta[i] = value
        gradient[i] = (costs[0] - costs[1]) / (2 * nudge)
    return gradient


def forward_mode(net, x, y):
    activations, gradient = forward(net, x), []
    for l, w in enumerate(net.weights):
        n_out = len(w)
        by_weights = np.kron(np.eye(n_out), activations[l][:, None])  # ∂z/∂w_jk, a row for each w_jk
        rows = np.concatenate([by_weights, np.eye(n_out)])  # and ∂z/∂b_j
        for later in range(l, len(net.weights)):
            if later > l:
                rows = rows @ net.weights[later].T
            rows = rows * (activations[later + 1] * (1 - activations[later + 1]))
        gradient.append(rows @ (activations[-1] - y))
    return np.concatenate(gradient)


def whole_jacobians(net, x, y):
    activations, gradient = forward(net, x), []
    for l, w in enumerate(net.weights):
        product = np.diag(activations[l + 1] * (1 - activations[l + 1]))  # ∂a/∂z of this layer
        for later in range(l + 1, len(net.weights)):
            slope = activations[later + 1] * (1 - activations[later + 1])
            product = (slope[:, None] * net.weights[later]) @ product
        by_weights = np.kron(np.eye(len(w)), activations[l])  # (n, n·n_in), zero except for one block in each row
        delta = (activations[-1] - y) @ product
        gradient += [delta @ by_weights, delta]
    return np.concatenate(gradient)


def backpropagation(net, x, y):
    activations = forward(net, x)
    delta, gradient = (activations[-1] - y) * activations[-1] * (1 - activations[-1]), []
    for l in range(len(net.weights) - 1, -1, -1):
        gradient = [np.outer(delta, activations[l]).ravel(), delta, *gradient]
        if l > 0:
            delta = (net.weights[l].T @ delta) * activations[l] * (1 - activations[l])
    return np.concatenate(gradient)


FUNCTIONS = (differences, forward_mode, whole_jacobians, backpropagation)


def multiplications(n):
    """Return the multiplications that each method needs for LAYERS layers of n neurons, to leading order."""
    passes = LAYERS * n * n
    pushed = sum(n * (n + 1) * n * n * (LAYERS - 1 - l) for l in range(LAYERS)) + LAYERS * n**3
    jacobians = sum(n**3 * (LAYERS - 1 - l) for l in range(LAYERS)) + LAYERS * n * n * n
    return 2 * LAYERS * n * (n + 1) * passes, passes + pushed, passes + jacobians, passes + (2 * LAYERS - 1) * n * n


def seconds(function, *arguments):
    """Return the shortest time of several calls, and the result of the function."""
    times, begin = [], time.perf_counter()
    while len(times) < 3 or time.perf_counter() - begin < 0.02:
        start = time.perf_counter()
        result = function(*arguments)
        times.append(time.perf_counter() - start)
        if len(times) > 1 and time.perf_counter() - begin > ENOUGH:
            break
    return min(times), result


def measure(widths):
    """Return the seconds of each method for each width, NaN where it was not measured."""
    found = np.full((len(widths), len(FUNCTIONS)), np.nan)
    for i, n in enumerate(widths):
        net = fastbp.Network([n] * (LAYERS + 1), activation="sigmoid", cost="quadratic", seed=1, dtype="float64")
        x, y = np.random.default_rng(0).random((2, n))
        exact = net.gradient([x], [y]).vector
        for j, function in enumerate(FUNCTIONS):
            if i == 0 or found[i - 1, j] < ENOUGH:
                found[i, j], gradient = seconds(function, net, x, y)
                error = np.abs(gradient - exact).max() / np.abs(exact).max()
                assert error < (1e-6 if function is differences else 1e-12), (function, error)
    return found


def duration(value):
    return "-" if np.isnan(value) else f"{1e6 * value:,.0f} µs"


def report(widths, found):
    print(f"{LAYERS} layers of n sigmoid neurons, one sample. All methods give the gradient that fastbp gives.\n")
    print("    n  parameters" + "".join(f"{way:>18}" for way in WAYS))
    for n, row in zip(widths, found, strict=True):
        print(f"{n:>5}{LAYERS * n * (n + 1):>12,}" + "".join(f"{duration(value):>18}" for value in row))
    print("\nMultiplications, relative to those of a forward pass:\n")
    for n in widths:
        shares = [count / (LAYERS * n * n) for count in multiplications(n)]
        print(f"{n:>5}{LAYERS * n * (n + 1):>12,}" + "".join(f"{share:>18,.1f}" for share in shares))
    print("\n∂z/∂W of one layer as a matrix:\n")
    for n in widths:
        print(f"{n:>5}   {n:>4} rows × {n * n:>7,} columns, {8 * n**3:>13,} bytes, {1 - 1 / n:.1%} of them zeros;"
              f" W itself {8 * n * n:>9,}")  # fmt: skip
    print(f"""
Why: a layer of n neurons has n·n weights and n outputs, so "the derivative of the layer" is a table
of n·n·n numbers. All but n·n of them are zero, because z_j does not depend on the weights of other
neurons, but computing with the table includes the zeros. Forward mode propagates a row for each of
the {LAYERS}·n·(n + 1) parameters, backpropagation only one: the cost is one number, so one row, δ,
propagated backward, serves all parameters. Reverse mode takes about {3 - 1 / LAYERS:.1f} times the forward pass,
whatever n is. Forward mode is better for few inputs and many outputs.""")


def picture(widths, found, path):
    """Draw the seconds against the number of parameters."""
    try:
        from fastbp import plots

        figure = plots.new_figure(plots.COLUMN, 2.9, dpi=300)
    except ImportError as error:
        print(f"\nNo picture: {error}")
        return
    axes, parameters = figure.subplots(), [LAYERS * n * (n + 1) for n in widths]
    for way, times, style in zip(WAYS, found.T, plots.STYLES, strict=False):
        axes.plot(parameters, times, label=way, markersize=4, linewidth=1.4, **style)
    axes.set(xscale="log", yscale="log", xlabel="parameters", ylabel="seconds for one gradient")
    plots.plain(axes)
    figure.legend(loc="outside upper center", ncols=2, frameon=False, fontsize=7)
    figure.savefig(path)
    print(f"\nThe picture is in {path}.")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path(), help="for pictures, default: current folder")
    parser.add_argument("--quick", action="store_true", help="smaller nets")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    widths = [2**i for i in range(2, 5 if options.quick else 8)]
    found = measure(widths)
    report(widths, found)
    picture(widths, found, options.folder / "whole_layers_directly.png")


if __name__ == "__main__":
    main()
