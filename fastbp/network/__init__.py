"""`Network`, what a user holds: it checks, calls and wraps, a file for each topic; it computes nothing."""

from fastbp.network.network import FormulationName, Network, load

__all__ = ["FormulationName", "Network", "load"]
