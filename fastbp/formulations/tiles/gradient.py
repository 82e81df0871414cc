"""The gradient of a mini-batch in `tiles`: by patches of weights, or, where those are few, by parts of the samples."""

from numba import prange
from numpy import int64

from fastbp.compiler.call import call
from fastbp.compiler.options import INNER, njit
from fastbp.compiler.subnormals import compute_as, keep_subnormals
from fastbp.compiler.views import stretch
from fastbp.formulations.tiles.panel_sums import LEAST
from fastbp.formulations.tiles.panels import layer, panel_width
from fastbp.formulations.tiles.products import Into, Patch
from fastbp.formulations.tiles.steps import block_of, errors, errors_of_block, rows_of_thread, take_samples
from fastbp.formulations.tiles.sums import accumulate_gradient
from fastbp.formulations.tiles.tile import wide

PART_BLOCK = 128  # samples that go through all layers together in `sum_parts`
PATCH = 8  # panels of inputs that a patch of weights has
PARTS = 16  # how many parts of the samples there are at most


@njit(**INNER)
def share_of(thread, n_threads, lowest, net):
    """Where a thread's share of θ in panels begins and ends: as many weights of the layers from `lowest` on as others'.

    `first_input` says which inputs are before the cut.
    """
    start = net.layers[lowest].panels_at
    size = net.layers[net.L + 1].panels_at - start
    return start + thread * size // n_threads, start + (thread + 1) * size // n_threads


@njit(**INNER)
def first_input(at, j, width, unit, net, l):
    """The first input whose weights, to a panel of neurons, are not among the first `at` numbers of layer l.

    They count in this order: the weights from a panel of inputs to all panels of neurons, then from the next panel of
    inputs. So a thread's share needs few inputs: what other threads have written comes slower than from its own cache.
    """
    if at <= 0 or at >= net.layers[l + 1].panels_at - net.layers[l].panels_at:
        return 0 if at <= 0 else net.layers[l - 1].n
    of_inputs = unit * net.layers[l].columns
    return max(0, (at - unit * (j + width // 2) + of_inputs - 1) // of_inputs * unit)


@njit(**INNER)
def patch_of(numbers, net, l, j, k, inputs, share):
    """The weights of layer l from the inputs k on to the panel of the neurons j, as far as they lie in a share of θ.

    They are whole tiles, into the padding; `n` is 0 if none of them do.
    """
    width, unit, of_layer = panel_width(numbers, net.layers[l].n - j), wide(numbers), net.layers[l].panels_at
    stop = min(min(k + inputs, net.layers[l - 1].n), first_input(share[1] - of_layer, j, width, unit, net, l))
    k = max(k, first_input(share[0] - of_layer, j, width, unit, net, l))
    n = (max(0, stop - k) + LEAST - 1) // LEAST * LEAST
    skipped = 1 + k if k > 0 else 0  # rows of the panel, the first being the biases
    start = of_layer + (1 + net.layers[l - 1].columns) * j + skipped * width
    return Patch(l, j, k, n, start, (1 + k + n - skipped) * width)


@njit(**INNER)
def sum_patches(gradient, share, work, block, begin, net):
    """∂C/∂w and ∂C/∂b over a block of samples: of the patches of weights in a share of θ.

    Unless `begin`, added to what is there. Shapes: gradient, as θ in panels. Writes: gradient.
    """
    one, inputs, none = gradient.dtype.type(1), PATCH * wide(gradient), stretch(work.coming, 0, 0)
    for l in range(work.lowest, net.L + 1):
        delta, a = layer(work.delta, net, l), layer(work.passed_on, net, l - 1)
        for j in range(0, delta.n, wide(gradient)):
            for k in range(0, a.n, inputs):
                patch = patch_of(gradient, net, l, j, k, inputs, share)
                if patch.n > 0:
                    to = Into(stretch(gradient, patch.start, patch.size), one, begin)
                    accumulate_gradient(to, delta, a, patch, block, none, net)


def sum_share(thread, n_threads, work, m, begin, net):
    """The patches of weights that are one thread's: `sum_gradient` for them."""
    block, share = rows_of_thread(work, thread, 0, m), share_of(thread, n_threads, work.lowest, net)
    sum_patches(work.gradient, share, work, block, begin != 0, net)


@njit(parallel=True)
def sum_gradient(n_threads, work, m, begin, net):
    """The gradient of the m samples whose errors are in the workspace, unless `begin` added to what is there.

    Writes: work.gradient, in panels. Parallel: over patches of weights. Each is one thread's, which sums over all m
    samples, so the bits do not depend on the number of threads.
    """
    for thread in prange(n_threads):
        call(net.functions[0].sum_share, int64(thread), n_threads, work, m, begin, net)


@njit(**INNER)
def part_size(m):
    """How many samples' gradient is one part of the sum in `sum_parts`: whole blocks, so that there are ≤ PARTS."""
    return (m + PART_BLOCK * PARTS - 1) // (PART_BLOCK * PARTS) * PART_BLOCK


def part_share(thread, n_threads, work, data, start, stop, share, net):
    """The parts that are one thread's: `sum_parts` for them."""
    size, first, n = part_size(stop - start), thread * PART_BLOCK, net.layers[-1].panels_at
    n_parts = (stop - start + size - 1) // size
    for part in range(n_parts * thread // n_threads, n_parts * (thread + 1) // n_threads):
        dw, cost = stretch(work.gradient, part * n, n), 0.0
        begin, end = start + part * size, min(stop, start + (part + 1) * size)
        for at in range(begin, end, PART_BLOCK):
            block = block_of(work, data, thread, first, at, min(end, at + PART_BLOCK))
            take_samples(work, block, data.X, net)
            errors_of_block(work, data, block, 1, share, net)
            for s in range(first, first + block.m):
                cost += work.costs[s]
            sum_patches(dw, share_of(0, 1, work.lowest, net), work, block, at == begin, net)
        work.costs[work.rows + part] = cost


@njit(parallel=True)
def sum_parts(n_threads, work, data, start, stop, share, net):
    """`errors` and the sum of the gradient at once, for few weights and many samples: those are cut into parts.

    Writes: work.gradient, a row for each part; work.costs behind those of samples, the parts' costs.
    Parallel: over parts. They are cut in the same way for any number of threads, and so is then the sum over them.
    """
    word = keep_subnormals()
    for thread in prange(n_threads):
        before = compute_as(word)
        call(net.functions[0].part_share, int64(thread), n_threads, work, data, start, stop, share, net)
        compute_as(before)
    compute_as(word)


@njit(**INNER)
def add_parts(work, m, net):
    """The gradient of all m samples from that of their parts; returns the cost. Writes: row 0 of work.gradient."""
    size, n_parts, total_cost = net.layers[-1].panels_at, (m + part_size(m) - 1) // part_size(m), work.costs[work.rows]
    dw = stretch(work.gradient, 0, size)
    for part in range(1, n_parts):
        more = stretch(work.gradient, part * size, size)
        for i in range(size):
            dw[i] += more[i]
        total_cost += work.costs[work.rows + part]
    return total_cost


@njit(calls=(errors, sum_gradient))
def gradient(n_threads, work, data, share, net):
    """The gradient of `share` times the costs of all samples. Returns the sum of costs. Writes: work.gradient, work."""
    n, total_cost = data.order.size, 0.0
    work.batch[0], work.batch[1] = 0, n
    for start in range(0, n, work.rows):
        m = min(work.rows, n - start)
        errors(n_threads, work, data, start, start + m, work.theta.dtype.type(share), net)
        sum_gradient(n_threads, work, m, start == 0, net)
        for s in range(m):
            total_cost += work.costs[s]
    return total_cost


@njit(calls=(sum_parts,))
def gradient_in_parts(n_threads, work, data, share, net):
    """The same by `sum_parts`."""
    n = data.order.size
    work.batch[0], work.batch[1] = 0, n
    sum_parts(n_threads, work, data, 0, n, work.theta.dtype.type(share), net)
    return add_parts(work, n, net)
