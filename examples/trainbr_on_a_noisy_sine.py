"""MATLAB's trainlm and trainbr on a noisy sine: the evidence chooses the strength of l2 while training.

    python examples/trainbr_on_a_noisy_sine.py [FOLDER]

A net of 25 hidden neurons has 76 parameters and gets 41 noisy points. Levenberg–Marquardt (trainlm) runs through all
points; with validation data it stops early. With ``regularization="evidence"`` (trainbr, MacKay) no data are held
out: after every step the net asks how many of its parameters the points determine, γ, and sets l2 by it. Writes
`trainbr_on_a_noisy_sine.png` to FOLDER, by default the current folder.
"""

import argparse
from pathlib import Path

import numpy as np

import fastbp

NOISE = 0.2


def network(seed):
    """Return a net that begins as MATLAB's do."""
    return fastbp.Network(
        [1, 25, 1], activation="tanh", cost="quadratic", initializer="nguyen_widrow", dtype="float64", seed=seed
    )


def fits(x, y, seed):
    """Yield the names and nets of three ways to train."""
    net = network(seed)
    net.fit(x, y, epochs=200, optimizer=fastbp.LevenbergMarquardt())
    yield "trainlm", net

    net, held_out = network(seed), np.arange(len(x)) % 5 == 2
    early = fastbp.EarlyStopping(patience=6)  # trainlm's max_fail
    data = x[held_out], y[held_out]
    history = net.fit(
        x[~held_out], y[~held_out], epochs=200, optimizer="trainlm", validation_data=data, early_stopping=early
    )
    print(f"trainlm with validation data: {history.stopped or 'the last epoch'}")
    yield "trainlm, validation stops", net

    net = network(seed)
    history = net.fit(x, y, epochs=300, optimizer=fastbp.LevenbergMarquardt(regularization="evidence"))
    print(f"trainbr: {history.stopped or 'the last epoch'}")
    yield "trainbr", net


def main():
    """Print the errors against the sine, and draw the fits."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", default=".", type=Path)
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    x, z = np.linspace(-1, 1, 41)[:, None], np.linspace(-1, 1, 401)[:, None]
    y = np.sin(2 * np.pi * x) + NOISE * rng.standard_normal(x.shape)
    found = list(fits(x, y, seed=0))
    posterior = found[-1][1].laplace(x, y)
    print(
        f"\nnoise by the evidence {posterior.noise:.3f}, in truth {NOISE}; log evidence {posterior.log_evidence:.1f}\n"
    )
    print(f"{'':<28}{'error on the points':>20}{'against the sine':>18}")
    for name, net in found:
        errors = [np.sqrt(((net.predict(a) - b) ** 2).mean()) for a, b in ((x, y), (z, np.sin(2 * np.pi * z)))]
        print(f"{name:<28}{errors[0]:>20.3f}{errors[1]:>18.3f}")

    try:
        import matplotlib

        matplotlib.use("Agg")
        import matplotlib.pyplot as plt
    except ImportError:
        return
    figure, axes = plt.subplots(1, 3, figsize=(10, 3.2), sharey=True, layout="constrained")
    for panel, (name, net) in zip(axes, found, strict=True):
        panel.plot(z, np.sin(2 * np.pi * z), "--", color="0.3", linewidth=1, label="sine")
        panel.plot(x, y, ".", color="0.4", markersize=4)
        panel.plot(z, net.predict(z), color="#0b4f8a", linewidth=1.5, label="net")
        if name == "trainbr":
            mean, deviation = (values[:, 0] for values in posterior.predict(z))
            low, high = mean - 1.645 * deviation, mean + 1.645 * deviation
            panel.fill_between(z[:, 0], low, high, color="#7fb2d9", alpha=0.5, linewidth=0, label="90 %")
        panel.set_title(name)
        panel.set_xlabel("x")
    axes[0].set_ylim(-2, 2)
    axes[-1].legend(loc="upper right", frameon=False)
    path = asked.folder / "trainbr_on_a_noisy_sine.png"
    figure.savefig(path, dpi=150)
    print(f"\nwrote {path}")


if __name__ == "__main__":
    main()
