"""A surrogate of a small simulation from values and derivatives, against one from values only.

    python examples/a_surrogate_from_derivatives.py [FOLDER] [--quick]

A solver that computes a value often gives its derivatives for little more, by an adjoint. Each is worth a value: with
two inputs, 40 runs give 120 numbers instead of 40. Here the simulation is the angle of a damped pendulum after four
seconds as a function of its length and of its damping; its derivatives are those of the equation of motion. Writes
`a_surrogate_from_derivatives.png` to FOLDER, by default the current folder.
"""

import argparse
from pathlib import Path

import numpy as np

import fastbp

STEPS, T = 400, 4.0


def simulate(u):
    """Return the angle at the end, (n,), and its derivatives by both inputs, (n, 2): pendula of length and damping.

    u, (n, 2), is between −1 and 1. θ″ = −(g/ℓ) sin θ − c θ′ from θ = 1.5, θ′ = 0, with the tangents of both inputs, by
    Heun's method.
    """
    length, damping = 1.2 + 0.6 * u[:, 0], 0.5 + 0.4 * u[:, 1]
    state = np.zeros((6, len(u)))  # θ, θ′, and of both their derivatives by length and damping
    state[0] = 1.5

    def rate(s):
        g = 9.81 / length
        bend = -g * np.cos(s[0])
        by_length = bend * s[2] - damping * s[3] + g / length * np.sin(s[0])
        by_damping = bend * s[4] - damping * s[5] - s[1]
        return np.stack([s[1], -g * np.sin(s[0]) - damping * s[1], s[3], by_length, s[5], by_damping])

    h = T / STEPS
    for _ in range(STEPS):
        first = rate(state)
        state = state + h / 2 * (first + rate(state + h * first))
    return state[0], np.stack([0.6 * state[2], 0.4 * state[4]], axis=1)


def design(n, rng):
    """Return n points whose coordinates are evenly spread: a Latin hypercube, (n, 2)."""
    rows = np.stack([rng.permutation(n) for _ in range(2)], axis=1)
    return 2 * (rows + rng.uniform(size=(n, 2))) / n - 1


def surrogate(X, y, seed, **known):
    """Return a net that is fitted to 40 runs."""
    net = fastbp.Network([2, 20, 1], activation="tanh", cost="quadratic", dtype="float64", seed=seed)
    net.fit(X, y, epochs=200, optimizer=fastbp.LevenbergMarquardt(), l2=1e-5, **known)
    return net


def main():
    """Print the errors of both surrogates for several seeds, and draw the last ones."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", default=".", type=Path)
    parser.add_argument("--quick", action="store_true", help="two seeds instead of five")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    side = np.linspace(-1, 1, 61)
    Z = np.stack(np.meshgrid(side, side, indexing="ij"), axis=-1).reshape(-1, 2)
    truth, _ = simulate(Z)

    X = np.random.default_rng(0).uniform(-1, 1, (5, 2))
    _, dy = simulate(X)
    step = 1e-5
    by_difference = np.stack([(simulate(X + e)[0] - simulate(X - e)[0]) / (2 * step) for e in step * np.eye(2)], axis=1)
    print(f"derivatives of the simulation against differences: {np.abs(dy - by_difference).max():.1e}\n")

    print(f"{'seed':>4}{'values only':>14}{'with derivatives':>19}{'ratio':>8}")
    for seed in range(2 if asked.quick else 5):
        X = design(40, np.random.default_rng(seed))
        y, dy = simulate(X)
        nets = [surrogate(X, y, seed), surrogate(X, y, seed, dY=dy, derivative_weight=0.3)]
        errors = [net.predict(Z)[:, 0] - truth for net in nets]
        rms = [float(np.sqrt((error**2).mean())) for error in errors]
        print(f"{seed:>4}{rms[0]:>14.4f}{rms[1]:>19.4f}{rms[1] / rms[0]:>8.2f}")

    try:
        import matplotlib

        matplotlib.use("Agg")
        import matplotlib.pyplot as plt
    except ImportError:
        return
    figure, axes = plt.subplots(1, 3, figsize=(10, 3.2), sharey=True, layout="constrained")
    titles = "angle at the end", "error, values only", "error, with derivatives"
    most = np.abs(errors[0]).max()
    for panel, values, title in zip(axes, (truth, *errors), titles, strict=True):
        limit = np.abs(values).max() if values is truth else most
        picture = panel.pcolormesh(side, side, values.reshape(61, 61).T, cmap="RdBu_r", vmin=-limit, vmax=limit)
        panel.plot(*X.T, "k.", markersize=3)
        panel.set_title(title)
        panel.set_xlabel("length")
        figure.colorbar(picture, ax=panel)
    axes[0].set_ylabel("damping")
    path = asked.folder / "a_surrogate_from_derivatives.png"
    figure.savefig(path, dpi=150)
    print(f"\nwrote {path}")


if __name__ == "__main__":
    main()
