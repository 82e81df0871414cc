"""The fastbp cost for the loss that a Keras model is compiled with.

Keras takes the mean over the outputs of a sample. fastbp takes the sum, which is n_out times as much and has its
minimum at the same place.
"""

from typing import Any, NamedTuple

from fastbp.functions.activations import Activation
from fastbp.functions.costs import COSTS, Cost, Huber

# Keras' classes, with the function that is the class with its defaults, fastbp's cost, and the output activation with
# which both are the same.
LOSSES: dict[str, tuple[str, str, str | None]] = {
    "MeanSquaredError": ("mean_squared_error", "squared_error", None),
    "MeanAbsoluteError": ("mean_absolute_error", "absolute", None),
    "Huber": ("huber", "huber", None),
    "BinaryCrossentropy": ("binary_crossentropy", "cross_entropy", "sigmoid"),
    "CategoricalCrossentropy": ("categorical_crossentropy", "cross_entropy", "softmax"),
    "SparseCategoricalCrossentropy": ("sparse_categorical_crossentropy", "cross_entropy", "softmax"),
    "Poisson": ("poisson", "poisson", None),
}

# Parameters of a loss that fastbp does not have, and the values with which they change nothing.
NEUTRAL = {"label_smoothing": (0.0,), "axis": (-1,), "ignore_class": (None,)}


class Loss(NamedTuple):
    """A loss of Keras: the name of its class, and the parameters given."""

    name: str
    parameters: dict[str, Any]


def cost_of(model: Any, output: Activation) -> tuple[Cost | None, str]:
    """Return the cost that equals the loss of a model with this output activation, and "".

    Without one, None and the reason; the reason is "" if the model has no loss.
    """
    given = getattr(model, "loss", None)
    if isinstance(given, list | tuple | dict) and len(given) == 1:
        (given,) = given.values() if isinstance(given, dict) else given
    if given is None:
        return None, ""
    loss = _loss(given)
    if loss is None:
        return None, f"the loss {getattr(given, 'name', None) or getattr(given, '__name__', given)!r} has no equal"
    _, name, needed = LOSSES[loss.name]
    for parameter, values in NEUTRAL.items():
        if loss.parameters.get(parameter, values[0]) not in values:
            return None, f"{loss.name} has {parameter}={loss.parameters[parameter]!r}, which has no equal"
    if loss.parameters.get("from_logits", False):
        if output.name == needed:
            return COSTS[name], ""
        return None, f"{loss.name} has from_logits=True: cross_entropy if output_activation={needed!r} is given"
    cost = Huber(float(loss.parameters.get("delta", 1.0))) if name == "huber" else COSTS[name]
    if needed not in (None, output.name) or cost.refusal(output):
        return None, f"{loss.name} on {output.name} outputs has no equal"
    return cost, ""


def _loss(given: Any) -> Loss | None:
    """Return a loss of Keras' own that is in `LOSSES`; None for others."""
    import keras

    if isinstance(given, str):
        given = keras.losses.get(given)
    for name, (function, *_) in LOSSES.items():
        if given is getattr(keras.losses, function):
            return Loss(name, {})
    name = type(given).__name__
    if name not in LOSSES or type(given) is not getattr(keras.losses, name):
        return None
    # Keras has no public attribute for the δ of Huber.
    return Loss(name, {**given.get_config(), **getattr(given, "_fn_kwargs", {})})
