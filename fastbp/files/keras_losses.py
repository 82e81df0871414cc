"""Keras: the loss that a model is compiled with, as a cost of fastbp's.

Keras takes the mean over the outputs of a sample where fastbp takes the sum: n_out times as much, with the minimum at
the same place.
"""

from typing import Any, NamedTuple

from fastbp.functions.activations import Activation
from fastbp.functions.costs import COSTS, Cost, Huber

# Keras' classes with fastbp's costs, and the outputs for which they are the same.
LOSSES: dict[str, tuple[str, str | None]] = {
    "MeanSquaredError": ("squared_error", None),
    "MeanAbsoluteError": ("absolute", None),
    "Huber": ("huber", None),
    "BinaryCrossentropy": ("cross_entropy", "sigmoid"),
    "CategoricalCrossentropy": ("cross_entropy", "softmax"),
    "SparseCategoricalCrossentropy": ("cross_entropy", "softmax"),
    "Poisson": ("poisson", None),
}

# Keras' functions that are these classes with their defaults.
FUNCTIONS = {
    "mean_squared_error": "MeanSquaredError", "mean_absolute_error": "MeanAbsoluteError", "huber": "Huber",
    "binary_crossentropy": "BinaryCrossentropy", "categorical_crossentropy": "CategoricalCrossentropy",
    "sparse_categorical_crossentropy": "SparseCategoricalCrossentropy", "poisson": "Poisson",
}  # fmt: skip

# Parameters of a loss that fastbp does not have, and where they change nothing.
NEUTRAL = {"label_smoothing": (0.0,), "axis": (-1,), "ignore_class": (None,)}


class Loss(NamedTuple):
    """A loss as Keras has it: the name of its class, and its parameters, those that are not left out."""

    name: str
    parameters: dict[str, Any]


def cost_of(model: Any, output: Activation) -> tuple[Cost | None, str]:
    """Return the cost that the loss of a model is on these outputs; or None and, if there is a loss, why."""
    given = getattr(model, "loss", None)
    if isinstance(given, list | tuple | dict) and len(given) == 1:
        (given,) = given.values() if isinstance(given, dict) else given
    if given is None:
        return None, ""
    loss = _loss(given)
    if loss is None:
        return None, f"the loss {getattr(given, 'name', None) or getattr(given, '__name__', given)!r} has no equal"
    name, needed = LOSSES[loss.name]
    for parameter, values in NEUTRAL.items():
        if loss.parameters.get(parameter, values[0]) not in values:
            return None, f"{loss.name} has {parameter}={loss.parameters[parameter]!r}, which has no equal"
    if loss.parameters.get("from_logits", False):
        if output.name == needed:
            return COSTS[name], ""
        return (
            None,
            f"{loss.name} has from_logits=True, which is cross_entropy where output_activation={needed!r} is given",
        )
    cost = Huber(float(loss.parameters.get("delta", 1.0))) if name == "huber" else COSTS[name]
    if needed not in (None, output.name) or cost.refusal(output):
        return None, f"{loss.name} on {output.name} outputs has no equal"
    return cost, ""


def _loss(given: Any) -> Loss | None:
    """Return a loss of Keras' own that has an equal; None for others."""
    import keras

    if isinstance(given, str):
        given = keras.losses.get(given)
    for function, name in FUNCTIONS.items():
        if given is getattr(keras.losses, function):
            return Loss(name, {})
    name = type(given).__name__
    if name not in LOSSES or type(given) is not getattr(keras.losses, name):
        return None
    # Keras keeps δ of Huber in no public place.
    return Loss(name, {**given.get_config(), **getattr(given, "_fn_kwargs", {})})
