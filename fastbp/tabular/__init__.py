"""Tables: classes and numbers from rows of mixed columns, by a recipe that needs no tuning."""

from fastbp.tabular.classifier import TabularClassifier
from fastbp.tabular.regressor import TabularRegressor

__all__ = ["TabularClassifier", "TabularRegressor"]
