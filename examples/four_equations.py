"""The four equations of backpropagation, as loops and vectorized: the same results, and their times.

    python examples/four_equations.py [FOLDER] [--quick]

Follows Nielsen, "Neural Networks and Deep Learning", chapter 2, and Dhalla's equation 4 as an outer product. Covers D7,
D8 and C3. The picture goes to FOLDER, by default the current folder. The printed functions are the ones that run.
"""

import argparse
import inspect
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import fastbp

Layers = list[np.ndarray]
Equations = tuple[Callable, ...]
SAMPLES = 100

# As loops, with the indices of the book: j in layer l, k in layer l − 1.


def output_error(dC_da, sigma_prime):  # BP1
    delta = np.empty(len(dC_da))
    for j in range(len(delta)):
        delta[j] = dC_da[j] * sigma_prime[j]
    return delta


def propagate_error(w, delta, sigma_prime_before):  # BP2
    delta_before = np.empty(w.shape[1])
    for k in range(len(delta_before)):
        error = 0.0
        for j in range(len(delta)):
            error += w[j, k] * delta[j]
        delta_before[k] = error * sigma_prime_before[k]
    return delta_before


def bias_gradient(delta):  # BP3
    db = np.empty(len(delta))
    for j in range(len(db)):
        db[j] = delta[j]
    return db


def weight_gradient(delta, a_before):  # BP4
    dw = np.empty((len(delta), len(a_before)))
    for j in range(len(delta)):
        for k in range(len(a_before)):
            dw[j, k] = a_before[k] * delta[j]
    return dw


# Vectorized, with the transpose, the Hadamard product and the outer product.


def output_error_vectorized(dC_da, sigma_prime):
    return dC_da * sigma_prime


def propagate_error_vectorized(w, delta, sigma_prime_before):
    return (w.T @ delta) * sigma_prime_before


def bias_gradient_vectorized(delta):
    return delta


def weight_gradient_vectorized(delta, a_before):
    return np.outer(delta, a_before)


LOOPS = (output_error, propagate_error, bias_gradient, weight_gradient)
VECTORIZED = (output_error_vectorized, propagate_error_vectorized, bias_gradient_vectorized, weight_gradient_vectorized)


def heading(text: str) -> None:
    print(f"\n{text}\n{'=' * len(text)}\n")


def backpropagate(equations: Equations, trace: fastbp.Trace) -> tuple[Layers, Layers]:
    """Return ∂C/∂w and ∂C/∂b of layers 1…L from a forward pass, by four equations."""
    bp1, bp2, bp3, bp4 = equations
    layers, weights, biases = trace.layers, [], []
    delta = bp1(layers[-1].dC_da, layers[-1].da_dz)
    for l in range(len(layers) - 1, 0, -1):
        biases.insert(0, bp3(delta))
        weights.insert(0, bp4(delta, layers[l - 1].a))
        if l > 1:
            delta = bp2(layers[l].w, delta, layers[l - 1].da_dz)
    return weights, biases


def show(name: str, equation: str, loops: Callable, vectorized: Callable) -> None:
    print(f"{name}    {equation}\n")
    for function in (loops, vectorized):
        print(textwrap.indent(inspect.getsource(function).rstrip(), "    "))
        print()


def equations() -> None:
    heading("Four equations, twice (D7)")
    show("BP1", "δ⁽ᴸ⁾ = ∇_a C ⊙ σ′(z⁽ᴸ⁾)", LOOPS[0], VECTORIZED[0])
    show("BP2", "δ⁽ˡ⁻¹⁾ = (w⁽ˡ⁾ᵀ δ⁽ˡ⁾) ⊙ σ′(z⁽ˡ⁻¹⁾)", LOOPS[1], VECTORIZED[1])
    show("BP3", "∂C/∂b⁽ˡ⁾ = δ⁽ˡ⁾", LOOPS[2], VECTORIZED[2])
    show("BP4", "∂C/∂w⁽ˡ⁾ = δ⁽ˡ⁾ a⁽ˡ⁻¹⁾ᵀ, an outer product", LOOPS[3], VECTORIZED[3])


def equal(trace: fastbp.Trace, net: fastbp.Network) -> None:
    heading("Both give the same results (D7, C3)")
    gradient = net.gradient([trace.x], [trace.y])
    for name, functions in (("loops", LOOPS), ("vectorized", VECTORIZED)):
        weights, biases = backpropagate(functions, trace)
        for l, (dw, db) in enumerate(zip(weights, biases, strict=True), 1):
            by_w = np.abs(dw - gradient.weights[l - 1]).max() / np.abs(dw).max()
            by_b = np.abs(db - gradient.biases[l - 1]).max() / np.abs(db).max()
            assert max(by_w, by_b) < 1e-12
            print(f"  layer {l}, {name:<11} against net.gradient: ∂C/∂w {by_w:.1e}, ∂C/∂b {by_b:.1e} (relative)")


def the_algorithm(net: fastbp.Network, trace: fastbp.Trace) -> None:
    heading("The algorithm (D8), after the forward pass")
    print(textwrap.indent(inspect.getsource(backpropagate).rstrip(), "    "))
    net.formulation = "textbook"
    by_textbook = net.gradient([trace.x], [trace.y])
    weights, biases = backpropagate(VECTORIZED, trace)
    in_order = [part.ravel() for w, b in zip(weights, biases, strict=True) for part in (w, b)]
    difference = np.abs(by_textbook.vector - np.concatenate(in_order)).max()
    print("\n  The book's algorithm with the forward pass is backprop in fastbp/formulations/textbook.py.")
    print(f"  Largest difference from it: {difference:.1e}")


def seconds(call: Callable[[], object], at_least: float) -> float:
    """Return the time of a call, the shortest of several."""
    call()
    best, start = float("inf"), time.perf_counter()
    while time.perf_counter() - start < at_least:
        begin = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - begin)
    return best


def timed(trace: fastbp.Trace, net: fastbp.Network, at_least: float) -> dict[str, float]:
    heading("But in different times (C3)")
    X, Y = np.tile(trace.x, (SAMPLES, 1)), np.tile(trace.y, (SAMPLES, 1))
    times = {
        "the four equations, Python loops": seconds(lambda: backpropagate(LOOPS, trace), at_least),
        "the four equations, vectorized": seconds(lambda: backpropagate(VECTORIZED, trace), at_least),
    }
    for formulation in ("textbook", "vectorized", "loops", "tiles"):
        net.formulation = formulation
        taken = seconds(lambda: net.gradient(X, Y), at_least)
        times[f"net.gradient with forward pass: {formulation}"] = taken / SAMPLES
    print(f"  one sample of [{', '.join(map(str, net.sizes))}], float64, the shortest time of several")
    print(f"  (net.gradient: time of {SAMPLES} samples / {SAMPLES}, on up to {fastbp.get_num_threads()} threads)")
    for name, taken in times.items():
        print(f"    {name:<44} {1e6 * taken:10.1f} µs")
    print("  `loops` and `tiles` are compiled loops. The command fastbp compare measures all of them fairly.")
    return times


def picture(times: dict[str, float], folder: Path) -> None:
    try:
        from fastbp.plots import STYLES, new_figure, plain

        figure = new_figure(7.2, 2.6)
    except ImportError as error:
        print(f"\nno pictures: {error}")
        return
    axes = figure.subplots()
    names = list(times)[::-1]
    colours = [STYLES[0 if name.startswith("the") else 1]["color"] for name in names]
    axes.barh(names, [1e6 * times[name] for name in names], color=colours)
    axes.set_xscale("log")
    axes.set_xlabel("µs per sample")
    plain(axes)
    axes.tick_params(axis="y", length=0)
    figure.savefig(folder / "four_equations.png")
    print("\nwrote four_equations.png")


def main() -> None:
    parser = argparse.ArgumentParser(description="The four equations, as loops and vectorized.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path("."), help="for pictures, default: current folder")
    parser.add_argument("--quick", action="store_true", help="a smaller network, fewer rounds")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    sizes, at_least = ([30, 10, 5], 0.02) if arguments.quick else ([784, 30, 10], 0.5)
    net = fastbp.Network(sizes, activation="sigmoid", cost="quadratic", dtype="float64", seed=0)
    rng = np.random.default_rng(0)
    trace = net.trace(rng.uniform(0, 1, sizes[0]), np.eye(sizes[-1])[3])
    equations()
    equal(trace, net)
    the_algorithm(net, trace)
    times = timed(trace, net, at_least)
    picture(times, arguments.folder)


if __name__ == "__main__":
    main()
