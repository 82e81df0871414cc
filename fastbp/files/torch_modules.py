"""`Exponential`, a ``torch.nn.Module`` that PyTorch lacks. Made at first use, in a module where pickle finds it."""

from typing import Any


def __getattr__(name: str) -> Any:
    if name != "Exponential":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import torch

    class Exponential(torch.nn.Module):
        """a = exp(z)."""

        def forward(self, z: Any) -> Any:
            return torch.exp(z)

    Exponential.__qualname__ = "Exponential"
    globals()["Exponential"] = Exponential
    return Exponential
