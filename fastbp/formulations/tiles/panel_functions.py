"""The sums over panels as C functions: compiled once each, called by address, so no step is compiled around them again.

A C function takes a pointer to each array and its length, and numbers as they are.
"""

from functools import cache
from typing import Any

import numba
import numpy as np
from numba import carray

from fastbp.compiler.options import INLINE, compile_callback, njit, rebind
from fastbp.formulations.array_functions import c_signature
from fastbp.formulations.tiles.column_sums import forward_column, gradient_column
from fastbp.formulations.tiles.listed_sums import (
    forward_listed,
    gradient_listed,
    list_inputs,
    list_samples,
    note_inputs,
)
from fastbp.formulations.tiles.panel_sums import (
    bias_panel,
    forward_panel,
    forward_row,
    gather,
    gradient_panel,
    propagate_row,
    step_row,
    transpose_weights,
)

function: Any = None  # bound to each of them


def call_forward_panel(z, n_z, a, n_a, w, n_w, b, n_b, rows, first, m, n, begin):
    function(carray(z, n_z), carray(a, n_a), carray(w, n_w), carray(b, n_b), rows, first, m, n, begin)


def call_forward_row(z, n_z, a, n_a, w, n_w, b, n_b, n):
    function(carray(z, n_z), carray(a, n_a), carray(w, n_w), carray(b, n_b), n)


def call_step_row(z_next, n_z, x_next, n_next, w, n_w, b, n_b, x, n_x, step, n_step, n):
    z_next, x_next, w, b = carray(z_next, n_z), carray(x_next, n_next), carray(w, n_w), carray(b, n_b)
    function(z_next, x_next, w, b, carray(x, n_x), carray(step, n_step), n)


def call_gradient_panel(
    dw, n_dw, alpha, a, n_a, delta, n_delta, theta, n_theta, first, n_first, second, n_second, m, n, begin
):
    a, delta, theta = carray(a, n_a), carray(delta, n_delta), carray(theta, n_theta)
    function(carray(dw, n_dw), alpha, a, delta, theta, carray(first, n_first), carray(second, n_second), m, n, begin)


def call_forward_column(z, n_z, a, n_a, w, n_w, b, n_b, scratch, n_scratch, rows, first, m, n):
    z, a, w, b, scratch = carray(z, n_z), carray(a, n_a), carray(w, n_w), carray(b, n_b), carray(scratch, n_scratch)
    function(z, a, w, b, scratch, rows, first, m, n)


def call_gradient_column(dw, n_dw, alpha, a, n_a, delta, n_delta, m, n, begin):
    function(carray(dw, n_dw), alpha, carray(a, n_a), carray(delta, n_delta), m, n, begin)


def call_note_inputs(noted, n_noted, a, n_a, rows, first, m, n):
    function(carray(noted, n_noted), carray(a, n_a), rows, first, m, n)


def call_list_inputs(listed, n_listed, stride, noted, n_noted, a, n_a, rows, first, m, n, chunk):
    function(carray(listed, n_listed), stride, carray(noted, n_noted), carray(a, n_a), rows, first, m, n, chunk)


def call_forward_listed(z, n_z, a, n_a, w, n_w, b, n_b, listed, n_listed, stride, rows, first, m, n, begin):
    z, a, w, b, listed = carray(z, n_z), carray(a, n_a), carray(w, n_w), carray(b, n_b), carray(listed, n_listed)
    function(z, a, w, b, listed, stride, rows, first, m, n, begin)


def call_list_samples(listed, n_listed, stride, noted, n_noted, m, n):
    function(carray(listed, n_listed), stride, carray(noted, n_noted), m, n)


def call_gradient_listed(
    dw, n_dw, alpha, a, n_a, delta, n_delta, theta, n_theta, first, n_first, second, n_second, listed, n_listed,
    stride, m, n, begin,
):  # fmt: skip
    a, delta, theta = carray(a, n_a), carray(delta, n_delta), carray(theta, n_theta)
    first, second, listed = carray(first, n_first), carray(second, n_second), carray(listed, n_listed)
    function(carray(dw, n_dw), alpha, a, delta, theta, first, second, listed, stride, m, n, begin)


def call_bias_panel(db, n_db, alpha, delta, n_delta, m, begin):
    function(carray(db, n_db), alpha, carray(delta, n_delta), m, begin)


def call_propagate_row(delta_previous, n_previous, w, n_w, n_rows, delta, n_delta, n_in, n_out):
    function(carray(delta_previous, n_previous), carray(w, n_w), n_rows, carray(delta, n_delta), n_in, n_out)


def call_transpose_weights(to, n_to, w, n_w, n_in, n_out):
    function(carray(to, n_to), carray(w, n_w), n_in, n_out)


def call_gather(a, n_a, X, n_X, samples, n_samples, rows, first, n):
    function(carray(a, n_a), carray(X, n_X), carray(samples, n_samples), rows, first, n)


_CALLBACKS = {
    forward_panel: (call_forward_panel, "RRRRiiiii"),
    forward_row: (call_forward_row, "RRRRi"),
    step_row: (call_step_row, "RRRRRRi"),
    gradient_panel: (call_gradient_panel, "RrRRRRRiii"),
    forward_column: (call_forward_column, "RRRRRiiii"),
    gradient_column: (call_gradient_column, "RrRRiii"),
    note_inputs: (call_note_inputs, "URiiii"),
    list_inputs: (call_list_inputs, "UiURiiiii"),
    forward_listed: (call_forward_listed, "RRRRUiiiiii"),
    list_samples: (call_list_samples, "UiUii"),
    gradient_listed: (call_gradient_listed, "RrRRRRRUiiii"),
    bias_panel: (call_bias_panel, "RrRii"),
    propagate_row: (call_propagate_row, "RRiRii"),
    transpose_weights: (call_transpose_weights, "RRii"),
    gather: (call_gather, "RRIiii"),
}


@cache
def panel_function(kernel: Any, dtype: np.dtype[Any], vecs: int | None = None) -> Any:
    """What `call` takes for one of the above: its address, or itself where nothing is compiled."""
    callback, kinds = _CALLBACKS[kernel]
    name = f"{kernel.__name__}_{vecs}_{dtype.name}"
    loop = njit(rebind(kernel, name, VECS=vecs), on_disk=False, **INLINE)
    if numba.config.DISABLE_JIT:
        return loop
    return compile_callback(rebind(callback, name, function=loop), c_signature(kinds, dtype), on_disk=True)
