"""Gradient descent of a group of nets: all layers forward and back, then a step of each net's own optimizer."""

import math
from typing import Any, NamedTuple

from fastbp.compiler.call import call
from fastbp.compiler.options import INNER, LEAN, njit
from fastbp.compiler.subnormals import compute_as, flush_subnormals
from fastbp.compiler.views import matrix, stretch
from fastbp.formulations.lanes.layout import Block, biases, layer, weights
from fastbp.formulations.lanes.sums import (
    accumulate_gradient,
    activate,
    forward,
    join_quarters,
    output_error,
    propagate_error,
)
from fastbp.formulations.rules import regularize, shrink
from fastbp.formulations.tiles.products import from_
from fastbp.formulations.tiles.tile import lanes, load, store, zeros
from fastbp.functions.floating_point import multiply_add

L2, L1, DECAY, CLIP = range(4)  # in `Members.limits`


class Rules(NamedTuple):
    """The rules of one net's step, with the names of `OptimizerData`."""

    hyper: Any
    l2: float
    l1: float
    decay: Any
    clip_value: float
    changes_gradient: bool
    clip_norm: float


def take_rows(to, X, order, start, m, n):
    """Copy the rows of m samples from `start` of the order on, of every net its own.

    Shapes: to (lanes, rows, n); X (n_samples, n); order (lanes, n_samples). Writes: to.
    """
    n_nets, whole = lanes(to), n // lanes(to) * lanes(to)
    X, rows = matrix(X, 0, X.size // n, n), to.size // n_nets
    for net in range(n_nets):
        of_net = matrix(to, net * rows, m, n)
        samples = stretch(order, net * (order.size // n_nets) + start, m)
        for s in range(m):
            row = samples[s]
            for k in range(0, whole, lanes(to)):
                store(load(zeros(to, 1, 1), X, row, k), of_net, s, k)
            for k in range(whole, n):
                of_net[s, k] = X[row, k]


@njit(**INNER)
def forward_block(work, data, block, net):
    """All layers for a block of samples, from a⁽⁰⁾ = x. Writes: z and a of every layer, but not a⁽ᴸ⁾."""
    m, n_0 = block.m, net.layers[0].n
    call(net.functions[0].take_rows, work.inputs, data.X, data.order, block.start, m, n_0)
    call(net.functions[0].to_lanes, layer(work.a, work, net, 0), work.inputs, m * n_0)
    for l in range(1, net.L + 1):
        z, a, a_previous = layer(work.z, work, net, l), layer(work.a, work, net, l), layer(work.a, work, net, l - 1)
        forward(z, a_previous, weights(work.theta, net, l), biases(work.theta, net, l), l, block, work, net)
        if l < net.L:
            activate(a, z, l, block, net)


@njit(**INNER)
def backward_block(work, data, block, share, net):
    """The costs of a block of samples and the errors of all layers, from the output back. Writes: work.costs; δ."""
    L = net.L
    output_error(layer(work.delta, work, net, L), layer(work.z, work, net, L), work, data, block, share, net)
    for l in range(L, 1, -1):
        delta_previous, delta = layer(work.delta, work, net, l - 1), layer(work.delta, work, net, l)
        z, a, w = layer(work.z, work, net, l - 1), layer(work.a, work, net, l - 1), weights(work.theta, net, l)
        propagate_error(delta_previous, z, a, w, delta, l, block, net)


@njit(**INNER)
def gradient(work, data, start, m, net):
    """The gradient of the mean cost of m samples from `start` of the order on. Writes: work, batch_costs among it.

    Block by block, so that what a layer writes is in the cache when the next one reads it. How they are cut changes no
    bits, because the sums over samples go on from one to the next.
    """
    share, batch_size = work.theta.dtype.type(1 / m), work.batch_costs.size // lanes(work.theta)
    for first in range(0, m, work.rows):
        block = Block(start + first, min(work.rows, m - first), first == 0)
        forward_block(work, data, block, net)
        backward_block(work, data, block, share, net)
        for l in range(1, net.L + 1):
            accumulate_gradient(work, layer(work.delta, work, net, l), layer(work.a, work, net, l - 1), l, block, net)
        for i in range(lanes(work.theta)):
            costs, to = stretch(work.costs, i * work.rows, block.m), from_(work.batch_costs, i * batch_size + first)
            for s in range(block.m):
                to[s] = costs[s]
    for l in range(1, net.L + 1):
        join_quarters(work, l, net)


@njit(**INNER)
def descend(optimizer, work, data, net):
    """A step of the optimizer of each net whose costs so far are finite. Writes: θ, and what is the optimizers' own."""
    size, n = optimizer.theta.size // lanes(work.theta), net.layers[net.L + 1].weights_at
    call(net.functions[0].from_lanes, work.gradients, work.gradient, n)
    for i in range(data.costs.size):
        if abs(data.costs[i]) < math.inf:
            call(net.functions[0].step, optimizer, stretch(work.gradients, i * size, size), i, net)
    call(net.functions[0].to_lanes, work.theta, optimizer.theta, n)


def step(optimizer, gradient, i, net):
    """θ ← θ − η ∇C for plain descent: the step of net i. Writes: its row of everything; gradient."""
    size = gradient.size
    theta = stretch(optimizer.theta, i * size, size)
    first, second = theta, theta
    if optimizer.first.size > 0:
        first = stretch(optimizer.first, i * size, size)
    if optimizer.second.size > 0:
        second = stretch(optimizer.second, i * size, size)
    n_hyper, update = optimizer.hyper.shape[1], optimizer.updates[i]
    hyper, t, limits = stretch(optimizer.hyper, i * n_hyper, n_hyper), stretch(optimizer.t, i, 1), optimizer.limits[i]
    decay, changes = stretch(limits, DECAY, 1), update.changes_gradient != 0
    rules = Rules(hyper, limits[L2], limits[L1], decay, limits[CLIP], changes, math.inf)
    t[0] += 1
    call(update.begin_step, hyper, t)
    if update.plain_descent and not rules.changes_gradient:
        for l in range(1, net.L + 1):
            w_at, b_at, n_out = net.layers[l].weights_at, net.layers[l].biases_at, net.layers[l].n
            w, dw = stretch(theta, w_at, b_at - w_at), stretch(gradient, w_at, b_at - w_at)
            shrink(w, 0, rules)
            if n_out > 1:
                add_scaled(w, -hyper[0], dw)
            else:  # as `tile.add_to_column` adds them
                call(update.update, w, w, w, hyper, t, dw)
            add_scaled(stretch(theta, b_at, n_out), -hyper[0], stretch(gradient, b_at, n_out))
    else:
        regularize(gradient, theta, rules, net)
        call(update.update, theta, first, second, hyper, t, gradient)


@njit(**INNER)
def add_scaled(theta, alpha, gradient):
    """θ ← θ + α g, rounded once, as `tile.add_to` adds it. Writes: θ."""
    alpha = theta.dtype.type(alpha)
    for i in range(theta.size):
        theta[i] = multiply_add(alpha, gradient[i], theta[i])


@njit(**INNER)
def add_costs(data, work, m):
    """Add the costs of m samples to those of each net, as long as they are finite. Writes: data.costs."""
    batch_size = work.batch_costs.size // lanes(work.theta)
    for i in range(data.costs.size):
        of_net, cost = stretch(work.batch_costs, i * batch_size, m), 0.0
        for s in range(m):
            cost += of_net[s]
        if abs(data.costs[i]) < math.inf:
            data.costs[i] += cost


@njit(**LEAN)
def train_epoch(n_threads, optimizer, work, data, batch_size, net):
    """Gradient descent of all nets through all mini-batches of their orders, one step each, on one thread.

    A net whose sum of costs is not finite takes no more steps. Returns 0. Writes: optimizer; work; data.costs.
    """
    n, before = data.order.size // lanes(work.theta), flush_subnormals()
    for i in range(data.costs.size):
        data.costs[i] = 0
    call(net.functions[0].to_lanes, work.theta, optimizer.theta, net.layers[net.L + 1].weights_at)
    for start in range(0, n, batch_size):
        m = min(batch_size, n - start)
        gradient(work, data, start, m, net)
        descend(optimizer, work, data, net)
        add_costs(data, work, m)
    compute_as(before)
    return 0.0
