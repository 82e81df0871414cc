"""Data sets to learn from: the embedded digits, MNIST, and tables from files."""

from fastbp.tables.errors import DataFileError

from .digits import load_digits
from .mnist import load_mnist
from .split import Split
from .tables import Table, read_table

__all__ = ["DataFileError", "Split", "Table", "load_digits", "load_mnist", "read_table"]
