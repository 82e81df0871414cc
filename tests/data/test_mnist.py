"""MNIST: where its files are looked for, what is checked, how pixels are scaled."""

import doctest
import gzip
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mnist_files import NAMES, idx_bytes, made_up, replace_known_files, write_all
from numpy.typing import NDArray

from fastbp.data import DataFileError, idx, load_mnist, mnist


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, NDArray[np.uint8]]:
    return replace_known_files(monkeypatch, tmp_path)


def test_spellings_and_compression(tmp_path: Path, small: dict[str, NDArray[np.uint8]]) -> None:
    spellings = [NAMES[0], f"{NAMES[1]}.gz", "t10k-images.idx3-ubyte", "t10k-labels.idx1-ubyte.gz"]
    for spelling, array in zip(spellings, small.values(), strict=True):
        content = idx_bytes(array)
        (tmp_path / spelling).write_bytes(gzip.compress(content) if spelling.endswith(".gz") else content)
    data = load_mnist(tmp_path, divisor=None)
    np.testing.assert_array_equal(data.X_train, small[NAMES[0]].reshape(6, 12), strict=True)
    np.testing.assert_array_equal(data.y_train, small[NAMES[1]].astype(np.intp), strict=True)
    np.testing.assert_array_equal(data.X_test, small[NAMES[2]].reshape(2, 12), strict=True)
    np.testing.assert_array_equal(data.y_test, small[NAMES[3]].astype(np.intp), strict=True)
    np.testing.assert_array_equal(data.classes, np.arange(10), strict=True)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("divisor", [255, 256.0, np.float32(0.5)])
def test_scaling(tmp_path: Path, small: dict[str, NDArray[np.uint8]], dtype: str, divisor: float) -> None:
    data = load_mnist(write_all(tmp_path, small), dtype=dtype, divisor=divisor)
    expected = small[NAMES[0]].reshape(6, 12).astype(dtype) / np.dtype(dtype).type(divisor)
    np.testing.assert_array_equal(data.X_train, expected, strict=True)
    assert data.X_test.dtype == np.dtype(dtype) and data.X_train.flags.c_contiguous


@pytest.mark.parametrize("divisor", [0, -255, float("nan"), float("inf"), 1e-40, 10**400, "255", [255], 1j])
def test_divisor_out_of_range(tmp_path: Path, small: Any, divisor: Any) -> None:
    with pytest.raises(ValueError, match=r"divisor is .*between 1e-30 and 1e30; give 255 .*256 .*None"):
        load_mnist(write_all(tmp_path, small), divisor=divisor)


def test_dtype_out_of_range(tmp_path: Path, small: Any) -> None:
    with pytest.raises(ValueError, match="dtype is 'int8', but"):
        load_mnist(write_all(tmp_path, small), dtype="int8")


def test_order_of_the_places(tmp_path: Path, small: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def damage_and_expect(folder: Path) -> None:
        # The error names the folder whose file is damaged, and so the folder that is read.
        (folder / f"{NAMES[0]}.gz").write_bytes(b"junk")
        with pytest.raises(DataFileError, match=re.escape(str(folder))):
            load_mnist()
        with pytest.raises(DataFileError, match=re.escape(str(folder))):
            load_mnist(folder)

    cache = write_all(tmp_path / "home" / ".cache" / "fastbp" / "mnist", small)
    assert len(load_mnist().X_train) == 6
    damage_and_expect(cache)
    xdg = write_all(tmp_path / "xdg" / "fastbp" / "mnist", small)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert len(load_mnist().X_train) == 6
    damage_and_expect(xdg)
    data = write_all(tmp_path / "data" / "mnist", small)
    monkeypatch.setenv("FASTBP_DATA", str(tmp_path / "data"))
    assert len(load_mnist().X_train) == 6
    damage_and_expect(data)
    assert len(load_mnist(write_all(tmp_path / "given", small)).X_train) == 6


def test_user_without_a_home(tmp_path: Path, small: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    with pytest.raises(FileNotFoundError, match=r"no home folder.*give the folder as path"):
        load_mnist()
    monkeypatch.setenv("FASTBP_DATA", str(write_all(tmp_path / "mnist", small).parent))
    assert len(load_mnist().X_train) == 6


def test_missing_files(tmp_path: Path, small: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTBP_DATA", str(tmp_path / "data"))
    (write_all(tmp_path / "data" / "mnist", small) / f"{NAMES[3]}.gz").unlink()
    with pytest.raises(FileNotFoundError) as caught:
        load_mnist()
    message = str(caught.value)
    cache = tmp_path / "home" / ".cache" / "fastbp" / "mnist"
    assert f"not complete: {NAMES[3]} (each with or without .gz) not found in {tmp_path / 'data' / 'mnist'}" in message
    assert f" and {cache}." in message
    assert "Set FASTBP_DATA" in message and "download=True" in message
    assert message.endswith(str(cache)) and not cache.exists()


def test_missing_folder(tmp_path: Path, small: Any) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        load_mnist(tmp_path / "absent")
    message = str(caught.value)
    assert all(name in message for name in NAMES)
    assert f"not found in {tmp_path / 'absent'}." in message
    assert "Give the folder that holds them as path" in message and "download=True" in message
    assert not (tmp_path / "absent").exists()


def test_path_is_a_file(tmp_path: Path, small: Any) -> None:
    (tmp_path / "file").write_bytes(b"")
    for download_too in (False, True):
        with pytest.raises(NotADirectoryError, match=r"path is .*file, a file; give the folder"):
            load_mnist(tmp_path / "file", download=download_too)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (idx_bytes(np.zeros((6, 4, 3), np.uint8)), r"sha256 of its uncompressed content is [0-9a-f]{64}, but that of"),
        (idx_bytes(np.zeros((6, 3, 4), np.uint8)), r"shape \(6, 3, 4\), but \(6, 4, 3\) is required"),
        (idx_bytes(np.zeros(6, np.uint8)), r"shape \(6,\), but \(6, 4, 3\) is required"),
        (b"<html>", "starts with the bytes 3c 68 74 6d"),
        (gzip.compress(idx_bytes(made_up()[NAMES[0]]))[:-10], "truncated or damaged"),
        (idx_bytes(made_up()[NAMES[0]]) + b"\0", "bytes follow"),
    ],
    ids=["checksum", "dims", "axes", "html", "truncated", "trailing"],
)
def test_damaged_files(tmp_path: Path, small: Any, content: bytes, message: str) -> None:
    path = write_all(tmp_path, small) / f"{NAMES[0]}.gz"
    path.write_bytes(content)
    with pytest.raises(DataFileError, match=message) as caught:
        load_mnist(tmp_path, download=True)
    assert str(caught.value).startswith(f"{path}: ")
    assert "Replace it by an intact copy, or delete it and call load_mnist(..., download=True)" in str(caught.value)
    assert path.read_bytes() == content, "a user's file is never overwritten"


def test_mirrors_and_sums_are_the_public_ones() -> None:
    assert all(url.startswith("https://") and url.endswith("/") for url in mnist.MIRRORS)
    assert list(mnist.FILES) == NAMES
    assert all(re.fullmatch("[0-9a-f]{64}", file.sha256) for file in mnist.FILES.values())


# The real files


@pytest.fixture
def real() -> Path:
    folder = Path(os.environ.get("FASTBP_DATA", "no FASTBP_DATA")) / "mnist"
    if not folder.is_dir():
        pytest.skip("needs the real MNIST: set FASTBP_DATA to a folder whose subfolder mnist has the four files")
    return folder


def test_real_mnist(real: Path) -> None:
    raw = load_mnist(real, divisor=None)
    assert [a.shape for a in raw] == [(60000, 784), (60000,), (10000, 784), (10000,), (10,)]
    assert raw.X_train.dtype == raw.X_test.dtype == np.uint8
    assert raw.X_train.max() == 255
    # Counts of the digits 0 to 9, as published by LeCun.
    assert np.bincount(raw.y_train).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert raw.y_test[:5].tolist() == [7, 2, 1, 0, 4]
    scaled = load_mnist()
    assert scaled.X_test.dtype == np.float32 and scaled.X_test.min() == 0 and scaled.X_test.max() == 1
    np.testing.assert_array_equal(scaled.X_test, raw.X_test / np.float32(255), strict=True)
    assert abs(raw.X_train.mean() / 255 - 0.1307) < 1e-4  # the mean that every tutorial normalizes by


def test_docstring_examples() -> None:
    assert doctest.testmod(idx).attempted > 0 and doctest.testmod(idx).failed == 0
    result = doctest.testmod(mnist, optionflags=doctest.ELLIPSIS)
    assert result.attempted > 0 and result.failed == 0
