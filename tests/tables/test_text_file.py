"""Tables from text files: what is found out, what is said, and the error for each bad file."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastbp.data import DataFileError, Table, read_table
from fastbp.tables import text_file


def text(folder: Path, content: str | bytes, name: str = "table.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def as_dict(table: Table) -> dict[str, list[Any]]:
    return {name: [None if x != x else x for x in table[name].tolist()] for name in table.names}


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
def test_dialects(tmp_path: Path, mark: str, end: str, start: bytes) -> None:
    content = end.join(["width,weiß,species", "1.5,-2e3,a", ' 3 , +4,"b"', ""]).replace(",", mark)
    table = read_table(text(tmp_path, start + content.encode()))
    assert as_dict(table) == {"width": [1.5, 3], "weiß": [-2000, 4], "species": ["a", "b"]}
    assert table["width"].dtype == np.float64 and table.lines is not None and table.lines.tolist() == [2, 3]


WHOLE: dict[str, tuple[str | bytes, dict[str, list[Any]], str]] = {
    "whitespace": ("a  b c\n1  2 x\n 3 4   y\n", {"a": [1, 3], "b": [2, 4], "c": ["x", "y"]}, "whitespace"),
    "decimal comma": ("a;b\n1,5;x\n2;y\n", {"a": [1.5, 2], "b": ["x", "y"]}, "decimal comma"),
    "thousands with a decimal comma": ("a;b\n1.234,5;1\n2,5;2\n", {"a": ["1.234,5", "2,5"], "b": [1, 2]}, "comma"),
    "ambiguous comma": ("a;b\n1,234;x\n2,345;y\n", {"a": [1.234, 2.345], "b": ["x", "y"]}, "does not tell"),
    "comma within names": ("name;length, in cm\n1;2\n", {"name": [1], "length, in cm": [2]}, "semicolon"),
    "missing": ("a,b\n1,NA\n?,x\n-,\nnull,y\n", {"a": [1, None, None, None], "b": [None, "x", None, "y"]}, ""),
    "no header": ("1,2,x\n3,4,y\n5,6,x\n", {"column_1": [1, 3, 5], "column_2": [2, 4, 6], "column_3": list("xyx")},
                  "line 1 holds values"),
    "no header, a missing number": ("?,2\n3,4\n5,6\n", {"column_1": [None, 3, 5], "column_2": [2, 4, 6]}, "line 1"),
    "no header, all text": ("a,x\nb,y\na,x\nb,x\n", {"column_1": list("abab"), "column_2": list("xyxx")}, "line 1"),
    "all text": ("name,kind\nb,y\na,x\nb,x\n", {"name": list("bab"), "kind": list("yxx")}, ""),
    "years as names": ("land,2000,2001\na,1,2\nb,3,4\n", {"land": ["a", "b"], "2000": [1, 3], "2001": [2, 4]}, ""),
    "names that count": ("0,1,2\n7,8,9\n", {"0": [7], "1": [8], "2": [9]}, "counts up"),
    "R, with an empty name": ('"","x"\n"1",5\n"2",6\n', {"": [1, 2], "x": [5, 6]}, ""),
    "R, with numbers as names": ('"","1.5","2"\n"a",5,1\n"b",6,2\n', {"": list("ab"), "1.5": [5, 6], "2": [1, 2]}, ""),
    "no header, one cell missing": (",2\n3,4\n3,6\n", {"column_1": [None, 3, 3], "column_2": [2, 4, 6]}, "line 1"),
    "R, without a name": ("x,y\na,5,6\nb,7,8\n", {"": ["a", "b"], "x": [5, 7], "y": [6, 8]}, ""),
    "lines that end with a delimiter": ("x,y\n5,6,\n7,8,\n", {"x": [5, 7], "y": [6, 8], "column_3": [None, None]}, ""),
    "a header that does": ("x,y,\n5,6\n7,8\n", {"x": [5, 7], "y": [6, 8]}, ""),
    "names twice": ("a,a,\n1,2,3\n", {"a": [1], "a_2": [2], "column_3": [3]}, "names that were there twice"),
    "titles": ("My table\n2024\n\na,b,c\n1,2,3\n4,5,6\n", {"a": [1, 4], "b": [2, 5], "c": [3, 6]}, "begins in line 4"),
    "blank lines": ("a,b\n\n1,2\n\n3,4\n\n", {"a": [1, 3], "b": [2, 4]}, ""),
    "one column": ("a\n1\n2\n", {"a": [1, 2]}, ""),
    "quotes": ('"a,1", "say ""x"""\n1,"two\nlines"\n', {"a,1": [1], 'say "x"': ["two\nlines"]}, ""),
    "latin-1": ("größe,b\n1,é\n".encode("latin-1"), {"größe": [1], "b": ["é"]}, "not UTF-8"),
    "utf-16": ("a,b\n1,é\n".encode("utf-16"), {"a": [1], "b": ["é"]}, ""),
    "utf-16 without a mark": ("a,b\n1,2\n".encode("utf-16-le"), {"a": [1], "b": [2]}, ""),
    "gzip": (gzip.compress(b"a,b\n1,2\n"), {"a": [1], "b": [2]}, ""),
    "underscore": ("a,b\n1_000,2\n", {"a": ["1_000"], "b": [2]}, ""),
    "long numbers": ("a\n12345678901234567890\n12345678901234567891\n",
                     {"a": ["12345678901234567890", "12345678901234567891"]}, ""),
    "infinite": ("a\n1\ninf\n", {"a": [1, np.inf]}, ""),
}  # fmt: skip


@pytest.mark.parametrize(("content", "columns", "note"), WHOLE.values(), ids=WHOLE.keys())
def test_what_is_read_and_said(tmp_path: Path, content: str | bytes, columns: dict[str, list[Any]], note: str) -> None:
    table = read_table(text(tmp_path, content))
    assert as_dict(table) == columns
    assert (note in " ".join(table.notes)) if note else table.notes == ()


def test_what_is_asked_is_done(tmp_path: Path) -> None:
    path = text(tmp_path, "1;2,5\n3;x\n")
    assert as_dict(read_table(path, header=True)) == {"1": [3], "2,5": ["x"]}
    assert as_dict(read_table(path, delimiter="comma", header=False, keep_bad_rows=True))["column_1"] == ["1;2", None]
    assert as_dict(read_table(path, header=False, decimal=",", na=["X"])) == {
        "column_1": [1, 3],
        "column_2": [2.5, None],
    }
    path = text(tmp_path, "a,b\n01,1\n1,2\n")
    assert (
        as_dict(read_table(path, text=["a"])) == as_dict(read_table(path, text=[0])) == {"a": ["01", "1"], "b": [1, 2]}
    )
    assert as_dict(read_table(path, text=[-1])) == {"a": [1, 1], "b": ["1", "2"]}
    path = text(tmp_path, "a\né\n".encode("cp437"))
    assert read_table(path, encoding="cp437")["a"].tolist() == ["é"]


def test_a_column_that_turns_to_text_late_is_text_from_the_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_file, "CHUNK", 3)
    path = text(tmp_path, "a,b\n" + "".join(f"0{i},{i}\n" for i in range(8)) + "x,?\n")
    assert as_dict(read_table(path)) == {"a": [*(f"0{i}" for i in range(8)), "x"], "b": [*range(8), None]}


BAD: dict[str, tuple[str | bytes, tuple[str, ...]]] = {
    "empty": ("", ("it is empty", "column names")),
    "only a mark": (b"\xef\xbb\xbf", ("it is empty",)),
    "only blank lines": ("\n\n", ("it is empty",)),
    "header only": ("a,b\n", ("a header line but no data", "one line per sample")),
    "nul": (b"a,b\n1,2\n1,\x002\n", ("line 3: the byte 0x00",)),
    "broken gzip": (b"\x1f\x8b\x08\x08abc", ("no intact gzip file",)),
    "short line": ("a,b\n1,2\n3,4\n5\n", ("line 4 has 1 fields, but 2 columns are there", "one value per column")),
    "long line": ("a,b\n1,2\n1,2,3\n", ("line 3 has 3 fields",)),
    "open quote": ('a,b\n1,2\n3,"4\n5,6\n', ("line 3: not valid CSV", "check the quotes")),
    "stray quote": ('a,b\n"1"2,3\n', ("line 2: not valid CSV",)),
    "two delimiters": ("a;b,c\nx;y,z\n", ("comma or semicolon", "2 columns each", "give the delimiter")),
    "old Excel": (b"\xd0\xcf\x11\xe0abc", ("old Excel file", ".xlsx or CSV")),
}


@pytest.mark.parametrize(("content", "parts"), BAD.values(), ids=BAD.keys())
def test_bad_files(tmp_path: Path, content: str | bytes, parts: tuple[str, ...]) -> None:
    path = text(tmp_path, content)
    with pytest.raises(DataFileError) as caught:
        read_table(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and all(part in message for part in parts), message


def test_bad_rows_can_be_kept(tmp_path: Path) -> None:
    table = read_table(text(tmp_path, "a,b\n1,2\n3\n4,5,6\n7,8\n"), keep_bad_rows=True)
    assert as_dict(table) == {"a": [1, None, None, 7], "b": [2, None, None, 8]}
    assert table.bad_rows == {1: "it has 1 fields instead of 2", 2: "it has 3 fields instead of 2"}
    assert table.where(2) == "line 4" and table.rows([0, 2]).bad_rows == {1: "it has 3 fields instead of 2"}


def test_huge_field(tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match=r"line 2: not valid CSV .*field"):
        read_table(text(tmp_path, "a,b\n1," + "1" * 2_000_000 + "\n"))


def test_absent_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="absent"):
        read_table(tmp_path / "absent.csv")
    with pytest.raises(OSError, match=tmp_path.name):
        read_table(tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"delimiter": "xy"}, "delimiter is 'xy'; it must be one character, or one of comma"),
        ({"decimal": ";"}, "decimal is ';'"),
        ({"encoding": "utf-9"}, "encoding is 'utf-9', which Python does not know"),
    ],
)
def test_odd_options(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_table(text(tmp_path, "a\n1\n"), **options)


PIECES = st.sampled_from(
    [
        "a",
        "t",
        "1",
        "-2.5",
        "1,5",
        ",",
        ";",
        "\t",
        "|",
        "\n",
        "\r",
        '"',
        " ",
        "\0",
        "é",
        "nan",
        "_",
        "\ufeff",
        "NA",
        "01",
    ]
)


@given(content=st.binary(max_size=80) | st.lists(PIECES, max_size=30).map(lambda p: "".join(p).encode()))
def test_junk_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = text(tmp_path_factory.mktemp("csv"), content)
    try:
        table = read_table(path)
    except (DataFileError, ImportError) as error:  # what begins as Parquet or Excel files do may need another library
        assert str(path) in str(error)
    else:
        assert len(table) > 0 and all(len(table[name]) == len(table) for name in table.names)


@given(X=st.lists(st.tuples(*[st.floats(allow_nan=False, allow_infinity=False)] * 3), min_size=1, max_size=9))
def test_numbers_round_trip(tmp_path_factory: pytest.TempPathFactory, X: list[tuple[float, ...]]) -> None:
    content = "a,b,c\n" + "".join(",".join(map(repr, row)) + "\n" for row in X)
    table = read_table(text(tmp_path_factory.mktemp("csv"), content), decimal=".")
    np.testing.assert_array_equal(np.column_stack([table[name] for name in "abc"]), np.array(X))
