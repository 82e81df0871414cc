"""Weights of samples, and of each output of each sample: what multiplies C and δ⁽ᴸ⁾.

    w_s      C_s ← w_s C_s,              δ_sj ← w_s δ_sj
    w_sj     C_s ← Σ_j w_sj C_sj,        δ_sj ← w_sj δ_sj        C_sj being the cost of the output j alone

An output whose w_sj is 0 adds exactly 0, whatever its C_sj and δ_sj are.
"""

from fastbp.compiler.call import call
from fastbp.compiler.options import INNER, LEAN, njit
from fastbp.compiler.views import stretch
from fastbp.formulations.network_data import layer
from fastbp.formulations.rules import scale


@njit(**INNER)
def weighted_cost(cost, z, a, y, w, net):
    """C = Σ_j w_j C_j. Shapes: cost (1,); z, a, y (≥ n,); w (n,). Writes: cost."""
    total = 0.0
    for j in range(w.size):
        if w[j] != 0:  # as a sample with a single output
            call(net.cost, cost, stretch(z, j, 1), stretch(a, j, 1), stretch(y, j, 1), 1, net.cost_parameter)
            total += w[j] * cost[0]
    cost[0] = total


@njit(**INNER)
def weigh(cost, delta, z, a, y, w, net):
    """C and δ of a sample times its weight, or with a weight for each output.

    Shapes: w (1,) or (n,); the others as above. Writes: cost, which has C before; delta.
    """
    if w.size == 1:
        cost[0] *= w[0]
        scale(delta, w[0])
    else:
        weighted_cost(cost, z, a, y, w, net)
        for j in range(w.size):
            delta[j] = w[j] * delta[j] if w[j] != 0 else w[j]


@njit(**LEAN)
def weighted_costs_of_rows(costs, work, Y, weights, net):
    """`loops.costs_of_rows` with a weight for each output. Shapes: Y, weights (m, n_out). Writes: costs."""
    z, a = layer(work.z, net, net.L), layer(work.a, net, net.L)
    for s in range(costs.size):
        weighted_cost(stretch(costs, s, 1), z[s], a[s], Y[s], weights[s], net)
