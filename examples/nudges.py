"""Nudges: how a small change of a weight changes the cost, and how large a step to take.

    python examples/nudges.py [FOLDER]

Covers B4 (a nudge ∂w causes ∂z, ∂a, ∂C; the ratio ∂C/∂w is the derivative) and, of C1, "how much do I tweak by?".
Writes `nudges.png` and `how_much_to_tweak.png` to FOLDER, by default the current folder.
"""

import argparse
from pathlib import Path

import numpy as np

import fastbp

RATES = np.geomspace(0.01, 10, 16)


def nudge_one(folder):
    """Nudge a weight, a bias and an input, and draw the nudges of the weight."""
    net = fastbp.Network([2, 3, 2], activation="sigmoid", cost="squared_error", seed=4, dtype="float64")
    x, y = [0.5, -1.0], [1.0, 0.0]
    print("Smaller and smaller nudges of a weight in the first layer of a net [2, 3, 2]:\n")
    print(net.nudge(x, y, weight=(1, 0, 1), by=0.01))
    for what in ({"bias": (2, 1)}, {"input": 0}):
        step = net.nudge(x, y, by=0.01, steps=1, **what)
        print(f"\n{step.of} nudged by 0.01: predicted ∂C {step[0].predicted:.6g}, actual ΔC {step[0].actual:.6g}")
    draw_nudges(net.nudge(x, y, weight=(1, 0, 1), by=3, steps=13, shrink=10**0.5), folder / "nudges.png")


def draw_nudges(nudge, path):
    """Draw |∂C| and its error against the nudge: lines of slope 1 and 2."""
    figure, axes = new_axes()
    if axes is None:
        return
    from fastbp import plots

    sizes = [step.nudge for step in nudge]
    lines = {"actual |ΔC|": [abs(step.actual) for step in nudge],
             "predicted |∂C|": [abs(step.predicted) for step in nudge],
             "difference |ΔC − ∂C|": [abs(step.difference) for step in nudge]}  # fmt: skip
    for i, ((label, values), style) in enumerate(zip(lines.items(), plots.STYLES, strict=False)):
        first = i == 0  # thick, so that it shows behind the second
        axes.plot(sizes, values, label=label, markersize=7 if first else 3.5, linewidth=4 if first else 1.4, **style)
    axes.set(xscale="log", yscale="log", xlabel="nudge of the weight", ylabel="change of the cost")
    save(figure, axes, path)


def step_sizes(folder):
    """Take one step along −∇C with larger and larger η."""
    digits = fastbp.load_digits("float64")
    X, y = digits.X_train[:500], digits.y_train[:500]
    net = fastbp.Network([64, 30, 10], activation="sigmoid", cost="cross_entropy", seed=0, dtype="float64")
    g, start, before = net.gradient(X, y).vector, net.parameters.copy(), net.evaluate(X, y).cost
    predicted, actual = -RATES * (g @ g), []
    for rate in RATES:
        net.parameters = start - rate * g
        actual.append(net.evaluate(X, y).cost - before)
    net.parameters = start
    print(f"\nHow large a step? One step θ ← θ − η ∂C/∂θ of all {g.size:,} parameters; 500 digits, C = {before:.4f}:")
    print("\n       η   predicted ∂C     actual ΔC")
    for row in zip(RATES, predicted, actual, strict=True):
        print(f"{row[0]:>8.3g}{row[1]:>15.5f}{row[2]:>14.5f}")
    lowers = RATES[np.array(actual) < 0]
    best = RATES[int(np.argmin(actual))]
    print(f"""
Up to η = {lowers.max():.3g} this step lowers the cost; η = {best:.3g} lowers it most. Where the prediction is
right to a few percent, the step is safe but slow. The gradient gives the direction; only the cost
itself tells how far to go in this direction.""")
    draw_steps(predicted, actual, folder / "how_much_to_tweak.png")
    print("\nFifty steps with η ten times too small, about right, and ten times too large:\n")
    for rate in (best / 10, best, best * 10):
        net.parameters = start
        history = net.fit(X, y, epochs=50, batch_size=500, optimizer=fastbp.SGD(float(rate)), progress=False)
        after = net.evaluate(X, y)
        risen = sum(b > a for a, b in zip(history.cost, history.cost[1:], strict=False))
        print(f"  η = {rate:<7.3g} cost {after.cost:8.4f}, {after.accuracy:.0%} right; it rose in {risen} of 49 steps")


def draw_steps(predicted, actual, path):
    figure, axes = new_axes()
    if axes is None:
        return
    from fastbp import plots

    for label, values, style in zip(("predicted ∂C", "actual ΔC"), (predicted, actual), plots.STYLES, strict=False):
        axes.plot(RATES, values, label=label, markersize=4, linewidth=1.4, **style)
    axes.axhline(0, color=plots.GREY, linewidth=0.8)
    axes.set(xscale="log", xlabel="η of one step", ylabel="change of the cost")
    axes.set_ylim(1.6 * min(actual), max(-1.2 * min(actual), 0.1))
    save(figure, axes, path)


def new_axes():
    """Return a figure and its axes, or None and None without matplotlib."""
    try:
        from fastbp import plots

        figure = plots.new_figure(plots.COLUMN, 2.7, dpi=300)
    except ImportError as error:
        print(f"\nNo picture: {error}")
        return None, None
    return figure, figure.subplots()


def save(figure, axes, path):
    from fastbp import plots

    axes.legend(frameon=False)
    plots.plain(axes)
    figure.savefig(path)
    print(f"\nThe picture is in {path}.")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path(), help="for pictures, default: current folder")
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    nudge_one(folder)
    step_sizes(folder)


if __name__ == "__main__":
    main()
