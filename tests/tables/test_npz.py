"""Tables from NPZ files: what is read, and the error for each bad file."""

import io
import struct
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastbp.data import DataFileError, read_table


def refused(path: Path, *parts: str, target: str | None = None) -> None:
    with pytest.raises(DataFileError) as caught:
        read_table(path, target=target)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    for part in parts:
        assert part in message


def npz_file(folder: Path, compress: bool = False, **arrays: Any) -> Path:
    path = folder / "table.npz"
    (np.savez_compressed if compress else np.savez)(path, **arrays)
    return path


X = np.array([[1, 2, 3], [4, 5, 6]])


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("dtype", ["uint8", "int64", "float32", ">f8", "bool", "float16", "float64"])
def test_npz_features_become_float64(tmp_path: Path, compress: bool, dtype: str) -> None:
    for order in ("C", "F"):
        table = read_table(npz_file(tmp_path, compress, X=np.asarray(X.astype(dtype), order=order)))
        assert table.names == ("x0", "x1", "x2")
        for j, name in enumerate(table.names):
            np.testing.assert_array_equal(table[name], X.astype(dtype).astype(np.float64)[:, j], strict=True)


@pytest.mark.parametrize(
    "y",
    [[7, 8], [0.5, 1.5], ["a", "é"], [True, False], np.eye(2, dtype=np.float32), np.array([1, 2], dtype=">i4")],
    ids=["int", "float", "text", "bool", "two columns", "big-endian"],
)
@pytest.mark.parametrize("name", ["y", "Y", "labels"])
def test_npz_target(tmp_path: Path, y: Any, name: str) -> None:
    path = npz_file(tmp_path, True, X=X, other=X, **{name: y})
    table = read_table(path, target=None if name in "yY" else name)
    given = np.asarray(y)
    if given.ndim == 2:
        assert table.names[3:] == (f"{name}_0", f"{name}_1")
        np.testing.assert_array_equal(np.column_stack([table[each] for each in table.names[3:]]), given)
    else:
        assert table.names[3:] == (name,) and table[name].tolist() == given.tolist()


def test_npz_is_told_by_content(tmp_path: Path) -> None:
    path = npz_file(tmp_path, X=X).rename(tmp_path / "table.csv")
    assert (len(read_table(path)), read_table(path).names) == (2, ("x0", "x1", "x2"))


def test_npz_target_chooses_between_two(tmp_path: Path) -> None:
    path = npz_file(tmp_path, X=X, Y=[1, 2], y=[3, 4])
    refused(path, "both an array 'Y' and an array 'y'", "name one of them as the target")
    assert read_table(path, target="y")["y"].tolist() == [3, 4]


NAN = float("nan")
BAD_NPZ: dict[str, tuple[dict[str, Any], str | None, tuple[str, ...]]] = {
    "no X": ({"x": X, "y": [1, 2]}, None, ("no array 'X'", "its arrays: 'x', 'y'", "numpy.savez(path, X=X, y=y)")),
    "no arrays": ({}, None, ("no array 'X'", "its arrays: none")),
    "X as target": ({"X": X}, "X", ("the target is 'X', the array of the features", "another array")),
    "target unknown": ({"X": X, "label": [1, 2]}, "labels", ("no array is named 'labels'", "did you mean 'label'?")),
    "X one axis": ({"X": X[0]}, None, ("'X' has shape (3,), but (n_samples, n_features)", "reshape(len(X), -1)")),
    "X images": ({"X": np.zeros((2, 4, 4))}, None, ("'X' has shape (2, 4, 4), but",)),
    "X scalar": ({"X": 5}, None, ("'X' has shape (), but",)),
    "X no rows": ({"X": X[:0]}, None, ("'X' has shape (0, 3), but", "each at least 1")),
    "X text": ({"X": X.astype(str)}, None, ("'X' holds text", "encode it as numbers")),
    "X complex": ({"X": X * 1j}, None, ("'X' is of type complex128; numbers are required",)),
    "X structured": ({"X": np.zeros((2, 2), "f4,f4")}, None, ("'X' is of type",)),
    "X nan": ({"X": [[1, NAN]]}, None, ("'X' has the value nan at index (0, 1); finite numbers", "delete the row")),
    "X infinite": ({"X": [[1, 2], [-np.inf, 3]]}, None, ("'X' has the value -inf at index (1, 0)",)),
    "y short": ({"X": X, "y": [1]}, None, ("'y' has shape (1,), but (2,) or (2, n_outputs)", "one row per row of X")),
    "y three axes": ({"X": X, "Y": np.zeros((2, 1, 1))}, None, ("'Y' has shape (2, 1, 1), but",)),
    "y scalar": ({"X": X, "y": 3}, None, ("'y' has shape (), but",)),
    "y no columns": ({"X": X, "y": np.zeros((2, 0))}, None, ("'y' has shape (2, 0), but",)),
    "y nan": ({"X": X, "y": [1, NAN]}, None, ("'y' has the value nan at index (1,)",)),
    "y empty label": ({"X": X, "y": ["a", ""]}, None, ("'y' is text", "none of them empty")),
    "y text table": ({"X": X, "y": [["a"], ["b"]]}, None, ("'y' is text of shape (2, 1)", "(2,) labels")),
    "y long label": ({"X": X, "y": ["a", "b" * 201]}, None, ("'y' is of type <U201", "at most 200 characters")),
    "y bytes": ({"X": X, "y": [b"a", b"b"]}, None, ("'y' is of type |S1", "y.astype(str)")),
    "y dates": ({"X": X, "y": np.array(["2001", "2002"], "M8[Y]")}, None, ("'y' is of type datetime64",)),
}


@pytest.mark.parametrize(("arrays", "target", "parts"), BAD_NPZ.values(), ids=BAD_NPZ.keys())
@pytest.mark.parametrize("compress", [False, True])
def test_bad_npz(tmp_path: Path, compress: bool, arrays: Any, target: str | None, parts: tuple[str, ...]) -> None:
    path = npz_file(tmp_path, compress, **arrays)
    refused(path, *parts, target=target)
    with pytest.raises(DataFileError, match=r"^(?!.*no intact)"):
        read_table(path, target=target)


class Trap:
    """An object whose unpickling leaves a trace."""

    sprung = False

    def __reduce__(self) -> Any:
        return (setattr, (Trap, "sprung", True))


def test_npz_never_unpickles(tmp_path: Path) -> None:
    refused(npz_file(tmp_path, X=X, y=np.array([Trap(), Trap()])), "'y' is of type object", "y.astype(str)")
    assert not Trap.sprung


def test_other_zip_files(tmp_path: Path) -> None:
    path = tmp_path / "book.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("sheet.xml", "<xml/>")
    refused(path, "no array 'X'", "'sheet.xml'")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("X", "no array")
    refused(path, "no intact NPZ file", "numpy.savez")


def test_npz_by_name_but_not_by_content(tmp_path: Path) -> None:
    for content in (b"", b"a,b\n1,2\n", b"PK\x03\x04"):
        path = tmp_path / "table.npz"
        path.write_bytes(content)
        refused(path, "no intact NPZ file (BadZipFile", "write it again with numpy.savez")


def test_other_compression(tmp_path: Path) -> None:
    path = tmp_path / "table.npz"
    np.save(array := io.BytesIO(), X)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("X.npy", array.getvalue())
    refused(path, "array 'X' is compressed with another method")


def npy_claiming(shape: str, descr: str = "<f8", version: int = 1) -> bytes:
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(header)) + header


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (npy_claiming("(1000000000000, 8)") + bytes(64), ("announces 64000000000000 bytes", "does not agree")),
        (npy_claiming("(3, 3)") + bytes(64), ("announces 72 bytes",)),
        (npy_claiming("(2, 2)") + bytes(64), ("announces 32 bytes",)),
        (npy_claiming("(-2, -4)") + bytes(64), ("sizes of 0 or more",)),
        (npy_claiming("(0, 9223372036854775807)"), ()),
        (npy_claiming("(2,)", "<U0"), ()),
        (npy_claiming("('a',)"), ("no intact NPZ file",)),
        (npy_claiming("((((", "<f8"), ("no intact NPZ file",)),
        (npy_claiming("(1, 8)", version=3) + bytes(64), ("npy format (3, 0); versions 1 and 2",)),
    ],
)
def test_npz_headers_that_lie(tmp_path: Path, content: bytes, parts: tuple[str, ...]) -> None:
    path = tmp_path / "table.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("X.npy", content)
    tracemalloc.start()
    refused(path, *parts)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 21


def test_npz_directory_that_lies(tmp_path: Path) -> None:
    """The directory agrees with the array's header, but no deflate stream expands that far."""
    path = tmp_path / "table.npz"
    header = npy_claiming("(8000000, 1)")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("X.npy", header + bytes(64))
        archive.filelist[0].file_size = len(header) + 64_000_000
    refused(path, "announces 64000000 bytes", "does not agree")


def test_npz_header_version_2(tmp_path: Path) -> None:
    path = tmp_path / "table.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("X.npy", npy_claiming("(1, 8)", version=2) + bytes(64))
    table = read_table(path)
    assert len(table) == 1 and [table[name].tolist() for name in table.names] == [[0]] * 8


def test_npz_text_that_is_no_unicode(tmp_path: Path) -> None:
    path = npz_file(tmp_path, X=X)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("y.npy", npy_claiming("(2,)", "<U1") + b"\xff" * 8)
    refused(path, "no intact NPZ file")


@given(position=st.integers(0, 10_000), value=st.integers(0, 255), cut=st.booleans(), compress=st.booleans())
def test_damaged_npz_is_read_whole_or_refused(
    tmp_path_factory: pytest.TempPathFactory, position: int, value: int, cut: bool, compress: bool
) -> None:
    path = npz_file(tmp_path_factory.mktemp("npz"), compress, X=X, y=["a", "b"])
    content = bytearray(path.read_bytes())
    position %= len(content)
    if cut:
        del content[position:]
    else:
        content[position] = value
    path.write_bytes(content)
    try:
        table = read_table(path)
        assert len(table) == 2 and len(table.names) in (3, 4)
        assert all(np.isfinite(table[name]).all() for name in table.names[:3])
    except DataFileError as error:
        assert str(path) in str(error)
