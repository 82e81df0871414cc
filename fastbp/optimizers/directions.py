"""The search directions of L-BFGS and conjugate gradient, whose memory is an `OptimizerState`.

All is in float64. Sums over parameters are those of `dot`, whose order, unlike BLAS's, does not depend on threads.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from fastbp.model import Array
from fastbp.optimizers import OptimizerState

SMALLEST_BEND = np.finfo(np.float64).eps  # of a pair, as a fraction of |gᵀs|


class Place(NamedTuple):
    """θ, and the cost and its gradient there."""

    theta: Array
    cost: float
    gradient: Array


def dot(a: Array, b: Array) -> np.float64:
    """Return aᵀb as a NumPy number: dividing by 0 gives ∞ or NaN, not an error."""
    return np.float64(np.einsum("i,i->", a, b))


class QuasiNewton:
    """L-BFGS. `first` has the last steps s, `second` the changes y of the gradient; rows of zeros are empty.

    Source: Nocedal & Wright, *Numerical optimization*, 2006, algorithms 7.4 and 7.5.
    """

    decrease, curvature = 1e-3, 0.9  # c₁ and c₂ of the line search

    def __init__(self, state: OptimizerState):
        self._steps, self._changes = state.first, state.second

    def next(self, here: Place) -> tuple[Array, float]:
        """Return d = −H g by the two loops, and α = 1; without pairs −g, and an α that makes a step of length 1."""
        pairs = [(s, y, dot(s, y)) for s, y in zip(self._steps, self._changes, strict=True)]
        pairs = [pair for pair in pairs if pair[2] > 0]
        q, shares = -here.gradient, []
        for s, y, sy in reversed(pairs):
            shares.append(dot(s, q) / sy)
            q -= shares[-1] * y
        if pairs:
            _, y, sy = pairs[-1]
            q *= sy / dot(y, y)
        for s, y, sy in pairs:
            q += (shares.pop() - dot(y, q) / sy) * s
        slope = dot(q, here.gradient)
        if pairs and slope < 0:
            return q, 1.0
        self.forget()
        return -here.gradient, float(1 / np.sqrt(dot(here.gradient, here.gradient)))

    def went(self, before: Place, after: Place, direction: Array) -> None:
        """Replace the oldest pair by s and y, unless the curvature along s is negative."""
        s, y = after.theta - before.theta, after.gradient - before.gradient
        if dot(s, y) > -SMALLEST_BEND * dot(s, before.gradient):
            for memory, newest in ((self._steps, s), (self._changes, y)):
                for older, newer in pairwise([*memory, newest]):
                    older[:] = newer

    def forget(self) -> bool:
        """Forget all pairs. Return whether there were any."""
        had_any = bool(self._steps[-1].any())
        self._steps[:], self._changes[:] = 0, 0
        return had_any


class Conjugate:
    """Conjugate gradient. `first` has the last gradient and direction, `second` the cost there; zeros are empty.

    Source: Nocedal & Wright, *Numerical optimization*, 2006, section 5.2: Polak–Ribière with β ≥ 0; α after (3.60).
    """

    decrease, curvature = 1e-4, 0.4
    SUFFICIENT = 0.01  # the least slope of d, as a fraction of ‖g‖²: else d is −g

    def __init__(self, state: OptimizerState):
        self._last, self._cost = state.first, state.second

    def next(self, here: Place) -> tuple[Array, float]:
        """Return d = −g + β d_last; α is the minimum of a parabola with the last decrease of the cost."""
        g, (g_last, d_last), size = here.gradient, self._last, dot(here.gradient, here.gradient)
        size_last, fall = dot(g_last, g_last), np.sqrt(size) / 2
        d = -g
        if size_last > 0:
            d += max(0.0, dot(g, g - g_last) / size_last) * d_last
            fall = self._cost[0] - here.cost
        slope = dot(d, g)
        if not slope <= -self.SUFFICIENT * size:
            d, slope = -g, -size
        alpha = float(1.01 * 2 * fall / -slope)
        return d, min(1.0, alpha) if alpha > 0 else 1.0

    def went(self, before: Place, after: Place, direction: Array) -> None:
        """Keep gradient, direction and cost."""
        self._last[0], self._last[1], self._cost[0] = before.gradient, direction, before.cost

    def forget(self) -> bool:
        """Forget the last direction. Return whether there was one."""
        had_any = bool(self._last.any())
        self._last[:], self._cost[:] = 0, 0
        return had_any
