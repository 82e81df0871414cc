"""The chain of single neurons: 3 weights, 3 biases, one neuron in each layer, and all its derivatives in numbers.

    python examples/chain_of_single_neurons.py [FOLDER] [--quick]

Follows 3Blue1Brown's lesson "Backpropagation calculus". Covers B1 to B11, B14, B15, D4 and the readers' questions of
C1: how large is a step, what about layer L−1, why not cross-entropy. The pictures go to FOLDER, by default the current
folder.
"""

import argparse
from pathlib import Path

import numpy as np

import fastbp

X, Y = 0.8, 1.0
NAMES = ["w⁽¹⁾", "b⁽¹⁾", "w⁽²⁾", "b⁽²⁾", "w⁽³⁾", "b⁽³⁾"]


def chain(cost: str = "squared_error") -> fastbp.Network:
    """Return the lesson's network, with simple numbers as weights and biases."""
    net = fastbp.Network([1, 1, 1, 1], activation="sigmoid", output_activation="sigmoid", cost=cost, dtype="float64")
    net.parameters = [1.0, 0.5, -2.0, 0.25, 1.5, -0.5]
    return net


def heading(text: str) -> None:
    print(f"\n{text}\n{'=' * len(text)}\n")


def the_gradient(net: fastbp.Network) -> None:
    heading("The gradient: one vector, layer after layer (B1, B2)")
    gradient = net.gradient([[X]], [[Y]])
    for name, value, derivative in zip(NAMES, net.parameters, gradient.vector, strict=True):
        print(f"  {name} = {value:5.2f}    ∂C/∂{name} = {derivative:9.6f}")
    print("\n  gradient.weights[2] and gradient.biases[2] are views of the part of layer 3:")
    print(" ", gradient.weights[2].round(6), gradient.biases[2].round(6))


def one_sample(net: fastbp.Network) -> fastbp.Trace:
    heading("One sample, forward and back (B3, B10): net.trace(x, y)")
    trace = net.trace([X], [Y])
    print(trace)
    print("\n  ∂C/∂a of layers 2, 1, 0: not parameters, but needed for the derivatives of earlier layers.")
    return trace


def three_factors(trace: fastbp.Trace) -> None:
    heading("A derivative has three factors (B5, B6), that of a bias too (B9)")
    print(trace.factors(3, 0, 0))
    print()
    print(trace.factors(3, 0))


def further_back(trace: fastbp.Trace) -> None:
    heading("What about layer L−1? The same, with more factors (B10, B11, C1)")
    print(trace.path([0, 0, 0]))
    print()
    print(trace.path([0, 0, 0, 0]))
    print("\n  Nothing is computed twice: δ of a layer contains all factors of the later layers.")
    print("  δ =", ", ".join(f"{layer.delta[0]:.5f} (l = {layer.l})" for layer in trace.layers[1:]))


def a_nudge(net: fastbp.Network) -> None:
    heading("The meaning of a derivative: a nudge of 0.01 (B4)")
    print(net.nudge([X], [Y], weight=(1, 0, 0), by=0.01))


def fire_together(net: fastbp.Network) -> None:
    heading("Fire together, wire together (B7): ∂C/∂w = a · δ")
    single = fastbp.Network([1, 1], activation="sigmoid", output_activation="sigmoid", cost="squared_error",
                            dtype="float64", initializer="zeros")  # fmt: skip
    print("  the neuron before is more and more active; the difference a − y stays −0.5:")
    for a_before in (0.0, 0.25, 0.5, 1.0):
        print(f"    a = {a_before:4.2f}    ∂C/∂w = {single.gradient([[a_before]], [[1.0]]).weights[0][0, 0]:8.4f}")
    print("  the target is further and further away; the neuron before has a = 1:")
    for y in (0.5, 0.6, 0.75, 1.0):
        print(f"    y = {y:4.2f}    ∂C/∂w = {single.gradient([[1.0]], [[y]]).weights[0][0, 0]:8.4f}")


def a_mean(net: fastbp.Network) -> None:
    heading("Over many samples: the mean (B8, D4)")
    inputs, targets = np.array([[0.8], [-0.3], [1.5]]), np.array([[1.0], [0.0], [0.6]])
    each = net.per_sample_gradients(inputs, targets)
    for s, gradient in enumerate(each):
        print(f"  sample {s}", *(f"{value:9.5f}" for value in gradient))
    print("  mean    ", *(f"{value:9.5f}" for value in each.mean(axis=0)))
    gradient = net.gradient(inputs, targets).vector
    print("  gradient", *(f"{value:9.5f}" for value in gradient))
    assert np.allclose(gradient, each.mean(axis=0), rtol=1e-12)


def way_down(learning_rate: float, steps: int, cost: str = "squared_error") -> list[float]:
    """Return the cost before each step of gradient descent."""
    optimizer = fastbp.SGD(learning_rate)
    history = chain(cost).fit([[X]], [[Y]], epochs=steps, batch_size=1, optimizer=optimizer, progress=False)
    return history.cost


def how_much(steps: int) -> dict[float, list[float]]:
    heading("How large is a step? −η ∂C/∂w, and you choose the learning rate η (B14, C1)")
    ways = {learning_rate: way_down(learning_rate, steps) for learning_rate in (0.1, 1.0, 10.0)}
    shown = sorted({0, 1, 3, 10, 30, steps - 1} & set(range(steps)))
    print("  cost after", *(f"{step:>9}" for step in shown), "steps")
    for learning_rate, cost in ways.items():
        print(f"  η = {learning_rate:<6g}", *(f"{cost[step]:9.6f}" for step in shown))
    print("  The step of each weight is proportional to its derivative: weights that matter more change more.")
    return ways


def why_not_cross_entropy(steps: int) -> None:
    heading("Why not cross-entropy? With it, σ′ does not slow learning down (C1)")
    print("  A neuron with target y = 0 and a wrong output: δ = ∂C/∂z for both costs")
    print("       z        a   σ′(z)   squared_error   cross_entropy")
    for z in (0.0, 2.0, 4.0, 8.0):
        deltas = []
        for cost in ("squared_error", "cross_entropy"):
            net = fastbp.Network([1, 1], output_activation="sigmoid", cost=cost, dtype="float64", initializer="zeros")
            net.biases[0][0] = z
            trace = net.trace([0.0], [0.0])
            deltas.append(trace.layers[1].delta[0])
        a, prime = trace.layers[1].a[0], trace.layers[1].da_dz[0]
        print(f"  {z:6.1f} {a:8.4f} {prime:7.4f} {deltas[0]:15.5f} {deltas[1]:15.5f}")
    print("  With squared_error δ shrinks as a gets worse. With cross_entropy σ′ cancels: δ = a − y.")
    for cost in ("squared_error", "cross_entropy"):
        print(f"  the chain with {cost}: distance from the target after {steps} steps with η = 1:", end=" ")
        net = chain(cost)
        net.fit([[X]], [[Y]], epochs=steps, batch_size=1, optimizer=fastbp.SGD(1.0), progress=False)
        print(f"{Y - net.predict([[X]])[0, 0]:.4f}")


def picture(net: fastbp.Network, ways: dict[float, list[float]], folder: Path) -> None:
    try:
        from fastbp.plots import STYLES, computation_tree, new_figure, plain

        figure = new_figure(7.2, 3.1)
    except ImportError as error:
        print(f"\nno pictures: {error}")
        return
    left, right = figure.subplots(1, 2)
    nudge = net.nudge([X], [Y], weight=(1, 0, 0), by=1.0, steps=5)
    sizes = [step.nudge for step in nudge]
    left.loglog(sizes, [abs(step.actual) for step in nudge], label="|ΔC|", **STYLES[0])
    left.loglog(sizes, [abs(step.difference) for step in nudge], label="|ΔC − ∂C|", **STYLES[1])
    left.set_xlabel("nudge of w⁽¹⁾")
    left.set_title("the error grows with the square of the nudge", fontsize=9)
    left.legend(frameon=False)
    for style, (learning_rate, cost) in zip(STYLES, ways.items(), strict=False):
        right.semilogy(cost, label=f"η = {learning_rate:g}", color=style["color"], linewidth=1.6)
    right.set_xlabel("step")
    right.set_ylabel("cost")
    right.set_title("gradient descent", fontsize=9)
    right.legend(frameon=False)
    for axes in (left, right):
        plain(axes)
    path = folder / "chain_of_single_neurons.png"
    figure.savefig(path)
    computation_tree(net, [X], [Y], folder / "chain_as_a_tree.png")
    print(f"\nwrote {path.name} and chain_as_a_tree.png")


def main() -> None:
    parser = argparse.ArgumentParser(description="The chain of single neurons, in numbers.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path("."), help="for pictures, default: current folder")
    parser.add_argument("--quick", action="store_true", help="fewer steps of gradient descent")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    steps = 50 if arguments.quick else 300
    net = chain()
    the_gradient(net)
    trace = one_sample(net)
    three_factors(trace)
    further_back(trace)
    a_nudge(net)
    fire_together(net)
    a_mean(net)
    ways = how_much(steps)
    why_not_cross_entropy(steps)
    picture(net, ways, arguments.folder)


if __name__ == "__main__":
    main()
