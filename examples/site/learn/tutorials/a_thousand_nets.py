"""
A thousand nets
===============

How wide should the hidden layer be? Which learning rate? Was it luck? One network cannot answer that; a thousand can.
:class:`fastbp.Population` trains many networks at once on the same data, one a thread, in compiled code. Each ends
with the bits that it would have alone.
"""

import numpy as np

import fastbp

data = fastbp.load_digits()
X, y = data.X_train, data.y_train
test = data.X_test, data.y_test

# %%
# A population
# ------------
#
# A population is a list of networks that share their inputs, outputs and dtype. Here: ten widths, five learning rates,
# twenty seeds of each. That is a thousand networks.

widths, rates, seeds = range(4, 24, 2), [0.001, 0.003, 0.01, 0.03, 0.1], range(20)
grid = [(width, rate, seed) for width in widths for rate in rates for seed in seeds]
pop = fastbp.Population([fastbp.Network([64, width, 10], cost="cross_entropy", seed=seed) for width, _, seed in grid])
print(pop)

# %%
# Halving
# -------
#
# Most of these networks are a waste of time, and after one epoch you can tell. :class:`fastbp.Halving` trains all for
# an epoch, keeps the best third, trains these for another epoch, and so on. Nothing starts again. **A list has one
# option for each member; anything else is for all.**

pop.fit(
    X[:1150],
    y[:1150],
    epochs=8,
    optimizer=[fastbp.Adam(rate) for _, rate, _ in grid],
    validation_data=(X[1150:], y[1150:]),
    halving=fastbp.Halving(factor=3, every=1, least=5),
    progress=False,
)
epochs = [len(history) for history in pop.history]
print(f"{sum(epochs)} epochs in all, {sum(epochs) / len(pop):.1f} for each network instead of 8")
for n_epochs in sorted(set(epochs)):
    print(f"  epochs {n_epochs}: {epochs.count(n_epochs):4} networks")

# %%
# Which went far
# --------------
#
# The members that survived three halvings or more, by learning rate and by width. Both matter: nearly
# all have the rate 0.03, and the narrow networks are gone.

far = [setting for setting, n_epochs in zip(grid, epochs, strict=True) if n_epochs > 3]
print("by rate: ", {rate: sum(r == rate for _, r, _ in far) for rate in rates})
print("by width:", {width: sum(w == width for w, _, _ in far) for width in widths})

# %%
# How sure can you be?
# --------------------
#
# Twenty networks that differ only in their seed say how much is luck. Here are twenty
# new networks with the width and the rate of the best one, after twelve epochs each.

best_width, best_rate, _ = grid[pop.best(1)[0]]
siblings = fastbp.Population(
    [fastbp.Network([64, best_width, 10], cost="cross_entropy", seed=100 + seed) for seed in seeds]
)
siblings.fit(X, y, epochs=12, batch_size=32, optimizer=fastbp.Adam(best_rate), progress=False)
accuracies = np.array([evaluation.accuracy for evaluation in siblings.evaluate(*test)])
print(f"width {best_width}, rate {best_rate}: {accuracies.mean():.2%} ± {accuracies.std():.2%}")

# %%
# Their mean
# ----------
#
# The mean of their outputs is usually better than one of them. ``return_std=True`` says where they disagree: that is
# where errors are.

mean, deviation = siblings.mean(data.X_test, return_std=True)
right = mean.argmax(axis=1) == data.y_test
spread = deviation.max(axis=1)
print(f"all twenty together: {right.mean():.2%}")
print(f"they disagree by {spread[right].mean():.3f} where they are right, by {spread[~right].mean():.3f} where not")

# %%
# The same bits
# -------------
#
# Is a member really the network that it would be alone? Train one alone and compare.

alone = fastbp.Network([64, best_width, 10], cost="cross_entropy", seed=107)
alone.fit(X, y, epochs=12, batch_size=32, optimizer=fastbp.Adam(best_rate), progress=False)
print("the same bits:", bool((alone.parameters == siblings[7].parameters).all()))

# %%
# Where to go from here
# ---------------------
#
# * ``samples=`` gives each member its own rows: folds, or bootstrap samples.
# * ``executor=`` trains the members in a pool of processes, on Dask or on MPI: :doc:`/use/more_machines`.
# * With scikit-learn, ``MLPSearchCV`` does this for the settings of a pipeline: :doc:`/use/scikit_learn`.
