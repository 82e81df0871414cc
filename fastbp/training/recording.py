"""Values of a network recorded after every epoch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from fastbp.training.callbacks import Callback, Run


class Recorder(Callback):
    """Record the value of a function of the network, before training and after every epoch.

    Parameters
    ----------
    function : callable
        Takes the network and returns the value: a number, or an array that is not a view of the parameters, which
        change. TypeError if it is not callable.

    Attributes
    ----------
    function : callable
        As given.
    values : list
        The values: before training, then after each epoch; a second `fit` appends to them.

    Examples
    --------
    >>> import fastbp
    >>> net = fastbp.Network([1, 1], initializer="zeros", dtype="float64")
    >>> recorder = Recorder(lambda net: float(net.weights[0][0, 0]))
    >>> history = net.fit([[1.0]], [1.0], epochs=3, optimizer=fastbp.SGD(0.25), callbacks=[recorder])
    >>> recorder.values
    [0.0, 0.25, 0.375, 0.4375]
    """

    def __init__(self, function: Callable[[Any], Any]):
        if not callable(function):
            raise TypeError(f"function is {function!r}; it must be a function of the network")
        self.function = function
        self.values: list[Any] = []

    def on_train_begin(self, run: Run) -> None:
        """Record the value of the function for the network of the `run`."""
        self.values.append(self.function(run.net))

    on_epoch_end = on_train_begin


def error_norms(net: Any, X: npt.ArrayLike, Y: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return ‖δ⁽ˡ⁾‖ of layers 1…L, where δ is the mean over the samples: how fast each layer learns.

    By BP3, ∂C/∂b = δ, so these are the norms of the gradient of the biases, layer by layer, an (n_layers,) array of
    float64. `net` is a network, else TypeError; X, Y and the errors are as in `Network.fit`.

    References
    ----------
    Nielsen, *Neural Networks and Deep Learning*, chapter 5, "What's causing the vanishing gradient problem?".

    Examples
    --------
    >>> import fastbp
    >>> net = fastbp.Network([1, 1, 1], activation="sigmoid", cost="quadratic", initializer="zeros")
    >>> net.weights[1][0, 0] = 4
    >>> error_norms(net, [[1.0]], [0.0]).round(4)  # a = σ(2); one layer back: times w σ′(0) = 4 / 4
    array([0.0925, 0.0925])
    """
    if not callable(getattr(net, "gradient", None)):  # Network itself is above this module
        raise TypeError(f"net is {net!r}; it must be a fastbp.Network")
    return np.array([np.linalg.norm(b) for b in net.gradient(X, Y).biases], dtype=np.float64)
