"""Experiments on slow learning: one saturated neuron, and the first layers of deep networks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastbp.network.network import FormulationName
from fastbp.optimizers import SGD
from fastbp.replay.material import Pair
from fastbp.replay.recipe import starting_parameters
from fastbp.replay.training import fit, sigmoid_network
from fastbp.training.recording import Recorder, error_norms

NEURON_EPOCHS = 300
N_IMAGES = 1000
FULL_BATCH = {"batch_size": N_IMAGES, "shuffle": False}
# By the number of hidden layers: ‖δ⁽ˡ⁾‖ of each before training (chapter 5).
PUBLISHED_NORMS = {2: (0.07, 0.31), 3: (0.012, 0.060, 0.283), 4: (0.003, 0.017, 0.070, 0.285)}


@dataclass
class NeuronOutcome:
    """One neuron that learns to turn x = 1 into 0."""

    cost: str  # "quadratic" or "cross_entropy"
    start: float  # the first w
    bias: float  # the first b
    learning_rate: float
    output: list[float]  # a before the first epoch and after each
    published: float | None  # the last a, where the book states it


def one_neuron(formulation: FormulationName) -> list[NeuronOutcome]:
    """Train one neuron from a good and a bad start, with both costs (chapter 3, "The cross-entropy cost function")."""
    found = []
    for cost, eta, told in (("quadratic", 0.15, (0.09, 0.20)), ("cross_entropy", 0.005, (None, None))):
        for (w, b), published in zip(((0.6, 0.9), (2.0, 2.0)), told, strict=True):
            net = sigmoid_network((1, 1), cost, formulation)
            net.parameters = [w, b]
            output = Recorder(lambda net: float(net.predict([[1.0]])[0, 0]))
            fit(net, ([[1.0]], [[0.0]]), epochs=NEURON_EPOCHS, optimizer=SGD(eta), callbacks=[output], **FULL_BATCH)
            found.append(NeuronOutcome(cost, w, b, eta, output.values, published))
    return found


@dataclass
class SpeedOutcome:
    """How fast the hidden layers of a network learn."""

    seed: int  # of the weights
    norms: list[list[float]]  # ‖δ⁽ˡ⁾‖ of each hidden layer, before training and after each epoch; δ: mean over images


def speed_of_learning(
    training: Pair, hidden: int, seed: int, epochs: int, formulation: FormulationName
) -> SpeedOutcome:
    """Train on 1,000 images, full batch, and record ‖δ⁽ˡ⁾‖ (chapter 5; ``fig/generate_gradient.py``)."""
    X, y = training[0][:N_IMAGES], training[1][:N_IMAGES]
    sizes = (X.shape[1], *[30] * hidden, 10)
    net = sigmoid_network(sizes, "cross_entropy", formulation)
    net.parameters = starting_parameters(sizes, np.random.RandomState(seed), large=False)
    speeds = Recorder(lambda net: error_norms(net, X, y)[:-1].tolist())
    fit(net, (X, y), epochs=epochs, optimizer=SGD(0.1), l2=5.0, callbacks=[speeds], **FULL_BATCH)
    return SpeedOutcome(seed, speeds.values)
