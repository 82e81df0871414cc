"""Reads ``Dense`` layers, activations and normalizations, one after the other, of Keras. Parameters are copied."""

from collections.abc import Callable
from typing import Any

import numpy as np

from fastbp.files.layers import Layers, Reader, imported
from fastbp.functions.activations import ALPHA, SLOPE

# Names in ``keras.activations`` with fastbp's. Keras' leaky_relu is left out: it has another slope.
FUNCTIONS = {
    "linear": "identity", "sigmoid": "sigmoid", "tanh": "tanh", "relu": "relu", "elu": "elu", "softplus": "softplus",
    "selu": "selu", "silu": "silu", "mish": "mish", "gelu": "gelu", "exponential": "exponential", "softmax": "softmax",
}  # fmt: skip

# Layers that are activations, with fastbp's names, and the parameters with which both are the same function.
LAYERS: dict[str, tuple[str, dict[str, Any]]] = {
    "ReLU": ("relu", {"negative_slope": 0.0, "threshold": 0.0, "max_value": None}),
    "LeakyReLU": ("leaky_relu", {"negative_slope": SLOPE}),
    "ELU": ("elu", {"alpha": ALPHA}),
    "Softmax": ("softmax", {"axis": -1}),
}

PASSED_OVER = {"InputLayer", "Dropout", "Flatten", "Identity"}  # the identity on rows of samples, outside training

UNBUILT = "build the model first, with keras.Input or model.build"


def from_keras(model: Any, output_activation: str | None) -> Layers:
    """Return the layers of a model. Raises TypeError or ValueError for what fastbp does not have."""
    keras = imported("keras", "from_keras needs", "`pip install 'fastbp[keras]'`")
    if not isinstance(model, keras.Sequential | keras.src.models.Functional):
        name = type(model).__name__
        raise TypeError(f"model is a {name}; it must be a keras.Sequential or a keras.Model(inputs, outputs)")
    reader = Reader()
    _read(keras, model, "model", reader)
    return reader.layers("the model", output_activation)


def _read(keras: Any, model: Any, where: str, reader: Reader) -> None:
    sequential = isinstance(model, keras.Sequential)
    if type(model).call is not (keras.Sequential if sequential else keras.src.models.Functional).call:
        raise ValueError(f"{where} is a {type(model).__name__} with its own call, which fastbp cannot translate")
    for i, layer in enumerate(model.layers if sequential else _chain(model, where)):
        place, name = f"{where}.layers[{i}]", type(layer).__name__
        ours = type(layer) is getattr(keras.layers, name, None)
        if isinstance(layer, keras.Sequential | keras.src.models.Functional):
            _read(keras, layer, place, reader)
        elif ours and name == "Dense":
            _read_dense(keras, layer, place, reader)
        elif ours and name == "Activation":
            _read_function(keras, layer, place, reader)
        elif ours and name in LAYERS:
            _read_activation(layer, place, reader)
        elif ours and name in NORMALIZATIONS:
            if not layer.built:
                raise ValueError(f"{place} has no numbers yet; {UNBUILT}")
            with np.errstate(invalid="ignore"):
                reader.normalization(place, *NORMALIZATIONS[name](keras, layer))
        elif not (ours and name in PASSED_OVER):
            known = ", ".join(("Dense", "Sequential", "Activation", *LAYERS, *NORMALIZATIONS, *sorted(PASSED_OVER)))
            raise ValueError(f"{place} is a {name}; fastbp has {known} only")


def _chain(model: Any, where: str) -> list[Any]:
    """Return the layers of a functional model, the first one first. Raises ValueError unless they are one chain."""
    layers: list[Any] = []
    place, ends, tensors = where, "outputs", model.outputs
    while tensors:
        if len(tensors) > 1:
            raise ValueError(f"{place} has {len(tensors)} {ends}; fastbp has layers one after the other only")
        layer, i, _ = tensors[0]._keras_history
        call = layer._inbound_nodes[i]
        place, ends, tensors = f"{where}, layer {layer.name!r},", "inputs", call.input_tensors
        if any(value is True for value in (*call.arguments.args, *call.arguments.kwargs.values())):
            raise ValueError(f"{place} is called with training=True; fastbp has what it does outside training only")
        layers.append(layer)
    return layers[::-1]


def _read_dense(keras: Any, layer: Any, place: str, reader: Reader) -> None:
    if len(layer.weights) != 1 + layer.use_bias:
        raise ValueError(f"{place} has {len(layer.weights)} arrays of weights; {UNBUILT}")
    arrays = [_array(variable) for variable in layer.weights]
    reader.layer(place, arrays[0].T, arrays[1] if layer.use_bias else None)
    _read_function(keras, layer, place, reader)


def _array(variable: Any) -> Any:
    # A variable or a tensor of PyTorch, JAX or TensorFlow. ``layer.get_weights`` makes NumPy warn of PyTorch's.
    value = getattr(variable, "value", variable)
    return np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)


def _normalization(keras: Any, layer: Any) -> tuple[Any, ...]:
    mean, variance = _array(layer.mean), _array(layer.variance)
    deviation = np.maximum(np.sqrt(variance.astype(np.float64)), keras.backend.epsilon())
    return (0.0, 1.0, deviation, mean) if layer.invert else (mean, deviation, 1.0, 0.0)


def _batch_normalization(keras: Any, layer: Any) -> tuple[Any, ...]:
    deviation = np.sqrt(_array(layer.moving_variance).astype(np.float64) + layer.epsilon)
    gamma, beta = _array(layer.gamma) if layer.scale else 1.0, _array(layer.beta) if layer.center else 0.0
    return _array(layer.moving_mean), deviation, gamma, beta


# Layers that give γ (a − mean) / deviation + β, and the four numbers or vectors.
NORMALIZATIONS: dict[str, Callable[[Any, Any], tuple[Any, ...]]] = {
    "BatchNormalization": _batch_normalization,
    "Normalization": _normalization,
    "Rescaling": lambda keras, layer: (0.0, 1.0, layer.scale, layer.offset),
}


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
