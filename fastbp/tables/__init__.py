"""Tables as people have them: reading, what the columns are, and numbers for a network."""

from fastbp.tables.columns import Column
from fastbp.tables.preprocessor import Preprocessor
from fastbp.tables.table import Table
from fastbp.tables.target import Target

__all__ = ["Column", "Preprocessor", "Table", "Target"]
