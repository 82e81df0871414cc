"""The first layers of all members in one pass: what the networks say of the features themselves."""

from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn", minversion="1.6", reason="scikit-learn 1.6 or newer is not installed")

from fastbp.tables import Preprocessor, Table
from fastbp.tabular import TabularClassifier, TabularRegressor, bag, stacked

RNG = np.random.default_rng(0)
N = 60
TABLE: dict[str, list[Any]] = {
    "number": [None, float("inf"), -1e300, *RNG.normal(size=N - 3).round(1).tolist()],
    "whole": list(range(N)),
    "colour": (["red", "blue", None, "green", "green", "blue"] * N)[:N],
    "two": (["a", "b", None, "b"] * N)[:N],
    "yes": (["yes", "no", "no"] * N)[:N],
    "day": [None, *np.datetime64("2020-02-27") + np.arange(N - 1)],
}
OTHER: dict[str, list[Any]] = {
    "number": [99.0, -99.0, None, float("-inf"), 0.05], "whole": [-1, 0, 59, 70, 30.5],
    "colour": ["pink", None, "red", "?", "blue"], "two": ["c", None, "a", "b", "b"],
    "yes": [None, "no", "yes", "maybe", "no"], "day": ["2030-01-01", "x", None, "2020-03-01", "2020-02-29"],
}  # fmt: skip


@pytest.mark.parametrize("smooth_clip", [True, False])
@pytest.mark.parametrize("numbers", ["scaled", "piecewise_linear", "both"])
def test_sums_are_those_over_the_features(numbers: Any, smooth_clip: bool) -> None:
    preprocessor = Preprocessor(numbers=numbers, n_bins=5, smooth_clip=smooth_clip).fit(TABLE)
    w, b = RNG.normal(size=(6, len(preprocessor.feature_names_out))), RNG.normal(size=6)
    matrix = preprocessor.terms.matrix(w, b)
    for given in (TABLE, OTHER):
        Z = preprocessor.transform(given)
        found = np.empty((2, len(Z), 3))
        stacked.sums(found, preprocessor, preprocessor.terms.of(Table.of(given)), matrix)
        expected = (Z @ w.T + b).reshape(len(Z), 2, 3).transpose(1, 0, 2)
        # Without clipping, numbers are as large as 1e18.
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_one_machine_code_for_few_and_many_numbers() -> None:
    """Strides of a single number would be those of contiguous memory, of several not."""
    for names in (["whole"], ["number", "whole", "day"]):
        preprocessor = Preprocessor(numbers="both").fit({name: TABLE[name] for name in names})
        quantities = preprocessor.terms.quantities
        assert len(quantities.center) >= len(names) and all(array.flags.c_contiguous for array in quantities)


@pytest.mark.parametrize("sizes, activation", [((), "relu"), ((7,), "gelu"), ((20, 5), "tanh")])
@pytest.mark.parametrize("kind", [TabularClassifier, TabularRegressor])
def test_outputs_are_those_of_the_members(kind: Any, sizes: tuple[int, ...], activation: str) -> None:
    model = kind(sizes, n_members=3, epochs=2, activation=activation, random_state=0)
    model.fit(TABLE, (["u", "v", "w"] * N)[:N] if kind is TabularClassifier else TABLE["whole"])
    each = model.population_.predict(model.preprocessor_.transform(OTHER))
    if kind is TabularClassifier:
        expected, found = bag.probabilities(each, model.temperature_), model.predict_proba(OTHER)
    else:
        expected = model._linear_part(model._rows(Table.of(OTHER))) + model.scale_ * each[:, :, 0].mean(axis=0)
        found = model.predict(OTHER)
    np.testing.assert_allclose(found, expected, rtol=2e-5)


@pytest.mark.parametrize("kind", [TabularClassifier, TabularRegressor])
def test_blocks_of_rows_change_no_bit(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last of them has one row only."""
    y = (["u", "v", "w"] * N)[:N] if kind is TabularClassifier else TABLE["whole"]
    model = kind((8,), n_members=2, epochs=2, random_state=0).fit(TABLE, y)
    predict = model.predict_proba if kind is TabularClassifier else model.predict
    whole = predict(TABLE)
    monkeypatch.setattr(stacked, "BLOCK", 59)
    assert np.array_equal(predict(TABLE), whole)


def test_changed_weights_count() -> None:
    model = TabularRegressor((4,), n_members=2, epochs=2, random_state=0).fit(TABLE, TABLE["whole"])
    before = model.predict(OTHER)
    for net in model.population_:
        net.weights[0][:] *= 2  # only of what is kept between two predictions
    assert not np.allclose(model.predict(OTHER), before)
    assert len(model.population_.parameters) == 2  # which moves the members' parameters into one array
    for net in model.population_:
        net.weights[0][:] /= 2
    assert np.array_equal(model.predict(OTHER), before)
