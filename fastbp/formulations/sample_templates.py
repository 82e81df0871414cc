"""Templates as in `array_functions.py`, for costs of a whole sample: its targets are the first numbers of y.

Only these templates know that y is as long as a: `per_target` is bound to the number of outputs for each target.
"""

from typing import Any

from fastbp.compiler.views import stretch

function: Any = None
second: Any = None
per_target: Any = 1


def cost_of_sample(out, z, a, y, parameter):
    """Out = C(a, y)."""
    out[0] = function(a, stretch(y, 0, y.size // per_target), parameter)


def cost_gradient_of_sample(delta, z, a, y, parameter):
    """δ = ∂C/∂a."""
    function(delta, a, stretch(y, 0, y.size // per_target), parameter)


def cost_gradient_and_tangent_of_sample(delta, delta_dot, z, a, y, z_dot, a_dot, parameter):
    """δ = ∂C/∂a, and its tangent, δ̇ = ∂²C/∂a² ȧ."""
    targets = stretch(y, 0, y.size // per_target)
    function(delta, a, targets, parameter)
    second(delta_dot, a, targets, a_dot, parameter)


def cost_tangent_of_sample(delta, delta_dot, z, a, y, z_dot, a_dot, parameter):
    """δ̇ = ∂²C/∂a² ȧ."""
    function(delta_dot, a, stretch(y, 0, y.size // per_target), a_dot, parameter)


def information_tangent_of_sample(delta, delta_dot, z, a, y, z_dot, a_dot, parameter):
    """δ̇ = E[∂C/∂a ∂C/∂aᵀ] ȧ."""
    function(delta_dot, a, a_dot, parameter)
