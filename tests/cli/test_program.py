"""The command line: what each command prints and writes, and the one line that each mistake gets."""

import csv
import io
import os
import re
import signal
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import TESTS

import fastbp
from fastbp.cli import options
from fastbp.cli import program as cli
from fastbp.cli.program import main
from fastbp.data import Split
from fastbp.formulations import FORMULATIONS
from fastbp.functions.activations import ACTIVATIONS
from fastbp.functions.costs import COSTS
from fastbp.progress import Progress

ROOT = TESTS.parent
COMMAND = [sys.executable, "-m", "fastbp"]
SPECIES = ["setosa", "versicolor", "virginica"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path


@pytest.fixture
def flowers(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 3, 150)
    X = np.array([[0, 1000, 5], [3, 1300, 5], [6, 700, 5]])[kind] + rng.normal(size=(150, 3)) * [1, 100, 0]
    return write(folder / "flowers.csv", ["length", "mass", "const", "species"], X, [SPECIES[k] for k in kind])


@pytest.fixture
def houses(folder: Path) -> Path:
    X = np.random.default_rng(1).uniform(size=(150, 2)) * [200, 5] + [30, 1]
    return write(folder / "houses.csv", ["area", "rooms", "price"], X, (3000 * X[:, 0] + 20000 * X[:, 1]).tolist())


def write(path: Path, header: list[str], X: Any, y: list[Any]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows([*row, value] for row, value in zip(X.tolist(), y, strict=True))
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: Any, status: int = 0) -> tuple[str, str]:
    capsys.readouterr()
    returned = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert returned == status, err
    return out, err


def refused(capsys: pytest.CaptureFixture[str], *arguments: Any, says: str, status: int = 2) -> None:
    before = set(os.listdir())
    out, err = run(capsys, *arguments, status=status)
    assert out == "" or status == 1
    assert err.startswith("fastbp: error: ") and err.count("\n") == 1 and err.endswith("\n")
    assert re.search(says, err), err
    assert set(os.listdir()) == before


def rows(text: str) -> tuple[list[str], list[list[str]]]:
    header, *body = csv.reader(io.StringIO(text))
    return header, body


def subprocess_environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}


# train


@pytest.mark.parametrize("seed", range(10))
def test_digits_are_learned_with_every_seed(capsys: pytest.CaptureFixture[str], seed: int) -> None:
    out, err = run(capsys, "train", "digits", "--seed", seed, "--no-save")
    found = re.search(r"accuracy ([\d.]+) % \((\d+) of 360\)", out)
    assert found and float(found[1]) >= 97
    assert err == "" and os.listdir() == []


def test_what_training_on_digits_prints_and_saves(capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = run(capsys, "train", "digits", "--epochs", 5, "--hidden", "30")
    assert "digits: 1,437 training, 360 test samples; 64 features, 10 classes" in out
    assert "64 inputs, 30 relu, 10 softmax, cost cross_entropy\n          2,260 parameters in float32" in out
    assert re.search(r"5 epochs, [\d.]+ m?s each, [\d,]+ samples/s", out)
    assert max(map(len, out.splitlines())) <= 80
    table = [line.split() for line in out.splitlines() if re.match(r" +\d  ", line)]
    counts = np.array([[int(n) if n != "·" else 0 for n in row[1:11]] for row in table])
    assert counts.shape == (10, 10) and counts.sum() == 360
    net, digits = fastbp.load("digits.safetensors"), fastbp.load_digits()
    right = int((net.predict(digits.X_test).argmax(axis=1) == digits.y_test).sum())
    assert counts.trace() == right and f"({right} of 360)" in out
    assert net.sizes == (64, 30, 10) and net.metadata["classes"] == [str(i) for i in range(10)]


def test_same_seed_same_model_whatever_the_threads(capsys: pytest.CaptureFixture[str]) -> None:
    threads = fastbp.get_num_threads()
    for name, extra in (("a", ["--threads", 1]), ("b", []), ("c", ["--seed", 1])):
        run(capsys, "train", "digits", "--epochs", 1, "--quiet", "--output", name, *extra)
        assert fastbp.get_num_threads() == threads
    a, b, c = (Path(name).read_bytes() for name in "abc")
    assert a == b != c


def test_options_reach_the_network(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}
    fit = fastbp.Network.fit

    def spy(self: Any, *args: Any, **names: Any) -> Any:
        seen.update(names)
        return fit(self, *args, **names)

    monkeypatch.setattr(fastbp.Network, "fit", spy)
    given = "--hidden 7,6 --activation tanh --cost quadratic --epochs 2 --batch-size 50 --learning-rate 0.25"
    more = "--optimizer nesterov --dtype float64 --formulation vectorized --output net"
    out, _ = run(capsys, "train", "digits", *given.split(), *more.split())
    net = fastbp.load("net")
    assert [a.name for a in net.activations] == ["tanh", "tanh", "sigmoid"] and net.sizes == (64, 7, 6, 10)
    assert (net.cost.name, net.dtype.name, net.formulation) == ("quadratic", "float64", "vectorized")
    assert isinstance(seen["optimizer"], fastbp.Nesterov) and seen["optimizer"].learning_rate == 0.25
    assert (seen["epochs"], seen["batch_size"], seen["progress"]) == (2, 50, True)
    assert "nesterov with learning rate 0.25" in out


def test_quiet_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "train", "digits", "--epochs", 1, "--quiet") == ("", "")
    assert os.listdir() == ["digits.safetensors"]


def test_no_hidden_layer(capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "train", "digits", "--epochs", 1, "--quiet", "--hidden", "none")
    assert fastbp.load("digits.safetensors").sizes == (64, 10)


def fake_mnist(calls: list[Any]) -> Callable[..., Split]:
    def load(path: Any, **names: Any) -> Split:
        calls.append((path, names["download"]))
        X = np.random.default_rng(0).random((60, 784)).astype(names["dtype"])
        y = np.arange(60) % 10
        return Split(X[:50], y[:50], X[50:], y[50:], np.arange(10))

    return load


def test_mnist(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    monkeypatch.setattr(fastbp, "load_mnist", fake_mnist(calls))
    out, _ = run(capsys, "train", "mnist", "--epochs", 1, "--threads", 1)
    assert "784 inputs, 128 relu, 10 softmax" in out
    run(capsys, "train", "mnist", "--threads", 1, "--epochs", 1, "--data", "here", "--download", "--quiet")
    out, err = run(capsys, "predict", "mnist.safetensors", "mnist", "--data", "there")
    assert len(rows(out)[1]) == 10 and "of 10)" in err
    assert calls == [(None, False), ("here", True), ("there", False)]


def test_mnist_that_is_not_there(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTBP_DATA", "nowhere")
    monkeypatch.setenv("XDG_CACHE_HOME", "/nowhere")
    refused(capsys, "train", "mnist", says="MNIST is not complete: .*train mnist --download.*--data")
    refused(capsys, "train", "mnist", "--data", "empty", says="not complete in empty: ")


def test_a_table_of_classes(capsys: pytest.CaptureFixture[str], flowers: Path) -> None:
    out, _ = run(capsys, "train", flowers, "--target", "species", "--epochs", 30, "--seed", 3)
    assert "120 training, 30 test samples; 3 features, target species: 3 classes" in out
    assert "3 softmax, cost cross_entropy" in out and "parameters in float64" in out
    found = re.search(r"accuracy ([\d.]+) % \(\d+ of 30\)", out)
    assert found and float(found[1]) > 90
    assert re.search(r"actual +setosa +versicolor +virginica +right", out)
    net = fastbp.load("flowers.safetensors")
    assert net.metadata == {"features": ["length", "mass", "const"], "target": "species", "classes": SPECIES}
    assert SPECIES[net.predict([[0.0, 1000, 5]]).argmax()] == "setosa"  # raw numbers, the scaling is in the weights
    assert (net.weights[0][:, 2] == 0).all()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_table_of_numbers(capsys: pytest.CaptureFixture[str], houses: Path, dtype: str) -> None:
    out, _ = run(capsys, "train", houses, "--target", "price", "--epochs", 200, "--hidden", "16", "--dtype", dtype)
    assert "target price: numbers" in out and "1 identity, cost quadratic" in out
    found = re.search(r"RMSE ([\d.e+]+) \(in the units of price\), R² ([\d.]+)", out)
    assert found and float(found[1]) < 20000 and float(found[2]) > 0.98
    net = fastbp.load("houses.safetensors")
    assert net.dtype == np.float64 and "classes" not in net.metadata
    np.testing.assert_allclose(net.predict([[100.0, 3.0]]), 360000, rtol=0.1)


def test_what_is_printed_is_true_of_the_saved_model(capsys: pytest.CaptureFixture[str], houses: Path) -> None:
    out, _ = run(capsys, "train", houses, "--target", "price", "--epochs", 5, "--test-share", 0.5, "--seed", 7)
    table = fastbp.data.read_table(houses, target="price")
    _, test = fastbp.cli.tables.split_rows(150, 0.5, 7)
    assert table.y is not None
    error = fastbp.load("houses.safetensors").predict(table.X[test])[:, 0] - table.y[test]
    assert f"RMSE {np.sqrt((error**2).mean()):.4g} (" in out


def test_npz_with_two_targets(capsys: pytest.CaptureFixture[str]) -> None:
    X = np.random.default_rng(0).normal(size=(80, 3))
    np.savez("two.npz", X=X, Z=np.column_stack([X.sum(axis=1), 100 * X[:, 0]]), y=np.arange(80) % 2)
    out, _ = run(capsys, "train", "two.npz", "--target", "Z", "--epochs", 2)
    assert "target Z: 2 columns of numbers" in out and "units of Z_0" in out and "units of Z_1" in out
    out, err = run(capsys, "predict", "two.safetensors", "two.npz")
    header, body = rows(out)
    assert header == ["predicted_Z_0", "predicted_Z_1"] and len(body) == 80
    assert "units of Z_0" in err and err.count("\n") == 1
    out, _ = run(capsys, "train", "two.npz", "--epochs", 1, "--output", "y")
    assert "target y: 2 classes" in out
    out, _ = run(capsys, "train", "two.npz", "--epochs", 1, "--output", "y", "--regress")
    assert "target y: numbers" in out


def test_poisson_counts_are_not_scaled(capsys: pytest.CaptureFixture[str], houses: Path) -> None:
    out, _ = run(capsys, "train", houses, "--target", "rooms", "--epochs", 30, "--cost", "poisson")
    assert "1 exponential, cost poisson" in out
    outputs = fastbp.load("houses.safetensors").predict([[100.0, 300000.0]])
    assert 0 < outputs[0, 0] < 20


def test_plot(capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "train", "digits", "--epochs", 2, "--no-save", "--quiet", "--plot", "d.png")
    assert Path("d.png").read_bytes().startswith(b"\x89PNG") and os.listdir() == ["d.png"]


def test_plot_without_matplotlib_is_told_before_training(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.setattr(fastbp.Network, "fit", None)
    refused(capsys, "train", "digits", "--plot", "d.png", says=r'pip install "fastbp\[plot\]"')


@pytest.mark.parametrize("option", ["--output", "--plot"])
def test_what_cannot_be_written_is_told_before_training(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, flowers: Path, option: str
) -> None:
    monkeypatch.setattr(fastbp.Network, "fit", None)
    train = ["train", flowers, "--target", "species", option]
    os.mkdir("folder.png")
    refused(capsys, *train, "no/such/x.png", says=r"cannot write no/such/x\.png: there is no folder .*create it")
    refused(capsys, *train, "folder.png", says=r"cannot write folder\.png: it is a folder")
    flowers.rename("flowers.png")
    refused(capsys, "train", "flowers.png", "--target", "species", option, "./flowers.png", says="another file of this")

    def denied(**_: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "TemporaryFile", denied)
    if option == "--plot":
        train.insert(1, "--no-save")
    refused(capsys, *train, "x.png", says=r"cannot write x\.png: Permission denied; name a folder")


def test_a_picture_of_unknown_kind(capsys: pytest.CaptureFixture[str]) -> None:
    refused(capsys, "train", "digits", "--plot", "d.xyz", says=r"'d\.xyz' needs a name that ends in one of")


@pytest.mark.parametrize("formulation", ["loops", "vectorized"])
def test_divergence(capsys: pytest.CaptureFixture[str], houses: Path, formulation: str) -> None:
    given = ["--optimizer", "sgd", "--learning-rate", "1e30", "--formulation", formulation]
    refused(capsys, "train", houses, "--target", "price", *given, says="diverged in epoch 1.*smaller", status=1)


def interrupt_after(monkeypatch: pytest.MonkeyPatch, epochs: int) -> None:
    done = []

    def hook(self: Any, _: Any) -> None:
        done.append(1)
        if len(done) >= epochs:
            raise KeyboardInterrupt

    monkeypatch.setattr(Progress, "epoch_done" if epochs else "advance", hook)


def test_ctrl_c_keeps_the_last_whole_epoch(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    run(capsys, "train", "digits", "--epochs", 3, "--output", "three", "--quiet")
    interrupt_after(monkeypatch, 3)
    out, err = run(capsys, "train", "digits", status=130)
    assert "3 epochs, " in out and "accuracy" in out
    assert err == "fastbp: interrupted; the model after epoch 3 was tested and saved as digits.safetensors\n"
    assert Path("digits.safetensors").read_bytes() == Path("three").read_bytes()


def test_ctrl_c_in_the_first_epoch(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    interrupt_after(monkeypatch, 0)
    _, err = run(capsys, "train", "digits", status=130)
    assert "before the first epoch was done; nothing was saved" in err and os.listdir() == []


def test_ctrl_c_elsewhere(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def pressed(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(fastbp, "load", pressed)
    assert run(capsys, "info", "x", status=130) == ("", "fastbp: interrupted\n")


# mistakes


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("train digit", "digit: there is no such file; did you mean digits"),
        ("train no.csv --target y", r"no\.csv: there is no such file; give digits, mnist, or a CSV"),
        ("train digits --activation rleu", "'rleu'; did you mean 'relu'"),
        ("train digits --activation softmax", "output layer only"),
        ("train digits --cost crosentropi", "did you mean 'cross_entropy'"),
        ("train digits --formulation lops", "did you mean 'loops'"),
        ("train digits --optimizer adma", "invalid choice: 'adma'"),
        ("train digits --dtype float16", "invalid choice: 'float16'"),
        ("train digits --hidden 64,x", "'64,x' is not a list of layer sizes; give whole numbers such as 64,32"),
        ("train digits --hidden 0", "not a list of layer sizes"),
        ("train digits --epochs 0", "argument --epochs: '0' is not a whole number of 1 or more"),
        ("train digits --epochs 2.5", "'2.5' is not a whole number"),
        ("train digits --batch-size x", "'x' is not a whole number"),
        ("train digits --seed -1", "'-1' is not a whole number of 0 or more"),
        ("train digits --threads 0", "'0' is not a whole number of 1"),
        ("train digits --learning-rate 0", "'0' is not a number greater than 0"),
        ("train digits --learning-rate nan", "'nan' is not a number"),
        ("train x.csv --test-share 1", "'1' is not a number between 0 and 1"),
        ("train digits --target y", "--target is for tables, not for digits"),
        ("train digits --classify", "--classify is for tables"),
        ("train mnist --test-share 0.5", "--test-share is for tables"),
        ("train digits --download", "--download is for mnist"),
        ("train digits --data .", "--data is for mnist"),
        ("train x.csv --classify --regress", "not allowed with"),
        ("train", "required: DATA"),
        ("trian digits", "invalid choice: 'trian'"),
        ("train digits --epoch 3", r"unrecognized arguments: --epoch 3 \(see fastbp"),
        ("info no.safetensors", r"no\.safetensors: No such file"),
        ("predict no.safetensors digits", r"no\.safetensors: No such file"),
    ],
)
def test_mistakes_get_one_line(capsys: pytest.CaptureFixture[str], arguments: str, says: str) -> None:
    refused(capsys, *arguments.split(), says=says)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("--target spcies", r"flowers\.csv: no column is named 'spcies'; did you mean 'species'"),
        ("", r"'species': .* is not a number.*--target names the column"),
        ("--target species --regress", r"flowers\.csv: the target 'species' is text"),
        ("--target const --classify", "'const' has 1 different value"),
    ],
)
def test_mistakes_about_a_table(capsys: pytest.CaptureFixture[str], flowers: Path, arguments: str, says: str) -> None:
    if "const" in arguments:
        flowers.write_text("a,const\n" + "1,5\n2,5\n" * 20)
    refused(capsys, "train", "flowers.csv", *arguments.split(), says=says)


def test_more_mistakes_about_tables(capsys: pytest.CaptureFixture[str], houses: Path) -> None:
    refused(capsys, "train", houses, says="give --target, .*the columns are 'area', 'rooms', 'price'")
    refused(capsys, "train", houses, "--target", "price", "--cost", "cross_entropy", says="is for classes.*--classify")
    houses.write_bytes(b"PK\x03\x04 junk")
    refused(capsys, "train", houses, "--target", "price", says="no intact NPZ file")
    refused(capsys, "train", ".", "--target", "price", says="directory")


@pytest.mark.parametrize("content", [b"", b"junk" * 100, b"\x10\0\0\0\0\0\0\0not json at all."])
def test_broken_models(capsys: pytest.CaptureFixture[str], content: bytes) -> None:
    Path("net").write_bytes(content)
    for command in (["info", "net"], ["predict", "net", "digits"]):
        refused(capsys, *command, says="net: not a model that fastbp can read")
    os.remove("net")
    os.mkdir("net")
    refused(capsys, "info", "net", says="net: Is a directory")


# predict


@pytest.fixture
def flower_model(capsys: pytest.CaptureFixture[str], flowers: Path) -> str:
    run(capsys, "train", flowers, "--target", "species", "--epochs", 30, "--quiet")
    return "flowers.safetensors"


def test_predict_classes(capsys: pytest.CaptureFixture[str], flowers: Path, flower_model: str) -> None:
    out, err = run(capsys, "predict", flower_model, flowers)
    header, body = rows(out)
    assert header == ["predicted", *(f"probability_{name}" for name in SPECIES)]
    table = fastbp.data.read_table(flowers, target="species")
    outputs = fastbp.load(flower_model).predict(table.X)
    np.testing.assert_array_equal(np.array([row[1:] for row in body], dtype=float), outputs)
    assert [row[0] for row in body] == [SPECIES[i] for i in outputs.argmax(axis=1)]
    right = sum(row[0] == actual for row, actual in zip(body, table.y.tolist(), strict=True))  # type: ignore[union-attr]
    assert err == f"{flowers}: accuracy {100 * right / 150:.2f} % ({right} of 150)\n" and right > 130
    assert run(capsys, "predict", flower_model, flowers, "--output", "p.csv")[0] == ""
    assert Path("p.csv").read_text() == out


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
    assert run(capsys, "predict", flower_model, "holes.csv")[1] == ""
    refused(capsys, "predict", flower_model, "holes.csv", "--target", "species", says="species.*the value is missing")
    Path("renamed.csv").write_text(text.replace("species", "kind"))
    assert run(capsys, "predict", flower_model, "renamed.csv")[1] == ""
    assert "of 150" in run(capsys, "predict", flower_model, "renamed.csv", "--target", "kind")[1]
    refused(capsys, "predict", flower_model, "renamed.csv", "--target", "kindd", says="did you mean 'kind'")


def test_predict_numbers(capsys: pytest.CaptureFixture[str], houses: Path) -> None:
    run(capsys, "train", houses, "--target", "price", "--epochs", 3, "--quiet")
    out, err = run(capsys, "predict", "houses.safetensors", houses)
    header, body = rows(out)
    assert header == ["predicted"] and len(body) == 150
    table = fastbp.data.read_table(houses, target="price")
    error = np.array(body, dtype=float)[:, 0] - table.y
    assert f"RMSE {np.sqrt((error**2).mean()):.4g} (in the units of price), R² " in err
    np.savez("h.npz", X=table.X)
    assert run(capsys, "predict", "houses.safetensors", "h.npz") == (out, "")
    np.savez("h.npz", X=table.X, y=["a"] * 150)
    refused(capsys, "predict", "houses.safetensors", "h.npz", says="the target is text, but the model gives 1 column")


def test_predict_digits_and_what_does_not_fit(capsys: pytest.CaptureFixture[str], houses: Path) -> None:
    fastbp.Network([64, 10], cost="cross_entropy", seed=0).save("plain")  # without metadata
    out, err = run(capsys, "predict", "plain", "digits")
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


# info, help, version


def test_info(capsys: pytest.CaptureFixture[str]) -> None:
    net = fastbp.Network([4, 3, 1], activation="tanh", cost=fastbp.Huber(0.5), dtype="float64", seed=0)
    net.metadata = {"target": "price\n\x1b[31m", "features": ["f"] * 500}
    net.save("net")
    out, err = run(capsys, "info", "net")
    assert "4 inputs, 3 tanh, 1 identity, cost huber(0.5)" in out and "19 in float64" in out and err == ""
    assert "layer 2     3 -> 1, identity, 4 parameters" in out and "target: " in out
    assert "\x1b" not in out and max(map(len, out.splitlines())) < 230


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "--version") == (f"fastbp {fastbp.__version__}\n", "")
    general, _ = run(capsys, "--help")
    assert "examples:" in general and "fastbp train digits" in general
    assert run(capsys, status=2) == (general, "")
    text, _ = run(capsys, "train", "--help")
    for names in (set(ACTIVATIONS) - {"softmax"}, COSTS, FORMULATIONS, cli.OPTIMIZERS):
        assert all(re.search(rf"\b{name}\b", text) for name in names)
    assert "probability" in run(capsys, "predict", "--help")[0]
    assert set(cli.OPTIMIZERS) == set(options.LEARNING_RATES)


# as programs


def test_as_a_program_in_a_terminal_that_knows_ascii_only(flowers: Path) -> None:
    env = {**subprocess_environment(), "PYTHONIOENCODING": "ascii"}
    given = ["train", "flowers.csv", "--target", "species", "--epochs", "2"]
    done = subprocess.run([*COMMAND, *given], capture_output=True, env=env, check=True)
    assert b"accuracy" in done.stdout and done.stderr == b""
    done = subprocess.run([*COMMAND, "train", "flowers.csv"], capture_output=True, env=env, check=False)
    assert done.returncode == 2 and done.stderr.count(b"\n") == 1 and done.stdout == b""


def test_a_reader_that_leaves_is_no_error() -> None:
    fastbp.Network([64, 10], cost="cross_entropy", seed=0).save("net")
    with subprocess.Popen(
        [*COMMAND, "predict", "net", "digits"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=subprocess_environment(),
    ) as process:  # fmt: skip
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        err = process.stderr.read()
    assert process.returncode == 141 and b"Traceback" not in err and b"Error" not in err


@pytest.mark.parametrize("width", [100, 60, 0])
def test_a_real_ctrl_c_in_a_terminal(width: int) -> None:
    fcntl, pty, termios = (pytest.importorskip(name) for name in ("fcntl", "pty", "termios"))
    # A shell starts what it runs in the background with Ctrl-C ignored, and so would run this process.
    heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    code = f"import sys; {heard}from fastbp.cli.program import main; sys.exit(main(sys.argv[1:]))"
    given = ["train", "digits", "--epochs", "100000000", "--output", "net"]
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24 if width else 0, width, 0, 0))
    with subprocess.Popen(
        [sys.executable, "-c", code, *given], stdout=subprocess.PIPE, stderr=theirs, env=subprocess_environment()
    ) as process:
        os.close(theirs)  # so that reading ends when the process does
        shown = read_until(ours, rb"  cost ")  # of an epoch that is done
        process.send_signal(signal.SIGINT)
        shown += read_until(ours, rb"saved as net")
        assert process.stdout is not None
        out = process.stdout.read()
    os.close(ours)
    assert process.returncode == 130 and b"accuracy" in out and b"saved     net" in out
    assert b"starting (the first" in shown and b"Traceback" not in shown
    lines = [line for line in shown.decode().split("\r") if line.startswith("epoch ")]
    assert lines and max(map(len, lines)) <= (width or 80)
    assert fastbp.load("net").sizes == (64, 64, 64, 10)


def read_until(terminal: int, wanted: bytes) -> bytes:
    shown = b""
    while not re.search(wanted, shown):
        try:
            more = os.read(terminal, 4096)
        except OSError:  # what Linux says when the other side is closed
            more = b""
        assert more, shown
        shown += more
    return shown
