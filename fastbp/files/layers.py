"""What all formats share: layers of weights, biases and fastbp's own activations; packages that may be missing."""

import importlib
from typing import Any, NamedTuple

import numpy as np

from fastbp import validation
from fastbp.functions.activations import ACTIVATIONS
from fastbp.model import Array, Model


class Layers(NamedTuple):
    """A network of another library: w (n_out, n_in), b (n_out,) and the name of σ of each layer."""

    weights: list[Array]
    biases: list[Array]
    activations: list[str]

    @property
    def sizes(self) -> list[int]:
        """The number of neurons of each layer, the input first."""
        return [self.weights[0].shape[1], *(len(w) for w in self.weights)]


class Reader:
    """Collects the layers of a model of another library, one after the other.

    An activation belongs to the layer before it. The activation of a layer without one is the identity. A normalization
    becomes part of the layer before it or, where that has an activation or is missing, of the layer after it.
    """

    def __init__(self) -> None:
        self._weights: list[Array] = []
        self._biases: list[Array] = []
        self._activations: list[str | None] = []
        self._waiting: list[tuple[str, Array, Array]] = []  # normalizations for the next layer: place, scale, shift

    def layer(self, where: str, w: Any, b: Any) -> None:
        """Add a layer with weights (n_out, n_in), and biases (n_out,) or None for zeros.

        Raises ValueError unless they are finite, of one float dtype, and fit each other and the layer before.
        """
        weights = np.asarray(w)
        if weights.ndim != 2 or 0 in weights.shape:
            raise ValueError(f"{where} has weights of shape {weights.shape}; needed is (n_out, n_in), at least 1 each")
        if weights.dtype not in (np.float32, np.float64):
            raise ValueError(f"{where} has weights of dtype {weights.dtype}; fastbp computes in float32 or float64")
        if self._weights and weights.shape[1] != len(self._weights[-1]):
            n_before = len(self._weights[-1])
            raise ValueError(f"{where} has {weights.shape[1]} inputs; the layer before it {n_before} outputs")
        if self._weights and weights.dtype != self._weights[0].dtype:
            raise ValueError(f"{where} is {weights.dtype}, the layers before it {self._weights[0].dtype}")
        biases = np.zeros(len(weights), weights.dtype) if b is None else np.asarray(b)
        if biases.shape != weights.shape[:1] or biases.dtype != weights.dtype:
            needed = f"{weights.shape[:1]} of {weights.dtype}"
            raise ValueError(f"{where} has biases {biases.shape} of {biases.dtype}; its weights need {needed}")
        self._weights.append(weights)
        self._biases.append(biases)
        self._activations.append(None)
        for place, *numbers in reversed(self._waiting):  # w (scale a + shift) + b
            scale, shift = (of_features(place, v, weights.shape[1]) for v in numbers)
            with np.errstate(all="ignore"):
                weights, biases = weights * scale, weights @ shift + biases
        self._waiting = []
        self._set_last(where, weights, biases)

    def normalization(self, where: str, mean: Any, deviation: Any, gamma: Any, beta: Any) -> None:
        """Add a ← γ (a − mean) / deviation + β, each a vector or a number; computed in float64, rounded in the end.

        Raises ValueError unless all are finite and as long as the layer.
        """
        n = max(np.size(v) for v in (mean, deviation, gamma, beta))
        mean, deviation, gamma, beta = (of_features(where, v, n) for v in (mean, deviation, gamma, beta))
        with np.errstate(all="ignore"):
            scale = validation.matrix(f"{where}, the scale", gamma / deviation, gamma.dtype)
            shift = validation.matrix(f"{where}, the shift", beta - scale * mean, gamma.dtype)
        if not self._activations or self._activations[-1] is not None:
            self._waiting.append((where, scale, shift))
            return
        w, b = self._weights[-1], self._biases[-1]
        scale, shift = (of_features(where, v, len(w)) for v in (scale, shift))
        with np.errstate(all="ignore"):
            self._set_last(where, w * scale[:, None], b * scale + shift)

    def _set_last(self, where: str, weights: Array, biases: Array) -> None:
        dtype = self._weights[-1].dtype
        self._weights[-1] = validation.matrix(f"{where}.weights", weights, dtype)
        self._biases[-1] = validation.matrix(f"{where}.biases", biases, dtype)

    def activation(self, where: str, name: str) -> None:
        """Add the activation of the last layer so far. Raises ValueError without a layer, or if it has one."""
        if not self._activations:
            raise ValueError(f"{where} comes before the first layer; fastbp has activations after a layer only")
        if self._activations[-1] is not None:
            raise ValueError(f"{where} follows another activation; fastbp has one for each layer")
        self._activations[-1] = name

    def layers(self, what: str, output_activation: str | None) -> Layers:
        """Return all layers; the last one gets `output_activation` if the model ends without an activation.

        Raises ValueError without a layer, or if the model ends with another activation.
        """
        if not self._weights:
            raise ValueError(f"{what} has no layers with weights")
        if self._waiting:
            place, advice = self._waiting[0][0], "leave it out, and normalize what predict returns"
            raise ValueError(f"{place} normalizes after the last activation, but only a layer can take it in: {advice}")
        if output_activation is not None:
            output_activation = validation.known_name("output_activation", output_activation, ACTIVATIONS)
            if self._activations[-1] not in (None, output_activation):
                ends = f"{what} ends with {self._activations[-1]!r}"
                raise ValueError(f"output_activation is {output_activation!r}, but {ends}: leave it out")
            self._activations[-1] = output_activation
        return Layers(self._weights, self._biases, [name or "identity" for name in self._activations])


def of_features(where: str, numbers: Any, n: int) -> Array:
    """Return n numbers of float64, one for each feature, from n numbers or one. Raises ValueError for others."""
    given = np.ravel(np.asarray(numbers, np.float64))
    if len(given) not in (1, n):
        raise ValueError(f"{where} has {len(given)} features; the layer that it normalizes has {n}")
    return np.broadcast_to(given, n)


def check_ours(model: Model, where: str) -> None:
    """Raise ValueError for an activation that other programs do not know: a user's own, or one of whole layers."""
    for l, activation in enumerate(model.activations, start=1):
        if ACTIVATIONS.get(activation.name) != activation:
            raise ValueError(
                f"the activation of layer {l}, {activation.name!r}, cannot go there: {where} can only have "
                f"{', '.join(ACTIVATIONS)}"
            )


def imported(module: str, need: str, install: str) -> Any:
    """Return an optional package. Raises ImportError, saying who needs it and how to install it, if it is missing."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(f"{need} {module}: install it with {install} ({error})") from None
