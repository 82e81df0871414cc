"""The same three sums, written in several ways behind one interface."""

from fastbp.formulations.compiled import Compiled
from fastbp.formulations.interface import Formulation
from fastbp.formulations.textbook import Textbook
from fastbp.formulations.tiles.formulation import Tiled
from fastbp.formulations.vectorized import Vectorized

__all__ = ["FORMULATIONS", "Formulation"]

FORMULATIONS: dict[str, Formulation] = {
    formulation.name: formulation for formulation in (Textbook(), Compiled(), Tiled(), Vectorized())
}
