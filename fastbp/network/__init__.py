"""`Network`, a file for each topic. It checks arguments and calls; it computes nothing."""

from fastbp.network.network import FormulationName, Network, load

__all__ = ["FormulationName", "Network", "load"]
