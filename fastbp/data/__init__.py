"""Data sets to learn from: the embedded digits, MNIST, and tables from files."""

from .digits import load_digits
from .errors import DataFileError
from .mnist import load_mnist
from .split import Split
from .tables import Table, read_table

__all__ = ["DataFileError", "Split", "Table", "load_digits", "load_mnist", "read_table"]
