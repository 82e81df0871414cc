"""
Your own loop
=============

``fit`` is a loop over epochs and mini-batches. When you need another loop, write it yourself: fastbp gives you single
steps at nearly the speed of its own loop, with the same bits. This page writes ``fit`` again, then trains on a cost
that no library has, then one network against its own slow copy.
"""

import copy

import numpy as np

import fastbp

data = fastbp.load_digits()
X, y = data.X_train, data.y_train

# %%
# ``fit``, written again
# ----------------------
#
# :meth:`~fastbp.Network.train_on_batch` takes one step on one mini-batch, and returns the cost before it. Give it the
# same optimizer object every time: the optimizer's moments belong to it and continue from call to call.

net = fastbp.Network([64, 30, 10], cost="cross_entropy", seed=0)
adam = fastbp.Adam(0.003)
rng = np.random.default_rng(1)
orders = [rng.permutation(len(X)) for _ in range(5)]
for epoch, order in enumerate(orders):
    costs = [net.train_on_batch(X[rows], y[rows], optimizer=adam) for rows in np.array_split(order, 45)]
    print(f"epoch {epoch + 1}: mean cost {np.mean(costs):.4f}, test {net.evaluate(data.X_test, data.y_test)}")

# %%
# Is that the same as ``fit``? Give ``fit`` the same orders and the same size of mini-batch, and compare the bits.
# ``array_split`` made mini-batches of 32 and 31, so here the loop slices the order by hand.

one, other = (fastbp.Network([64, 30, 10], cost="cross_entropy", seed=0) for _ in range(2))
one.fit(X, y, epochs=5, batch_size=32, optimizer=fastbp.Adam(0.003), shuffle=orders)
adam = fastbp.Adam(0.003)
for order in orders:
    for start in range(0, len(order), 32):
        rows = order[start : start + 32]
        other.train_on_batch(X[rows], y[rows], optimizer=adam)
print("the same bits as fit:", bool((one.parameters == other.parameters).all()))

# %%
# A step of its own costs a little more than a step inside ``fit``, for the checks of its arguments. How much,
# ``python benchmarks/single_steps.py`` measures in a checkout of the sources.

# %%
# A cost of your own
# ------------------
#
# A cost is any function :math:`C` of the outputs whose derivative :math:`\partial C/\partial a` you can write down.
# :meth:`~fastbp.Network.parameter_vjp` carries that derivative back through the network to all parameters, and
# :meth:`~fastbp.Network.apply_gradient` takes the step.
#
# Here the cost looks at pairs: of two inputs, the one with the larger target shall have the larger output. The
# network learns to rank, and never sees a target value: :math:`C = \log(1 + e^{-(a_i - a_j)})` where :math:`i` should
# be ahead of :math:`j`.

rng = np.random.default_rng(2)
points = rng.uniform(-1, 1, (400, 2))
height = np.sin(3 * points[:, 0]) + points[:, 1] ** 2  # what decides the order
ranker = fastbp.Network([2, 24, 1], activation="tanh", output_activation="identity", dtype="float64", seed=0)
optimizer = fastbp.Adam(0.01)

for step in range(600):
    i, j = rng.integers(0, 300, (2, 64))
    i, j = np.where(height[i] > height[j], i, j), np.where(height[i] > height[j], j, i)
    a = ranker.predict(points[np.concatenate([i, j])]).ravel()
    distance = a[:64] - a[64:]
    slope = -1 / (1 + np.exp(distance)) / 64  # ∂C/∂a_i of the mean cost; ∂C/∂a_j is its negative
    dC_da = np.concatenate([slope, -slope])[:, None]
    gradient = ranker.parameter_vjp(points[np.concatenate([i, j])], dC_da)
    ranker.apply_gradient(gradient, optimizer=optimizer)
    if step % 150 == 149:
        print(f"step {step + 1}: mean cost {np.log1p(np.exp(-distance)).mean():.3f}")

# %%
# It has seen pairs of the first 300 points only. Of the other 100, how many pairs does it order correctly?

scores, truth = ranker.predict(points[300:]).ravel(), height[300:]
above = np.triu_indices(100, 1)
right = (scores[above[0]] > scores[above[1]]) == (truth[above[0]] > truth[above[1]])
print(f"{right.mean():.1%} of {right.size} pairs in the right order")

# %%
# Two networks that depend on each other
# --------------------------------------
#
# Reinforcement learning and self-distillation use a slow copy of a network: after each step its parameters move a
# little toward those of the fast one. ``net.parameters`` is one NumPy vector, so that is one line.

fast = fastbp.Network([64, 30, 10], cost="cross_entropy", seed=3)
slow = copy.deepcopy(fast)
adam = fastbp.Adam(0.01)
rng = np.random.default_rng(3)
for _ in range(1000):
    rows = rng.integers(0, len(X), 16)
    fast.train_on_batch(X[rows], y[rows], optimizer=adam)
    slow.parameters[:] += 0.02 * (fast.parameters - slow.parameters)
print("fast:", fast.evaluate(data.X_test, data.y_test))
print("slow:", slow.evaluate(data.X_test, data.y_test))

# %%
# Where to go from here
# ---------------------
#
# * Two pages of the gallery are loops of their own: ``balancing_a_pole.py`` is reinforcement learning, and
#   ``a_cost_of_your_own.py`` is a mixture density network.
# * A cost that is a sum over outputs, or over the outputs of one sample, needs no loop:
#   :doc:`/use/your_own_functions`.
# * All derivatives: :doc:`/use/derivatives`.
