"""Networks from models of other libraries."""

from __future__ import annotations  # so that naming a torch.nn.Sequential does not import it

import warnings
from typing import TYPE_CHECKING, Any

from fastbp.files import keras_layers, keras_losses, pytorch
from fastbp.files.layers import Layers
from fastbp.functions.activations import ACTIVATIONS
from fastbp.functions.costs import Cost
from fastbp.network.network import Network

if TYPE_CHECKING:
    import keras
    import torch


def from_torch(
    module: torch.nn.Module,
    *,
    output_activation: str | None = None,
    cost: str | Cost | None = None,
    seed: Any = None,
) -> Network:
    """Return a network with the layers of a ``torch.nn.Sequential`` and copies of its parameters; needs PyTorch.

    The network computes what the module computes after ``module.eval()``. Raises ImportError without PyTorch, TypeError
    or ValueError if the module is another one of ``torch.nn`` or has a part that fastbp does not have, which the
    message names.

    Parameters
    ----------
    module : torch.nn.Sequential or your own torch.nn.Module
        Linear layers of float32 or float64, each with or without an activation after it: Identity, Sigmoid, Tanh, ReLU,
        LeakyReLU(0.01), ELU, Softplus, SiLU, GELU, and Softmax at the end. Sequentials may be nested. Your own modules
        may do nothing but call such modules one after the other; ``torch.fx`` runs their ``forward`` once, to see it.
        BatchNorm1d, γ (a − mean) / √(variance + ε) + β with the running mean and variance, becomes part of the weights
        and biases of the Linear layer before it, or of the next one if an activation lies between; further training
        changes them as one. Dropout and Flatten are ignored: use ``fit(dropout=…)``, and give X as rows.
    output_activation : str, optional
        σ of the output layer, where the module ends with a Linear layer: PyTorch's costs, such as CrossEntropyLoss,
        apply softmax or sigmoid themselves, but in fastbp they are part of the network.
    cost, seed : optional
        As in `Network`, for further training.

    Returns
    -------
    Network
        Of the module's dtype.

    Examples
    --------
    >>> import fastbp, torch
    >>> module = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))
    >>> net = fastbp.from_torch(module, output_activation="softmax")
    >>> net
    Network([2, 8, 3], activation=['tanh'], output_activation='softmax', cost='cross_entropy', dtype='float32',
            formulation='tiles')
    >>> bool((net.weights[1] == module[2].weight.detach().numpy()).all())
    True
    """
    return _network(pytorch.from_torch(module, output_activation), cost, seed)


def from_keras(
    model: keras.Model,
    *,
    output_activation: str | None = None,
    cost: str | Cost | None = None,
    seed: Any = None,
) -> Network:
    """Return a network with the layers of a model of Keras and copies of its parameters; needs Keras 3.

    The network computes what ``model.predict`` computes. Raises ImportError without Keras or its backend, TypeError or
    ValueError if the model is of another class, is not built yet, or has a part that fastbp does not have, which the
    message names. Warns with UserWarning if fastbp does not have the loss of the compiled model and no `cost` is given.

    Parameters
    ----------
    model : keras.Sequential or a functional keras.Model of one layer after the other
        Dense layers of float32 or float64, each with an activation or with a layer for it: linear, sigmoid, tanh, relu,
        elu, selu, softplus, silu, mish, gelu, exponential, LeakyReLU(0.01), and softmax at the end. Models can nest.
        BatchNormalization (with its moving mean and variance), Normalization and Rescaling become part of the weights
        and biases of the Dense layer before them, or of the next one if an activation lies between. Identity, Dropout
        and Flatten are ignored: use ``fit(dropout=…)``, and give X as rows.
    output_activation : str, optional
        σ of the output layer, where that of the model is linear: a cost with ``from_logits=True`` applies softmax or
        sigmoid itself, but in fastbp they are part of the network.
    cost : str or Cost, optional
        As in `Network`, for further training. Left out, it is the loss of the compiled model: mean_squared_error is
        squared_error, which sums over the outputs where Keras takes the mean, n_out times as much; likewise
        mean_absolute_error, huber with its delta, the crossentropies and poisson. Without a loss, or with one that
        fastbp does not have, it follows from the output activation.
    seed : int, SeedSequence or Generator, optional
        As in `Network`, for further training.

    Returns
    -------
    Network
        Of the model's dtype. Keras' kernels are (n_in, n_out); here they are transposed.

    Examples
    --------
    >>> import fastbp, keras
    >>> layers = keras.layers
    >>> model = keras.Sequential([keras.Input((2,)), layers.Dense(8, "tanh"), layers.Dense(3, "softmax")])
    >>> net = fastbp.from_keras(model)
    >>> net
    Network([2, 8, 3], activation=['tanh'], output_activation='softmax', cost='cross_entropy', dtype='float32',
            formulation='tiles')
    >>> net.weights[0].shape, tuple(model.layers[0].kernel.shape)
    ((8, 2), (2, 8))
    """
    layers = keras_layers.from_keras(model, output_activation)
    if cost is not None:
        return _network(layers, cost, seed)
    found, why = keras_losses.cost_of(model, ACTIVATIONS[layers.activations[-1]])
    net = _network(layers, found, seed)
    if why:
        words = f"{why}. The cost of the network is {net.cost.name!r}; cost=… chooses another"
        warnings.warn(words, UserWarning, stacklevel=2)
    return net


def _network(layers: Layers, cost: str | Cost | None, seed: Any) -> Network:
    *hidden, output = layers.activations
    net = Network(
        layers.sizes, activation=hidden, output_activation=output, cost=cost, dtype=layers.weights[0].dtype, seed=seed,
        initializer="zeros",
    )  # fmt: skip
    for w, b, their_w, their_b in zip(net.weights, net.biases, layers.weights, layers.biases, strict=True):
        w[:], b[:] = their_w, their_b
    return net
