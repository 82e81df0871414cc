"""MNIST: read from a folder or the user's cache, or downloaded from the public mirrors."""

import math
import os
from collections.abc import Iterator
from functools import partial
from numbers import Real
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fastbp import disk, validation
from fastbp.tables.errors import DataFileError

from .download import download as fetch
from .idx import read_content, read_idx
from .split import Split, checked_dtype

__all__ = ["FILES", "MIRRORS", "IdxFile", "load_mnist", "read_idx"]

# Folders with the four files, gzip-compressed, under their usual names.
MIRRORS: tuple[str, ...] = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
)


class IdxFile(NamedTuple):
    """The shape of one of the four files, and the sha256 of its uncompressed content."""

    shape: tuple[int, ...]
    sha256: str


# In the order training images, training labels, test images, test labels.
FILES: dict[str, IdxFile] = {
    "train-images-idx3-ubyte": IdxFile(
        (60000, 28, 28), "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"
    ),
    "train-labels-idx1-ubyte": IdxFile((60000,), "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
    "t10k-images-idx3-ubyte": IdxFile(
        (10000, 28, 28), "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"
    ),
    "t10k-labels-idx1-ubyte": IdxFile((10000,), "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
}


def load_mnist(
    path: str | os.PathLike[str] | None = None,
    *,
    download: bool = False,
    progress: bool = True,
    dtype: DTypeLike = "float32",
    divisor: float | None = 255,
) -> Split:
    """Load MNIST: 70,000 grey images of 28x28 pixels, ten classes.

    Each of the four files (``train-images-idx3-ubyte`` and so on, or ``train-images.idx3-ubyte``, with or without
    ``.gz``) is looked for in `path` if given, else in ``$FASTBP_DATA/mnist``, then in the user's cache. Every call
    checks the sha256 of the content.

    Parameters
    ----------
    path : str or path-like, optional
        The folder of the four files; no other place is then searched.
    download : bool
        Download missing files (11 MB in all) into `path`, or without it into the user's cache.
    progress : bool
        Show a download's progress on the standard error, if that is a terminal.
    dtype : {"float32", "float64"}
        Type of the scaled pixels.
    divisor : float or None
        Pixels (0..255, 0 is background) are divided by it: 255 scales them to [0, 1]; 256 is what Nielsen's book used;
        None gives the raw uint8 pixels, whatever `dtype` is.

    Returns
    -------
    Split
        ``X_train`` (60000, 784), ``y_train`` (60000,), ``X_test`` (10000, 784), ``y_test`` (10000,) and ``classes``
        (10,). Labels are intp.

    Raises
    ------
    FileNotFoundError
        If files are missing and `download` is False.
    DataFileError
        If a file is damaged, or is not the MNIST file of its name.
    ConnectionError
        If no mirror could be reached.
    TypeError, ValueError
        If a parameter has a wrong type, or `dtype` or `divisor` is out of range.

    References
    ----------
    Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, Gradient-based learning applied to document recognition, Proceedings
    of the IEEE 86(11), 1998.

    Examples
    --------
    >>> mnist = load_mnist(download=True)  # doctest: +SKIP
    >>> load_mnist("no/such/folder")
    Traceback (most recent call last):
        ...
    FileNotFoundError: MNIST is not complete: train-images-idx3-ubyte...
    """
    kind = checked_dtype(dtype)
    # Within these bounds neither the divisor nor the quotients overflow float32.
    real = isinstance(divisor, Real) and not isinstance(divisor, bool)
    if divisor is not None and not (real and 1e-30 < divisor < 1e30):
        raise ValueError(
            f"divisor is {divisor!r}, but pixels are divided by a number between 1e-30 and 1e30; "
            "give 255 (pixels in [0, 1]), 256 (Nielsen's book), or None (raw uint8 pixels)"
        )
    download, progress = validation.truth("download", download), validation.truth("progress", progress)
    folder = None if path is None else disk.expanded_path(path)
    if folder is not None and folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"path is {folder}, a file; give the folder that holds the four MNIST files")
    missing = [name for name in FILES if _find(name, folder) is None]
    if missing:
        if not download:
            raise FileNotFoundError(_advice(missing, folder))
        _download(missing, folder or _cache_folder(), progress)
    X_train, y_train, X_test, y_test = (_read(name, folder) for name in FILES)
    pixels = [images.reshape(len(images), -1) for images in (X_train, X_test)]
    if divisor is not None:
        pixels = [np.divide(images, kind.type(divisor), dtype=kind) for images in pixels]
    return Split(pixels[0], y_train.astype(np.intp), pixels[1], y_test.astype(np.intp), np.arange(10))


def _folders(folder: Path | None) -> Iterator[Path]:
    """Yield the folders to search. The cache is last, because finding it can fail."""
    if folder is not None:
        yield folder
        return
    if data := os.environ.get("FASTBP_DATA"):
        yield Path(data).expanduser() / "mnist"
    yield _cache_folder()


def _cache_folder() -> Path:
    try:
        return disk.user_cache() / "mnist"
    except RuntimeError as error:
        raise FileNotFoundError(
            f"MNIST may be in the user's cache, but this user has no home folder ({error}); give the folder as path"
        ) from error


def _find(name: str, folder: Path | None) -> Path | None:
    dotted = name.replace("-idx", ".idx")
    for place in _folders(folder):
        for spelling in (name, f"{name}.gz", dotted, f"{dotted}.gz"):
            if (place / spelling).is_file():
                return place / spelling
    return None


def _advice(missing: list[str], folder: Path | None) -> str:
    looked = " and ".join(str(place) for place in _folders(folder))
    remedy = (
        "Set FASTBP_DATA to a folder that has them in its subfolder mnist, give their folder as path"
        if folder is None
        else "Give the folder that holds them as path"
    )
    target = folder or _cache_folder()
    return (
        f"MNIST is not complete: {', '.join(missing)} (each with or without .gz) not found in {looked}. "
        f"{remedy}, or call load_mnist(..., download=True), which downloads them into {target}"
    )


def _read(name: str, folder: Path | None) -> NDArray[np.uint8]:
    path = _find(name, folder)
    if path is None:
        raise FileNotFoundError(_advice([name], folder))
    try:
        return _checked_content(path, name)
    except DataFileError as error:
        raise DataFileError(
            f"{path}: {error}. Replace it by an intact copy, or delete it and call load_mnist(..., download=True)"
        ) from error


def _checked_content(path: Path, name: str) -> NDArray[np.uint8]:
    content, sha256 = read_content(path, FILES[name].shape)
    if sha256 != FILES[name].sha256:
        raise DataFileError(
            f"the sha256 of its uncompressed content is {sha256}, but that of MNIST's {name} is {FILES[name].sha256}"
        )
    return content


def _download(missing: list[str], folder: Path, progress: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in missing:
        check = partial(_checked_content, name=name)
        max_bytes = math.prod(FILES[name].shape) + 65536  # compression makes a file at most a little longer
        urls = [f"{mirror}{name}.gz" for mirror in MIRRORS]
        fetch(urls, folder / f"{name}.gz", check=check, max_bytes=max_bytes, progress=progress)
