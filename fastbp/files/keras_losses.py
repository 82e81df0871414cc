"""The fastbp cost for the loss that a Keras model is compiled with.

Keras takes the mean over the outputs of a sample. fastbp takes the sum, which is n_out times as much and has its
minimum at the same place.
"""

from typing import Any

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


def cost_of(model: Any, output: Activation) -> tuple[Cost | None, str]:
    """Return the cost that equals the loss of a model, and ""; or None and the reason, which is "" without a loss."""
    given = getattr(model, "loss", None)
    if isinstance(given, list | tuple | dict) and len(given) == 1:
        (given,) = given.values() if isinstance(given, dict) else given
    if given is None:
        return None, ""
    loss, parameters = _loss(given)
    if loss is None:
        return None, f"the loss {getattr(given, 'name', None) or getattr(given, '__name__', given)!r} has no equal"
    _, name, needed = LOSSES[loss]
    for parameter, values in NEUTRAL.items():
        if parameters.get(parameter, values[0]) not in values:
            return None, f"{loss} has {parameter}={parameters[parameter]!r}, which has no equal"
    if parameters.get("from_logits", False):
        if output.name == needed:
            return COSTS[name], ""
        return None, f"{loss} has from_logits=True: cross_entropy if output_activation={needed!r} is given"
    cost = Huber(float(parameters.get("delta", 1.0))) if name == "huber" else COSTS[name]
    if needed not in (None, output.name) or cost.refusal(output):
        return None, f"{loss} on {output.name} outputs has no equal"
    return cost, ""


def _loss(given: Any) -> tuple[str | None, dict[str, Any]]:
    """Return the class of a loss in `LOSSES`, and the parameters given; None and no parameters for other losses."""
    import keras

    if isinstance(given, str):
        given = keras.losses.get(given)
    for name, (function, *_) in LOSSES.items():
        if given is getattr(keras.losses, function):
            return name, {}
    name = type(given).__name__
    if name not in LOSSES or type(given) is not getattr(keras.losses, name):
        return None, {}
    # Keras has no public attribute for the δ of Huber.
    return name, {**given.get_config(), **getattr(given, "_fn_kwargs", {})}
