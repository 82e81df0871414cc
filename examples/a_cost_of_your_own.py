"""A cost of your own that couples several outputs: a net that says how likely every answer is.

    python examples/a_cost_of_your_own.py [FOLDER] [--quick]

Several values of y can belong to one x. A net with the cost ½(a − y)² then answers with their mean, which may be far
from all of them. A mixture density network (Bishop 1994) has the means, widths and shares of several normal
distributions as outputs; its cost −log p(y) couples all of them. fastbp's costs are sums over outputs, so this one is
computed by NumPy, and `parameter_vjp` takes its derivatives to the weights. Writes `a_cost_of_your_own.png` to FOLDER,
by default the current folder.
"""

import argparse
import time
from pathlib import Path

import numpy as np

import fastbp

PARTS = 3  # normal distributions


def data(n, rng):
    """Return x and y of Bishop's example: x = y + 0.3 sin(2πy) + noise, to be read from x to y."""
    y = rng.uniform(0, 1, n)
    x = y + 0.3 * np.sin(2 * np.pi * y) + rng.uniform(-0.1, 0.1, n)
    return x[:, None], y[:, None]


def mixture(A):
    """Return the shares (softmax), means and widths (exp) of the distributions from the outputs, (n, PARTS) each."""
    logits, means, log_widths = np.split(A, 3, axis=1)
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True), means, np.exp(log_widths)


def cost(A, y):
    """Return C = −(1/n) Σ_s log Σ_k π_k N(y | μ_k, σ_k²), and ∂C/∂A, (n, 3 PARTS)."""
    shares, means, widths = mixture(A)
    far = (y - means) / widths
    logs = np.log(shares) - 0.5 * far**2 - np.log(widths) - 0.5 * np.log(2 * np.pi)
    top = logs.max(axis=1, keepdims=True)
    log_p = top + np.log(np.exp(logs - top).sum(axis=1, keepdims=True))
    blame = np.exp(logs - log_p)  # with which probability y came from part k
    dA = np.hstack([shares - blame, -blame * far / widths, blame * (1 - far**2)])
    return -log_p.mean(), dA / len(y)


def check(net, X, y):
    """Compare the gradient with central differences, for some of the parameters."""
    g = net.parameter_vjp(X, cost(net.predict(X), y)[1]).vector
    some, step = np.linspace(0, g.size - 1, 5, dtype=int), 1e-6
    print("The gradient of the cost by parameter_vjp, and by central differences:\n")
    print(f"{'parameter':>10}{'parameter_vjp':>16}{'differences':>16}")
    for i in some:
        costs = []
        for nudge in (step, -2 * step, step):  # up, down, and back
            net.parameters[i] += nudge
            costs.append(cost(net.predict(X), y)[0])
        print(f"{i:>10}{g[i]:>16.8f}{(costs[0] - costs[1]) / (2 * step):>16.8f}")


def train(X, y, steps, rng):
    """Return the trained mixture density network and the costs of its mini-batches."""
    net = fastbp.Network([1, 32, 3 * PARTS], activation="tanh", output_activation="identity", seed=3, dtype="float64")
    net.biases[-1][PARTS : 2 * PARTS] = np.linspace(0, 1, PARTS)  # the means begin apart
    net.biases[-1][2 * PARTS :] = -1
    check(net, X[:200], y[:200])
    optimizer, costs = fastbp.Adam(0.005), []
    start = time.perf_counter()
    for _ in range(steps):
        batch = rng.integers(0, len(X), 128)
        C, dA = cost(net.predict(X[batch]), y[batch])
        net.apply_gradient(net.parameter_vjp(X[batch], dA), optimizer=optimizer)
        costs.append(C)
    print(f"\n{steps:,} steps with this cost took {time.perf_counter() - start:.1f} s.")
    return net, np.array(costs)


def spread(net, x, y):
    """Return p(y | x) on a grid, (len(y), len(x))."""
    shares, means, widths = (part[:, None, :] for part in mixture(net.predict(x[:, None])))
    p = shares * np.exp(-0.5 * ((y[None, :, None] - means) / widths) ** 2) / widths / np.sqrt(2 * np.pi)
    return p.sum(axis=2).T


def draw(X, y, plain, net, path):
    """Draw the samples with the answers of the plain net, and p(y | x)."""
    try:
        from fastbp import plots

        figure = plots.new_figure(2 * plots.COLUMN, 3.0, dpi=300)
    except ImportError as error:
        print(f"\nNo picture: {error}")
        return
    left, right = figure.subplots(1, 2, sharey=True)
    grid, heights = np.linspace(0, 1, 300), np.linspace(-0.1, 1.1, 300)
    left.plot(X[:600], y[:600], ".", color=plots.GREY, markersize=2, label="samples")
    left.plot(
        grid, plain.predict(grid[:, None]), color=plots.STYLES[1]["color"], linewidth=1.8, label="the answer of the net"
    )
    left.legend(frameon=False, loc="upper left")
    p = spread(net, grid, heights)
    right.imshow(np.sqrt(p), origin="lower", extent=(0, 1, -0.1, 1.1), aspect="auto", cmap="Blues")
    shares, means, _ = mixture(net.predict(grid[:, None]))
    for k in range(PARTS):
        shown = np.where(shares[:, k] > 0.1, means[:, k], np.nan)
        label = "means of parts with a share > 10 %" if k == 0 else None
        right.plot(grid, shown, color=plots.STYLES[1]["color"], linewidth=1.2, label=label)
    right.legend(frameon=False, loc="upper left")
    left.set(xlabel="x", ylabel="y", ylim=(-0.1, 1.1), title="the cost ½(a − y)²")
    right.set(xlabel="x", title="the cost −log p(y), and p(y | x) in blue")
    for axes in (left, right):
        plots.plain(axes)
        axes.grid(False)
    figure.savefig(path)
    print(f"\nThe picture is in {path}.")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path(), help="for pictures, default: current folder")
    parser.add_argument("--quick", action="store_true", help="fewer steps")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    X, y = data(2000, rng)
    net, costs = train(X, y, 3000 if given.quick else 12_000, rng)
    plain = fastbp.Network([1, 32, 1], activation="tanh", seed=3, dtype="float64")
    plain.fit(X, y, epochs=60 if given.quick else 200, batch_size=128, optimizer=fastbp.Adam(0.005), progress=False)
    X_new, y_new = data(2000, rng)
    A = net.predict(X_new)
    deviation = np.sqrt(np.mean((plain.predict(X) - y) ** 2))
    of_plain = np.mean(0.5 * ((plain.predict(X_new) - y_new) / deviation) ** 2) + np.log(deviation * np.sqrt(2 * np.pi))
    means = np.sort(net.predict([[0.5]])[0, PARTS : 2 * PARTS])
    print(f"""
−log p(y) of 2,000 new samples, less is better:

  {of_plain:7.3f}  the net with ½(a − y)², taken as the mean of one normal distribution
  {cost(A, y_new)[0]:7.3f}  the mixture density network (its first mini-batches: {costs[:20].mean():.3f})

At x = 0.5 three values of y are possible. The plain net answers {plain.predict([[0.5]])[0, 0]:.2f}; the mixture
has the means {", ".join(f"{mean:.2f}" for mean in means)}, one for each of them.""")
    draw(X, y, plain, net, given.folder / "a_cost_of_your_own.png")


if __name__ == "__main__":
    main()
