"""A fit that says how sure it is: mean and deviation, several quantiles, and what a net knows where there is no data.

    python examples/a_fit_with_its_band.py [FOLDER] [--quick]

Measured values of y scatter around a curve, more on the right than on the left, and there are none in the middle.
The first net has mean and log σ² as outputs (gaussian_nll), the second the 5 %, 50 % and 95 % quantiles, which never
cross. Both learn how much y scatters, but not where they have seen no data. The third one takes the same scatter
everywhere, and asks which other weights would have fitted the data as well: the deviation of its curve, without the
scatter, grows in the gap, and much more beyond the data. Writes `a_fit_with_its_band.png` to FOLDER, by default the
current folder.
"""

import argparse
from pathlib import Path

import numpy as np

import fastbp

GAP = 0.2, 0.55  # where there are no data


def curve(x):
    """Return what y scatters around."""
    return np.sin(4 * x) + 0.5 * x


def data(n, rng):
    """Return x and y, scattered with a deviation that grows from left to right."""
    x = rng.uniform(-1, 1, n)
    x = np.where((x > GAP[0]) & (x < GAP[1]), x - 0.6, x)
    return x[:, None], curve(x) + (0.05 + 0.15 * (x + 1)) * rng.standard_normal(n)


def bands(X, y, Z, epochs):
    """Return mean, low and high for 90 % of new targets, of each of the three nets, at Z."""
    options = {
        "epochs": epochs,
        "batch_size": 32,
        "optimizer": fastbp.Adam(0.01),
        "schedule": fastbp.CosineDecay(epochs),
    }
    common = {"activation": "tanh", "dtype": "float64", "seed": 1}

    net = fastbp.Network([1, 20, 2], cost=fastbp.GaussianNLL(0.5), **common)
    net.fit(X, y, **options)
    mean, log_variance = net.predict(Z).T
    yield "gaussian_nll", mean, mean - 1.645 * np.exp(log_variance / 2), mean + 1.645 * np.exp(log_variance / 2)

    net = fastbp.Network([1, 20, 3], cost=fastbp.Quantiles([0.05, 0.5, 0.95]), **common)
    net.fit(X, y, **options)
    low, median, high = net.predict(Z).T
    yield "quantiles", median, low, high

    net = fastbp.Network([1, 20, 1], cost="quadratic", **common)
    net.fit(X, y, epochs=300, optimizer=fastbp.LevenbergMarquardt(regularization="evidence"))
    posterior = net.laplace(X, y)
    mean, deviation = (values[:, 0] for values in posterior.predict(Z))
    yield "Laplace", mean, mean - 1.645 * deviation, mean + 1.645 * deviation
    print(f"Laplace: noise {posterior.noise:.3f}, {posterior.gamma:.1f} of {net.parameters.size} parameters determined")
    places = np.array([[-0.5], [np.mean(GAP)], [1.3]])
    of_curve = posterior.predict(places, noise=False)[1][:, 0]
    print("deviation of its curve at -0.5, in the gap, at 1.3: " + ", ".join(f"{d:.3f}" for d in of_curve))


def main():
    """Print how many new targets are in the bands, inside and outside the gap, and draw them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", default=".", type=Path)
    parser.add_argument("--quick", action="store_true", help="shorter training")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    X, y = data(500, np.random.default_rng(0))
    Z = np.linspace(-1.3, 1.3, 261)[:, None]
    New, of_new = data(4000, np.random.default_rng(1))
    found = list(bands(X, y, np.concatenate([Z, New]), 60 if asked.quick else 300))

    middle = np.abs(Z[:, 0] - np.mean(GAP)).argmin()
    left = np.abs(Z[:, 0] + 0.5).argmin()
    print(f"\n{'':<14}{'new targets inside':>20}{'width at -0.5':>16}{'in the gap':>12}{'at 1.3':>9}")
    for name, _, low, high in found:
        inside = ((low[len(Z) :] < of_new) & (of_new < high[len(Z) :])).mean()
        width = high - low
        print(f"{name:<14}{inside:>19.1%}{width[left]:>17.2f}{width[middle]:>12.2f}{width[len(Z) - 1]:>9.2f}")

    try:
        import matplotlib

        matplotlib.use("Agg")
        import matplotlib.pyplot as plt
    except ImportError:
        return
    figure, axes = plt.subplots(1, 3, figsize=(10, 3.2), sharey=True, layout="constrained")
    for panel, (name, mean, low, high) in zip(axes, found, strict=True):
        panel.fill_between(Z[:, 0], low[: len(Z)], high[: len(Z)], color="#7fb2d9", alpha=0.6, linewidth=0)
        panel.plot(X[:, 0], y, ".", color="0.45", markersize=2)
        panel.plot(Z, curve(Z), "--", color="0.2", linewidth=1, label="truth")
        panel.plot(Z, mean[: len(Z)], color="#0b4f8a", linewidth=1.5, label="net")
        panel.set_title(name)
        panel.set_xlabel("x")
    axes[0].set_ylim(-3, 3)
    axes[0].set_ylabel("y, and 90 % of it")
    axes[0].legend(loc="upper left", frameon=False)
    path = asked.folder / "a_fit_with_its_band.png"
    figure.savefig(path, dpi=150)
    print(f"\nwrote {path}")


if __name__ == "__main__":
    main()
