"""Pictures of nets, of their training and of its results. They need matplotlib: ``pip install "fastbp[plot]"``.

Figures are made without pyplot, so they change no window, no backend and no global state. Every function returns the
figure. It writes the figure if you give a ``path``, and draws into your own axes if you give an ``ax``.
"""

from fastbp.plots.canvas import (
    COLUMN,
    GREY,
    HELD_OUT,
    NEGATIVE,
    POSITIVE,
    STYLES,
    TRAINING,
    check,
    new_figure,
    plain,
    signed_colours,
    small_letters,
)
from fastbp.plots.confusion import CHARACTER, MOST_NAMES, MOST_NUMBERS, confusion_matrix
from fastbp.plots.curves import FEW_EPOCHS, LOGARITHMIC_FROM, PANELS_A_ROW, error_norms, history
from fastbp.plots.diagram import network
from fastbp.plots.directions import Directions, parameter_directions, principal_directions, random_directions
from fastbp.plots.images import images, weight_images
from fastbp.plots.regression import regression
from fastbp.plots.surface import CostSurface, cost_surface, draw_surface
from fastbp.plots.tree import computation_tree

__all__ = [
    "CHARACTER", "COLUMN", "FEW_EPOCHS", "GREY", "HELD_OUT", "LOGARITHMIC_FROM", "MOST_NAMES", "MOST_NUMBERS",
    "NEGATIVE", "PANELS_A_ROW", "POSITIVE", "STYLES", "TRAINING", "CostSurface", "Directions", "check",
    "computation_tree", "confusion_matrix", "cost_surface", "draw_surface", "error_norms", "history", "images",
    "network", "new_figure", "parameter_directions", "plain", "principal_directions", "random_directions",
    "regression", "signed_colours", "small_letters", "weight_images",
]  # fmt: skip
