"""Gradients, Jacobians and the chain rule: for one number, for vectors, for a whole network.

    python examples/jacobians.py [FOLDER]

Follows Dhalla, "The Complete Mathematics of Neural Networks and Deep Learning". Covers D1 and C2 (what each order
of the products costs). The picture goes to FOLDER, by default the current folder.
"""

import argparse
import math
from itertools import pairwise
from pathlib import Path

import numpy as np

import fastbp

SIZES = [4, 6, 5, 3]


def heading(text: str) -> None:
    print(f"\n{text}\n{'=' * len(text)}\n")


def chain_rule_of_numbers() -> None:
    heading("The chain rule for numbers (D1)")
    x = 0.6
    inner, outer = 3 * x**2, math.sin(3 * x**2)
    derivative = math.cos(inner) * 6 * x
    step = 1e-5
    differences = (math.sin(3 * (x + step) ** 2) - math.sin(3 * (x - step) ** 2)) / (2 * step)
    print(f"  f = sin u, u = 3x², at x = {x}: u = {inner:.4f}, f = {outer:.4f}")
    print(f"  df/dx = df/du · du/dx = cos u · 6x = {math.cos(inner):.4f} · {6 * x:.4f} = {derivative:.6f}")
    print(f"  by differences{differences:52.6f}")


def layer_by_layer(net: fastbp.Network, x: np.ndarray) -> list[np.ndarray]:
    heading("The Jacobian of a layer is diag(σ′) W (D1): net.jacobian(X, of=l, wrt=l − 1)")
    trace = net.trace(x, np.zeros(SIZES[-1]))
    jacobians = []
    for l in range(1, len(SIZES)):
        J = net.jacobian([x], of=l, wrt=l - 1)[0]
        by_hand = trace.layers[l].da_dz[:, None] * net.weights[l - 1]
        difference = np.abs(J - by_hand).max()
        print(f"  l = {l}: {J.shape[0]} × {J.shape[1]}, largest difference from diag(σ′) W  {difference:.1e}")
        jacobians.append(J)
    return jacobians


def all_layers(net: fastbp.Network, x: np.ndarray, jacobians: list[np.ndarray]) -> np.ndarray:
    heading("The product of these matrices is the Jacobian of the network (D1)")
    whole = net.jacobian([x])[0]
    product = jacobians[2] @ jacobians[1] @ jacobians[0]
    step, columns = 1e-5, []
    for nudge in step * np.eye(len(x)):
        columns.append((net.predict([x + nudge]) - net.predict([x - nudge]))[0] / (2 * step))
    print("  net.jacobian(X)")
    print("   ", np.array2string(whole, precision=6, suppress_small=True, prefix="    "))
    print(f"  J⁽³⁾ J⁽²⁾ J⁽¹⁾: largest difference    {np.abs(whole - product).max():.1e}")
    print(f"  against central differences          {np.abs(whole - np.stack(columns, axis=1)).max():.1e}")
    part = net.jacobian([x], of=3, wrt=1)[0]
    print(f"  only from layer 1 to 3: {part.shape[0]} × {part.shape[1]}, largest difference "
          f"from J⁽³⁾ J⁽²⁾  {np.abs(part - jacobians[2] @ jacobians[1]).max():.1e}")  # fmt: skip
    return whole


def gradient_of_the_cost(net: fastbp.Network, x: np.ndarray, whole: np.ndarray) -> None:
    heading("A gradient is the Jacobian of one number (D1)")
    y = np.array([1.0, 0.0, 0.0])
    trace = net.trace(x, y)
    row = trace.layers[-1].dC_da
    print(f"  ∂C/∂a                 1 × 3   {row.round(6)}")
    print(f"  ∂C/∂a J               1 × 4   {(row @ whole).round(6)}")
    print(f"  net.vjp(X, ∂C/∂a)             {net.vjp([x], [row])[0].round(6)}")
    print(f"  net.input_gradient            {net.input_gradient([x], [y])[0].round(6)}")


def which_order() -> None:
    heading("The order of the products decides their cost (C2)")
    sizes = [784, 100, 100, 10]
    pairs = list(pairwise(sizes))
    from_cost = sum(n_in * n_out for n_in, n_out in pairs)
    from_input = sum(sizes[0] * n_in * n_out for n_in, n_out in pairs[1:])
    print("  ∂C/∂x = ∂C/∂a · J⁽³⁾ · J⁽²⁾ · J⁽¹⁾ of [784, 100, 100, 10], multiplications")
    print(f"    from the cost, a row times a matrix each time: backpropagation      {from_cost:12,}")
    print(f"    from the input, a matrix times a matrix: forward mode               {from_input:12,}")
    print("  Reverse mode needs a pass for each output, and a cost has one. Forward mode needs one per input.")


def picture(jacobians: list[np.ndarray], whole: np.ndarray, folder: Path) -> None:
    try:
        from fastbp.plots import new_figure, signed_colours

        figure = new_figure(7.2, 2.4)
        from matplotlib.patches import Rectangle
    except ImportError as error:
        print(f"\nno pictures: {error}")
        return
    names = ["∂a⁽³⁾/∂x", "= ∂a⁽³⁾/∂a⁽²⁾", "· ∂a⁽²⁾/∂a⁽¹⁾", "· ∂a⁽¹⁾/∂x"]
    for axes, name, J in zip(figure.subplots(1, 4), names, [whole, *reversed(jacobians)], strict=True):
        largest = np.abs(J).max()
        axes.imshow(J, cmap=signed_colours(), vmin=-largest, vmax=largest)
        rows, columns = J.shape
        axes.set_title(f"{name}\n{rows} × {columns}, to ±{largest:.2g}", fontsize=9)
        axes.set_xlim((columns - 1) / 2 - 3.1, (columns - 1) / 2 + 3.1)  # cells of the same size in all panels
        axes.set_ylim((rows - 1) / 2 + 3.1, (rows - 1) / 2 - 3.1)
        axes.add_patch(Rectangle((-0.5, -0.5), columns, rows, fill=False, linewidth=0.8))
        axes.set_axis_off()
    figure.savefig(folder / "jacobians.png")
    print("\nwrote jacobians.png")


def main() -> None:
    parser = argparse.ArgumentParser(description="Jacobians and the chain rule.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path("."), help="for pictures, default: current folder")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    net = fastbp.Network(SIZES, activation="tanh", output_activation="sigmoid", cost="squared_error", dtype="float64",
                         seed=2)  # fmt: skip
    x = np.array([0.5, -1.0, 0.25, 2.0])
    chain_rule_of_numbers()
    jacobians = layer_by_layer(net, x)
    whole = all_layers(net, x, jacobians)
    gradient_of_the_cost(net, x, whole)
    which_order()
    picture(jacobians, whole, arguments.folder)


if __name__ == "__main__":
    main()
