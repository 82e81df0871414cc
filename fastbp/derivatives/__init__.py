"""Derivatives beyond the gradient: of single samples, Jacobians, along directions, and of second order.

They take a `Model` and checked arrays. They run on the loops of `tiles`, whatever the formulation of the network.
Its modules are imported when they are first used: most programs train and predict, and begin sooner without them.
"""

from typing import TYPE_CHECKING, Any

from fastbp.compiler.threads import imported

if TYPE_CHECKING:
    from fastbp.derivatives import by_address, curvature, jacobians, laplace, per_sample, sobolev
    from fastbp.derivatives.explain import layer_trace, nudge, trace

__all__ = [
    "by_address", "curvature", "jacobians", "laplace", "layer_trace", "nudge", "per_sample", "sobolev", "trace",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import one of these modules."""
    if name in __all__:
        parent = "derivatives.explain" if name in ("layer_trace", "nudge", "trace") else "derivatives"
        return imported(f"fastbp.{parent}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
