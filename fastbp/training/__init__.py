"""Training: a checked plan, the epochs, and the history; callbacks, metrics, early stopping.

Its modules are imported when they are first used: a program that only predicts begins sooner without them.
"""

from typing import TYPE_CHECKING, Any

from fastbp.compiler.threads import imported

if TYPE_CHECKING:
    from fastbp.training import callbacks, checkpoints, loop, metrics, plan, single_steps

__all__ = ["callbacks", "checkpoints", "loop", "metrics", "plan", "single_steps"]


def __getattr__(name: str) -> Any:
    """Import one of these modules."""
    if name in __all__:
        return imported(f"fastbp.training.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
