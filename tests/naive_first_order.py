"""First derivatives straight from their definitions, one sample at a time, in NumPy: the oracle of the loops."""

import numpy as np

from fastbp.formulations.numpy_functions import as_if_compiled, backward, cost_and_error
from fastbp.formulations.textbook import backprop, feedforward
from fastbp.model import Model, ParameterVector


def in_double(net):
    """The network's model in float64, so that the oracle rounds less than the code under test."""
    model = net._model
    vector = model.parameters.vector.astype(np.float64)
    return Model(model.sizes, model.activations, model.cost, ParameterVector(model.sizes, vector))


@as_if_compiled
def per_sample_gradients(model, X, Y):
    rows = []
    for x, y in zip(X, Y, strict=True):
        nabla_w, nabla_b, _ = backprop(model, x, y)
        rows.append(np.concatenate([part for w, b in zip(nabla_w, nabla_b, strict=True) for part in (w.ravel(), b)]))
    return np.array(rows)


def norms_by_layer(model, X, Y):
    layers = [ParameterVector(model.sizes, g) for g in per_sample_gradients(model, X, Y)]
    return np.array([
        [np.sqrt((w**2).sum() + (b**2).sum()) for w, b in zip(g.weights, g.biases, strict=True)] for g in layers
    ])  # fmt: skip


def clipped_gradient(model, X, Y, max_norm):
    total = np.zeros(model.parameters.vector.size)
    for g in per_sample_gradients(model, X, Y):
        norm = np.linalg.norm(g)
        total += g * (max_norm / norm if norm > max_norm else 1)
    return total / len(X)


@as_if_compiled
def input_gradient(model, X, Y):
    _, output_error = cost_and_error(model.cost, model.activations[-1])
    rows = []
    for x, y in zip(X, Y, strict=True):
        zs, activations = feedforward(model, x)
        rows.append(back_to(model, zs, activations, output_error(zs[-1], activations[-1], y), 0))
    return np.array(rows)


def back_to(model, zs, activations, delta, wrt):
    """∂C/∂a of layer `wrt` from δ of the output layer."""
    for l in range(model.n_layers, wrt, -1):
        error = model.parameters.weights[l - 1].T @ delta
        if l - 1 > wrt:
            delta = backward(model.activations[l - 2])(error, zs[l - 2], activations[l - 1])
    return error


@as_if_compiled
def jacobian(model, X, of, wrt):
    """The product of the layers' own Jacobians, D W each."""
    result = []
    for x in X:
        zs, activations = feedforward(model, x)
        J = np.eye(model.sizes[wrt])
        for l in range(wrt + 1, of + 1):
            D = backward(model.activations[l - 1])(np.eye(model.sizes[l]), zs[l - 1], activations[l])
            J = D @ model.parameters.weights[l - 1] @ J
        result.append(J)
    return np.array(result)
