"""Tables from JSON, Parquet and Excel, and of pandas, polars and pyarrow; a large file by polars."""

import datetime
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastbp.data import DataFileError, read_table
from fastbp.tables import Table, fast, text_file

COLUMNS: dict[str, list[Any]] = {"a": [1.5, None, 3], "b": ["x", None, "y"], "c": [1, 2, 3]}


def as_dict(table: Table) -> dict[str, list[Any]]:
    return {name: [None if x != x else x for x in table[name].tolist()] for name in table.names}


@pytest.mark.parametrize(
    "data",
    [
        COLUMNS, [dict(zip(COLUMNS, row, strict=True)) for row in zip(*COLUMNS.values(), strict=True)],
        {name: dict(enumerate(column)) for name, column in COLUMNS.items()},
    ],
    ids=["columns", "records", "as pandas writes it"],
)  # fmt: skip
def test_json(tmp_path: Path, data: Any) -> None:
    path = tmp_path / "t.json"
    path.write_text(json.dumps(data))
    assert as_dict(read_table(path)) == COLUMNS
    if isinstance(data, list):
        path.write_text("\n".join(map(json.dumps, data)))
        assert as_dict(read_table(path)) == COLUMNS


@pytest.mark.parametrize("content", ["[", "[1, 2]", "[]", '{"a": [1], "b": [1, 2]}', '[{"a": [1]}]', "[" * 9999])
def test_bad_json(tmp_path: Path, content: str) -> None:
    path = tmp_path / "t.json"
    path.write_text(content)
    with pytest.raises(DataFileError, match=r"t\.json: "):
        read_table(path)


def test_excel(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in (
        ["a", "b", "day"],
        [1.5, "x", datetime.datetime(2024, 1, 2)],
        [None, "?", None],
        [None] * 3,
        [3, "y", None],
    ):
        book.active.append(row)
    book.create_sheet("other")
    book.save(tmp_path / "t.xlsx")
    table = read_table(tmp_path / "t.xlsx")
    assert as_dict(table) == {
        "a": [1.5, None, 3],
        "b": ["x", None, "y"],
        "day": [datetime.datetime(2024, 1, 2), None, None],
    }
    assert "the first of 2 sheets" in table.notes[0]
    (tmp_path / "bad.xlsx").write_bytes(b"PK\x03\x04")
    with pytest.raises(DataFileError, match="no intact Excel file"):
        read_table(tmp_path / "bad.xlsx")


def test_parquet(tmp_path: Path) -> None:
    polars = pytest.importorskip("polars")
    pytest.importorskip("narwhals")
    polars.DataFrame(COLUMNS).write_parquet(tmp_path / "t")
    assert as_dict(read_table(tmp_path / "t")) == COLUMNS
    (tmp_path / "bad").write_bytes(b"PAR1 and nothing else")
    with pytest.raises(DataFileError, match="no intact Parquet file"):
        read_table(tmp_path / "bad")


@pytest.mark.parametrize("package", ["pandas", "polars", "pyarrow"])
def test_frames(package: str) -> None:
    module = pytest.importorskip(package)
    if package != "pandas":
        pytest.importorskip("narwhals")
    make = module.table if package == "pyarrow" else module.DataFrame
    days = [datetime.datetime(2024, 1, 2), None, datetime.datetime(2024, 1, 3)]
    table = Table.of(make({**COLUMNS, "d": [True, False, True], "e": days, "f": [True, None, False]}))
    expected = {**COLUMNS, "d": [True, False, True], "e": days, "f": ["True", None, "False"]}
    assert as_dict(table) == expected


def test_pandas_dtypes() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {"a": pandas.Categorical(["x", None, "y"]), "b": pandas.array([1, None, 3], dtype="Int64")}
    )
    frame["c"] = pandas.to_datetime(["2024-01-02", None, "2024-01-03"]).tz_localize("Europe/Berlin")
    frame[7] = [1, 2, 3]
    table = Table.of(frame)
    assert as_dict(table.select(["a", "b", "7"])) == {"a": ["x", None, "y"], "b": [1, None, 3], "7": [1, 2, 3]}
    assert table["c"].dtype.kind == "M" and table.missing("c").tolist() == [False, True, False]
    frame.columns = ["a", "a", "b", "c"]
    with pytest.raises(ValueError, match="'a' is there twice"):
        Table.of(frame)


def test_polars_reads_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("polars")
    pytest.importorskip("narwhals")
    path = tmp_path / "t.csv"
    lines = ["x,y,label,day,long"]
    lines += [f"{i / 7},{'NA' if i % 5 == 0 else i},0{i % 3},2024-01-0{1 + i % 9},{10**17 + i}" for i in range(40)]
    path.write_text("\n".join(lines))
    slow = read_table(path, text=["label"])
    monkeypatch.setattr(text_file, "LARGE", 1)
    fast = read_table(path, text=["label"])
    assert fast.lines is None and slow.lines is not None
    assert as_dict(fast) == as_dict(slow)
    np.testing.assert_array_equal(fast["x"], slow["x"])
    for change, message in (("1,2", "has 2 fields"), ('1,"2,00,x,5', "not valid CSV")):
        path.write_text("\n".join([*lines[:20], change, *lines[20:]]) + "\n")
        with pytest.raises(DataFileError, match=message):
            read_table(path)


@pytest.mark.parametrize("batches", [True, False])
def test_polars_reads_in_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batches: bool) -> None:
    polars = pytest.importorskip("polars")
    pytest.importorskip("narwhals")
    path, n = tmp_path / "t.csv", 30_000
    long = [f"0{2**60 + i}" if i > n // 2 else i for i in range(n)]  # names from the middle on
    late = [f"new {i % 7}" if i > n - 99 else f"{i % 3}" for i in range(n)]
    rows = zip(range(n), long, late, ["true", "false"] * (n // 2), ["true", "", "false"] * (n // 3), strict=True)
    lines = [f"{i / 7},{i if i < n - 9 else i / 4},{big},{word},{i % 5 or 'NA'},{yes},{perhaps},w{i % 9000}"
             for i, big, word, yes, perhaps in rows]  # fmt: skip
    path.write_text("\n".join(["x,late,big,word,gaps,yes,perhaps,many", *lines]))
    slow = read_table(path)
    monkeypatch.setattr(text_file, "LARGE", 1)
    monkeypatch.setattr(fast, "_rows_of", lambda path: 3)  # too few: columns grow
    monkeypatch.setattr(fast, "ROWS_AT_ONCE", 1000)
    if not batches:  # as polars was before it had them
        monkeypatch.delattr(polars.LazyFrame, "collect_batches", raising=False)
    found = read_table(path)
    assert found.lines is None and len(found) == n
    assert found["yes"].dtype == bool and found["yes"].tolist() == [True, False] * (n // 2)
    names = [name for name in found.names if name != "yes"]  # which our reader takes for text
    assert as_dict(found.select(names)) == as_dict(slow.select(names))
    assert [found[name].dtype.kind for name in names] == [slow[name].dtype.kind for name in names]
    assert found["big"][-1] == long[-1]
