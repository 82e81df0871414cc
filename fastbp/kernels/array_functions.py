"""Activations, costs and updates as functions of whole arrays that a compiled loop calls by address.

`array_function(...)` gives what `kernels.call.call` takes: the address of a C function, compiled on first use for
one dtype, or, with ``NUMBA_DISABLE_JIT=1``, the Python function itself.
"""

from collections.abc import Callable
from functools import cache
from types import FunctionType
from typing import Any

import numba
import numpy as np
from numba import carray, from_dtype, types
from numba.core.errors import NumbaError

from fastbp.kernels import updates
from fastbp.kernels.activations import Activation
from fastbp.kernels.compile_options import STRICT, compile_callback, njit, rebind
from fastbp.kernels.costs import FUSED_PAIRS, Cost

# Loops over the elements of a layer. `function` is bound anew, to the function of one number in question.
function: Any = None


def activate(a, z):
    """a_j = σ(z_j)."""
    for j in range(z.size):
        a[j] = function(z[j])


def multiply_by_derivative_of_z(delta, z, a):
    """δ_j ← δ_j σ′(z_j)."""
    for j in range(a.size):
        delta[j] *= function(z[j])


def multiply_by_derivative_of_a(delta, z, a):
    """δ_j ← δ_j σ′(z_j), σ′ in terms of a_j."""
    for j in range(a.size):
        delta[j] *= function(a[j])


def leave(delta, z, a):
    """δ_j ← δ_j: the cost's own δ holds σ′ already."""


def sum_cost(out, z, a, y):
    """Out = Σ_j C(a_j, y_j)."""
    total = 0.0
    for j in range(y.size):
        total += function(a[j], y[j])
    out[0] = total


def cost_gradient(delta, z, a, y):
    """δ_j = ∂C/∂a_j."""
    for j in range(y.size):
        delta[j] = function(a[j], y[j])


# The same as C functions: (length of the last array, pointer to each array).


def callback_of_2(n, a, z):
    function(carray(a, n), carray(z, n))


def callback_of_3(n, delta, z, a):
    function(carray(delta, n), carray(z, n), carray(a, n))


def callback_of_4(n, out, z, a, y):
    function(carray(out, n), carray(z, n), carray(a, n), carray(y, n))


def callback_of_6(n, theta, first, second, hyper, t, gradient):
    function(carray(theta, n), carray(first, n), carray(second, n), carray(hyper, 8), carray(t, 1), carray(gradient, n))


# What an array holds: R the network's own numbers, D float64, I int64.
_CALLBACKS = {
    "RR": callback_of_2, "RRR": callback_of_3, "RRRR": callback_of_4, "DRRR": callback_of_4, "RRRDIR": callback_of_6,
}  # fmt: skip


@cache
def activation_function(activation: Activation, dtype: np.dtype[Any]) -> Any:
    """σ of a whole layer: ``call(…, a, z)``."""
    return _address(activation.function, "RR", dtype, None if activation.whole_layer else activate)


@cache
def derivative_function(activation: Activation, dtype: np.dtype[Any]) -> Any:
    """δ ← δ ⊙ σ′(z) of a whole layer: ``call(…, delta, z, a)``."""
    template = multiply_by_derivative_of_a if activation.derivative_of == "a" else multiply_by_derivative_of_z
    return _address(activation.derivative, "RRR", dtype, None if activation.whole_layer else template)


@cache
def cost_functions(cost: Cost, output: Activation, dtype: np.dtype[Any]) -> tuple[Any, Any, Any]:
    """C, ∂C/∂a and the σ′ that makes it δ: ``call(…, out, z, a, y)``, ``(…, delta, z, a, y)``, ``(…, delta, z, a)``."""
    fused = FUSED_PAIRS.get((output.function, cost.function))
    if fused:
        function, gradient = (_address(f, kinds, dtype) for f, kinds in zip(fused, ("DRRR", "RRRR"), strict=True))
        return function, gradient, _address(leave, "RRR", dtype)
    function = _address(cost.function, "DRRR", dtype, sum_cost)
    return function, _address(cost.derivative, "RRRR", dtype, cost_gradient), derivative_function(output, dtype)


@cache
def update_function(name: str, dtype: np.dtype[Any]) -> Any:
    """One step of an optimizer: ``call(…, theta, first, second, hyper, t, gradient)``."""
    return _address(getattr(updates, name), "RRRDIR", dtype)


def _address(choice: Any, kinds: str, dtype: np.dtype[Any], template: Callable[..., Any] | None = None) -> Any:
    """The function of whole arrays `choice`, or `template` with the function of one number `choice` bound into it.

    Only our own functions can be found on disk again by their names; a user's may be another one tomorrow. Raises
    TypeError for a user's function that Numba cannot compile.
    """
    source = _python_function(choice)
    name, ours = source.__name__, str(getattr(choice, "__module__", None)).startswith("fastbp.")
    loop = njit(source, on_disk=False, options=STRICT)
    if template is not None:
        name = f"{name}_{template.__name__}"
        loop = njit(rebind(template, name, function=loop), on_disk=False, options=STRICT)
    if numba.config.DISABLE_JIT:
        return loop
    letters = {"R": from_dtype(dtype), "D": types.float64, "I": types.int64}
    pointers = [types.CPointer(letters[kind]) for kind in kinds]
    callback = rebind(_CALLBACKS[kinds], f"{name}_{dtype.name}", function=loop)
    try:
        return compile_callback(callback, types.void(types.intp, *pointers), on_disk=ours)
    except NumbaError as error:
        # Numba tells every step on its way; the first line that is none of them says what was wrong.
        reasons = [line for line in str(error).splitlines() if line and not line.startswith("Failed in")]
        raise TypeError(
            f"Numba cannot compile {choice!r}: {reasons[0] if reasons else error}. It may use numbers, the functions "
            "of `math` and plain Python; try it with numba.njit for the whole story"
        ) from None


def _python_function(choice: Any) -> Any:
    """`choice` as a function that Numba can compile: a compiled one has its source, a built-in one gets a shell."""
    source = getattr(choice, "py_func", choice)
    if isinstance(source, FunctionType):
        return source
    return rebind(_shell, "user_function", function=choice)


def _shell(z):
    return function(z)
