"""Backpropagation as explicit loops over samples s, layers l, neurons j and inputs k.

The network: layers l = 1 … L, a⁽⁰⁾ = x, and in each layer

    z_j = Σ_k w_jk a_k + b_j        a_j = σ(z_j)

where k counts the neurons of layer l − 1 and j those of layer l. The cost of one sample is C(a⁽ᴸ⁾, y). With the error
of a neuron, δ_j = ∂C/∂z_j, the four equations of backpropagation (Nielsen, chapter 2) are the four functions below,
in the order in which a step calls them:

    output_error         BP1    δ⁽ᴸ⁾ = ∇_a C ⊙ σ′(z⁽ᴸ⁾)
    propagate_error      BP2    δ⁽ˡ⁻¹⁾ = (wᵀ δ⁽ˡ⁾) ⊙ σ′(z⁽ˡ⁻¹⁾)
    accumulate_gradient  BP3    ∂C/∂b_j = δ_j
                         BP4    ∂C/∂w_jk = a_k δ_j

`gradient` puts them together for a mini-batch, `train_epoch` goes down the gradient through all mini-batches.
"""

import math

from numba import prange

from fastbp.compiler.call import call
from fastbp.compiler.options import LEAN, njit
from fastbp.compiler.subnormals import compute_as, flush_subnormals
from fastbp.compiler.views import stretch
from fastbp.formulations.dropout import drop, layer_key
from fastbp.formulations.network_data import biases, layer, weights
from fastbp.formulations.output_weights import weigh
from fastbp.formulations.rules import L2, begin_rules, limit_norms, penalty, regularize, scale


@njit(**LEAN)
def forward(z, a, w, b, a_previous, activation):
    """z_j = Σ_k w_jk a_k + b_j, a_j = σ(z_j): one layer, one sample.

    Shapes: z, a, b (n_out,); w (n_out, n_in); a_previous (n_in,). Writes: z, a.
    """
    for j in range(z.size):
        weighted_input = b[j]
        for k in range(a_previous.size):
            weighted_input += w[j, k] * a_previous[k]
        z[j] = weighted_input
    call(activation, a, z)


@njit(**LEAN)
def output_error(delta, z, a, y, cost_gradient, parameter, derivative):
    """δ_j = ∂C/∂a_j · σ′(z_j): BP1, the output layer, one sample.

    Shapes: all (n_out,). Writes: delta.
    """
    call(cost_gradient, delta, z, a, y, parameter)
    call(derivative, delta, z, a)


@njit(**LEAN)
def propagate_error(delta_previous, z_previous, a_previous, w, delta, derivative):
    """δ_k = (Σ_j w_jk δ_j) · σ′(z_k): BP2, one layer, one sample. `forward` read w_jk along k for z_j; this along j.

    Shapes: delta_previous, z_previous, a_previous (n_in,); w (n_out, n_in); delta (n_out,). Writes: delta_previous.
    The loop over j is outside, so that memory is still read along k.
    """
    for k in range(delta_previous.size):
        delta_previous[k] = 0
    for j in range(delta.size):
        for k in range(delta_previous.size):
            delta_previous[k] += w[j, k] * delta[j]
    call(derivative, delta_previous, z_previous, a_previous)


@njit(**LEAN)
def accumulate_gradient(dw, db, j, delta, a_previous, m):
    """∂C/∂w_jk = (1/m) Σ_s a_k δ_j and ∂C/∂b_j = (1/m) Σ_s δ_j: BP4 and BP3, one neuron j, all m samples.

    Shapes: dw (n_out, n_in); db (n_out,); delta (≥ m, n_out); a_previous (≥ m, n_in). Writes: dw[j], db[j].
    """
    one_mth = dw.dtype.type(1 / m)
    for k in range(dw.shape[1]):
        dw[j, k] = 0
    db[j] = 0
    for s in range(m):
        share = delta[s, j] * one_mth
        for k in range(dw.shape[1]):
            dw[j, k] += a_previous[s, k] * share
        db[j] += share


@njit(**LEAN)
def forward_sample(s, z, a, passed_on, x, theta, net, dropout):
    """All layers for one sample, from a⁽⁰⁾ = x. Writes: row s of every layer's z, a and passed_on.

    A layer passes on its a to the next one; where `dropout` is not None, without the neurons that are dropped.
    """
    a_0 = layer(passed_on, net, 0)[s]
    for k in range(x.size):
        a_0[k] = x[k]
    for l in range(1, net.L + 1):
        w, b, a_previous = weights(theta, net, l), biases(theta, net, l), layer(passed_on, net, l - 1)[s]
        forward(layer(z, net, l)[s], layer(a, net, l)[s], w, b, a_previous, net.layers[l].activation)
        if dropout is not None:
            if l < dropout.dropout.size:
                a_l, passed_on_l = layer(a, net, l)[s], layer(passed_on, net, l)[s]
                for j in range(a_l.size):
                    passed_on_l[j] = a_l[j]
                drop_neurons(passed_on_l, dropout, l, s)


@njit(**LEAN)
def drop_neurons(values, dropout, l, s):
    """Multiply the values of layer l by 0 where a neuron is dropped, else by 1 / (1 − p). Writes: values.

    Shapes: values (n_l,). Which neurons are dropped: `dropout.py`; s is the sample's place in the mini-batch.
    """
    drop(values, dropout.dropout[l], layer_key(dropout.seed, dropout.steps[0], l, s), 0)


@njit(**LEAN)
def backward_sample(s, work, y, weight, theta, net):
    """The cost of one sample and the errors of all layers, from the output back. Writes: work.costs[s]; δ, row s.

    Shapes: weight (0,) if there are no weights, else (1,) or (n_out,).
    """
    z, a, delta, L = work.z, work.a, work.delta, net.L
    z_L, a_L, delta_L = layer(z, net, L)[s], layer(a, net, L)[s], layer(delta, net, L)[s]
    call(net.cost, work.costs[s : s + 1], z_L, a_L, y, y.size, net.cost_parameter)
    output_error(delta_L, z_L, a_L, y, net.cost_gradient, net.cost_parameter, net.layers[L].derivative)
    if weight.size > 0:
        weigh(work.costs[s : s + 1], delta_L, z_L, a_L, y, weight, net)
    for l in range(L, 1, -1):
        w, delta_l, delta_previous = weights(theta, net, l), layer(delta, net, l)[s], layer(delta, net, l - 1)[s]
        z_previous, a_previous = layer(z, net, l - 1)[s], layer(a, net, l - 1)[s]
        propagate_error(delta_previous, z_previous, a_previous, w, delta_l, net.layers[l - 1].derivative)
        if l - 1 < work.dropout.size:
            drop_neurons(delta_previous, work, l - 1, s)


@njit(parallel=True)
def gradient(work, theta, X, Y, samples, net):
    """The gradient of the mean cost of a mini-batch.

    Shapes: X (n, n_in); Y (n, n_out); samples (m,), the rows of X and Y that are the mini-batch.
    Writes: work.gradient, in the layout of θ; work.costs[:m]; rows :m of z, a, passed_on and δ of every layer.
    Parallel: first over samples, which do not interact; then over neurons, each of which owns its row of weights.
    So every number is summed by one thread in one order, and the bits do not depend on the number of threads.
    """
    n_weights = work.sample_weight.size // Y.shape[0]  # of each sample
    for s in prange(samples.size):
        forward_sample(s, work.z, work.a, work.passed_on, X[samples[s]], theta, net, work)
        weight = stretch(work.sample_weight, n_weights * samples[s], n_weights)
        backward_sample(s, work, Y[samples[s]], weight, theta, net)
    for l in range(1, net.L + 1):
        dw, db = weights(work.gradient, net, l), biases(work.gradient, net, l)
        delta, a_previous = layer(work.delta, net, l), layer(work.passed_on, net, l - 1)
        for j in prange(net.layers[l].n):
            accumulate_gradient(dw, db, j, delta, a_previous, samples.size)


@njit(parallel=True)
def update(theta, optimizer, gradient):
    """One step of the optimizer, θ ← θ − η ∇C for plain gradient descent. Writes: θ, the optimizer's moments.

    Parallel: over blocks of the parameter vector; every parameter has an update of its own.
    """
    for block in prange((theta.size + BLOCK - 1) // BLOCK):
        start, stop = block * BLOCK, min(theta.size, (block + 1) * BLOCK)
        first, second, before = optimizer.first[start:stop], optimizer.second[start:stop], flush_subnormals()
        call(optimizer.update, theta[start:stop], first, second, optimizer.hyper, optimizer.t, gradient[start:stop])
        compute_as(before)


BLOCK = 4096


@njit(calls=(gradient, update))
def train_epoch(theta, optimizer, work, X, Y, order, batch_size, net):
    """Gradient descent through all mini-batches of `order`, one step each. Returns the sum of the samples' costs.

    The cost of a sample is the one before the step that it takes part in. Once the sum is not finite, it takes no more
    steps. Writes: θ, `optimizer`, `work`.
    """
    total_cost = 0.0
    for start in range(0, order.size, batch_size):
        samples = order[start : start + batch_size]
        mean = begin_rules(optimizer, work.sample_weight, samples)
        optimizer.t[0] += 1
        work.steps[0] += 1
        gradient(work, theta, X, Y, samples, net)
        call(optimizer.begin_step, optimizer.hyper, optimizer.t)
        cost = 0.0
        for s in range(samples.size):
            cost += work.costs[s]
        if optimizer.per_batch:
            scale(work.gradient, samples.size * mean)
            cost = samples.size * (mean * cost + penalty(theta, optimizer, net))
        total_cost += cost
        regularize(work.gradient, theta, optimizer, net)
        update(theta, optimizer, work.gradient)
        limit_norms(theta, optimizer.max_norm, net)
        if not abs(total_cost) < math.inf:  # isfinite is x - x, which fastmath makes 0
            break
    return total_cost


@njit(calls=(update,))
def apply_gradient(theta, gradient, optimizer, steps, net):
    """One step down a gradient that was computed elsewhere. Writes: θ, `optimizer`, `steps`.

    Shapes: theta and gradient (n_parameters,). Penalties and limits write the gradient.
    """
    optimizer.hyper[L2] = optimizer.l2
    optimizer.t[0] += 1
    steps[0] += 1
    call(optimizer.begin_step, optimizer.hyper, optimizer.t)
    regularize(gradient, theta, optimizer, net)
    update(theta, optimizer, gradient)
    limit_norms(theta, optimizer.max_norm, net)


@njit(parallel=True)
def forward_rows(outputs, work, theta, X, net):
    """All layers for every row of X, as many as the workspace has room for. Writes: outputs; z and a of every layer.

    Parallel: over samples.
    """
    a = layer(work.a, net, net.L)
    for s in prange(X.shape[0]):
        forward_sample(s, work.z, work.a, work.a, X[s], theta, net, None)
        for j in range(outputs.shape[1]):
            outputs[s, j] = a[s, j]


@njit(**LEAN)
def forward_row(output, scratch, theta, x, net):
    """`forward_rows` for a single row, without a workspace.

    Shapes: output (1, n_out); x (1, n_in); scratch (2 times all neurons,). Writes: output, scratch.
    """
    n = scratch.size // 2
    z, a = stretch(scratch, 0, n), stretch(scratch, n, n)
    forward_sample(0, z, a, a, x[0], theta, net, None)
    a_L = layer(a, net, net.L)
    for j in range(output.shape[1]):
        output[0, j] = a_L[0, j]


@njit
def costs_of_rows(costs, work, Y, net):
    """C of every row of Y, from the output layer that is in the workspace. Writes: costs."""
    z, a = layer(work.z, net, net.L), layer(work.a, net, net.L)
    for s in range(costs.size):
        call(net.cost, costs[s : s + 1], z[s], a[s], Y[s], Y.shape[1], net.cost_parameter)
