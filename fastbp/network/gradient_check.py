"""Backpropagation through a whole network against central differences of its cost."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from fastbp import validation
from fastbp.formulations import FORMULATIONS, Formulation
from fastbp.formulations.numpy_functions import as_if_compiled, sigma
from fastbp.formulations.vectorized import Pass
from fastbp.model import Array, Model, ParameterVector
from fastbp.network.network import Network
from fastbp.text import aligned
from fastbp.training.with_derivatives import of_samples

STEP = 1e-4  # the change of z: rounding and curvature are then far below the tolerance
ROUNDING = 20 * float(np.finfo(np.float64).eps)  # the error of a difference of costs, relative to the cost

Part = Literal["weights", "biases"]
Verdict = Literal["right", "wrong", "corners", "too small"]
MEANING: dict[Verdict, str] = {
    "right": "right", "wrong": "WRONG", "corners": "only corners, nothing to compare",
    "too small": "too small for differences",
}  # fmt: skip


@dataclass(frozen=True)
class LayerCheck:
    """What `check_gradient` found for the weights or the biases of a layer.

    `checked` of the `of` parameters were checked; `corners` of these could not be compared, because a corner of σ or of
    the cost is within the step. The verdict is "corners" if that is true of all, "too small" if the derivatives are
    lost in the rounding of the cost.
    """

    layer: int  # 1…L
    what: Part
    checked: int
    of: int
    corners: int
    difference: float  # the largest one, relative to the largest derivative of these parameters
    verdict: Verdict
    worst: str  # the parameter with the largest difference, and its two derivatives


@dataclass(frozen=True)
class GradientCheck:
    """What `check_gradient` found; prints as a table.

    Attributes
    ----------
    layers : tuple of LayerCheck
        Weights and biases of every layer.
    advice : str
        Where to look if something is wrong.

    Examples
    --------
    >>> import fastbp
    >>> net = fastbp.Network([2, 3, 1], activation="tanh", cost="quadratic", seed=0)
    >>> result = fastbp.check_gradient(net, [[1, 2], [3, -1]], [[1], [0]])
    >>> result.ok, [(row.layer, row.what, row.verdict) for row in result.layers[:2]]
    (True, [(1, 'weights', 'right'), (1, 'biases', 'right')])
    """

    layers: tuple[LayerCheck, ...]
    advice: str

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not any(row.verdict == "wrong" for row in self.layers)

    def __str__(self) -> str:
        rows = [["layer", "of", "checked", "corners", "difference", "verdict"]]
        for row in self.layers:
            difference = f"{row.difference:.1e}" if row.checked > row.corners else "-"
            checked = f"{row.checked:,} of {row.of:,}"
            rows.append([str(row.layer), row.what, checked, str(row.corners), difference, MEANING[row.verdict]])
        lines = aligned(rows, left=(0, 1, 5))
        return "\n".join([*lines, *(row.worst for row in self.layers if row.verdict == "wrong"), self.advice])


def check_gradient(
    net: Network,
    X: npt.ArrayLike,
    Y: npt.ArrayLike,
    *,
    dY: npt.ArrayLike | None = None,
    derivative_weight: npt.ArrayLike = 1.0,
    tolerance: float = 1e-6,
    at_most: int | None = 50,
) -> GradientCheck:
    """Compare the gradient by backpropagation with central differences of the cost, layer by layer.

    All is computed in float64, whatever the dtype of the network: the gradient by its formulation, the costs by NumPy,
    without shared code. Activations and costs of your own are checked too; `check_derivative` checks them alone. Raises
    TypeError or ValueError if `net` is not a network, X and Y are not as in `fit`, or `tolerance` or `at_most` is out
    of range.

    Parameters
    ----------
    net : Network
        The network, which is not changed.
    X, Y
        As in `fit`; some dozens of samples are enough.
    dY, derivative_weight
        As in `fit`: the gradient with known derivatives.
    tolerance : float, default 1e-6
        The largest difference that counts as right, relative to the largest derivative of the layer's weights or
        biases.
    at_most : int or None, default 50
        How many weights and biases of each layer are checked, the same ones in every call; None for all. Each takes
        four evaluations of the cost.

    Returns
    -------
    GradientCheck
        `ok` is whether nothing is wrong; printed, it is a table with a verdict for each layer.

    References
    ----------
    Differences (C(θ + h) − C(θ − h)) / 2h for h and h/2, extrapolated to remove the error of second order (Richardson
    1911). Where a corner is within the step, they do not converge as h shrinks, and the parameter is left out.

    Examples
    --------
    >>> import fastbp, math
    >>> net = fastbp.Network([2, 3, 1], activation="tanh", cost="quadratic", seed=0)
    >>> check_gradient(net, [[1, 2], [3, -1]], [[1], [0]]).ok
    True
    >>> sine = fastbp.Activation("sine", math.sin, math.sin)
    >>> net = fastbp.Network([2, 3, 1], activation=sine, cost="quadratic", seed=0)
    >>> print(check_gradient(net, [[1, 2], [3, -1]], [[1], [0]]))
    layer  of               checked  corners  difference  verdict
    1      weights           6 of 6        0     ...  WRONG
    1      biases            3 of 3        0     ...  WRONG
    2      weights           3 of 3        0     ...  right
    2      biases            1 of 1        0     ...  right
    layer 1, w_jk with j = ..., k = ...: backpropagation says ..., differences say ...
    layer 1, b_j with j = ...: backpropagation says ..., differences say ...
    layer 1 is wrong, the layers after it are right:
    look at the derivative of 'sine', the σ of layer 1
    """
    if not isinstance(net, Network):
        raise TypeError(f"net is {net!r}; it must be a fastbp.Network")
    limit = validation.positive("tolerance", tolerance)
    most = None if at_most is None else validation.whole_number("at_most", at_most, 1)
    if not net.cost.derivative_is_exact:
        raise ValueError(
            f"the derivative of {net.cost.name!r} with these parameters is on purpose not that of the cost, so there "
            "is nothing to compare: check it with others, such as beta=0 of gaussian_nll"
        )
    checked = net._samples(X, Y)
    vector = net.parameters.astype(np.float64)
    model = Model(net.sizes, net.activations, net.cost, ParameterVector(net.sizes, vector))
    wide = replace(checked, X=checked.X.astype(np.float64), Y=checked.Y.astype(np.float64))
    wide.X.flags.writeable = wide.Y.flags.writeable = False  # the type that the formulations are compiled for
    formulation: Formulation = net._formulation
    if dY is not None:
        formulation, wide = of_samples(wide, dY, derivative_weight, None, model)
    differences = _Differences(model, wide.X, wide.Y, getattr(formulation, "inputs", ()))
    gradient = np.empty_like(vector)
    formulation.gradient(model, wide.X, wide.Y, gradient)
    of_backpropagation = ParameterVector(net.sizes, gradient)
    parts: tuple[Part, ...] = ("weights", "biases")
    layers = range(1, model.n_layers + 1)
    rows = tuple(_check(differences, of_backpropagation, l, what, limit, most) for l in layers for what in parts)
    return GradientCheck(rows, _advice(model, rows))


class _Differences:
    """The cost of a model as a function of one parameter."""

    def __init__(self, model: Model, X: Array, Y: Array, inputs: Sequence[int] | Array):
        self.model, self.X, self.inputs = model, X, inputs  # by which inputs derivatives are known
        n, n_d = model.sizes[-1], model.sizes[-1] * len(inputs)
        self.Y, self.d, self.v = np.split(Y, [n, n + n_d], axis=1) if n_d > 0 else (Y, Y[:, :0], Y[:, :0])
        self.cost = self._mean_cost()
        self.largest_input = _largest_activations(model, X)

    def _mean_cost(self) -> float:
        values = float(FORMULATIONS["vectorized"].costs(self.model, self.X, self.Y)[1].mean())
        return values + (self._cost_of_derivatives() if len(self.inputs) > 0 else 0.0)

    @as_if_compiled
    def _cost_of_derivatives(self) -> float:
        """½ Σ v (∂a/∂x − d)², the mean over samples, with tangents from the input on."""
        pass_, total = Pass(self.model), 0.0
        pass_.forward(self.X)
        for k, i in enumerate(self.inputs):
            a_dot = np.zeros_like(self.X)
            a_dot[:, i] = 1
            for w, Z, A, times_sigma_prime in zip(pass_.weights, pass_.Z, pass_.A, pass_.backwards, strict=True):
                a_dot = times_sigma_prime(a_dot @ w.T, Z, A)
            d, v = (both[:, k :: len(self.inputs)] for both in (self.d, self.v))
            total += float(0.5 * (v * (a_dot - d) ** 2).sum())
        return total / len(self.X)

    def of(self, parameters: Array, i: int, step: float) -> tuple[float, float]:
        """Return ∂C/∂θ_i by differences, and how much they change with the step, which is much at a corner."""
        value, costs = parameters[i], []
        for nudge in (-step, -step / 2, step / 2, step):
            parameters[i] = value + nudge
            costs.append(self._mean_cost())
        parameters[i] = value
        wide, narrow = (costs[3] - costs[0]) / (2 * step), (costs[2] - costs[1]) / step
        bend, small_bend = costs[3] - 2 * self.cost + costs[0], costs[2] - 2 * self.cost + costs[1]
        return (4 * narrow - wide) / 3, max(abs(wide - narrow), abs(bend - 4 * small_bend) / step)


@as_if_compiled
def _largest_activations(model: Model, X: Array) -> list[float]:
    """The largest |a| of layers 0…L − 1: nudging a weight changes z by at most that, times the nudge."""
    a, largest = X, []
    for w, b, activation in zip(model.parameters.weights, model.parameters.biases, model.activations, strict=True):
        largest.append(float(np.abs(a).max()))
        a = sigma(activation)(a @ w.T + b)
    return largest


def _check(
    differences: _Differences, gradient: ParameterVector, l: int, what: Part, tolerance: float, at_most: int | None
) -> LayerCheck:
    parameters = getattr(differences.model.parameters, what)[l - 1].reshape(-1)
    by_backpropagation = getattr(gradient, what)[l - 1].reshape(-1)
    step = STEP / max(1.0, differences.largest_input[l - 1]) if what == "weights" else STEP
    n = parameters.size
    some = None if at_most is None or n <= at_most else np.random.default_rng(0).choice(n, at_most, replace=False)
    tried = list(range(n)) if some is None else sorted(some.tolist())
    found = np.array([differences.of(parameters, i, step) for i in tried])
    by_difference, change, said = found[:, 0], found[:, 1], by_backpropagation[tried]
    distance = np.abs(by_difference - said)
    scale = float(max(np.abs(said).max(), np.abs(by_difference).max()))
    noise = ROUNDING * abs(differences.cost) / step
    disagree = ~(distance <= tolerance * scale + noise)
    corner = disagree & (change > 0.1 * distance)
    wrong = disagree & ~corner
    distance = np.where(corner, 0.0, distance)
    verdict: Verdict = "wrong" if wrong.any() else "corners" if corner.all() else "right"
    if verdict == "right" and scale < 100 * noise:
        verdict = "too small"
    worst = int(np.argmax(distance))
    j, k = divmod(tried[worst], differences.model.sizes[l - 1])
    place = f"w_jk with j = {j}, k = {k}" if what == "weights" else f"b_j with j = {tried[worst]}"
    words = f"layer {l}, {place}: backpropagation says {said[worst]:.6g}, differences say {by_difference[worst]:.6g}"
    relative = float(distance.max() / scale) if scale > 0 else 0.0
    return LayerCheck(l, what, len(tried), n, int(corner.sum()), relative, verdict, words)


def _advice(model: Model, rows: Any) -> str:
    wrong = {row.layer for row in rows if row.verdict == "wrong"}
    if not wrong:
        return "nothing is wrong"
    last = max(wrong)
    suspect = f"the derivative of {model.activations[last - 1].name!r}, the σ of layer {last}"
    if last == model.n_layers:
        return f"the output layer is wrong: look at the derivative of the cost {model.cost.name!r},\nand at {suspect}"
    return f"layer {last} is wrong, the layers after it are right:\nlook at {suspect}"
