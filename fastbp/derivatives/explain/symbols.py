"""The names of a network's numbers in explanations: the layer as a superscript, then the indices as in the code."""

from fastbp.functions import activations, costs
from fastbp.functions.activations import Activation
from fastbp.functions.costs import COSTS, Cost

_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")

_SIGMA_PRIME = {
    activations.identity: "1",
    activations.sigmoid: "a (1 − a)",
    activations.tanh: "1 − a²",
    activations.relu: "1 if z > 0, else 0",
    activations.leaky_relu: "1 if z > 0, else 0.01",
    activations.elu: "1 if z > 0, else exp z",
    activations.selu: "1.0507 if z > 0, else 1.7581 exp z",
    activations.softplus: "1/(1 + exp −z)",
    activations.silu: "s + z s (1 − s), s = 1/(1 + exp −z)",
    activations.mish: "t + z s (1 − t²), t = tanh(log(1 + exp z)), s = 1/(1 + exp −z)",
    activations.gelu: "Φ(z) + z φ(z)",
    activations.exponential: "a",
}

_COST_PRIME = {
    "quadratic": "a − y",
    "squared_error": "2 (a − y)",
    "cross_entropy": "(a − y) / (a (1 − a))",
    "absolute": "sign(a − y)",
    "poisson": "1 − y/a",
}


def of(symbol: str, l: int, *indices: int) -> str:
    """Return the name of a number of layer l.

    >>> of("w", 2, 0, 3), of("a", 12, 5)
    ('w⁽²⁾[0,3]', 'a⁽¹²⁾[5]')
    """
    return f"{symbol}⁽{str(l).translate(_RAISED)}⁾[{','.join(map(str, indices))}]"


def sigma_prime(activation: Activation) -> str:
    """Return σ′ as a formula in z or a."""
    formula = _SIGMA_PRIME.get(activation.function)
    return f"σ′(z) = {formula}" if formula else f"σ′ of {activation.name}"


def cost_prime(cost: Cost, output: Activation) -> str:
    """Return ∂C/∂a as a formula in a and y."""
    if cost.parameter is not None and not cost.whole_sample:
        p = f"{cost.parameter:g}"
        return f"a − y, within ±{p}" if cost.name == "huber" else f"−{p} if a < y, 1 − {p} if a > y"
    if cost.function is costs.cross_entropy and output.whole_layer:
        return "−y/a"
    ours = cost.name in _COST_PRIME and COSTS[cost.name].function is cost.function
    return _COST_PRIME[cost.name] if ours else f"∂C/∂a of {cost.name}"
