r"""
First net
=========

A network that reads handwritten digits: make it, train it, look at what it gets wrong, and check its arithmetic by
hand. You need some Python and NumPy. Everything else is explained here.

The notation is that of 3Blue1Brown's lessons and of Nielsen's book. A layer computes :math:`z_j = \sum_k w_{jk} a_k +
b_j` and then :math:`a_j = \sigma(z_j)`, where :math:`k` counts the neurons of the layer before and :math:`j` those of
this layer.
"""

from pathlib import Path

import numpy as np

import fastbp
from fastbp import plots

folder = Path("first_net")  # for pictures and the model
folder.mkdir(exist_ok=True)

# %%
# The data
# --------
#
# The digits come with the package: 1,797 images of 8 × 8 pixels. 360 of them are for testing. An image is a row of 64
# numbers from 0 to 1.

data = fastbp.load_digits()
print("for training:", data.X_train.shape, "for testing:", data.X_test.shape)
print("the first labels:", data.y_train[:10])

# %%
# The network
# -----------
#
# ``[64, 30, 10]`` are the numbers of neurons of each layer: 64 inputs, 30 hidden neurons, 10 outputs, one for each
# digit. The cost says what "wrong" means. With ``cost="cross_entropy"`` the outputs are probabilities (softmax),
# unless you choose another output activation. ``seed`` decides the first weights and the order of the samples: with
# the same seed you get the same network, to the last bit.

net = fastbp.Network([64, 30, 10], activation="sigmoid", cost="cross_entropy", seed=0)
print(net)
print("parameters:", net.parameters.size, "=", "30·64 + 30 + 10·30 + 10")

# %%
# Before training, the network guesses. One of ten guesses is right.

print(net.evaluate(data.X_test, data.y_test))

# %%
# Training
# --------
#
# In each step, :meth:`~fastbp.Network.fit` takes a mini-batch of 10 images, computes the gradient of their mean cost
# by backpropagation, and moves all weights and biases a little against it: :math:`\theta \leftarrow \theta - \eta
# \nabla C`. That is :class:`fastbp.SGD`, and 0.5 is the learning rate :math:`\eta`. When every image has been used
# once, an epoch is over.

history = net.fit(
    data.X_train,
    data.y_train,
    epochs=30,
    batch_size=10,
    optimizer=fastbp.SGD(0.5),
    validation_data=(data.X_test, data.y_test),
)
print(history)

# %%
# ``history`` has a number for each epoch, and draws them. The suffix of the file is the format of the picture.

figure = history.plot(folder / "history.png")

# %%
# What it says
# ------------
#
# ``predict`` returns a row of ten outputs for each image. They add up to 1. The largest is the answer.

A = net.predict(data.X_test)
answers = A.argmax(axis=1)
print("outputs for the first test image:", A[0].round(3))
print("answer:", answers[0], "  label:", data.y_test[0])

# %%
# Here are the images that it gets wrong. Would you have read them?

wrong = np.flatnonzero(answers != data.y_test)
print(f"{len(wrong)} of {len(answers)} are wrong")
captions = [f"{data.y_test[i]}, read as {answers[i]}" for i in wrong]
figure = plots.images(data.X_test[wrong], captions, folder / "misread.png", columns=3)

# %%
# The same numbers by hand
# ------------------------
#
# ``net.weights[l]`` and ``net.biases[l]`` are NumPy arrays. ``net.weights[0][j, k]`` is :math:`w_{jk}` of the first
# layer: from input :math:`k` to neuron :math:`j`. So ``predict`` is a few lines of NumPy, and agrees up to rounding.


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


x = data.X_test[0]
a1 = sigmoid(net.weights[0] @ x + net.biases[0])
z2 = net.weights[1] @ a1 + net.biases[1]
a2 = np.exp(z2 - z2.max()) / np.exp(z2 - z2.max()).sum()
print("largest difference:", f"{abs(a2 - A[0]).max():.0e}")

# %%
# The gradient is there, too. It has the shape of the parameters: ``g.weights[l]``, ``g.biases[l]``, and all in one
# vector, ``g.vector``. :func:`fastbp.check_gradient` compares it with differences of the cost, (C(θ + h) − C(θ − h))
# / 2h.

g = net.gradient(data.X_train, data.y_train)
print("∂C/∂w of layer 1:", g.weights[0].shape, "  ‖∇C‖ =", f"{np.linalg.norm(g.vector):.4f}")
print(fastbp.check_gradient(net, data.X_train[:20], data.y_train[:20]))

# %%
# Keep it
# -------
#
# One file holds the network. Reading it runs no code from it.

path = folder / "digits.safetensors"
net.save(path)
again = fastbp.load(path)
print(path.stat().st_size, "bytes; the same bits:", bool((again.parameters == net.parameters).all()))

# %%
# Where to go from here
# ---------------------
#
# * :doc:`one_sample_explained` takes one image through the network and back, number by number.
# * Change ``cost="cross_entropy"`` to ``"quadratic"``, or 0.5 to 50, and see what happens to the history.
# * The four functions that compute all this are in ``fastbp/formulations/loops.py``: :doc:`/learn/four_equations`.
