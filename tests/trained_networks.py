"""Networks that have been trained once, and the samples that they were trained on."""

import numpy as np

import fastbp

GOOD_X = np.arange(12.0).reshape(4, 3) / 10
GOOD_Y = np.array([0, 1, 1, 0])


def classifier(**options):
    """A softmax network that has been trained once, so that it has a training state."""
    net = fastbp.Network([3, 4, 2], cost="cross_entropy", seed=0, **options)
    net.fit(GOOD_X, GOOD_Y, epochs=2, batch_size=2, optimizer=fastbp.Adam(0.01))
    net.metadata["note"] = "mine"
    return net


def regressor(**options):
    net = fastbp.Network([3, 4, 2], cost="quadratic", seed=0, **options)
    net.fit(GOOD_X, GOOD_X[:, :2], epochs=2, batch_size=2, optimizer=fastbp.Momentum(0.01))
    return net


def one_output(**options):
    net = fastbp.Network([3, 4, 1], cost="cross_entropy", seed=0, **options)
    net.fit(GOOD_X, GOOD_Y, epochs=2, batch_size=2, optimizer=fastbp.Momentum(0.01))
    return net
