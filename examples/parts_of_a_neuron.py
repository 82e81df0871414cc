"""The parts of a neuron σ(Σ w ⊙ x + b), each with its derivative.

    python examples/parts_of_a_neuron.py [FOLDER]

Follows Dhalla, "The Complete Mathematics of Neural Networks and Deep Learning". Covers D2 (element-wise functions of
two vectors, the Hadamard product, scalar expansion, the sum), D3 (one neuron, and a layer with indices) and D4 (a
simple network with a cost). Each derivative is checked, most against central differences. The picture goes to FOLDER,
by default the current folder.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np

import fastbp

Function = Callable[[np.ndarray], np.ndarray]
w, x, b = np.array([0.7, -1.2, 0.4]), np.array([1.5, 0.5, 2.0]), 0.3
STEP = 1e-5


def heading(text: str) -> None:
    print(f"\n{text}\n{'=' * len(text)}\n")


def differences(function: Function, v: np.ndarray) -> np.ndarray:
    """Return the Jacobian of a function of a vector by central differences."""
    columns = []
    for nudge in STEP * np.eye(len(v)):
        columns.append((np.atleast_1d(function(v + nudge)) - np.atleast_1d(function(v - nudge))) / (2 * STEP))
    return np.stack(columns, axis=1)


def check(name: str, function: Function, v: np.ndarray, jacobian: np.ndarray, formula: str) -> None:
    difference = np.abs(differences(function, v) - jacobian).max()
    assert difference < 1e-7, name
    print(f"  {name:<22} {formula:<34} {'×'.join(map(str, jacobian.shape)):>4}   {difference:7.1e}")


def binary_functions() -> None:
    heading("Element-wise functions of two vectors (D2): their Jacobians are diagonal")
    print("  f(w, x)                ∂f/∂w                             shape   error by differences")
    check("w + x", lambda w: w + x, w, np.eye(3), "diag(1)")
    check("w − x", lambda w: w - x, w, np.eye(3), "diag(1)")
    check("x − w", lambda w: x - w, w, -np.eye(3), "diag(−1)")
    check("w ⊙ x (Hadamard)", lambda w: w * x, w, np.diag(x), "diag(x)")
    check("w / x", lambda w: w / x, w, np.diag(1 / x), "diag(1/x)")
    check("x / w", lambda w: x / w, w, np.diag(-x / w**2), "diag(−x/w²)")
    check("max(w, x)", lambda w: np.maximum(w, x), w, np.diag((w > x).astype(float)), "diag(1 if w > x, else 0)")


def expansion_and_sum() -> None:
    heading("Scalar expansion and the sum (D2): a column and a row")
    print("  f                      its derivative                    shape   error by differences")
    c = np.array([b])
    check("x + c", lambda c: x + c, c, np.ones((3, 1)), "by c: a column of 1")
    check("x c", lambda c: x * c, c, x[:, None], "by c: the column x")
    check("x c", lambda x: x * b, x, b * np.eye(3), "by x: diag(c)")
    check("Σ x", np.sum, x, np.ones((1, 3)), "a row of 1")
    check("Σ c x", lambda c: np.sum(c * x), c, np.array([[x.sum()]]), "by c: Σ x")


def sigmoid(z: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-z)))


def neuron() -> fastbp.Network:
    net = fastbp.Network([3, 1], output_activation="sigmoid", cost="squared_error", dtype="float64")
    net.parameters = [*w, b]
    return net


def one_neuron() -> list[tuple[str, np.ndarray]]:
    heading("A neuron: the product of its parts (D3)")
    a = sigmoid(w @ x + b)
    parts = [
        ("∂(w ⊙ x)/∂w", np.diag(x)),
        ("∂Σ/∂(w ⊙ x)", np.ones((1, 3))),
        ("∂a/∂z = σ′(z)", np.array([[a * (1 - a)]])),
    ]
    print("  a = σ(Σ w ⊙ x + b), from the inner function to the outer one:")
    for name, part in parts:
        numbers = np.array2string(part, precision=4, prefix=" " * 27)
        print(f"    {name:<16} {'×'.join(map(str, part.shape))}   {numbers}")
    by_w = parts[2][1] @ parts[1][1] @ parts[0][1]
    by_x = parts[2][1] @ parts[1][1] @ np.diag(w)
    net = neuron()
    print(f"\n  the product, ∂a/∂w = σ′(z) xᵀ     {by_w[0].round(6)}")
    target = net.predict([x]) - 0.5  # so that ∂C/∂a = 2 (a − y) = 1
    print(f"  net.gradient with ∂C/∂a = 1       {net.gradient([x], target).weights[0][0].round(6)}")
    print(f"  with w for x, ∂a/∂x = σ′(z) wᵀ    {by_x[0].round(6)}")
    print(f"  net.jacobian                      {net.jacobian([x])[0, 0].round(6)}")
    assert np.allclose(net.jacobian([x])[0], by_x, rtol=1e-12)
    assert np.allclose(net.gradient([x], target).weights[0], by_w, rtol=1e-12)
    return [*parts, ("∂a/∂w", by_w)]


def a_layer() -> None:
    heading("A layer: weights[l − 1][j, k] leads from neuron k to neuron j of layer l (D3)")
    net = fastbp.Network([3, 2], activation="sigmoid", output_activation="sigmoid", dtype="float64", seed=1)
    before = net.trace(x, [0, 0]).layers[1].z
    print("  change by 0.1   z₀ changes by   z₁ changes by")
    for j in range(2):
        for k in range(3):
            net.weights[0][j, k] += 0.1
            change = net.trace(x, [0, 0]).layers[1].z - before
            net.weights[0][j, k] -= 0.1
            print(f"    w[{j}, {k}]         {change[0]:8.3f}        {change[1]:8.3f}      0.1 a_{k} = {0.1 * x[k]:.3f}")


def simple_network() -> None:
    heading("The derivatives of the cost of a simple network by its weights and its bias (D4)")
    X = np.array([x, [0.0, 1.0, -1.0], [-0.5, 2.0, 0.3]])
    Y = np.array([[1.0], [0.0], [0.5]])
    net = neuron()
    a = sigmoid(X @ w + b)
    error = 2 * (a - Y[:, 0]) * a * (1 - a)
    print("  ∂C/∂w_k = (1/n) Σ_s 2 (a_s − y_s) σ′(z_s) x_sk, over 3 samples:")
    print(f"    by hand        {(error[:, None] * X).mean(axis=0).round(8)}")
    print(f"    net.gradient   {net.gradient(X, Y).weights[0][0].round(8)}")
    print(f"  ∂C/∂b = (1/n) Σ_s 2 (a_s − y_s) σ′(z_s):\n    by hand        {error.mean():.8f}")
    print(f"    net.gradient   {net.gradient(X, Y).biases[0][0]:.8f}")


def picture(parts: list[tuple[str, np.ndarray]], folder: Path) -> None:
    try:
        from fastbp.plots import new_figure, signed_colours

        figure = new_figure(7.2, 2.2)
        from matplotlib.patches import Rectangle
    except ImportError as error:
        print(f"\nno pictures: {error}")
        return
    for axes, (name, part) in zip(figure.subplots(1, len(parts)), reversed(parts), strict=True):
        axes.imshow(part, cmap=signed_colours(), vmin=-2, vmax=2)
        for i, j in np.ndindex(part.shape):
            axes.text(j, i, f"{part[i, j]:.2g}", ha="center", va="center", fontsize=9)
        axes.set_title(name if name != "∂a/∂w" else "∂a/∂w is the product of", fontsize=9)
        rows, columns = part.shape  # cells of the same size in all panels
        axes.set_xlim((columns - 1) / 2 - 1.6, (columns - 1) / 2 + 1.6)
        axes.set_ylim((rows - 1) / 2 + 1.6, (rows - 1) / 2 - 1.6)
        axes.add_patch(Rectangle((-0.5, -0.5), columns, rows, fill=False, linewidth=0.8))
        axes.set_axis_off()
    figure.savefig(folder / "parts_of_a_neuron.png")
    print("\nwrote parts_of_a_neuron.png")


def main() -> None:
    parser = argparse.ArgumentParser(description="The parts of a neuron and their derivatives.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path("."), help="for pictures, default: current folder")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    binary_functions()
    expansion_and_sum()
    parts = one_neuron()
    a_layer()
    simple_network()
    picture(parts, arguments.folder)


if __name__ == "__main__":
    main()
