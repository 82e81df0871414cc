"""`fastbp predict` and `fastbp info`: what they print and write, and the one line that each mistake gets."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import SPECIES, refused, rows, run

import fastbp
from fastbp.tables import Preprocessor

pytestmark = pytest.mark.usefixtures("folder")


@pytest.mark.parametrize("content", [b"", b"junk" * 100, b"\x10\0\0\0\0\0\0\0not json at all."])
def test_broken_models(capsys: pytest.CaptureFixture[str], content: bytes) -> None:
    Path("net").write_bytes(content)
    for command in (["info", "net"], ["predict", "net", "digits"]):
        refused(capsys, *command, says="net: not a model that fastbp can read")
    os.remove("net")
    os.mkdir("net")
    refused(capsys, "info", "net", says="net: Is a directory")


@pytest.fixture
def flower_model(capsys: pytest.CaptureFixture[str], flowers: Path) -> str:
    run(capsys, "train", flowers, "--target", "species", "--epochs", 30, "--quiet")
    return "flowers.safetensors"


def test_predict_classes(capsys: pytest.CaptureFixture[str], flowers: Path, flower_model: str) -> None:
    out, err = run(capsys, "predict", flower_model, flowers, "--probabilities")
    header, body = rows(out)
    assert header == ["predicted", *(f"probability_{name}" for name in SPECIES)]
    table = fastbp.data.read_table(flowers)
    net = fastbp.load(flower_model)
    outputs = net.predict(Preprocessor.from_dict(net.metadata["table"]["preprocessing"]).transform(table))
    np.testing.assert_array_equal(np.array([row[1:] for row in body], dtype=float), outputs)
    assert [row[0] for row in body] == [SPECIES[i] for i in outputs.argmax(axis=1)]
    right = sum(row[0] == actual for row, actual in zip(body, table["species"].tolist(), strict=True))
    assert err == f"{flowers}: accuracy {100 * right / 150:.2f} % ({right} of 150)\n" and right > 130
    assert run(capsys, "predict", flower_model, flowers, "--probabilities", "--output", "p.csv")[0] == ""
    assert Path("p.csv").read_text() == out
    plain, _ = run(capsys, "predict", flower_model, flowers)
    assert rows(plain) == (["predicted"], [row[:1] for row in body])


def test_predict_finds_columns_by_name(capsys: pytest.CaptureFixture[str], flowers: Path, flower_model: str) -> None:
    expected, _ = run(capsys, "predict", flower_model, flowers)
    lines = [line.split(",") for line in flowers.read_text().split()]
    swapped = ["id;mass;length;const"] + [f"flower {i};{m};{l};{c}" for i, (l, m, c, _) in enumerate(lines[1:])]
    Path("other.csv").write_text("\n".join(swapped))
    assert run(capsys, "predict", flower_model, "other.csv") == (expected, "")
    Path("other.csv").write_text("\n".join(swapped).replace("length", "lenght"))
    refused(capsys, "predict", flower_model, "other.csv", says=r"no column is named 'length'; did you mean 'lenght'")


def test_predict_compares_with_a_target_if_it_can(
    capsys: pytest.CaptureFixture[str], flowers: Path, flower_model: str
) -> None:
    text = flowers.read_text()
    Path("holes.csv").write_text(text.replace("setosa", ""))
    n_other = text.count("virginica") + text.count("versicolor")
    assert f"of {n_other})" in run(capsys, "predict", flower_model, "holes.csv")[1]  # the rows that have a target
    Path("renamed.csv").write_text(text.replace("species", "kind"))
    assert run(capsys, "predict", flower_model, "renamed.csv")[1] == ""
    assert "of 150" in run(capsys, "predict", flower_model, "renamed.csv", "--target", "kind")[1]
    refused(capsys, "predict", flower_model, "renamed.csv", "--target", "kindd", says="did you mean 'kind'")


def test_predict_numbers(capsys: pytest.CaptureFixture[str], houses: Path) -> None:
    run(capsys, "train", houses, "--target", "price", "--epochs", 3, "--quiet")
    out, err = run(capsys, "predict", "houses.safetensors", houses)
    header, body = rows(out)
    assert header == ["predicted"] and len(body) == 150
    table = fastbp.data.read_table(houses)
    error = np.array(body, dtype=float)[:, 0] - table["price"]
    assert f"RMSE {np.sqrt((error**2).mean()):.4g} (in the units of price), R² " in err
    np.savez("h.npz", X=np.column_stack([table["area"], table["rooms"]]))
    refused(capsys, "predict", "houses.safetensors", "h.npz", says="2 columns are not there: 'area', 'rooms'")


def test_a_model_of_numbers_finds_its_features_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    net = fastbp.Network([2, 1], initializer="zeros")
    net.weights[0][:] = [[1, 10]]
    net.metadata = {"features": ["a", "b"], "target": "t"}
    net.save("old")  # as earlier versions saved the models of tables
    Path("new.csv").write_text("b,more,a,t\n1,x,2,12\n3,y,4,30\n")
    out, err = run(capsys, "predict", "old", "new.csv")
    assert rows(out) == (["predicted"], [["12.0"], ["34.0"]]) and "RMSE 2.828 (in the units of t)" in err
    Path("new.csv").write_text("b,a\n1,2\n3,\n")
    refused(capsys, "predict", "old", "new.csv", says="line 3, column 'a': the value is missing")
    Path("new.csv").write_text("b,a\n1,red\n")
    refused(capsys, "predict", "old", "new.csv", says="line 2, column 'a': 'red' is not a number")


def test_predict_digits_and_what_does_not_fit(capsys: pytest.CaptureFixture[str], houses: Path) -> None:
    fastbp.Network([64, 10], cost="cross_entropy", seed=0).save("plain")  # without metadata
    out, err = run(capsys, "predict", "plain", "digits", "--probabilities")
    header, body = rows(out)
    assert header[1:] == [f"probability_{i}" for i in range(10)] and len(body) == 360 and "of 360" in err
    refused(capsys, "predict", "plain", houses, says=r"houses\.csv has 3 features, but plain needs 64")
    refused(capsys, "predict", "plain", "digit", says="did you mean digits")
    refused(capsys, "predict", "plain", houses, "--output", houses, says="another file of this command")
    refused(capsys, "predict", "plain", "digits", "--output", "no/x.csv", says="there is no folder")


@pytest.mark.parametrize("classes", [["a"], "ab", [1, 2], {"a": 1}])
def test_models_with_odd_metadata(capsys: pytest.CaptureFixture[str], houses: Path, classes: Any) -> None:
    net = fastbp.Network([3, 2], cost="cross_entropy", seed=0)
    net.metadata["classes"] = classes
    net.save("net")
    refused(capsys, "predict", "net", houses, says="'classes' is not a list of 2 texts")
    assert "classes" in run(capsys, "info", "net")[0]


def test_info(capsys: pytest.CaptureFixture[str]) -> None:
    net = fastbp.Network([4, 3, 1], activation="tanh", cost=fastbp.Huber(0.5), dtype="float64", seed=0)
    net.metadata = {"target": "price\n\x1b[31m", "features": ["f"] * 500}
    net.save("net")
    out, err = run(capsys, "info", "net")
    assert "4 inputs, 3 tanh, 1 identity, cost huber(0.5)" in out and "19 in float64" in out and err == ""
    assert "layer 2     3 -> 1, identity, 4 parameters" in out and "target: " in out
    assert "\x1b" not in out and max(map(len, out.splitlines())) < 230
