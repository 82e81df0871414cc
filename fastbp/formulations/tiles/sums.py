"""Backpropagation over register tiles: the loops of `loops.py`, a block of samples by a panel of neurons at a time.

    z_sj = Σ_k a_sk w_jk + b_j        a_sj = σ(z_sj)        for the samples s of a mini-batch

The functions are those of `loops.py` in their order. Each goes through the panels of a layer (`panels.py`) and leaves
the sum over one of them to a loop around a register tile (`panel_sums.py`; for a layer of one neuron `column_sums.py`):

    forward             z_sj = Σ_k a_sk w_jk + b_j               tiles of z (s, j), sum over k
    output_error        BP1    δ⁽ᴸ⁾ = ∇_a C ⊙ σ′(z⁽ᴸ⁾)
    propagate_error     BP2    δ_sk = (Σ_j δ_sj w_jk) σ′(z_sk)   tiles of δ (s, k), sum over j
    accumulate_gradient BP3,4  ∂C/∂w_jk = Σ_s a_sk δ_sj / m      tiles of ∂C/∂w (k, j), sum over s

`steps.py`, `gradient.py` and `descent.py` put them together. z, a and δ of all layers, with a row for each sample, and
θ are in `work`; a function is told which rows are its own: m from `first` on.
"""

from fastbp.compiler.call import call
from fastbp.compiler.options import INLINE, INNER, njit
from fastbp.compiler.views import block, matrix, stretch
from fastbp.formulations.dropout import drop, layer_key
from fastbp.formulations.rules import scale
from fastbp.formulations.tiles.listed_sums import GROUP
from fastbp.formulations.tiles.panels import layer, panel_width, weights_at
from fastbp.formulations.tiles.registers import VECTOR_BYTES
from fastbp.formulations.tiles.tile import lanes, load, store, wide, zeros

BLOCK = 256  # samples whose gradient is summed in one go
LISTS = 2 * VECTOR_BYTES // (4 * GROUP) * (1 + BLOCK)  # room for those of the samples of a block, for a panel of inputs
LISTED_FROM = 24  # samples from which it pays to list the inputs that are not 0
CACHED = 16 * 1024  # bytes of weights that stay in the first-level cache while the samples pass by


@njit(**INNER)
def forward(work, scratch, first, m, net, l):
    """z_sj = Σ_k a_sk w_jk + b_j, a_sj = σ(z_sj): one layer, m samples. Writes: their rows of z and a."""
    n_in, n_out, rows, theta = net.layers[l - 1].n, net.layers[l].n, work.rows, work.theta
    z, a, a_previous = layer(work.z, net, l), layer(work.a, net, l), layer(work.a, net, l - 1)
    chunk, lists = depth(theta, m), work.listed_inputs
    stride, listed = lists_of_tile(n_in, chunk), l == 1 and n_out > 1 and m >= LISTED_FROM and lists.size > 0
    if listed:
        call(net.functions[0].list_inputs, lists, stride, work.noted, a_previous, rows, first, m, n_in, chunk)
    for j in range(0, n_out, wide(theta)):
        width = panel_width(theta, n_out - j)
        sums, z_panel = net.functions[width // lanes(theta)], block(z, rows, j, width, 0, rows)
        b = stretch(theta, weights_at(net, l, j, -1, width), width)
        w = stretch(theta, weights_at(net, l, j, 0, width), n_in * width)
        if rows == 1:
            call(sums.forward_row, z_panel, a_previous, w, b, n_in)
        elif n_out == 1:
            call(net.functions[0].forward_column, z_panel, a_previous, w, b, scratch, rows, first, m, n_in)
        else:
            for k in range(0, n_in, chunk):
                n = min(chunk, n_in - k)
                some_a, some_w = from_(a_previous, k * rows), stretch(w, k * width, n * width)
                if listed:
                    some = from_(lists, lists_of_tile(k, chunk))
                    call(sums.forward_listed, z_panel, some_a, some_w, b, some, stride, rows, first, m, n, k == 0)
                else:
                    call(sums.forward_panel, z_panel, some_a, some_w, b, rows, first, m, n, k == 0)
    activate(work, scratch, first, m, net, l)
    if l < work.dropout.size:
        drop_neurons(a, work, first, m, net, l)


@njit(**INNER)
def lists_of_tile(n, chunk):
    """Room for the lists of the first n inputs of a tile: one for each chunk, of its length and the inputs."""
    return (n + chunk - 1) // chunk * (1 + chunk)


@njit(**INLINE)
def from_(vector, start):
    """Return all of a vector from `start` on."""
    return stretch(vector, start, vector.size - start)


@njit(**INNER)
def drop_neurons(values, work, first, m, net, l):
    """Drop neurons of layer l, each sample its own, from their a or δ. Writes: rows of values."""
    for j in range(0, net.layers[l].n, wide(values)):
        width = panel_width(values, net.layers[l].n - j)
        for s in range(first, first + m):
            key = layer_key(work.seed, work.steps[0], l, work.places[s])
            drop(block(values, work.rows, j, width, s, 1), work.dropout[l], key, j)


@njit(**INNER)
def depth(theta, m):
    """How many terms of a sum over a layer are added before the next samples: as many as there is cache for weights."""
    return CACHED // (wide(theta) * theta.itemsize) if m > 12 else 2**62


@njit(**INNER)
def activate(work, scratch, first, m, net, l):
    """a_sj = σ(z_sj): one layer, m samples. Writes: their rows of a."""
    n_out, rows = net.layers[l].n, work.rows
    z, a = layer(work.z, net, l), layer(work.a, net, l)
    if net.layers[l].elementwise:
        for j in range(0, n_out, wide(z)):
            width = panel_width(z, n_out - j)
            call(net.layers[l].activation, block(a, rows, j, width, first, m), block(z, rows, j, width, first, m))
    else:
        for s in range(first, first + m):
            z_s, a_s = rows_of(z, scratch, 0, rows, s, 1, n_out), rows_of(a, scratch, n_out, rows, s, 1, n_out)
            call(net.layers[l].activation, stretch(a_s, 0, n_out), stretch(z_s, 0, n_out))
            if n_out > wide(a):
                put_rows(a, a_s, rows, s, 1, n_out)


@njit(**INNER)
def output_error(work, scratch, first, Y, samples, share, net):
    """C and δ_sj = ∂C/∂a_j · σ′(z_sj) / m: BP1, the output layer, a block of samples. Writes: work.costs, rows of δ.

    The 1/m of the mean over the mini-batch, `share`, comes in here: everything after is linear in δ.
    """
    l, rows = net.L, work.rows
    n, output = net.layers[l].n, net.layers[l]
    z, a, delta = layer(work.z, net, l), layer(work.a, net, l), layer(work.delta, net, l)
    width = row_width(delta, n)
    some = max(1, CACHED // (4 * width * delta.itemsize))  # samples at a time, for one call
    for start in range(0, samples.size, some):
        m = min(some, samples.size - start)
        s = first + start
        z_s, a_s = rows_of(z, scratch, 0, rows, s, m, n), rows_of(a, scratch, m * n, rows, s, m, n)
        delta_s, y_s = rows_of(delta, scratch, 2 * m * n, rows, s, m, n), stretch(scratch, 3 * m * n, m * width)
        take_targets(y_s, Y, stretch(samples, start, m), n, net)
        call(net.cost, stretch(work.costs, s, m), z_s, a_s, y_s, n, net.cost_parameter)
        call(net.cost_gradient, delta_s, z_s, a_s, y_s, net.cost_parameter)
        if output.elementwise:
            call(output.derivative, delta_s, z_s, a_s)
        else:
            for i in range(0, m * width, width):
                call(output.derivative, stretch(delta_s, i, n), stretch(z_s, i, n), stretch(a_s, i, n))
        scale(delta_s, share)
        if work.sample_weight.size > 0:
            for i in range(m):
                weight = work.sample_weight[samples[start + i]]
                work.costs[s + i] *= weight
                scale(stretch(delta_s, i * width, n), weight)
        if n > wide(delta):
            put_rows(delta, delta_s, rows, s, m, n)
        else:
            clear_padding(delta_s, m, n, width)


@njit(**INNER)
def row_width(panels, n):
    """How many numbers lie between the rows of one sample and the next in `rows_of`."""
    return n if n > wide(panels) else panel_width(panels, n)


@njit(**INLINE)
def rows_of(panels, scratch, at, rows, first, m, n):
    """Rows of a matrix in panels, one behind the other: where they lie if the matrix is one panel, else copied."""
    if n > wide(panels):
        view = stretch(scratch, at, m * n)
        take_rows(view, panels, rows, first, m, n)
    else:
        view = block(panels, rows, 0, panel_width(panels, n), first, m)
    return view


@njit(**INNER)
def take_targets(y, Y, samples, n, net):
    """Copy the targets of some samples into rows as in `rows_of`. Writes: y."""
    if n > wide(y):
        for s in range(samples.size):
            for j in range(n):
                y[s * n + j] = Y[samples[s], j]
    else:
        call(net.functions[0].gather, y, Y, samples, samples.size, 0, n)


@njit(**INNER)
def clear_padding(delta, m, n, width):
    """Set δ to 0 beyond the n outputs: trained as if it mattered, padding would end in slow subnormal numbers."""
    row = matrix(delta, 0, m, width)
    for s in range(m):
        for c in range(0, width, lanes(delta)):
            store(load(zeros(delta, 1, 1), row, s, c, min(lanes(delta), n - c)), row, s, c)


@njit(**INNER)
def take_rows(values, panels, rows, first, m, n):
    """Copy rows of a matrix in panels to where one lies behind the other, without padding. Shapes: values (m, n)."""
    to = matrix(values, 0, 1, values.size)
    for s in range(m):
        for j in range(0, n, wide(panels)):
            width = panel_width(panels, n - j)
            row = matrix(panels, j * rows + (first + s) * width, 1, width)
            if s * n + j + width <= values.size:  # what spills over the end of a row is overwritten by the next
                for c in range(0, width, lanes(panels)):
                    store(load(zeros(panels, 1, 1), row, 0, c), to, 0, s * n + j + c)
            else:
                for c in range(n - j):
                    to[0, s * n + j + c] = row[0, c]


@njit(**INNER)
def put_rows(panels, values, rows, first, m, n):
    """And back. Writes: panels."""
    of = matrix(values, 0, 1, values.size)
    for s in range(m):
        for j in range(0, n, wide(panels)):
            width = panel_width(panels, n - j)
            row = matrix(panels, j * rows + (first + s) * width, 1, width)
            if s * n + j + width <= values.size:  # what lies behind the end of a row becomes padding
                for c in range(0, width, lanes(panels)):
                    store(load(zeros(panels, 1, 1), of, 0, s * n + j + c), row, 0, c)
            else:
                for c in range(n - j):
                    row[0, c] = of[0, s * n + j + c]


@njit(**INNER)
def propagate_error(work, scratch, first, m, net, l):
    """δ_sk = (Σ_j δ_sj w_jk) · σ′(z_sk): BP2, from layer l to the one before, m samples. Writes: their rows of its δ.

    `forward` with δ for a, no biases, and the weights transposed, a part at a time.
    """
    n_in, n_out, rows, theta = net.layers[l - 1].n, net.layers[l].n, work.rows, work.theta
    delta_previous, delta = layer(work.delta, net, l - 1), layer(work.delta, net, l)
    p = work.dropout[l - 1] if l - 1 < work.dropout.size else 0.0
    no_bias, transposed = stretch(scratch, 0, wide(theta)), stretch(scratch, wide(theta), scratch.size - wide(theta))
    for c in range(no_bias.size):
        no_bias[c] = 0
    if rows == 1:
        w = stretch(theta, net.layers[l].panels_at, net.layers[l + 1].panels_at - net.layers[l].panels_at)
        columns = net.layers[l - 1].columns
        call(net.functions[0].propagate_row, delta_previous, w, 1 + columns, delta, columns, n_out)
    for k in range(0, n_in, wide(theta)):
        width = panel_width(theta, n_in - k)
        panel, sums = block(delta_previous, rows, k, width, 0, rows), net.functions[width // lanes(theta)]
        if rows > 1:
            for j in range(0, n_out, CACHED // (wide(theta) * theta.itemsize)):
                n = min(CACHED // (wide(theta) * theta.itemsize), n_out - j)
                transpose(transposed, theta, j, n, k, width, net, l)
                call(sums.forward_panel, panel, from_(delta, j * rows), transposed, no_bias, rows, first, m, n, j == 0)
        z, a = layer(work.z, net, l - 1), layer(work.a, net, l - 1)
        z_s, a_s = block(z, rows, k, width, first, m), block(a, rows, k, width, first, m)
        scale(a_s, 1 - p)  # σ′ is that of the neuron before dropout
        call(net.layers[l - 1].derivative, block(delta_previous, rows, k, width, first, m), z_s, a_s)
        scale(a_s, 1 / (1 - p))
    if p > 0:
        drop_neurons(delta_previous, work, first, m, net, l - 1)


@njit(**INNER)
def transpose(transposed, theta, j, n, k, width, net, l):
    """Copy w_jk, for n neurons j and a panel of inputs k, to where it lies along k. Shapes: transposed (n, width)."""
    for i in range(j, j + n, wide(theta)):
        columns = panel_width(theta, net.layers[l].n - i)
        w = stretch(theta, weights_at(net, l, i, k, columns), width * columns)
        to = stretch(transposed, (i - j) * width, columns * width)
        call(net.functions[0].transpose_weights, to, w, width, columns)


@njit(**INNER)
def accumulate_gradient(dw, alpha, theta, moment, moment2, work, listed, first, m, j, k, n, net, l, begin=False):
    """dw_jk += alpha Σ_s a_sk δ_sj, db_j += alpha Σ_s δ_sj: BP4 and BP3, m samples, a block of weights. Writes: dw.

    If `begin`, dw_jk = Σ_s a_sk δ_sj and db_j = Σ_s δ_sj, whatever was there.
    The neurons j are a panel, n inputs from k on one or more. Shapes: dw (n, width), with k = 0 behind db (width,).
    `listed`, unless empty, says which samples count for which inputs: see `list_samples`.
    What an update will touch next, theta and its moments, is sent for meanwhile.
    """
    delta, a_previous, rows = layer(work.delta, net, l), layer(work.a, net, l - 1), work.rows
    width = panel_width(dw, net.layers[l].n - j)
    width_a = panel_width(dw, net.layers[l - 1].n - k) if rows > 1 else n  # of one row, all panels are one
    sums, weights = net.functions[width // lanes(dw)], stretch(dw, dw.size - n * width, n * width)
    if k == 0:
        call(sums.bias_panel, stretch(dw, 0, width), alpha, block(delta, rows, j, width, first, m), m, begin)
    for s in range(first, first + m, BLOCK):
        some = min(BLOCK, first + m - s)
        delta_s, a_s = block(delta, rows, j, width, s, some), block(a_previous, rows, k, width_a, s, some)
        new = begin and s == first
        if net.layers[l].n == 1 and rows > 1:
            call(net.functions[width_a // lanes(dw)].gradient_column, weights, alpha, a_s, delta_s, some, n, new)
        elif listed.size > 0:
            here, stride, sum_listed = from_(listed, (s - first) // BLOCK * LISTS), 1 + BLOCK, sums.gradient_listed
            call(sum_listed, weights, alpha, a_s, delta_s, theta, moment, moment2, here, stride, some, n, new)
        else:
            call(sums.gradient_panel, weights, alpha, a_s, delta_s, theta, moment, moment2, some, n, new)


@njit(**INNER)
def list_samples(listed, work, m, k, n, net):
    """List which samples count for n inputs from k on, a panel: those in which they are not all 0. Writes: listed."""
    for s in range(0, m, BLOCK):
        here, noted = from_(listed, s // BLOCK * LISTS), from_(work.noted, k // wide(work.a) * work.rows + s)
        call(net.functions[0].list_samples, here, 1 + BLOCK, noted, min(BLOCK, m - s), n)
