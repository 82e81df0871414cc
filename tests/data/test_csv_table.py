"""Tables from CSV and NPZ files: what is read, and the error for each bad file."""

import doctest
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

from fastbp.data import DataFileError, Table, csv_table, npz_table, read_table, tables


def csv_file(folder: Path, content: str | bytes) -> Path:
    path = folder / "table.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def refused(path: Path, *parts: str, target: str | None = None) -> None:
    with pytest.raises(DataFileError) as caught:
        read_table(path, target=target)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    for part in parts:
        assert part in message


# CSV


@pytest.mark.parametrize("mark", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
def test_csv_dialects(tmp_path: Path, mark: str, end: str, start: bytes) -> None:
    text = end.join(["width,weiß,species", "1.5,-2e3,a", ' 3 , +4,"b"', ""]).replace(",", mark)
    table = read_table(csv_file(tmp_path, start + text.encode()), target="species")
    assert isinstance(table, Table)
    np.testing.assert_array_equal(table.X, np.array([[1.5, -2000], [3, 4]]), strict=True)
    assert table.X.flags.c_contiguous and table.X.flags.writeable
    assert table.y is not None and table.y.tolist() == ["a", "b"] and table.y.dtype.kind == "U"
    assert table.feature_names == ("width", "weiß") and table.target_name == "species"


def test_csv_without_a_target(tmp_path: Path) -> None:
    table = read_table(str(csv_file(tmp_path, "a,b\n1,2\n3,4")))
    assert table.X.tolist() == [[1, 2], [3, 4]]
    assert table.y is None and table.target_name is None and table.feature_names == ("a", "b")


def test_csv_chosen_features(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "id,b,t,a\nx y,1,u,2\n,3,v,4\n")
    table = read_table(path, target="t", features=["a", "b"])
    assert table.X.tolist() == [[2, 1], [4, 3]] and table.feature_names == ("a", "b")
    assert table.y is not None and table.y.tolist() == ["u", "v"]
    assert read_table(path, features=["b"]).X.tolist() == [[1], [3]]
    with pytest.raises(DataFileError, match="no column is named 'bb'; did you mean 'b'"):
        read_table(path, features=["a", "bb"])
    with pytest.raises(DataFileError, match="line 2, column 'id': 'x y' is not a number"):
        read_table(path, features=["b", "id"])


def test_csv_numeric_target_in_the_middle(tmp_path: Path) -> None:
    table = read_table(csv_file(tmp_path, "a,t,b\n1,9,2\n3,8,4\n"), target="t")
    assert table.X.tolist() == [[1, 2], [3, 4]] and table.feature_names == ("a", "b")
    assert table.y is not None
    np.testing.assert_array_equal(table.y, np.array([9.0, 8.0]), strict=True)


def test_csv_target_of_numbers_and_text_is_text(tmp_path: Path) -> None:
    table = read_table(csv_file(tmp_path, "a,t\n1,9\n2,nine \n3,NA\n"), target="t")
    assert table.y is not None and table.y.tolist() == ["9", "nine", "NA"]


def test_csv_quoting(tmp_path: Path) -> None:
    table = read_table(csv_file(tmp_path, '"a,1", "say ""x""",t\n"1",2,"two\nlines, one label"\n'), target="t")
    assert table.feature_names == ("a,1", 'say "x"') and table.X.tolist() == [[1, 2]]
    assert table.y is not None and table.y.tolist() == ["two\nlines, one label"]


def test_csv_single_column_and_blank_lines_at_the_end(tmp_path: Path) -> None:
    assert read_table(csv_file(tmp_path, "a\n1\n2\n\n\n")).X.tolist() == [[1], [2]]


@pytest.mark.parametrize("header", ["0,1,2", "1,2,3"])
def test_csv_counted_columns_are_names(tmp_path: Path, header: str) -> None:
    assert read_table(csv_file(tmp_path, f"{header}\n7,8,9\n")).feature_names == tuple(header.split(","))


def test_csv_delimiter_is_the_one_both_lines_agree_on(tmp_path: Path) -> None:
    table = read_table(csv_file(tmp_path, "name;length, in cm\n1;2\n"))
    assert table.feature_names == ("name", "length, in cm") and table.X.tolist() == [[1, 2]]


BAD_CSV: dict[str, tuple[str | bytes, str | None, tuple[str, ...]]] = {
    "empty": ("", None, ("it is empty", "a header line")),
    "only a mark": (b"\xef\xbb\xbf", None, ("it is empty",)),
    "only blank lines": ("\n\n", None, ("it is empty",)),
    "header only": ("a,b\n", None, ("a header line but no data", "one line per sample")),
    "not utf-8": (b"a,b\n1,2\n\xff,3\n", None, ("line 3: the byte 0xff is not UTF-8", "UTF-8 encoding")),
    "not utf-8 behind a mark": (b"\xef\xbb\xbfa\n\xe9", None, ("line 2: the byte 0xe9",)),
    "latin-1 header": ("größe,b\n1,2\n".encode("latin-1"), None, ("line 1: the byte 0xf6",)),
    "utf-16": ("a,b\n1,2\n".encode("utf-16-le"), None, ("line 1: the byte 0x00",)),
    "nul": (b"a,b\n1,2\n1,\x002\n", None, ("line 3: the byte 0x00",)),
    "gzip": (b"\x1f\x8b\x08\x08abc", None, ("line 1: the byte 0x8b is not UTF-8",)),
    "double name": ("a,b, a\n1,2,3\n", None, ("line 1", "'a' is there twice", "its own")),
    "no name": ("a,,c\n1,2,3\n", None, ("line 1: column 2 has no name", "delete the column")),
    "no header": ("5.1,3.5\n4.9,3.0\n", None, ("line 1 holds numbers", "'5.1'", "put a header line above")),
    "ragged, short": ("a,b\n1,2\n3\n", None, ("line 3 has 1 fields, but the header has 2", "one value per column")),
    "ragged, long": ("a,b\n1,2,3\n", None, ("line 2 has 3 fields, but the header has 2",)),
    "ragged with target": ("a,t\n1,2\n3\n", "t", ("line 3 has 1 fields",)),
    "blank line": ("a,b\n1,2\n\n3,4\n", None, ("line 3 is empty", "delete it")),
    "blank line above": ("\na,b\n1,2\n", None, ("line 1 is empty",)),
    "text": ("a,b\n1,2\n3,red\n", None, ("line 3, column 'b': 'red' is not a number", "name its column as the target")),
    "text behind lines": ('a,t\n1,"x\ny"\nz,q\n', "t", ("line 4, column 'a': 'z' is not a number",)),
    "decimal comma": ("a;b\n1,5;2\n", None, ("line 2, column 'a': '1,5' is not a number", "decimal point")),
    "separator, which float() does not strip": (
        "a,b\n1,\x1d.5\n",
        None,
        ("column 'b': '\\x1d.5' is not a number",),
    ),
    "underscore": ("a,b\n1_000,2\n", None, ("line 2, column 'a': '1_000' is not a number",)),
    "missing": ("a,b\n1,2\n,4\n", None, ("line 3, column 'a': the value is missing ('')", "fill it in")),
    "missing, blank": ("a,b\n1,  \n", None, ("line 2, column 'b': the value is missing ('')",)),
    "missing, NA": ("a,b\n1,NA\n", None, ("line 2, column 'b': the value is missing ('NA')",)),
    "missing, nan": ("a,b\n1,nan\n", None, ("line 2, column 'b': the value is missing ('nan')",)),
    "missing, ?": ("a,t,b\n1,2,?\n", "t", ("line 2, column 'b': the value is missing ('?')",)),
    "infinite": ("a,b\n1,-inf\n", None, ("line 2, column 'b': '-inf' is not finite",)),
    "too large": ("a,b\n1,1e999\n", None, ("line 2, column 'b': '1e999' is not finite",)),
    "target missing": ("a,t\n1,x\n2,\n", "t", ("line 3, column 't' (the target): the value is missing ('')",)),
    "target missing, NA": ("a,t\n1,7\n2,NA\n", "t", ("line 3, column 't' (the target): the value is missing ('NA')",)),
    "target all missing": ("a,t\n1,?\n2,?\n", "t", ("line 2, column 't' (the target): the value is missing ('?')",)),
    "target infinite": ("a,t\n1,7\n2,inf\n", "t", ("line 3, column 't' (the target): 'inf' is not finite",)),
    "target too long": (f"a,t\n1,{'x' * 201}\n", "t", ("line 2, column 't'", "has 201 characters", "at most 200")),
    "target unknown": ("a,species\n1,x\n", "speceis", ("no column is named 'speceis'", "did you mean 'species'?")),
    "target far off": ("a,b\n1,2\n", "zzz", ("no column is named 'zzz'", "It has 2: 'a', 'b'")),
    "target alone": ("t\n1\n", "t", ("its only column is the target 't'", "at least one feature")),
    "open quote": ('a,b\n1,2\n3,"4\n5,6\n', None, ("line 3: not valid CSV", "check the quotes")),
    "stray quote": ('a,b\n"1"2,3\n', None, ("line 2: not valid CSV",)),
    "two delimiters": ("a;b,c\n1;2,3\n", None, ("comma or semicolon", "2 columns each", "quote the column names")),
    "long value": (f"a,b\n1,{'x' * 999}\n", None, ("column 'b': '" + "x" * 37 + "...' is not a number",)),
}


@pytest.mark.parametrize(("content", "target", "parts"), BAD_CSV.values(), ids=BAD_CSV.keys())
def test_bad_csv(tmp_path: Path, content: str | bytes, target: str | None, parts: tuple[str, ...]) -> None:
    refused(csv_file(tmp_path, content), *parts, target=target)


def test_huge_field(tmp_path: Path) -> None:
    refused(csv_file(tmp_path, "a,b\n1," + "1" * 200_000 + "\n"), "line 2: not valid CSV", "field limit")


def test_absent_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="absent"):
        read_table(tmp_path / "absent.csv")
    with pytest.raises(OSError, match=tmp_path.name):
        read_table(tmp_path)


def check_whole(table: Table) -> None:
    assert table.X.dtype == np.float64 and table.X.ndim == 2 and table.X.size > 0
    assert np.isfinite(table.X).all() and len(table.feature_names) == table.X.shape[1]
    assert (table.y is None) == (table.target_name is None)
    assert table.y is None or len(table.y) == len(table.X)


PIECES = st.sampled_from(["a", "t", "1", "-2.5", ",", ";", "\t", "\n", "\r", '"', " ", "\0", "é", "nan", "_", "\ufeff"])


@given(content=st.binary(max_size=80) | st.lists(PIECES, max_size=30).map(lambda p: "".join(p).encode()))
@pytest.mark.parametrize("target", [None, "t"])
def test_csv_junk_is_read_whole_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, target: str | None
) -> None:
    path = csv_file(tmp_path_factory.mktemp("csv"), content)
    try:
        check_whole(read_table(path, target=target))
    except DataFileError as error:
        assert str(path) in str(error)


@given(X=st.lists(st.tuples(*[st.floats(allow_nan=False, allow_infinity=False)] * 3), min_size=1, max_size=9))
def test_csv_numbers_round_trip(tmp_path_factory: pytest.TempPathFactory, X: list[tuple[float, ...]]) -> None:
    text = "a,b,c\n" + "".join(",".join(map(repr, row)) + "\n" for row in X)
    table = read_table(csv_file(tmp_path_factory.mktemp("csv"), text))
    np.testing.assert_array_equal(table.X, np.array(X), strict=True)


# NPZ


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
        np.testing.assert_array_equal(table.X, X.astype(dtype).astype(np.float64), strict=True)
        assert table.X.flags.c_contiguous and table.X.flags.writeable
        assert table[1:] == (None, ("x0", "x1", "x2"), None)


@pytest.mark.parametrize(
    "y",
    [[7, 8], [0.5, 1.5], ["a", "é"], [True, False], np.eye(2, dtype=np.float32), np.array([1, 2], dtype=">i4")],
    ids=["int", "float", "text", "bool", "two columns", "big-endian"],
)
@pytest.mark.parametrize("name", ["y", "Y", "labels"])
def test_npz_target(tmp_path: Path, y: Any, name: str) -> None:
    path = npz_file(tmp_path, True, X=X, other=X, **{name: y})
    table = read_table(path, target=None if name in "yY" else name)
    assert table.y is not None and table.target_name == name
    np.testing.assert_array_equal(table.y, np.asarray(y))
    assert table.y.dtype == np.asarray(y).dtype.newbyteorder("=") and table.y.flags.writeable


def test_npz_is_told_by_content(tmp_path: Path) -> None:
    path = npz_file(tmp_path, X=X).rename(tmp_path / "table.csv")
    assert read_table(path).X.shape == (2, 3)


def test_npz_target_chooses_between_two(tmp_path: Path) -> None:
    path = npz_file(tmp_path, X=X, Y=[1, 2], y=[3, 4])
    refused(path, "both an array 'Y' and an array 'y'", "name one of them as the target")
    table = read_table(path, target="y")
    assert table.y is not None and table.y.tolist() == [3, 4]


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
    path = tmp_path / "book.xlsx"
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
    assert read_table(path).X.tolist() == [[0] * 8]


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
        check_whole(read_table(path))
    except DataFileError as error:
        assert str(path) in str(error)


@pytest.mark.parametrize("module", [tables, csv_table, npz_table])
def test_docstring_examples(module: Any) -> None:
    result = doctest.testmod(module)
    assert result.attempted > 0 and result.failed == 0
