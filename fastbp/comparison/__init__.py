"""The same gradient and the same epoch with every formulation: checked, measured side by side, drawn."""

from fastbp.comparison.comparison import Comparison
from fastbp.comparison.process import MeasuringError
from fastbp.comparison.rows import Row
from fastbp.comparison.run import CROSSOVER, compare

__all__ = ["CROSSOVER", "Comparison", "MeasuringError", "Row", "compare"]
