"""The line search of Moré and Thuente, for a step that satisfies the strong Wolfe conditions."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from fastbp.model import Array

MOST_TRIES = 20
NARROW = 1e-3  # an interval is not divided further if it is no wider than this fraction of its far end
FARTHEST = 1e10


class Point(NamedTuple):
    """A point of the line θ + α d: φ(α) is the cost, φ′(α) its slope along d. NumPy numbers: 0/0 is NaN."""

    alpha: np.float64
    value: np.float64
    slope: np.float64
    gradient: Array

    def tilted(self, slope: float) -> Point:
        """Return the point of the function minus a straight line of that slope."""
        return self._replace(value=self.value - self.alpha * slope, slope=self.slope - slope)


def wolfe_step(
    phi: Callable[[float], Point], start: Point, alpha: float, decrease: float, curvature: float
) -> Point | None:
    """Return a point that is lower than `start` and flatter: φ(α) ≤ φ(0) + c₁ α φ′(0) and |φ′(α)| ≤ c₂ |φ′(0)|.

    `start` is the point at α = 0, where φ′ < 0; `alpha` is the first α to try; c₁ is `decrease`, c₂ `curvature`. If
    there is no such point within `MOST_TRIES` or within rounding, return the lowest one that meets the first condition,
    or None.

    Source: Moré & Thuente, *Line search algorithms with guaranteed sufficient decrease*, 1994; as in MINPACK-2.
    """
    low, other, lowest = start, None, None  # the interval around a minimum: its lower end, and the other once known
    farthest, goal, in_valley, widths = FARTHEST, decrease * start.slope, False, (np.inf, np.inf)
    for _ in range(MOST_TRIES):
        at = phi(alpha)
        if not np.isfinite(at.value + at.slope):
            farthest, alpha = alpha, (low.alpha + alpha) / 2
            continue
        low_enough = at.value <= start.value + alpha * goal
        if low_enough and (lowest is None or at.value < lowest.value):
            lowest = at
        if low_enough and abs(at.slope) <= -curvature * start.slope:
            return at
        in_valley = in_valley or bool(low_enough and at.slope >= 0)
        # Where φ falls too little, search for a minimum of φ(α) − c₁ α φ′(0) instead.
        tilt = goal if not in_valley and not low_enough and at.value <= low.value else 0.0
        low, other, alpha = _divided(low, other, at, tilt)
        alpha = min(alpha, farthest)
        if other is not None:
            width = abs(other.alpha - low.alpha)
            if width >= 0.66 * widths[0]:
                alpha = (low.alpha + other.alpha) / 2
            widths = widths[1], width
            ends = sorted((low.alpha, other.alpha))
            if width <= NARROW * ends[1] or not ends[0] < alpha < ends[1]:
                break
    return lowest


def _divided(low: Point, other: Point | None, at: Point, tilt: float) -> tuple[Point, Point | None, float]:
    """Return the interval updated with the point `at`, in it or beyond it, and the next α to try.

    φ falls from `low` towards `at`; `low` is the lowest point of φ(α) − tilt · α so far.
    """
    x, p, step = low.tilted(tilt), at.tilted(tilt), at.alpha - low.alpha
    if p.value > x.value:  # higher: a minimum lies between
        cubic = _cubic(x, p)
        parabola = x.alpha + x.slope / ((x.value - p.value) / step + x.slope) / 2 * step
        far = abs(cubic - x.alpha) > abs(parabola - x.alpha)
        return low, at, float((cubic + parabola) / 2) if far else cubic
    secant = float(p.alpha - p.slope / (p.slope - x.slope) * step)
    if p.slope * x.slope < 0:  # lower, and rising: a minimum lies between
        cubic = _cubic(p, x)
        return at, low, max(cubic, secant, key=lambda alpha: abs(alpha - p.alpha))
    # Still falling: beyond the interval, the next α is at most a few steps farther.
    ends = float(p.alpha + 1.1 * step) if x.alpha > 0 else 0.0, float(p.alpha + 4 * step)
    if abs(p.slope) >= abs(x.slope):
        return at, other, ends[1] if other is None else _cubic(p, other.tilted(tilt))
    cubic = _cubic(p, x)
    ahead = (cubic - p.alpha) * step > 0
    if other is None:
        cubic = cubic if ahead else ends[1]
        farther = max(cubic, secant, key=lambda alpha: abs(alpha - p.alpha))
        return at, None, min(max(farther, ends[0]), ends[1])
    cubic = cubic if ahead else float(other.alpha)
    closer = min(secant, cubic, key=lambda alpha: abs(alpha - p.alpha))
    most = float(p.alpha + 0.66 * (other.alpha - p.alpha))
    return at, other, min(closer, most) if step > 0 else max(closer, most)


def _cubic(u: Point, v: Point) -> float:
    """Return the α of the minimum of the cubic that has the values and slopes of two points."""
    theta = 3 * (u.value - v.value) / (v.alpha - u.alpha) + u.slope + v.slope
    size = max(abs(theta), abs(u.slope), abs(v.slope))
    gamma = size * np.sqrt(max(0.0, (theta / size) ** 2 - (u.slope / size) * (v.slope / size)))
    if v.alpha < u.alpha:
        gamma = -gamma
    share = (gamma - u.slope + theta) / (gamma - u.slope + gamma + v.slope)
    return float(u.alpha + share * (v.alpha - u.alpha))
