"""`Target`: classes whose labels stay as they are, or scaled numbers."""

import json
from typing import Any

import numpy as np
import pytest

from fastbp.tables import Target

NUMBERS = [str(i / 10) for i in range(100)]


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        (["b", "a", "b"], ("a", "b")),
        (["0123", "123"] * 5, ("0123", "123")),
        (["12345678901234567890", "12345678901234567891"] * 5, ("12345678901234567890", "12345678901234567891")),
        ([2**60, 2**60 + 1] * 5, (str(2**60), str(2**60 + 1))),
        ([10, 9, -1] * 5, ("-1", "9", "10")),
        (["1.0", "1", "2"] * 5, ("1", "2")),
        ([True, False], ("False", "True")),
        ([1, 2, None] * 5, ("1", "2")),
        ((np.arange(60) % 3)[:, None], ("0", "1", "2")),
        (np.arange(100) % 20, tuple(map(str, range(20)))),
        (["yes", "NA", "no"], ("no", "yes")),
    ],
)
def test_classes(values: Any, classes: tuple[str, ...]) -> None:
    target = Target.of(values)
    assert target.classes == classes and target.n_outputs == len(classes)
    y = target.encode(values)
    assert target.decode(np.eye(len(classes))[y[y >= 0]]).tolist() == [classes[i] for i in y if i >= 0]
    assert Target.from_dict(json.loads(json.dumps(target.to_dict()))) == target


@pytest.mark.parametrize(
    "values", [NUMBERS, np.arange(105) % 21, np.arange(9) % 2, np.arange(100) % 3 + 0.5, ["1,000", "2,000.5", "$3"]]
)
def test_numbers(values: Any) -> None:
    target = Target.of(values, "t")
    assert target.classes is None and target.names == ("t",)
    y = target.encode(values)
    np.testing.assert_allclose([y.mean(), y.std()], [0, 1], atol=1e-12)
    assert Target.from_dict(json.loads(json.dumps(target.to_dict()))) == target
    unscaled = Target.of(values, "t", scale=False)
    np.testing.assert_allclose(target.decode(y), unscaled.encode(values)[:, 0])


@pytest.mark.parametrize("odd", [">5", "one", "12,34,5"])
def test_one_odd_cell_does_not_make_classes_of_numbers(odd: str) -> None:
    target = Target.of([*NUMBERS, odd, "-", "?"], "t")
    assert target.classes is None and (target.n_odd, target.odd) == (1, odd)
    assert np.isnan(target.encode([odd, "-", "1"])[:, 0]).tolist() == [True, True, False]
    target = Target.of(["1", "2"] * 20 + [odd], "t")
    assert target.classes == ("1", "2") and target.encode([odd]).tolist() == [-1]
    assert Target.of(["1", "2"] * 20 + [odd], "t", "classify").classes == tuple(sorted(["1", "2", odd]))


def test_kinds_overrule_the_look() -> None:
    assert Target.of(np.arange(60) % 3, kind="regress").classes is None
    assert len(Target.of(np.arange(60) % 30, kind="classify").classes or ()) == 30


def test_several_columns() -> None:
    Y = np.column_stack([np.arange(5.0), 100 * np.arange(5.0)])
    target = Target.of(Y, "Z")
    assert target.names == ("Z_0", "Z_1") and target.n_outputs == 2
    np.testing.assert_allclose(target.decode(target.encode(Y)), Y, atol=1e-12)
    with pytest.raises(ValueError, match="3 columns, but 2 were learned"):
        target.encode(np.zeros((1, 3)))


def test_huge_constant_and_infinite_numbers() -> None:
    target = Target.of(np.array([1e300, -1e300, 0.5]))
    assert np.isfinite(target.encode([1e300])).all()
    target = Target.of([0.1] * 30, kind="regress")
    np.testing.assert_array_equal(target.decode(np.array([[5.0]])), [0.1])
    assert np.isnan(Target.of(np.arange(50.0)).encode([np.inf])).all()


@pytest.mark.parametrize(
    ("values", "kind", "message"),
    [
        (["a", "a"], None, "has 1 different value, 'a'; .*name the right column"),
        ([None, "?"], None, "no value in any row"),
        ([f"name {i}" for i in range(50)], None, "50 different values in 50 rows, such as 'name 0'"),
        ([f"n{i % 1001}" for i in range(5000)], None, "1001 different values"),
        (np.arange(5000) % 1001, "classify", "1001 different values"),
        (["x" * 201, "b"], None, "201 characters; at most 200"),
        (["a", "b"], "regress", "is text, for example 'a'"),
        (np.array(["2001", "2002"], "M8[Y]"), None, "is dates"),
        (np.ones((3, 2)), "classify", "has 2 columns"),
    ],
)
def test_what_cannot_be_learned(values: Any, kind: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Target.of(values, "t", kind)


@pytest.mark.parametrize("change", [{"version": 2}, {"names": []}, {"mean": [1.0]}, {"classes": [1]}, {"mean": "x"}])
def test_a_changed_description_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no description of a target"):
        Target.from_dict({**Target.of(["a", "b"]).to_dict(), **change})
    with pytest.raises(ValueError, match="no description of a target"):
        Target.from_dict(3)
