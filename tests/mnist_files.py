"""Made-up MNIST files: four tiny arrays in place of the known ones."""

import gzip
import hashlib
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fastbp.data import mnist
from fastbp.data.mnist import IdxFile

NAMES = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"]
SHAPES = [(6, 4, 3), (6,), (2, 4, 3), (2,)]


def idx_bytes(array: NDArray[np.uint8]) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def made_up() -> dict[str, NDArray[np.uint8]]:
    rng = np.random.default_rng(7)
    return {
        name: rng.integers(0, 256 if len(shape) == 3 else 10, shape, dtype=np.uint8)
        for name, shape in zip(NAMES, SHAPES, strict=True)
    }


def replace_known_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, NDArray[np.uint8]]:
    """Replace the four known files by tiny ones, and every place to look by empty ones."""
    arrays = made_up()
    table = {n: IdxFile(a.shape, hashlib.sha256(idx_bytes(a)).hexdigest()) for n, a in arrays.items()}
    monkeypatch.setattr(mnist, "FILES", table)
    monkeypatch.setattr(mnist, "MIRRORS", ())
    monkeypatch.delenv("FASTBP_DATA", raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    return arrays


def write_all(folder: Path, arrays: dict[str, NDArray[np.uint8]]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in arrays.items():
        (folder / f"{name}.gz").write_bytes(gzip.compress(idx_bytes(array)))
    return folder
