"""Keras: a ``keras.Sequential`` of ``Dense`` layers and activations, read. Parameters are copied."""

from typing import Any

import numpy as np

from fastbp.files.layers import Layers, Reader
from fastbp.functions.activations import ALPHA, SLOPE
from fastbp.model import Array

# Keras' functions by their names in ``keras.activations``, with fastbp's. Keras' leaky_relu has another slope.
FUNCTIONS = {
    "linear": "identity", "sigmoid": "sigmoid", "tanh": "tanh", "relu": "relu", "elu": "elu", "softplus": "softplus",
    "silu": "silu", "gelu": "gelu", "exponential": "exponential", "softmax": "softmax",
}  # fmt: skip

# Layers that are an activation, and what makes it the same function.
LAYERS: dict[str, tuple[str, dict[str, Any]]] = {
    "ReLU": ("relu", {"negative_slope": 0.0, "threshold": 0.0, "max_value": None}),
    "LeakyReLU": ("leaky_relu", {"negative_slope": SLOPE}),
    "ELU": ("elu", {"alpha": ALPHA}),
    "Softmax": ("softmax", {"axis": -1}),
}

PASSED_OVER = {"InputLayer", "Dropout", "Flatten"}  # of rows of samples, when nothing is trained: the identity


def from_keras(model: Any, output_activation: str | None) -> Layers:
    """Return the layers of a ``keras.Sequential``. Raises TypeError or ValueError for what fastbp has not."""
    keras = _keras()
    if not isinstance(model, keras.Sequential):
        raise TypeError(f"model is a {type(model).__name__}; it must be a keras.Sequential")
    reader = Reader()
    _read(keras, model, "model", reader)
    return reader.layers("the model", output_activation)


def _read(keras: Any, model: Any, where: str, reader: Reader) -> None:
    if type(model).call is not keras.Sequential.call:
        raise ValueError(f"{where} is a {type(model).__name__}, with a call of its own, which fastbp cannot know")
    for i, layer in enumerate(model.layers):
        place, name = f"{where}.layers[{i}]", type(layer).__name__
        ours = type(layer) is getattr(keras.layers, name, None)
        if isinstance(layer, keras.Sequential):
            _read(keras, layer, place, reader)
        elif ours and name == "Dense":
            _read_dense(keras, layer, place, reader)
        elif ours and name == "Activation":
            _read_function(keras, layer, place, reader)
        elif ours and name in LAYERS:
            _read_activation(layer, place, reader)
        elif not (ours and name in PASSED_OVER):
            known = ", ".join(("Dense", "Sequential", "Activation", *LAYERS, *sorted(PASSED_OVER)))
            raise ValueError(f"{place} is a {name}; fastbp has {known} only")


def _read_dense(keras: Any, layer: Any, place: str, reader: Reader) -> None:
    arrays = [_array(variable.value) for variable in layer.weights]
    if len(arrays) != 1 + layer.use_bias:
        raise ValueError(f"{place} has {len(arrays)} arrays of weights; build the model before, as keras.Input does")
    reader.layer(place, arrays[0].T, arrays[1] if layer.use_bias else None)
    _read_function(keras, layer, place, reader)


def _array(value: Any) -> Array:
    """Return what Keras computes with, PyTorch's, JAX's or TensorFlow's, as an array.

    Keras' own way, ``get_weights``, has NumPy warn of PyTorch.
    """
    return np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)


def _read_function(keras: Any, layer: Any, place: str, reader: Reader) -> None:
    for theirs, ours in FUNCTIONS.items():
        if layer.activation is getattr(keras.activations, theirs):
            if ours != "identity":
                reader.activation(place, ours)
            return
    name = getattr(layer.activation, "__name__", layer.activation)
    raise ValueError(
        f"{place} has the activation {name!r}; of Keras' functions fastbp has {', '.join(FUNCTIONS)}, and the layer "
        f"LeakyReLU({SLOPE})"
    )


def _read_activation(layer: Any, place: str, reader: Reader) -> None:
    ours, needed = LAYERS[type(layer).__name__]
    given = layer.get_config()
    for parameter, value in needed.items():
        if given[parameter] != value and not (parameter == "axis" and given[parameter] == 1):
            raise ValueError(f"{place} has {parameter}={given[parameter]!r}; fastbp's {ours} has {value!r}")
    reader.activation(place, ours)


def _keras() -> Any:
    try:
        import keras
    except ImportError as error:
        raise ImportError(
            f"from_keras needs Keras 3: install it with `pip install 'fastbp[keras]'` ({error})"
        ) from None
    return keras
