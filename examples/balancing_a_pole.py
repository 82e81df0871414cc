"""Balancing a pole: a policy trained by REINFORCE, and a value net by semi-gradient TD.

    python examples/balancing_a_pole.py [FOLDER] [--quick]

A cart on a track is pushed to the left or to the right so that a pole on it does not fall. The training loop is this
page's own; a step of it is one call of `train_on_batch`, `parameter_vjp` or `apply_gradient`. Writes
`balancing_a_pole.png` to FOLDER, by default the current folder.
"""

import argparse
import time
from pathlib import Path

import numpy as np

import fastbp

POLES, LONGEST, GAMMA = 32, 400, 0.98  # carts at a time, steps of an episode, discount


class Carts:
    """Several carts with poles: position, velocity, angle of the pole, angular velocity of each (Barto et al. 1983)."""

    def __init__(self, n, rng):
        self.state = rng.uniform(-0.05, 0.05, (n, 4))

    def step(self, right):
        """Push each cart with ±10 N for 1/50 s. Return which poles have fallen, or carts have left the track."""
        _, v, angle, spin = self.state.T
        sine, cosine = np.sin(angle), np.cos(angle)
        push = (np.where(right, 10.0, -10.0) + 0.05 * spin**2 * sine) / 1.1
        turn = (9.8 * sine - cosine * push) / (0.5 * (4 / 3 - 0.1 * cosine**2 / 1.1))
        self.state = self.state + 0.02 * np.array([v, push - 0.05 * turn * cosine / 1.1, spin, turn]).T
        return (np.abs(self.state[:, 0]) > 2.4) | (np.abs(self.state[:, 2]) > 0.21)


def seen(state):
    """Return the state as the nets get it: all four numbers of a size of about 1."""
    return (state * [1, 1, 10, 1]).astype("float32")


def episodes(policy, value, td, rng):
    """Let all carts run until they fail; the value net learns at each step. Return states, actions, rewards, alive."""
    carts, alive = Carts(POLES, rng), np.ones(POLES, bool)
    record = [], [], [], []
    for _ in range(LONGEST):
        S = seen(carts.state)
        right = rng.random(POLES) < policy.predict(S)[:, 1]
        fallen = carts.step(right)
        reward = np.where(fallen, 0.0, 1 - GAMMA)  # so that the value of never falling is 1
        for values, new in zip(record, (S, right, reward, alive), strict=True):
            values.append(new)
        # TD(0): V(s) moves towards r + γ V(s′), as if that were a fixed target: hence "semi-gradient"
        target = reward + GAMMA * np.where(fallen, 0.0, value.predict(seen(carts.state))[:, 0])
        value.train_on_batch(S[alive], target[alive], optimizer=td)
        alive = alive & ~fallen
        if not alive.any():
            break
    return [np.array(values) for values in record]


def learn(iterations, seed):
    """Return how many steps the poles stood in each iteration, both nets, and the number of steps of training."""
    rng = np.random.default_rng(seed)
    policy = fastbp.Network([4, 32, 2], activation="tanh", cost="cross_entropy", seed=seed)
    value = fastbp.Network([4, 32, 1], activation="tanh", seed=seed)
    climb, td = fastbp.Adam(0.01), fastbp.Adam(0.003)
    stood, steps = [], 0
    for _ in range(iterations):
        S, right, reward, alive = episodes(policy, value, td, rng)
        # The discounted return from each step on; after the last step, what the value net expects.
        returns, after = np.zeros_like(reward), value.predict(S[-1])[:, 0] * alive[-1]
        for t in range(len(reward) - 1, -1, -1):
            after = returns[t] = np.where(alive[t], reward[t] + GAMMA * after, 0.0)
        S, right, returns = S[alive], right[alive].astype(int), returns[alive]
        advantage = returns - value.predict(S)[:, 0]
        # REINFORCE: C = −(1/n) Σ A log π(action). ∂C/∂π is −A / (n π) for the action taken, 0 for the other.
        probability, n = policy.predict(S), len(S)
        U = np.zeros_like(probability)
        U[np.arange(n), right] = -advantage / (n * probability[np.arange(n), right])
        policy.apply_gradient(policy.parameter_vjp(S, U), optimizer=climb)
        stood.append(alive.sum(axis=0))
        steps += len(alive) + 1
    return np.array(stood), policy, value, steps


def table(stood):
    print(f"{'iterations':>12}{'mean':>8}{'shortest':>10}{'all the time':>14}")
    size = max(1, len(stood) // 8)
    for start in range(0, len(stood), size):
        some = stood[start : start + size]
        whole = np.mean(some == LONGEST)
        print(f"{f'{start + 1}–{start + len(some)}':>12}{some.mean():>8.0f}{some.min():>10}{whole:>14.0%}")


def draw(stood, policy, value, path):
    """Draw how long the poles stood, and what both nets say about an angle."""
    try:
        from fastbp import plots

        figure = plots.new_figure(2 * plots.COLUMN, 2.7, dpi=300)
    except ImportError as error:
        print(f"\nNo picture: {error}")
        return
    left, right = figure.subplots(1, 2)
    x = np.arange(1, len(stood) + 1)
    left.fill_between(x, *np.percentile(stood, [10, 90], axis=1), color=plots.GREY, alpha=0.3, linewidth=0)
    left.plot(x, stood.mean(axis=1), label="mean; grey: 10 % to 90 %", color=plots.STYLES[0]["color"], linewidth=1.4)
    left.set(xlabel="iteration", ylabel="steps that the poles stood", ylim=(0, 1.05 * LONGEST))
    angles = np.linspace(-0.2, 0.2, 201)
    states = np.zeros((len(angles), 4))
    states[:, 2] = angles
    for values, label, style in ((policy.predict(seen(states))[:, 1], "P(push to the right)", 0),
                                 (value.predict(seen(states))[:, 0], "value", 1)):  # fmt: skip
        right.plot(angles, values, label=label, color=plots.STYLES[style]["color"], linewidth=1.4)
    right.set(xlabel="angle of the pole, in radians; all else is 0", ylabel="output of the net")
    for axes, place in ((left, "lower right"), (right, "center left")):
        axes.legend(frameon=False, loc=place)
        plots.plain(axes)
    figure.savefig(path)
    print(f"\nThe picture is in {path}.")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path(), help="for pictures, default: current folder")
    parser.add_argument("--quick", action="store_true", help="fewer iterations")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    learn(1, seed=0)  # compiles
    start = time.perf_counter()
    stood, policy, value, steps = learn(16 if given.quick else 40, seed=0)
    first, last = stood[0].mean(), stood[-1].mean()
    seconds = time.perf_counter() - start
    print(f"How many of {LONGEST} steps {POLES} poles stood, in groups of iterations:\n")
    table(stood)
    print(f"""
{steps:,} steps of training in {seconds:.1f} s, the environment included. At first the pushes are random, and
the poles fall after {first:.0f} steps on average; in the last iteration they stand for {last:.0f}. The policy
learns only from which of its own pushes turned out better than the value net expected.""")
    draw(stood, policy, value, given.folder / "balancing_a_pole.png")


if __name__ == "__main__":
    main()
