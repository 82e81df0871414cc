"""Data sets to learn from: the embedded digits, MNIST, and tables from files."""

from fastbp.tables.errors import DataFileError
from fastbp.tables.read import read_table
from fastbp.tables.table import Table

from .digits import load_digits
from .mnist import load_mnist
from .split import Split

__all__ = ["DataFileError", "Split", "Table", "load_digits", "load_mnist", "read_table"]
