"""What all formats share: layers of weights, biases and fastbp's own activations."""

from typing import Any, NamedTuple

import numpy as np

from fastbp import validation
from fastbp.functions.activations import ACTIVATIONS
from fastbp.model import Array, Model


class Layers(NamedTuple):
    """A network as others describe it: w (n_out, n_in), b and the name of σ of each layer."""

    weights: list[Array]
    biases: list[Array]
    activations: list[str]

    @property
    def sizes(self) -> list[int]:
        """The number of neurons of each layer, the input first."""
        return [self.weights[0].shape[1], *(len(w) for w in self.weights)]


class Reader:
    """Layers as they are found, one after the other, in a model of another library.

    An activation belongs to the layer before it; a layer that has none is followed by the identity.
    """

    def __init__(self) -> None:
        self._weights: list[Array] = []
        self._biases: list[Array] = []
        self._activations: list[str | None] = []

    def layer(self, where: str, w: Any, b: Any) -> None:
        """Note a layer with weights (n_out, n_in), and biases (n_out,) or None for zeros.

        Raises ValueError for what is no layer of finite numbers that follows on those before.
        """
        weights = np.asarray(w)
        if weights.ndim != 2 or 0 in weights.shape:
            raise ValueError(f"{where} has weights of shape {weights.shape}; needed is (n_out, n_in), at least 1 each")
        if weights.dtype not in (np.float32, np.float64):
            raise ValueError(f"{where} has weights of dtype {weights.dtype}; fastbp computes in float32 or float64")
        if self._weights and weights.shape[1] != len(self._weights[-1]):
            raise ValueError(
                f"{where} has {weights.shape[1]} inputs; the layer before it {len(self._weights[-1])} outputs"
            )
        if self._weights and weights.dtype != self._weights[0].dtype:
            raise ValueError(f"{where} is {weights.dtype}, the layers before it {self._weights[0].dtype}")
        biases = np.zeros(len(weights), weights.dtype) if b is None else np.asarray(b)
        if biases.shape != weights.shape[:1] or biases.dtype != weights.dtype:
            raise ValueError(
                f"{where} has biases {biases.shape} of {biases.dtype}; its weights need {weights.shape[:1]} of "
                f"{weights.dtype}"
            )
        self._weights.append(validation.matrix(f"{where}.weights", weights, weights.dtype))
        self._biases.append(validation.matrix(f"{where}.biases", biases, weights.dtype))
        self._activations.append(None)

    def activation(self, where: str, name: str) -> None:
        """Note the activation of the layer before."""
        if not self._activations:
            raise ValueError(f"{where} comes before the first layer; fastbp has activations after a layer only")
        if self._activations[-1] is not None:
            raise ValueError(f"{where} follows another activation; fastbp has one for each layer")
        self._activations[-1] = name

    def layers(self, what: str, output_activation: str | None) -> Layers:
        """Return all layers; `output_activation` is that of the last, where the model has none."""
        if not self._weights:
            raise ValueError(f"{what} has no layers with weights")
        if output_activation is not None:
            output_activation = validation.known_name("output_activation", output_activation, ACTIVATIONS)
            if self._activations[-1] not in (None, output_activation):
                raise ValueError(
                    f"output_activation is {output_activation!r}, but {what} ends with {self._activations[-1]!r}: "
                    "leave it out"
                )
            self._activations[-1] = output_activation
        return Layers(self._weights, self._biases, [name or "identity" for name in self._activations])


def check_ours(model: Model, where: str) -> None:
    """Raise ValueError if an activation is a user's own: nobody else knows it."""
    for l, activation in enumerate(model.activations, start=1):
        if ACTIVATIONS.get(activation.name) != activation:
            raise ValueError(
                f"the activation of layer {l}, {activation.name!r}, is your own; {where} can only have fastbp's: "
                f"{', '.join(ACTIVATIONS)}"
            )
