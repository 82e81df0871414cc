"""What a compiled loop needs to know of a network, as run-time data: one compilation serves every architecture."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fastbp.kernels.call import call
from fastbp.kernels.compile_options import njit
from fastbp.kernels.views import matrix, stretch


class NetworkData(NamedTuple):
    """The shape of a network and its functions. Layers l = 1…L have index l; 0 is the input.

    In the parameter vector, the weights of layer l begin at ``weights_at[l]``, its biases at ``biases_at[l]``.
    ``neurons_before[l]`` is the number of neurons of the layers before l, that of all layers with l = L + 1.
    """

    sizes: npt.NDArray[np.int64]
    neurons_before: npt.NDArray[np.int64]
    weights_at: npt.NDArray[np.int64]
    biases_at: npt.NDArray[np.int64]
    activation: Any  # for each layer, what `call` takes
    derivative: Any
    cost: Any
    cost_gradient: Any


class OptimizerData(NamedTuple):
    """What a compiled loop needs to know of an optimizer; ``update`` is what `call` takes."""

    first: npt.NDArray[Any]
    second: npt.NDArray[Any]
    hyper: npt.NDArray[np.float64]
    t: npt.NDArray[np.int64]
    update: Any


class Workspace(NamedTuple):
    """All memory that a step writes, sized once. z, a and δ hold, layer after layer, a row a sample of a mini-batch."""

    z: npt.NDArray[Any]
    a: npt.NDArray[Any]
    delta: npt.NDArray[Any]
    costs: npt.NDArray[np.float64]
    gradient: npt.NDArray[Any]


@njit
def layer(buffer, net, l):
    """z, a or δ of layer l, (batch_size, n_l), as a view of the buffer that holds it for all layers."""
    batch_size = buffer.size // net.neurons_before[-1]
    return matrix(buffer, batch_size * net.neurons_before[l], batch_size, net.sizes[l])


@njit
def weights(vector, net, l):
    """w[j, k] of layer l in a vector of the layout of θ, as a view."""
    return matrix(vector, net.weights_at[l], net.sizes[l], net.sizes[l - 1])


@njit
def biases(vector, net, l):
    """b[j] of layer l in a vector of the layout of θ, as a view."""
    return stretch(vector, net.biases_at[l], net.sizes[l])


@njit
def costs_of_rows(costs, work, Y, net):
    """C of every row of Y, from the output layer that is in the workspace. Writes: costs."""
    z, a = layer(work.z, net, net.sizes.size - 1), layer(work.a, net, net.sizes.size - 1)
    for s in range(costs.size):
        call(net.cost, costs[s : s + 1], z[s], a[s], Y[s])
