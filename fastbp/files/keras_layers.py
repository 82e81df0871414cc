"""Reads a ``keras.Sequential`` of ``Dense`` layers and activations. Parameters are copied."""

from typing import Any

import numpy as np

from fastbp.files.layers import Layers, Reader, imported
from fastbp.functions.activations import ALPHA, SLOPE

# Names in ``keras.activations`` with fastbp's. Keras' leaky_relu is left out: it has another slope.
FUNCTIONS = {
    "linear": "identity", "sigmoid": "sigmoid", "tanh": "tanh", "relu": "relu", "elu": "elu", "softplus": "softplus",
    "silu": "silu", "gelu": "gelu", "exponential": "exponential", "softmax": "softmax",
}  # fmt: skip

# Layers that are activations, with fastbp's names, and the parameters with which both are the same function.
LAYERS: dict[str, tuple[str, dict[str, Any]]] = {
    "ReLU": ("relu", {"negative_slope": 0.0, "threshold": 0.0, "max_value": None}),
    "LeakyReLU": ("leaky_relu", {"negative_slope": SLOPE}),
    "ELU": ("elu", {"alpha": ALPHA}),
    "Softmax": ("softmax", {"axis": -1}),
}

PASSED_OVER = {"InputLayer", "Dropout", "Flatten"}  # the identity on rows of samples, outside training


def from_keras(model: Any, output_activation: str | None) -> Layers:
    """Return the layers of a ``keras.Sequential``. Raises TypeError or ValueError for what fastbp does not have."""
    keras = imported("keras", "from_keras needs", "`pip install 'fastbp[keras]'`")
    if not isinstance(model, keras.Sequential):
        raise TypeError(f"model is a {type(model).__name__}; it must be a keras.Sequential")
    reader = Reader()
    _read(keras, model, "model", reader)
    return reader.layers("the model", output_activation)


def _read(keras: Any, model: Any, where: str, reader: Reader) -> None:
    if type(model).call is not keras.Sequential.call:
        raise ValueError(f"{where} is a {type(model).__name__} with its own call, which fastbp cannot translate")
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
    # Tensors of PyTorch, JAX or TensorFlow. ``layer.get_weights`` makes NumPy warn of PyTorch's.
    values = [variable.value for variable in layer.weights]
    arrays = [np.asarray(value.detach().cpu() if hasattr(value, "detach") else value) for value in values]
    if len(arrays) != 1 + layer.use_bias:
        raise ValueError(
            f"{place} has {len(arrays)} arrays of weights; build the model first, with keras.Input or model.build"
        )
    reader.layer(place, arrays[0].T, arrays[1] if layer.use_bias else None)
    _read_function(keras, layer, place, reader)


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
