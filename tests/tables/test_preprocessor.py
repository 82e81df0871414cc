"""`Preprocessor`: what columns become, learned from training rows only, whatever the order of the columns."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastbp.tables import Preprocessor, Table, codes, preprocessor

RNG = np.random.default_rng(0)
N = 90
MIXED = Table(
    {
        "size": np.where(np.arange(N) % 9 == 4, np.nan, RNG.normal(size=N) * 50),
        "price": [f"${i},{i:03}" for i in range(N)],
        "kind": [["red", "green", None, "blue"][i % 4] for i in range(N)],
        "sold": [["yes", "no", None][i % 3] for i in range(N)],
        "two": ["left" if i % 5 else "right" for i in range(N)],
        "day": [f"2024-0{1 + i % 3}-1{i % 10}" for i in range(N)],
        "unit": ["m"] * N,
        "": list(range(1, N + 1)),
    }
)


def test_features_of_each_column() -> None:
    fitted = Preprocessor().fit(MIXED)
    assert fitted.feature_names_out == [
        "size", "size is missing", "price", "kind=blue", "kind=green", "kind=red", "kind is missing", "sold", "two",
        "day.elapsed", "day.month", "day.day", "day.weekday",
    ]  # fmt: skip
    X = fitted.transform(MIXED)
    assert X.shape == (N, 13) and X.dtype == np.float64 and np.isfinite(X).all() and np.abs(X).max() <= 3
    size = MIXED["size"]
    median, (low, high) = np.nanmedian(size), np.nanquantile(size, [0.25, 0.75])
    z = (size - median) / (high - low)
    np.testing.assert_allclose(X[:, 0], np.nan_to_num(z / np.sqrt(1 + (z / 3) ** 2)))
    np.testing.assert_array_equal(X[:, 1], np.isnan(size))
    np.testing.assert_array_equal(X[:4, 3:7], [[0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1], [1, 0, 0, 0]])
    assert X[:3, 7].tolist() == [1, -1, 0] and X[:2, 8].tolist() == [1, -1]
    assert [fitted.column_of_feature[j] for j in fitted.features_of("day")] == ["day"] * 4
    assert [column.kind for column in fitted.columns][-2:] == ["constant", "index"]
    assert fitted.enters("unit") == "always 'm'" and fitted.enters("kind") == "3 values, one-hot + missing"


def test_columns_are_found_by_name() -> None:
    fitted = Preprocessor().fit(MIXED)
    X = fitted.transform(MIXED)
    other = {"more": [1] * N, **{name: MIXED[name] for name in reversed(MIXED.names) if name not in ("unit", "")}}
    np.testing.assert_array_equal(fitted.transform(other), X)
    with pytest.raises(ValueError, match="no column is named 'size'; did you mean 'sizes'"):
        fitted.transform({("sizes" if name == "size" else name): MIXED[name] for name in MIXED.names})
    with pytest.raises(ValueError, match="2 columns are not there: 'size', 'day'"):
        fitted.transform(MIXED.drop(["size", "day"]))


def test_only_training_rows_count() -> None:
    first = Preprocessor().fit(MIXED.rows(slice(0, 40)))
    changed = Table(
        {**{name: MIXED[name] for name in MIXED.names}, "size": np.where(np.arange(N) < 40, MIXED["size"], 1e6)}
    )
    second = Preprocessor().fit(changed.rows(slice(0, 40)))
    assert first.to_dict() == second.to_dict()


def test_unseen_rare_and_missing_values() -> None:
    table = Table({"kind": ["a"] * 5 + ["b"] * 4 + ["c", "d"], "x": np.arange(11.0)})
    fitted = Preprocessor().fit(table)
    assert fitted.feature_names_out == ["kind=a", "kind=b", "kind=(other)", "x"]
    new = Table({"kind": ["b", "c", "zzz", None], "x": [0, 0, 0, 0]})
    np.testing.assert_array_equal(fitted.transform(new)[:, :3], [[0, 1, 0], [0, 0, 1], [0, 0, 1], [0, 0, 0]])
    assert fitted.unseen(new) == {"kind": ["c", "zzz"]}
    assert Preprocessor(max_categories=1).fit(table).feature_names_out[:2] == ["kind=a", "kind=(other)"]
    two = Preprocessor().fit({"kind": ["a", "b"] * 5})
    np.testing.assert_array_equal(two.transform({"kind": ["a", "b", None, "c"]})[:, 0], [-1, 1, 0, 0])


def test_values_without_a_feature_change_no_other_feature() -> None:
    rows = {"size": [1, 2, 3, 4], "kind": ["a", "b", "c", "a"]}
    X = Preprocessor(min_count=1).fit(rows).transform({"size": [2.5, 2.5, 2.5], "kind": ["z", "b", None]})
    assert X.tolist() == [[0, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]


def test_numbers_as_categories() -> None:
    fitted = Preprocessor(categorical=["k"]).fit({"k": [1, 2, 10] * 3})
    assert fitted.feature_names_out == ["k=1", "k=10", "k=2"]
    for given_column in ([10], ["10"], np.array([10.0])):
        np.testing.assert_array_equal(fitted.transform({"k": given_column}), [[0, 1, 0]])


def test_cells_that_cannot_be_read() -> None:
    fitted = Preprocessor().fit(MIXED)
    rows = {name: MIXED[name][:5].astype(object) for name in MIXED.names}
    rows["size"][1], rows["price"][2], rows["sold"][3], rows["day"][4] = "many", np.inf, "perhaps", "soon"
    found = fitted.unreadable(rows)
    assert found == {
        1: "column 'size': 'many' is not a number", 2: "column 'price': 'inf' is not a number",
        3: "column 'sold': 'perhaps' is not yes or no", 4: "column 'day': 'soon' is not a date",
    }  # fmt: skip
    assert np.isfinite(fitted.transform(rows)).all() and fitted.unreadable(MIXED) == {}


def test_options(monkeypatch: pytest.MonkeyPatch) -> None:
    X = np.column_stack([np.arange(64.0), RNG.normal(size=64)])
    plain = Preprocessor(smooth_clip=False, dtype="float32").fit(X)
    assert plain.transform(X).dtype == np.float32
    np.testing.assert_allclose(plain.transform(X)[:, 0], (np.arange(64) - 31.5) / 31.5, rtol=1e-6)
    bins = Preprocessor(numbers="piecewise_linear", n_bins=4).fit(X)
    assert bins.feature_names_out == [f"x{j}[{t}]" for j in range(2) for t in range(4)]
    encoded = bins.transform([[0.0, 0], [63.0, 0], [23.625, 0], [-9, 0], [99, 0]])[:, :4]
    np.testing.assert_allclose(encoded, [[0, 0, 0, 0], [1, 1, 1, 1], [1, 0.5, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1]])
    both = Preprocessor(numbers="both", n_bins=4).fit(X)
    assert both.transform(X).shape == (64, 10)
    without = Preprocessor(missing_indicators=False, drop=["kind"]).fit(MIXED, target=["two"])
    assert without.feature_names_out[:3] == ["size", "price", "sold"] and "two" not in without.column_of_feature
    whole = Preprocessor().fit(MIXED)
    X = whole.transform(MIXED)
    monkeypatch.setattr(preprocessor, "BLOCK", 7)
    np.testing.assert_array_equal(whole.transform(MIXED), X)


@pytest.mark.parametrize("numbers", ["scaled", "piecewise_linear", "both"])
def test_as_json_and_back(numbers: Any) -> None:
    fitted = Preprocessor(numbers=numbers, categorical=["two"], drop=["price"], dtype="float32").fit(MIXED)
    again = Preprocessor.from_dict(json.loads(json.dumps(fitted.to_dict())))
    np.testing.assert_array_equal(again.transform(MIXED), fitted.transform(MIXED))
    assert again.columns == fitted.columns and again.to_dict() == fitted.to_dict()


@given(st.data())
def test_a_changed_description_is_refused_or_works(data: st.DataObject) -> None:
    described = json.loads(json.dumps(Preprocessor().fit(MIXED).to_dict()))
    place = described
    while isinstance(place, dict | list) and place:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if not isinstance(place[key], dict | list) or not place[key] or data.draw(st.booleans()):
            place[key] = data.draw(st.sampled_from([None, -1, "x", [], {}, 1e400, True, [None], 3]))
            break
        place = place[key]
    try:
        again = Preprocessor.from_dict(described)
        with np.errstate(all="ignore"):
            again.transform(MIXED)
    except ValueError as error:
        assert str(error)


def test_what_cannot_be_learned() -> None:
    with pytest.raises(ValueError, match=r"no column can be learned from \('a': constant, always 1"):
        Preprocessor().fit({"a": [1, 1]})
    with pytest.raises(ValueError, match="no rows"):
        Preprocessor().fit({"a": []})
    with pytest.raises(ValueError, match="no column is named 't'"):
        Preprocessor().fit({"a": [1, 2]}, target="t")
    with pytest.raises(ValueError, match="learned nothing yet"):
        Preprocessor().transform({"a": [1, 2]})


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=2, max_size=20))
def test_any_numbers_become_finite_ones(values: list[float]) -> None:
    try:
        fitted = Preprocessor().fit({"a": values})
    except ValueError:
        return
    with np.errstate(over="ignore"):
        X = fitted.transform({"a": [*values, 1e308, -1e308, 5e-324]})
    assert np.isfinite(X).all() and np.abs(X).max() <= 3


@given(st.lists(st.floats(-1e300, 1e300) | st.integers(0, 3).map(float), min_size=1, max_size=40))
def test_quartiles_are_those_of_numpy(values: list[float]) -> None:
    given = np.array(values)
    with np.errstate(over="ignore"):
        assert codes.quartiles(given) == np.quantile(given, [0.25, 0.5, 0.75]).tolist()
    assert given.tolist() == values


def test_quartiles_of_long_columns_are_estimated(monkeypatch: pytest.MonkeyPatch) -> None:
    def scale_of(values: np.ndarray) -> tuple[float, float]:
        return codes.scale_of(np.asarray(codes.drawn_from(values)), lambda: values)

    monkeypatch.setattr(codes, "ENOUGH", 2000)
    codes._some_of.cache_clear()
    center, factor = scale_of(np.arange(50_000.0))
    assert center != 24_999.5 and abs(center / 25_000 - 1) < 0.05 and abs(factor * 25_000 - 1) < 0.05
    few = np.full(50_000, np.nan)
    few[:9] = np.arange(9.0)
    assert scale_of(few) == (4.0, 0.25)
    assert scale_of(np.where(np.arange(50_000) == 7, 10.0, 0.0)) == (0.0, 0.2)
    codes._some_of.cache_clear()


def test_parts_of_dates_of_which_few_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codes, "ENOUGH", 50)
    codes._some_of.cache_clear()
    texts = [f"2024-0{1 + i % 9}-10" for i in range(5000)]
    texts[4321] = "2024-03-10 12:00"  # is not drawn
    of_text, of_dates = (Preprocessor().fit({"day": day}) for day in (texts, np.array(texts, "datetime64[us]")))
    assert of_text.feature_names_out == ["day.elapsed", "day.month", "day.weekday", "day.hour"]
    assert of_text.codes[0].factor[-1] == 1 / 6  # half of 12 hours
    assert of_text.codes[0].center == of_dates.codes[0].center and of_text.codes[0].factor == of_dates.codes[0].factor
    codes._some_of.cache_clear()
