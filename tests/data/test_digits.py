"""The embedded digits: their content, scaling and split, and the error for a damaged file."""

import doctest
import hashlib
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastbp.data import DataFileError, Split, digits, load_digits, split
from fastbp.tables import errors

CONTENT = "428ad214e900fe9343f94d9fedc8a16d461db8cd1bc0f61eecf448b8c5f16b35"
"""sha256 of the images, then the labels, as uint8 in the order of the split."""


def test_shapes_and_types() -> None:
    data = load_digits()
    assert isinstance(data, Split)
    assert [a.shape for a in data] == [(1437, 64), (1437,), (360, 64), (360,), (10,)]
    assert data.X_train.dtype == data.X_test.dtype == np.float32
    assert data.y_train.dtype == data.y_test.dtype == data.classes.dtype == np.intp
    assert all(a.flags.c_contiguous and a.flags.writeable and a.flags.owndata for a in data)
    assert data.classes.tolist() == list(range(10))


@pytest.mark.parametrize("dtype", ["float32", "float64", np.float64, np.dtype("float32")])
def test_pixels_are_sixteenths(dtype: Any) -> None:
    data = load_digits(dtype)
    X = np.concatenate([data.X_train, data.X_test])
    assert X.dtype == np.dtype(dtype)
    assert X.min() == 0 and X.max() == 1
    np.testing.assert_array_equal(X * 16, np.round(X * 16))


def test_content_and_split_never_change() -> None:
    data = load_digits("float64")
    X, y = np.concatenate([data.X_train, data.X_test]), np.concatenate([data.y_train, data.y_test])
    content = (X * 16).astype(np.uint8).tobytes() + y.astype(np.uint8).tobytes()
    assert hashlib.sha256(content).hexdigest() == CONTENT


def test_order_is_a_permutation_and_every_class_is_on_both_sides() -> None:
    with np.load(Path(digits.__file__).with_name("digits.npz"), allow_pickle=False) as arrays:
        assert sorted(arrays["order"]) == list(range(1797))
    data = load_digits()
    counts = np.bincount(data.y_test, minlength=10)
    assert (counts.min(), counts.max()) == (27, 47)  # as the docstring says
    assert np.bincount(data.y_train, minlength=10).min() > 100


def test_calls_share_no_memory() -> None:
    first = load_digits()
    first.X_train[:] = -1
    first.y_test[:] = -1
    second = load_digits()
    assert second.X_train.min() == 0 and second.y_test.min() == 0


@pytest.mark.parametrize("dtype", ["int8", "float16", ">f4", "nonsense", None, 7])
def test_other_dtypes_are_refused(dtype: Any) -> None:
    if dtype == ">f4" and np.dtype(">f4") == np.dtype("float32"):
        pytest.skip("this machine is big-endian")
    with pytest.raises(ValueError, match=r"dtype is .*but scaled pixels are float32 or float64; give dtype="):
        load_digits(dtype)


def _write_damaged(folder: Path, damage: str) -> None:
    whole = Path(digits.__file__).with_name("digits.npz").read_bytes()
    if damage == "truncated":
        (folder / "digits.npz").write_bytes(whole[:1000])
    elif damage == "flipped":
        middle = len(whole) // 2
        (folder / "digits.npz").write_bytes(whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :])
    elif damage == "other arrays":
        np.savez(folder / "digits.npz", pixels=np.zeros(3))
    elif damage == "other shapes":
        np.savez(folder / "digits.npz", images=np.zeros((3, 64)), labels=np.zeros(3), order=np.zeros(3))


@pytest.mark.parametrize("damage", ["absent", "truncated", "flipped", "other arrays", "other shapes"])
def test_damaged_installation(damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write_damaged(tmp_path, damage)
    monkeypatch.setattr(digits, "files", lambda package: tmp_path)
    with pytest.raises(DataFileError, match=r"digits\.npz: .*; install fastbp again"):
        load_digits()


def test_license_is_shipped() -> None:
    text = (files("fastbp.data") / "digits.LICENSE.md").read_text(encoding="utf-8")
    for part in ("Alpaydin", "Kaynak", "UCI Machine Learning Repository", "1998", "10.24432/C50P49", "CC BY 4.0"):
        assert part in text
    assert "What was changed" in text


@pytest.mark.parametrize("module", [digits, split, errors])
def test_docstring_examples(module: Any) -> None:
    result = doctest.testmod(module)
    assert result.attempted > 0 and result.failed == 0
