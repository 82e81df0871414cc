"""One number of a network is nudged: the change of the cost that its derivative predicts, and the actual change."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fastbp.derivatives.explain import symbols
from fastbp.derivatives.explain.chains import Chains
from fastbp.derivatives.explain.layer_trace import Arrays, LayerTrace, put_together
from fastbp.derivatives.explain.tables import ReadableSequence, Table, number
from fastbp.formulations import numpy_functions
from fastbp.formulations.textbook import backprop, feedforward
from fastbp.model import Array, Model, ParameterVector

Target = tuple[str, tuple[int, ...]]  # "weight" (l, j, k), "bias" (l, j) or "input" (k,)
State = tuple[Arrays, Arrays]  # z of layers 1…L, a of layers 0…L
NOISE = 1e-13  # relative to the numbers that the cost is summed from: a smaller difference is rounding


@dataclass(frozen=True)
class NudgeStep:
    """One nudge.

    Attributes
    ----------
    nudge, predicted, actual : float
        The size of the nudge, the predicted ∂C = derivative · nudge, and the actual ΔC = C(nudged) − C.
    order : float
        The power of the nudge with which |predicted − actual| shrinks from the nudge before to this one: 2 where the
        cost is curved. NaN for the first nudge, and where the difference is rounding.
    """

    nudge: float
    predicted: float
    actual: float
    order: float

    @property
    def difference(self) -> float:
        """ΔC − ∂C."""
        return self.actual - self.predicted


@dataclass(frozen=True)
class Link:
    """One link of the chain from a nudge to the cost.

    Attributes
    ----------
    what : str
        The number that changes: the z of the neuron, its a, or the cost.
    symbol, derivative : str and float
        Its derivative by the number before it in the chain, ``∂z⁽²⁾[0]/∂w⁽²⁾[0,1]``, and the value.
    predicted, actual : float
        Its change as the product of the derivatives so far predicts it, and its actual change.
    """

    what: str
    symbol: str
    derivative: float
    predicted: float
    actual: float


@dataclass(frozen=True)
class Nudge(ReadableSequence[NudgeStep]):
    """How the cost of one sample changes when one weight, bias or input is nudged: what `Network.nudge` returns.

    It prints as a table, and shows as one in a notebook.

    Attributes
    ----------
    of : str
        The number that is nudged: ``w⁽²⁾[0,1]``.
    value, cost, derivative : float
        Its value, C, and the derivative of C by it, all without a nudge.
    chain : tuple of Link
        How the first nudge of a weight or bias propagates: ∂z, ∂a, ∂C. Without ∂a where `Trace.factors` has two
        factors. Empty for an input, because it changes every neuron of the first layer.
    steps : tuple of NudgeStep
        The nudges, the largest first. ``len``, iteration and indices go over them.

    Examples
    --------
    >>> import fastbp
    >>> net = fastbp.Network([1, 1], cost="squared_error", initializer="zeros")
    >>> nudge = net.nudge([2.0], [1.0], weight=(1, 0, 0), by=0.1, steps=3)  # C = (2w − 1)² at w = 0
    >>> [(step.nudge, round(step.predicted, 6), round(step.actual, 6)) for step in nudge]
    [(0.1, -0.4, -0.36), (0.01, -0.04, -0.0396), (0.001, -0.004, -0.003996)]
    >>> round(nudge[1].order, 3)
    2.0
    """

    of: str
    value: float
    cost: float
    derivative: float
    chain: tuple[Link, ...]
    steps: tuple[NudgeStep, ...]
    _items = "steps"

    def _tables(self) -> list[Table]:
        title = f"{self.of} = {number(self.value)} is nudged; C = {number(self.cost)}, "
        tables = [Table(f"{title}∂C/∂{self.of} = {number(self.derivative)}")]
        if self.chain:
            heads = ["nudged", "derivative", "its value", "predicted", "actual"]
            links = [
                [at.what, at.symbol, number(at.derivative), f"{at.predicted:.6g}", f"{at.actual:.6g}"]
                for at in self.chain
            ]
            tables.append(Table(f"how a nudge of {number(self[0].nudge)} goes on", heads, links, left=(0, 1)))
        rows = [
            [number(step.nudge), f"{step.predicted:.6g}", f"{step.actual:.6g}", f"{step.difference:.3g}",
             "·" if math.isnan(step.order) else f"{step.order:.2f}"]
            for step in self
        ]  # fmt: skip
        heads = ["nudge", "predicted ∂C", "actual ΔC", "ΔC − ∂C", "order"]
        return [*tables, Table("smaller and smaller nudges", heads, rows, [self._conclusion()])]

    def _conclusion(self) -> str:
        orders = [step.order for step in self if not math.isnan(step.order)]
        if orders:
            return f"ΔC − ∂C shrinks with the nudge to the power {orders[-1]:.2f}, ∂C itself with the power 1"
        if len(self) == 1:
            return "more steps show how the difference shrinks"
        return "ΔC − ∂C is no more than rounding: within rounding, the cost is a straight line here"


@numpy_functions.as_if_compiled
def nudged(model: Model, x: Array, y: Array, target: Target, nudges: Sequence[float]) -> Nudge:
    """Nudge one number of a copy of the model, or of x, in float64, and compare the costs of the sample."""
    theta = ParameterVector(model.sizes, model.parameters.vector.astype(np.float64))
    model, x, y = Model(model.sizes, model.activations, model.cost, theta), x.astype(np.float64), y.astype(np.float64)
    before = feedforward(model, x)
    layers = put_together(model, theta, y, *before, backprop(model, x, y)[1])
    of, place, derivative = _number(layers, theta, x, target)
    cost, value = _cost(model, before, y), float(place[()])
    noise = NOISE * (abs(cost) + sum(float(np.abs(at.delta * at.z).sum()) for at in layers[1:]))
    states = []
    for nudge in nudges:
        place[()] = value + nudge
        states.append(feedforward(model, x))
    place[()] = value
    actual = [_cost(model, state, y) - cost for state in states]
    chain = _chain(Chains(layers, model.cost), target, nudges[0], before, states[0], actual[0])
    return Nudge(of, value, cost, derivative, chain, _steps(nudges, derivative, actual, noise))


def _cost(model: Model, state: State, y: Array) -> float:
    zs, activations = state
    cost, _ = numpy_functions.cost_and_error(model.cost, model.activations[-1])
    return float(cost(zs[-1], activations[-1], y))


def _number(layers: Sequence[LayerTrace], theta: ParameterVector, x: Array, target: Target) -> tuple[str, Array, float]:
    """Return the name of the target, a writable view of it, and the derivative of C by it."""
    kind, indices = target
    if kind == "input":
        (k,) = indices
        return symbols.of("a", 0, k), x[k, ...], float(layers[0].dC_da[k])
    if kind == "bias":
        l, j = indices
        return symbols.of("b", l, j), theta.biases[l - 1][j, ...], float(layers[l].delta[j])
    l, j, k = indices
    return symbols.of("w", l, j, k), theta.weights[l - 1][j, k, ...], float(layers[l].delta[j] * layers[l].a_before[k])


def _chain(
    chains: Chains, target: Target, nudge: float, before: State, after: State, actual_cost: float
) -> tuple[Link, ...]:
    kind, indices = target
    if kind == "input":
        return ()
    l, j = indices[:2]
    factors = chains.from_weight(l, j, indices[2], [j]) if kind == "weight" else chains.from_bias(l, j, [j])
    z, a = float(after[0][l - 1][j] - before[0][l - 1][j]), float(after[1][l][j] - before[1][l][j])
    actual = {symbols.of("z", l, j): z, symbols.of("a", l, j): a, "C": actual_cost}
    links, predicted = [], nudge
    for factor in factors:
        predicted *= factor.value
        what = factor.symbol.split("/")[0].removeprefix("∂")
        links.append(Link(what, factor.symbol, factor.value, predicted, actual[what]))
    return tuple(links)


def _steps(nudges: Sequence[float], derivative: float, actual: Sequence[float], noise: float) -> tuple[NudgeStep, ...]:
    steps: list[NudgeStep] = []
    for nudge, change in zip(nudges, actual, strict=True):
        predicted, order = derivative * nudge, math.nan
        difference = abs(change - predicted)
        if steps and noise < difference < math.inf and noise < abs(steps[-1].difference) < math.inf:
            order = math.log(abs(steps[-1].difference) / difference) / math.log(steps[-1].nudge / nudge)
        steps.append(NudgeStep(nudge, predicted, change, order))
    return tuple(steps)
