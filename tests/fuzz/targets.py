"""The functions that the fuzzers call: each gives a loader some bytes as a file, and checks the outcome.

A loader must return a valid object, or raise the one exception that it documents. Anything else is an error of the
loader, such as an array with other properties than promised.
"""

import io
import json
import os
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

import fastbp
from fastbp.data import idx
from fastbp.files.container import decode, encode
from fastbp.tables import errors, preprocessor, read

FOLDER = Path(tempfile.mkdtemp(prefix="fastbp-fuzz-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
FILE = FOLDER / "input"
SAVED = Path(__file__).parent.parent / "data" / "format-2.safetensors"


class Target(NamedTuple):
    """A loader under test."""

    check: Callable[[bytes], bool]  # returns whether the bytes were accepted; raises if the loader is wrong
    mutation: str  # what to mutate: bytes, text or JSON


def model(data: bytes) -> bool:
    """`fastbp.load` of a file of these bytes."""
    FILE.write_bytes(data)
    try:
        net = fastbp.load(FILE)
    except fastbp.ModelFileError:
        return False
    _check_network(net)
    return True


def words(data: bytes) -> bool:
    """`fastbp.load` of an intact container whose JSON is these bytes."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return False
    arrays = _arrays()
    if any(name in text for name in ("SGD", "LBFGS", "ConjugateGradient")):  # these keep no moments
        arrays["optimizer.first"] = arrays["optimizer.second"] = np.empty(0)
    return model(encode(arrays, text))


def idx_file(data: bytes) -> bool:
    """`read_idx`, as it reads the files of MNIST."""
    FILE.write_bytes(data)
    try:
        values = idx.read_idx(FILE)
    except errors.DataFileError as error:
        _check_cause(error)
        return False
    assert values.dtype == np.uint8 and 1 <= values.ndim <= idx.MAX_AXES
    assert values.flags.c_contiguous and values.flags.writeable
    assert values.nbytes <= len(data) * idx.DEFLATE_MAX_RATIO
    values.sum()
    return True


def csv(data: bytes) -> bool:
    """`read_table` of a CSV file, and what its columns become."""
    FILE.write_bytes(data)
    return _check_table()


def npz(data: bytes) -> bool:
    """`read_table` of a file named .npz."""
    path = FILE.with_suffix(".npz")
    path.write_bytes(data)
    return _check_table(path)


def npy(data: bytes) -> bool:
    """`read_table` of an intact archive with these bytes as X and as y, so that the checksums are right."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("X.npy", data)
        archive.writestr("y.npy", data)
    return npz(content.getvalue())


TARGETS = {
    "model": Target(model, "bytes"),
    "words": Target(words, "json"),
    "idx": Target(idx_file, "bytes"),
    "csv": Target(csv, "text"),
    "npz": Target(npz, "bytes"),
    "npy": Target(npy, "bytes"),
}


def seeds(name: str) -> list[bytes]:
    """The files of the corpus in this folder."""
    folder = Path(__file__).parent / "corpus" / name
    return [file.read_bytes() for file in sorted(folder.iterdir())]


def _arrays() -> dict[str, np.ndarray]:
    return decode(SAVED.read_bytes())[0]


def _check_network(net: fastbp.Network) -> None:
    """Check that a loaded network predicts, and that its training state fits it."""
    n_parameters = sum((n_in + 1) * n_out for n_in, n_out in zip(net.sizes, net.sizes[1:], strict=False))
    assert net.parameters.shape == (n_parameters,) and net.parameters.flags.writeable
    assert all(np.shares_memory(w, net.parameters) for w in net.weights)
    assert isinstance(net.metadata, dict)
    X = np.zeros((2, net.sizes[0]))
    with np.errstate(all="ignore"):  # a file may hold any parameters
        assert fastbp.formulations.FORMULATIONS[net.formulation] is net._formulation
        assert net.predict(X).shape == (2, net.sizes[-1])
    if net.optimizer is not None:
        state = net.optimizer.new_state(n_parameters, net.dtype)
        assert vars(state).keys() == vars(net._training.state).keys()
    net._rng.integers(0, 2, 700)
    repr(net.history), str(net.history)
    json.dumps(net.metadata)


def _check_table(path: Path = FILE) -> bool:
    try:
        table = read.read_table(path)
    except errors.DataFileError as error:
        _check_cause(error)
        return False
    assert len(table) and all(len(table[name]) == len(table) for name in table.names)
    try:
        X = preprocessor.Preprocessor().fit(table).transform(table)
    except errors.DataFileError as error:
        _check_cause(error)
        return False
    assert X.dtype == np.float64 and X.shape[0] == len(table) and X.size and np.isfinite(X).all()
    return True


def _check_cause(error: BaseException | None) -> None:
    """Check that a documented error has no MemoryError, AssertionError or RecursionError as its cause."""
    while error is not None:
        assert not isinstance(error, MemoryError | AssertionError | RecursionError), repr(error)
        error = error.__cause__
