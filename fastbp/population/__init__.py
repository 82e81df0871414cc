"""`Population`: many networks that are trained at once on the same X, one a thread."""

from fastbp.population.halving import Halving
from fastbp.population.population import Population

__all__ = ["Halving", "Population"]
