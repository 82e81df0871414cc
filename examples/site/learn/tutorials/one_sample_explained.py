r"""
One sample explained
====================

Backpropagation computes a derivative for every weight. This page takes one sample through a trained network and back,
and shows every number on the way: first as tables, then as a page for your browser on which you can drag a weight.

The letters are those of 3Blue1Brown's *Backpropagation calculus* and of Nielsen's chapter 2:
:math:`\delta_j = \partial C/\partial z_j` is the error of a neuron.
"""

from pathlib import Path

import numpy as np

import fastbp
from fastbp import plots

folder = Path("one_sample_explained")  # for the picture and the page
folder.mkdir(exist_ok=True)

# %%
# A small network in the middle of learning: are two bits different? The second output should be 1 where they are.

X, y = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=float), np.array([0, 1, 1, 0])
net = fastbp.Network([2, 3, 2], activation="sigmoid", cost="quadratic", dtype="float64", seed=6)
recorder = fastbp.Recorder(lambda net: net.trace(X[1], y[1]))
net.fit(X, y, epochs=40, batch_size=4, optimizer=fastbp.Adam(0.1), callbacks=[recorder], progress=False)
print(net.predict(X).round(2))

# %%
# All numbers of one sample
# -------------------------
#
# The sample is x = (0, 1), and its bits are different, so y = (0, 1). :meth:`~fastbp.Network.trace` does the forward
# and the backward pass and keeps everything. Printed, it is a table for each layer: ``z``, ``a``, ``δ`` and the
# derivatives.

trace = net.trace(X[1], y[1])
print(trace)

# %%
# The same numbers are arrays: ``trace.layers[l].z``, ``.a``, ``.delta``, ``.dC_dw``, ``.dC_db``, ``.dC_da``, for l =
# 0 (the input) to 2. So the four equations can be checked by hand.

hidden, output = trace.layers[1], trace.layers[2]
print("BP1", np.allclose(output.delta, output.dC_da * output.da_dz))
print("BP2", np.allclose(hidden.delta, (output.w.T @ output.delta) * hidden.da_dz))
print("BP3", np.allclose(hidden.dC_db, hidden.delta))
print("BP4", np.allclose(hidden.dC_dw, np.outer(hidden.delta, trace.layers[0].a)))

# %%
# One derivative as a product
# ---------------------------
#
# The chain rule says that the derivative of the cost by one weight is a product. ``factors`` prints it with its
# numbers. The weight here is that of layer 2 to neuron 1 from neuron 0.

print(trace.factors(2, 1, 0))

# %%
# One derivative as a sum
# -----------------------
#
# A neuron in a hidden layer influences the cost along several paths, one through each neuron of the next layer. The
# derivative is the sum over them: this is where the sum in :math:`\delta_k = \sum_j w_{jk} \delta_j \sigma'(z_k)`
# comes from.

print(trace.terms(1, 0))

# %%
# And this is one path, from input 1 through the hidden neuron 0 to output 1, for the weight at its beginning. The
# last line is the whole derivative: the sum over the two paths, through output 0 and through output 1.

print(trace.path([1, 0, 1]))

# %%
# Is it true?
# -----------
#
# A derivative is a promise: if I nudge this weight by a little, the cost changes by so much.
# :meth:`~fastbp.Network.nudge` nudges it and looks. The difference between the promise and the truth shrinks with the
# square of the nudge.

print(net.nudge(X[1], y[1], weight=(2, 1, 0), by=0.1, steps=3))

# %%
# As a picture
# ------------
#
# Blue is positive, vermilion negative. On the lines are the derivatives of this sample.

figure = plots.network(net, X[1], y[1], folder / "network.png", edges="gradient")

# %%
# As a page for the browser
# -------------------------
#
# :meth:`Trace.to_html <fastbp.Trace.to_html>` writes one HTML file that needs no network. On it you step through the
# forward and the backward pass, point at a neuron or a weight to see its formula with its numbers, drag a weight, or
# change an input; the page computes everything again. The recorder of the training above has a trace for each epoch,
# so its page has a slider over the epochs.

page = folder / "two_bits.html"
recorder.to_html(page, names=["equal", "different"], input_names=["first bit", "second bit"], title="Two bits")
print(f"{page.name}: {page.stat().st_size / 1000:.0f} kB, {len(recorder.values)} epochs")

# %%
# On this site you see the page above; the file opens in any browser. The gallery's ``a_page_to_explore.py`` makes
# such a page for a handwritten digit, too.
#
# A larger network
# ----------------
#
# With 64 inputs nobody reads a whole table. ``most_sensitive`` ranks the weights by what the cost of this sample
# feels, and says why: :math:`\partial C/\partial w_{jk} = a_k \delta_j` is large where the input neuron is active and
# the output neuron is wrong.

digits = fastbp.load_digits()
reader = fastbp.Network([64, 30, 10], activation="sigmoid", cost="cross_entropy", seed=0)
reader.fit(digits.X_train, digits.y_train, epochs=10, batch_size=10, optimizer=fastbp.SGD(0.5), progress=False)
answers = reader.predict(digits.X_test).argmax(axis=1)
misread = np.flatnonzero(answers != digits.y_test)[0]
print(f"a {digits.y_test[misread]}, read as {answers[misread]}")
print(reader.trace(digits.X_test[misread], digits.y_test[misread]).most_sensitive(5))

# %%
# Where to go from here
# ---------------------
#
# * :doc:`/learn/four_equations` shows the code that computed these numbers.
# * ``a_misread_digit.py`` in the gallery asks which pixels mislead the network.
