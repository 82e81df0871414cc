"""`fastbp train` and `fastbp predict` with tables as people have them."""

import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import refused, rows, run

import fastbp
from fastbp.cli import bag

pytestmark = pytest.mark.usefixtures("folder")
N = 120
TABLES = Path(os.environ.get("FASTBP_DATA", "")) / "tables"


def shop(n: int = N, end: str = "") -> str:
    """A table with everything: an index, categories, dates, money, missing values; price follows size and colour."""
    rng = np.random.default_rng(0)
    lines = ['"","size","colour","sold","day","price"']
    for i in range(n):
        size, colour = rng.uniform(1, 9), ["red", "green", "blue", "NA"][rng.integers(4)]
        price = 1000 * size + 300 * (colour == "red")
        sold = "yes" if size > 5 else "no"
        lines.append(
            f'"{i + 1}",{"?" if i % 20 == 7 else f"{size:.3f}"},{colour},{sold},2024-0{1 + i % 9}-11,"${price:,.2f}"'
        )
    return "\n".join(lines) + "\n" + end


def train(capsys: pytest.CaptureFixture[str], *arguments: Any) -> dict[str, Any]:
    out, err = run(capsys, "train", *arguments, "--json")
    assert err == "" and out.count("\n") == 1
    told: dict[str, Any] = json.loads(out)
    return told


def test_a_table_with_everything(capsys: pytest.CaptureFixture[str]) -> None:
    Path("shop.csv").write_text(shop())
    told = train(capsys, "shop.csv", "--target", "price")
    assert {column["name"]: column["kind"] for column in told["columns"]} == {
        "": "index", "size": "number", "colour": "category", "sold": "boolean", "day": "date",
    }  # fmt: skip
    assert told["scores"]["r2"] > 0.7 and told["model"] == "shop.safetensors" and told["classes"] is None
    out, err = run(capsys, "predict", "shop.safetensors", "shop.csv")
    header, body = rows(out)
    assert header == ["row", "predicted"] and [row[0] for row in body] == [str(i + 1) for i in range(N)]
    assert re.match(r"shop.csv: RMSE \d+", err)


def test_predict_takes_other_columns_and_bad_rows(capsys: pytest.CaptureFixture[str]) -> None:
    Path("shop.csv").write_text(shop())
    run(capsys, "train", "shop.csv", "--target", "price", "--epochs", 3, "--quiet")
    lines = ["colour;more;day;sold;size;code", "red;1;2024-01-02;no;2,5;A", "pink;2;2024-01-02;no;3;B",
             "blue;3;2024-01-02;no;many;C", "blue;4", "blue;5;;;;E"]  # fmt: skip
    Path("new.csv").write_text("\n".join(lines))
    out, err = run(capsys, "predict", "shop.safetensors", "new.csv", "--id", "code,more")
    header, body = rows(out)
    assert header == ["code", "more", "predicted"]
    assert [bool(row[2]) for row in body] == [True, True, False, False, True]
    assert [row[0] for row in body] == ["A", "B", "C", "", "E"]
    assert "2 rows have no prediction (line 4: column 'size': 'many' is not a number; line 5: it has 2 fields" in err
    assert "'colour' has values that were not, or hardly, in the training: 'pink'" in err and err.count("\n") == 2
    told = json.loads(run(capsys, "predict", "shop.safetensors", "new.csv", "--json")[0])
    assert [row["predicted"] is None for row in told["predictions"]] == [False, False, True, True, False]
    assert len(told["warnings"]) == 2
    Path("new.csv").write_text("colour,size\nred,1\n")
    refused(capsys, "predict", "shop.safetensors", "new.csv", says="2 columns are not there: 'sold', 'day'")


def test_no_header(capsys: pytest.CaptureFixture[str]) -> None:
    lines = [f"{'MF'[i % 2]},{i % 7},{i % 3}" for i in range(N)]
    Path("t.data").write_text("\n".join(lines))
    told = train(capsys, "t.data", "--target", "-1", "--epochs", 2)
    assert told["target"] == "column_3" and told["classes"] == ["0", "1", "2"]
    assert told["notes"] == ["line 1 holds values, not names: the columns are column_1, column_2, …"]
    asked = train(capsys, "t.data", "--no-header", "--target", "3", "--epochs", 2)
    assert asked["scores"] == told["scores"] and asked["notes"] == []
    Path("one.data").write_text("M,3\n")
    assert len(rows(run(capsys, "predict", "t.safetensors", "one.data")[0])[1]) == 1
    first = train(capsys, "t.data", "--target", "1", "--epochs", 2, "--output", "first")
    assert first["classes"] == ["F", "M"]
    Path("one.data").write_text("3,1\n")
    assert len(rows(run(capsys, "predict", "first", "one.data")[0])[1]) == 1


@pytest.mark.parametrize(
    ("labels", "classes"),
    [(["0123", "123"], ["0123", "123"]), (["12345678901234567890", "12345678901234567891"], None), (["a", "NA"], None)],
)
def test_labels_stay_as_they_are(capsys: pytest.CaptureFixture[str], labels: list[str], classes: Any) -> None:
    body = "".join(f"{i},{labels[i % 2] if i % 3 else labels[0]}\n" for i in range(N))
    Path("t.csv").write_text("x,code\n" + body)
    if labels[1] == "NA":
        refused(capsys, "train", "t.csv", "--target", "code", says="has 1 different value, 'a'")
        return
    assert train(capsys, "t.csv", "--target", "code", "--epochs", 1)["classes"] == (classes or labels)
    out, _ = run(capsys, "predict", "t.safetensors", "t.csv", "--probabilities")
    header, predicted = rows(out)
    assert header == ["predicted", *(f"probability_{label}" for label in classes or labels)]
    assert {row[0] for row in predicted} <= set(labels)


@pytest.mark.parametrize("odd", [">5", "-", "1,234.5 kg", "unknown"])
def test_one_odd_cell_in_the_target_makes_no_classes(capsys: pytest.CaptureFixture[str], odd: str) -> None:
    Path("t.csv").write_text("x,price\n" + "".join(f"{i},{i * 1.5}\n" for i in range(N)) + f'3,"{odd}"\n')
    told = train(capsys, "t.csv", "--target", "price", "--epochs", 1)
    assert told["classes"] is None and told["made"]["training_rows"] + told["made"]["validation_rows"] == 96
    expected = (
        "1 row without a target" if odd == "-" else f"1 row left out, whose target is not a number (line 122: '{odd}')"
    )
    assert told["notes"][0].startswith(expected)


def test_a_test_file_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    Path("shop.csv").write_text(shop())
    Path("later.csv").write_text(shop(40))
    told = train(capsys, "shop.csv", "--target", "sold", "--test", "later.csv", "--epochs", 2)
    assert told["made"]["test_rows"] == 40 and told["made"]["training_rows"] == 102
    Path("later.csv").write_text("size\n1\n")
    refused(capsys, "train", "shop.csv", "--target", "sold", "--test", "later.csv", says="no column 'sold', the target")


def test_warnings_and_baselines(capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    Path("noise.csv").write_text("x,y\n" + "".join(f"{a},{b}\n" for a, b in rng.normal(size=(50, 2))))
    out, _ = run(capsys, "train", "noise.csv", "--target", "y", "--epochs", 300, "--no-save")
    assert "warning   only 10 rows to test on: the scores say little" in out
    assert "warning   R² of 'y' is below 0: the mean is a better guess than this model" in out
    assert re.search(r"baseline  always the mean: RMSE [\d.]+", out) and max(map(len, out.splitlines())) <= 80
    Path("coin.csv").write_text("x,y\n" + "".join(f"{i * 37 % 101},{'ab'[i % 7 == 0]}\n" for i in range(200)))
    out, _ = run(capsys, "train", "coin.csv", "--target", "y", "--epochs", 1, "--no-save")
    assert "warning   no better than always saying the majority" in out
    Path("one.csv").write_text("x,y\n" + "".join(f"{i},{'ab'[i % 10 == 0]}\n" for i in range(N)) + "1,c\n")
    out, _ = run(capsys, "train", "one.csv", "--target", "y", "--epochs", 1, "--no-save")
    assert "warning   classes with one row only: 'c'" in out and "baseline  always the majority, 'a': 9" in out


def test_many_columns_that_are_alike_share_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    X = np.random.default_rng(0).normal(size=(N, 60))
    names = [f"c{j}" for j in range(60)]
    Path("t.csv").write_text("\n".join([",".join(names), *(",".join(f"{x:.3f}" for x in row) for row in X)]))
    out, _ = run(capsys, "train", "t.csv", "--target", "c30", "--drop", "c5", "--epochs", 1, "--no-save")
    lines = out[out.index("\ncolumn ") + 1 :].split("\n\n")[0].splitlines()
    assert [line.split("  ")[0] for line in lines] == ["column", "c0 … c4", "c5", "c6 … c59"]
    assert lines[1].endswith("scaled (5 columns)") and lines[3].endswith("scaled (53 columns)")


def test_what_the_file_holds(capsys: pytest.CaptureFixture[str]) -> None:
    Path("shop.csv").write_text(shop())
    told = train(capsys, "shop.csv", "--target", "sold", "--epochs", 2, "--drop", "day", "--na", "red")
    net = fastbp.load("shop.safetensors")
    assert net.metadata["scores"] == told["scores"] and net.metadata["made"]["epochs"] == 2
    out, _ = run(capsys, "info", "shop.safetensors")
    assert "target      sold: 2 classes, no, yes" in out and "accuracy" in out
    assert re.search(r"^colour +category +\d+ +green \+1, blue −1", out, re.MULTILINE)
    assert max(map(len, out.splitlines())) <= 80
    net.metadata["table"]["preprocessing"]["codes"].pop()
    net.save("odd")
    refused(capsys, "predict", "odd", "shop.csv", says="its preprocessing cannot be read .*; train it again")
    net.metadata.pop("table")
    net.save("odd")
    refused(capsys, "predict", "odd", "shop.csv", says="has .* features, but odd needs|is not a number|is missing")


def test_all_unusable_columns_are_named_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    Path("t.csv").write_text("id,name,unit,y\n" + "".join(f"{i * 7 % 121},n{i},m,{i % 2}\n" for i in range(N)))
    refused(
        capsys, "train", "t.csv", "--target", "y",
        says="'id': identifier, .*; 'name': identifier, .*; 'unit': constant, always 'm'",
    )  # fmt: skip


TARGETS = {
    "housing": "median_house_value", "abalone": "-1", "winequality-red": "-1", "german": "-1", "titanic": "survived",
    "mpg": "mpg", "penguins": "species", "phoneme": "-1", "pima-indians-diabetes": "-1", "taxis": "total",
}  # fmt: skip


@pytest.mark.skipif(not TABLES.is_dir(), reason="the real tables are not in $FASTBP_DATA/tables")
@pytest.mark.parametrize("name", TARGETS)
def test_real_tables_as_they_are(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = TABLES / f"{name}.csv"
    if path.stat().st_size > 100_000:  # its rows are many steps
        monkeypatch.setattr(bag, "EPOCHS", 6)
    told = train(capsys, path, "--target", TARGETS[name], "--no-save")
    assert told["recipe"].startswith("8 networks")
    scores = told["scores"]
    assert scores["accuracy"] > scores["majority"] if told["classes"] else scores["r2"] > 0.3
