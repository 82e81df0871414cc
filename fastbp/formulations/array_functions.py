"""Activations, costs and updates as functions of whole arrays that a compiled loop calls by address.

The functions below the templates return what `compiler.call.call` takes: the address of a C function, compiled on
first use for one dtype, or with ``NUMBA_DISABLE_JIT=1`` the Python function. Signatures are in `compiler/callbacks.py`.
"""

import inspect
from collections.abc import Callable
from types import FunctionType
from typing import Any

import numba
import numpy as np
from numba.core.errors import NumbaError

from fastbp.compiler.callbacks import address
from fastbp.compiler.options import LEAN, PART, STRICT, njit, rebind
from fastbp.compiler.together import made_once
from fastbp.compiler.user_functions import named_by_content
from fastbp.compiler.views import stretch
from fastbp.formulations import sample_templates
from fastbp.functions.activations import Activation
from fastbp.functions.cost_pairs import PAIRS
from fastbp.functions.costs import Cost, WithParameter
from fastbp.functions.sample_costs import WithLevels
from fastbp.functions.softmax import softmax, softmax_of_rows
from fastbp.optimizers import updates

# Templates: loops over the elements of a layer. `_address` binds `function` to the function of one number, and `second`
# to its derivative, or to another function, where the loop needs both.
function: Any = None
second: Any = None


def activate(a, z):
    """a_j = σ(z_j)."""
    for j in range(z.size):
        a[j] = function(z[j])


def activate_rows(a, z, n, m):
    """a_sj = σ(z_s)_j of m samples, each with n numbers of a and z and perhaps padding after them."""
    width = z.size // m
    for i in range(0, z.size, width):
        function(stretch(a, i, n), stretch(z, i, n))


def activate_row(a, z):
    """The same of one sample, by a function of several."""
    function(a, z, z.size, 1)


# σ that has a function of several samples, which serves for one, too.
OF_ROWS = {softmax: softmax_of_rows}


def multiply_by_derivative_of_z(delta, z, a):
    """δ_j ← δ_j σ′(z_j)."""
    for j in range(a.size):
        delta[j] *= function(z[j])


def multiply_by_derivative_of_a(delta, z, a):
    """δ_j ← δ_j σ′(z_j), σ′ in terms of a_j."""
    for j in range(a.size):
        delta[j] *= function(a[j])


def leave(delta, z, a):
    """δ_j ← δ_j: of the input, which has no σ, and where δ of a pair contains σ′ already."""


# The functions of a cost take its parameter as their last argument; it is 0 for a cost without one.


def sum_cost(out, z, a, y, parameter):
    """Out = Σ_j C(a_j, y_j)."""
    total = 0.0
    for j in range(y.size):
        total += function(a[j], y[j], parameter)
    out[0] = total


def each_sample(costs, z, a, y, n, parameter):
    """C of several samples, each with n numbers of z, a and y, and perhaps padding after them."""
    width = y.size // costs.size
    for s in range(costs.size if width == 1 else 0):  # a loop that becomes vector instructions
        function(stretch(costs, s, 1), stretch(z, s, 1), stretch(a, s, 1), stretch(y, s, 1), parameter)
    for s in range(costs.size if width > 1 else 0):
        i = s * width
        function(stretch(costs, s, 1), stretch(z, i, n), stretch(a, i, n), stretch(y, i, n), parameter)


def cost_gradient(delta, z, a, y, parameter):
    """δ_j = ∂C/∂a_j."""
    for j in range(y.size):
        delta[j] = function(a[j], y[j], parameter)


# The same with tangents, derivatives along one direction in which the network changes: ż is the tangent of z.


def bend_by_z(delta, delta_dot, z, a, z_dot, a_dot):
    """δ_j ← δ_j σ′(z_j), and its tangent, δ̇_j ← δ̇_j σ′(z_j) + δ_j σ″(z_j) ż_j."""
    for j in range(a.size):
        prime = function(z[j])
        delta_dot[j] = delta_dot[j] * prime + delta[j] * second(z[j]) * z_dot[j]
        delta[j] *= prime


def bend_by_a(delta, delta_dot, z, a, z_dot, a_dot):
    """The same with σ′ and σ″ in terms of a_j."""
    for j in range(a.size):
        prime = function(a[j])
        delta_dot[j] = delta_dot[j] * prime + delta[j] * second(a[j]) * z_dot[j]
        delta[j] *= prime


def bend_layer(delta, delta_dot, z, a, z_dot, a_dot):
    """The same for an activation of whole layers: δ ← Jᵀ δ, δ̇ ← Jᵀ δ̇ + J̇ᵀ δ."""
    function(delta_dot, z, a)
    for j in range(a.size):
        z_dot[j] = delta[j]
    second(z_dot, a, a_dot)
    function(delta, z, a)
    for j in range(a.size):
        delta_dot[j] += z_dot[j]


def leave_both(delta, delta_dot, z, a, z_dot, a_dot):
    """δ and δ̇ stay: those of a pair contain σ′ already."""


def cost_gradient_and_tangent(delta, delta_dot, z, a, y, z_dot, a_dot, parameter):
    """δ_j = ∂C/∂a_j, and its tangent, δ̇_j = ∂²C/∂a_j² ȧ_j."""
    for j in range(y.size):
        delta[j] = function(a[j], y[j], parameter)
        delta_dot[j] = second(a[j], y[j], parameter) * a_dot[j]


def cost_tangent(delta, delta_dot, z, a, y, z_dot, a_dot, parameter):
    """δ̇_j = ∂²C/∂a_j² ȧ_j."""
    for j in range(y.size):
        delta_dot[j] = function(a[j], y[j], parameter) * a_dot[j]


def information_tangent(delta, delta_dot, z, a, y, z_dot, a_dot, parameter):
    """δ̇_j = E[(∂C/∂a_j)²] ȧ_j."""
    for j in range(y.size):
        delta_dot[j] = function(a[j], parameter) * a_dot[j]


def activation_function(activation: Activation, dtype: np.dtype[Any]) -> Any:
    """σ of a whole layer: ``call(…, a, z)``."""
    if activation.function in OF_ROWS:
        return _address(OF_ROWS[activation.function], "RR", dtype, activate_row)
    if activation.whole_layer:
        return _address(activation.function, "RR", dtype, sums=True)
    return _address(activation.function, "RR", dtype, activate)


def rows_function(activation: Activation, dtype: np.dtype[Any]) -> Any:
    """σ of several samples, each with n numbers and perhaps padding after them: ``call(…, a, z, n, m)``."""
    if activation.function in OF_ROWS:
        return _address(OF_ROWS[activation.function], "RRii", dtype)
    templates = (activate_rows,) if activation.whole_layer else (activate, activate_rows)
    return _address(activation.function, "RRii", dtype, *templates, sums=activation.whole_layer)


def derivative_function(activation: Activation, dtype: np.dtype[Any]) -> Any:
    """δ ← δ ⊙ σ′(z) of a whole layer: ``call(…, delta, z, a)``."""
    template = multiply_by_derivative_of_a if activation.derivative_of == "a" else multiply_by_derivative_of_z
    templates = () if activation.whole_layer else (template,)
    return _address(activation.derivative, "RRR", dtype, *templates)


def tangent_function(activation: Activation, dtype: np.dtype[Any]) -> Any:
    """ż ← J ż, J being ∂a/∂z: ``call(…, z_dot, z, a)``. It is `derivative_function`, unless J is not symmetric."""
    if activation.tangent is None:
        return derivative_function(activation, dtype)
    return _address(activation.tangent, "RRR", dtype)


def no_derivative(dtype: np.dtype[Any]) -> Any:
    """δ ← δ: ``call(…, delta, z, a)``."""
    return _address(leave, "RRR", dtype)


def cost_functions(cost: Cost, output: Activation, dtype: np.dtype[Any]) -> tuple[Any, Any, Any]:
    """C, ∂C/∂a and the function that multiplies it by σ′ to make it δ.

    ``call(…, costs, z, a, y, n, parameter)``, ``call(…, delta, z, a, y, parameter)`` and ``call(…, delta, z, a)``.
    C of as many samples as `costs` has elements, with n outputs each, and perhaps padding after them.
    """
    own = PAIRS.get((output.function, cost.function))
    if own:
        if own.cost_of_rows:
            function = _address(own.cost_of_rows, "DRRRid", dtype)
        else:
            function = _cost_address(own.cost, "DRRRid", dtype, each_sample, sums=True)
        return function, _cost_address(own.error, "RRRRd", dtype), _address(own.derivative or leave, "RRR", dtype)
    if cost.whole_sample:
        function = _sample_address(cost, cost.function, "DRRRid", dtype, sample_templates.cost_of_sample, each_sample)
        gradient = _sample_address(cost, cost.derivative, "RRRRd", dtype, sample_templates.cost_gradient_of_sample)
        return function, gradient, derivative_function(output, dtype)
    function = _cost_address(cost.function, "DRRRid", dtype, sum_cost, each_sample)
    return function, _cost_address(cost.derivative, "RRRRd", dtype, cost_gradient), derivative_function(output, dtype)


def bend_function(activation: Activation, dtype: np.dtype[Any]) -> Any:
    """σ′ and its tangent: ``call(…, delta, delta_dot, z, a, z_dot, a_dot)``. Writes: δ and δ̇, for softmax also ż."""
    templates = {"a": bend_by_a, "z": bend_by_z}
    template = bend_layer if activation.whole_layer else templates[activation.derivative_of]
    return _address(activation.derivative, "RRRRRR", dtype, template, second=activation.second_derivative)


def no_bend(dtype: np.dtype[Any]) -> Any:
    """δ ← δ and δ̇ ← δ̇: ``call(…, delta, delta_dot, z, a, z_dot, a_dot)``."""
    return _address(leave_both, "RRRRRR", dtype)


def error_tangent_function(cost: Cost, output: Activation, dtype: np.dtype[Any], kind: str) -> Any:
    """δ̇ of the output layer: before it is multiplied by σ′, or after it for a pair with functions of its own.

    ``call(…, delta, delta_dot, z, a, y, z_dot, a_dot, parameter)``. `kind` is "hessian", which also writes δ,
    "gauss_newton", "fisher" or "diagonal".
    """
    own = PAIRS.get((output.function, cost.function))
    if own:
        return _cost_address(getattr(own, kind), "RRRRRRRd", dtype)
    if cost.whole_sample:
        return _sample_tangent(cost, dtype, kind)
    if kind == "fisher":
        return _cost_address(cost.information, "RRRRRRRd", dtype, information_tangent)
    if kind in ("gauss_newton", "diagonal"):
        return _cost_address(cost.second_derivative, "RRRRRRRd", dtype, cost_tangent)
    return _cost_address(cost.derivative, "RRRRRRRd", dtype, cost_gradient_and_tangent, second=cost.second_derivative)


def _sample_tangent(cost: Cost, dtype: np.dtype[Any], kind: str) -> Any:
    """`error_tangent_function` of a cost of a whole sample."""
    if kind == "fisher":
        return _sample_address(
            cost, cost.information, "RRRRRRRd", dtype, sample_templates.information_tangent_of_sample
        )
    if kind == "gauss_newton":
        return _sample_address(cost, cost.second_derivative, "RRRRRRRd", dtype, sample_templates.cost_tangent_of_sample)
    template, second = sample_templates.cost_gradient_and_tangent_of_sample, cost.second_derivative
    return _sample_address(cost, cost.derivative, "RRRRRRRd", dtype, template, second=second)


def update_functions(name: str, dtype: np.dtype[Any]) -> tuple[Any, Any]:
    """Begin an optimizer's step, ``call(…, hyper, t)``; do it, ``call(…, theta, first, second, hyper, t, g)``."""
    begin_step = getattr(updates, f"{name}_begin_step", updates.begin_step)
    return _address(begin_step, "DI", dtype), _address(getattr(updates, name), "RRRDIR", dtype)


def _sample_address(cost: Cost, choice: Any, *rest: Any, **options: Any) -> Any:
    """`_cost_address` of a function of a cost of a whole sample."""
    return _cost_address(choice, *rest, per_target=cost.outputs_per_target, **options)


def _cost_address(choice: Any, *rest: Any, second: Any = None, **options: Any) -> Any:
    """`_address` of a function of a cost: it is called with a parameter, even if it takes none."""
    if isinstance(choice, WithParameter):
        return _address(choice.function, *rest, second=second and second.function, **options)
    return _address(choice, *rest, second=second, ignores_parameter=True, **options)


@made_once
def _address(
    choice: Any,
    kinds: str,
    dtype: np.dtype[Any],
    *templates: Callable[..., Any],
    sums: bool = False,
    second: Any = None,
    ignores_parameter: bool = False,
    per_target: int | None = None,
) -> Any:
    """Return the address of `choice`, a function of whole arrays, or of one number in `templates`, innermost first.

    `second` is another one, where the innermost template needs both; `per_target` the outputs for each target, of a
    cost of a whole sample. A function that `sums` over a layer may reorder the sum into vector lanes. The cache on disk
    knows our own functions by name, and a user's by a digest of its
    content; without a digest it is not kept. Raises TypeError for a user's function that Numba cannot compile.
    """
    given = [f for f in (choice, second) if f is not None]
    ours = all(str(getattr(f, "__module__", None)).startswith("fastbp.") for f in given)
    sources = [_python_function(f) for f in given]
    # A user's function may have the name of one of ours, which may be on disk.
    names, on_disk = [source.__name__ if ours else f"users_{source.__name__}" for source in sources], ours
    if not ours and not numba.config.DISABLE_JIT:
        copies = [copy for copy in map(named_by_content, sources) if copy]
        if len(copies) == len(sources):
            sources, names, on_disk = copies, [copy.__name__ for copy in copies], True
    of_numbers = [njit(source, on_disk=False, **PART, **({} if sums else STRICT)) for source in sources]
    if ignores_parameter:
        of_numbers = [
            njit(_without_parameter(f, f"{name}_without_parameter"), on_disk=False, **PART, **STRICT)
            for name, f in zip(names, of_numbers, strict=True)
        ]
    loop, name, bound = of_numbers[0], "_".join(names), dict(zip(("second",), of_numbers[1:], strict=False))
    if per_target is not None:
        name, bound = f"{name}_{per_target}", bound | {"per_target": per_target}
    for template in templates:
        name = f"{name}_{template.__name__}"
        loop = njit(rebind(template, name, function=loop, **bound), on_disk=False, **PART, **STRICT, **LEAN)
    if numba.config.DISABLE_JIT:
        return loop
    try:
        return address(loop, kinds, dtype, f"{name}_{dtype.name}", on_disk=on_disk)
    except NumbaError as error:
        # Numba reports every step; the first line that is not such a report says what is wrong.
        reasons = [line for line in str(error).splitlines() if line and not line.startswith("Failed in")]
        raise TypeError(
            f"Numba cannot compile {choice!r}: {reasons[0] if reasons else error}. It may use numbers, the functions "
            "of `math` and plain Python; compile it with numba.njit to see the full error"
        ) from None


def _python_function(choice: Any) -> Any:
    """Return a function that Numba can compile: the source of a compiled `choice`, or a wrapper of a built-in one."""
    source = choice.bound if isinstance(choice, WithLevels) else getattr(choice, "py_func", choice)
    if isinstance(source, FunctionType):
        return source
    return rebind(_wrapper, "user_function", function=choice)


def _wrapper(z):
    return function(z)


def _without_parameter(f: Any, name: str) -> Any:
    """Return a function that calls `f` without the last of its own arguments, the cost's parameter."""
    source = _python_function(f)
    if source.__code__.co_flags & inspect.CO_VARARGS:
        given, passed = "*given", "*given[:-1]"
    else:
        passed = ", ".join(f"x{i}" for i in range(source.__code__.co_argcount - len(source.__defaults__ or ())))
        given = f"{passed}, parameter"
    names: dict[str, Any] = {"function": f, "__name__": __name__}
    exec(f"def without_parameter({given}):\n    return function({passed})\n", names)
    return rebind(names["without_parameter"], name)
