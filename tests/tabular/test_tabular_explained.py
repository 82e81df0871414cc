"""Importances by column, and derivatives by columns of numbers against central differences."""

import numpy as np
import pytest

pytest.importorskip("sklearn", minversion="1.6", reason="scikit-learn 1.6 or newer is not installed")

from table_models import MODELS, classes, classifier, numbers, regressor, table

from fastbp.tables import Table


def test_the_columns_that_matter_come_first():
    given = table(200, 3)
    found = regressor().permutation_importance(given, numbers(given), n_repeats=2, random_state=0)
    assert list(found)[:2] in (["size", "weight"], ["weight", "size"]) and found["sold"][0] < 0.1
    assert set(found) == {"size", "weight", "colour", "sold", "day"}
    again = regressor().permutation_importance(given, numbers(given), n_repeats=2, random_state=0)
    assert again == found
    of_classes = classifier().permutation_importance(given, classes(given), n_repeats=1, random_state=0)
    assert next(iter(of_classes)) in ("size", "weight")


@pytest.mark.parametrize("name", MODELS)
def test_derivatives_are_those_of_central_differences(name):
    """By 1e-3 of a unit: the features are float32, so seven digits of the outputs are there."""
    model, given = MODELS[name](), table(40, 5)
    predicted = model.predict_proba if name == "classifier" else model.predict
    found = model.input_gradients(given)
    assert set(found) == {"size", "weight"}
    for column, slopes in found.items():
        h = 1e-2 if column == "size" else 1e-3
        moved = [Table({n: given[n] + s * h if n == column else given[n] for n in given.names}) for s in (1, -1)]
        expected = (predicted(moved[0]) - predicted(moved[1])) / (2 * h)
        here = np.abs(slopes - expected) <= 0.02 * np.abs(expected).max()
        assert here.mean() > 0.9  # the rest has a kink of relu, or an edge of a bin, within the step
        missing = np.isnan(given[column])
        assert (slopes[missing] == 0).all()
