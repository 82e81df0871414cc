"""`fastbp train` and help: what they print and write, and the one line that each mistake gets."""

import os
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import SPECIES, refused, rows, run

import fastbp
from fastbp.cli import models, options
from fastbp.cli import train as train_command
from fastbp.data import Split
from fastbp.formulations import FORMULATIONS
from fastbp.functions.activations import ACTIVATIONS
from fastbp.functions.costs import COSTS
from fastbp.optimizers import OPTIMIZERS
from fastbp.progress import Progress
from fastbp.tables import Preprocessor

pytestmark = pytest.mark.usefixtures("folder")


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


def test_a_goal_ends_the_training(capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = run(capsys, "train", "digits", "--goal", 0.5, "--no-save")
    epochs = int(re.search(r"time      (\d+) epoch", out)[1])  # type: ignore[index]
    assert 1 <= epochs < 30 and re.search(r"^stopped   goal reached: cost is 0\.[1-5]", out, re.MULTILINE)


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
    assert "data      flowers.csv: 150 rows, 4 columns\nrows      102 training, 18 validation, 30 test\n" in out
    assert "target    species: 3 classes, setosa, versicolor, virginica\n" in out
    assert "2 inputs, 64 relu, 64 relu, 3 softmax, cost cross_entropy" in out and "parameters in float32" in out
    assert re.search(r"^baseline  always the majority, 'v?\w+': \d\d\.\d\d %$", out, re.MULTILINE)
    found = re.search(r"accuracy ([\d.]+) % \(\d+ of 30\)", out)
    assert found and float(found[1]) > 90
    assert re.search(r"actual +setosa +versicolor +virginica +right", out)
    net = fastbp.load("flowers.safetensors")
    assert net.metadata["target"] == "species" and net.metadata["classes"] == SPECIES
    assert net.metadata["scores"]["accuracy"] == pytest.approx(float(found[1]) / 100, abs=1e-4)
    assert net.metadata["made"]["data"] == "flowers.csv" and net.metadata["made"]["training_rows"] == 102
    preprocessor = Preprocessor.from_dict(net.metadata["table"]["preprocessing"])
    X = preprocessor.transform({"length": [0.0], "mass": [1000], "const": [5]})
    assert X.shape == (1, 2) and SPECIES[net.predict(X).argmax()] == "setosa"


def test_the_columns_are_listed_before_training(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    lines = ["id,size,colour,sold,day,remark,unit,price"]
    for i in range(60):
        size = "?" if i % 10 == 3 else str(i % 7)
        colour = ["red", "green", "blue"][i % 3]
        lines.append(
            f"{i + 1},{size},{colour},{'yes' if i % 2 else 'no'},2024-01-{i % 28 + 1:02},note {i},m,${i},000.5"
        )
    Path("t.csv").write_text("\n".join(lines).replace("$", '"$').replace(".5", '.5"'))
    monkeypatch.setattr(fastbp.Population, "fit", None)
    capsys.readouterr()
    with pytest.raises(TypeError):
        train_command.run(
            options.new_parser("0").parse_args(["train", "t.csv", "--target", "price", "--drop", "remark"])
        )
    out = capsys.readouterr().out
    table = out[out.index("\ncolumn ") + 1 :].split("\n\n")[0].splitlines()
    found = {words[0]: words[1:3] for words in map(str.split, table)}
    assert found == {
        "column": ["taken", "for"], "id": ["identifier", "·"], "size": ["number", "6"], "colour": ["category", "·"],
        "sold": ["boolean", "·"], "day": ["date", "·"], "remark": ["dropped", "·"], "unit": ["constant", "·"],
    }  # fmt: skip
    assert re.search(r"scaled \+ \d bins \+ missing", out)
    assert "3 values, one-hot" in out and "not used: always 'm'" in out
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_table_of_numbers(capsys: pytest.CaptureFixture[str], houses: Path, dtype: str) -> None:
    out, _ = run(capsys, "train", houses, "--target", "price", "--epochs", 200, "--hidden", "16", "--dtype", dtype)
    assert "target    price: numbers" in out and "1 identity, cost quadratic" in out
    found = re.search(r"RMSE ([\d.e+]+) \(in the units of price\), R² ([\d.]+)", out)
    assert found and float(found[1]) < 20000 and float(found[2]) > 0.98
    assert re.search(r"baseline  always the mean: RMSE [\d.e+]+$", out, re.MULTILINE)
    net = fastbp.load("houses.safetensors")
    assert net.dtype == dtype and "classes" not in net.metadata
    Path("new.csv").write_text("rooms,area\n3,100\n")
    _, ((price,),) = rows(run(capsys, "predict", "houses.safetensors", "new.csv")[0])
    assert abs(float(price) / 360000 - 1) < 0.1


def test_what_is_printed_is_true_of_the_saved_model(capsys: pytest.CaptureFixture[str], houses: Path) -> None:
    out, _ = run(capsys, "train", houses, "--target", "price", "--epochs", 5, "--test-share", 0.5, "--seed", 7)
    price = fastbp.data.read_table(houses)["price"]
    _, test = fastbp.cli.tables.split_rows(150, 0.5, 7)
    _, body = rows(run(capsys, "predict", "houses.safetensors", houses)[0])
    error = np.array(body, dtype=float)[test, 0] - price[test]
    assert f"RMSE {np.sqrt((error**2).mean()):.4g} (" in out
    assert fastbp.load("houses.safetensors").metadata["scores"]["rmse"] == pytest.approx(np.sqrt((error**2).mean()))


def test_npz_with_two_targets(capsys: pytest.CaptureFixture[str]) -> None:
    X = np.random.default_rng(0).normal(size=(80, 3))
    np.savez("two.npz", X=X, Z=np.column_stack([X.sum(axis=1), 100 * X[:, 0]]), y=np.arange(80) % 2)
    out, _ = run(capsys, "train", "two.npz", "--target", "Z", "--epochs", 2)
    assert "target    Z: 2 columns of numbers" in out and "units of Z_0" in out and "units of Z_1" in out
    out, err = run(capsys, "predict", "two.safetensors", "two.npz")
    header, body = rows(out)
    assert header == ["predicted_Z_0", "predicted_Z_1"] and len(body) == 80
    assert "units of Z_0" in err and err.count("\n") == 1
    out, _ = run(capsys, "train", "two.npz", "--epochs", 1, "--output", "y")
    assert "target    y: 2 classes" in out
    out, _ = run(capsys, "train", "two.npz", "--epochs", 1, "--output", "y", "--regress")
    assert "target    y: numbers" in out


def test_poisson_counts_are_not_scaled(capsys: pytest.CaptureFixture[str], houses: Path) -> None:
    out, _ = run(capsys, "train", houses, "--target", "rooms", "--epochs", 30, "--cost", "poisson")
    assert "1 exponential, cost poisson" in out
    _, body = rows(run(capsys, "predict", "houses.safetensors", houses)[0])
    predicted = np.array(body, dtype=float)
    assert (predicted > 0).all() and (predicted < 20).all()


def test_plot(capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "train", "digits", "--epochs", 2, "--no-save", "--quiet", "--plot", "d.png")
    assert Path("d.png").read_bytes().startswith(b"\x89PNG") and os.listdir() == ["d.png"]


def test_plot_without_matplotlib_is_refused_before_training(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.setattr(fastbp.Network, "fit", None)
    refused(capsys, "train", "digits", "--plot", "d.png", says=r'pip install "fastbp\[plot\]"')


@pytest.mark.parametrize("option", ["--output", "--plot"])
def test_unwritable_files_are_refused_before_training(
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

    def hook(self: Any, *_: Any) -> None:
        done.append(1)
        if len(done) >= epochs:
            raise KeyboardInterrupt

    monkeypatch.setattr(Progress, "epochs_done" if epochs else "advance", hook)


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

    monkeypatch.setattr(models, "load", pressed)
    assert run(capsys, "info", "x", status=130) == ("", "fastbp: interrupted\n")


# mistakes


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("train digit", "digit: there is no such file; did you mean digits"),
        ("train no.csv --target y", r"no\.csv: there is no such file; give digits, mnist, or the file"),
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
        ("train digits --no-header", "--no-header is for tables"),
        ("train digits --drop a", "--drop is for tables"),
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
        ("", r"give --target, .*the columns are 'length', 'mass', 'const', 'species'"),
        ("--target species --drop lenght", r"no column is named 'lenght'; did you mean 'length'"),
        (
            "--target species --drop length,mass",
            r"no column can be learned from \('length': dropped.*'const': constant",
        ),
        ("--target 5", r"no column is named '5'"),
        ("--target species --test other.csv", r"other\.csv: there is no such file"),
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


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "--version") == (f"fastbp {fastbp.__version__}\n", "")
    general, _ = run(capsys, "--help")
    assert "examples:" in general and "fastbp train digits" in general
    assert run(capsys, status=2) == (general, "")
    text, _ = run(capsys, "train", "--help")
    for names in (set(ACTIVATIONS) - {"softmax"}, COSTS, FORMULATIONS, OPTIMIZERS):
        assert all(re.search(rf"\b{name}\b", text) for name in names)
    assert "probability" in run(capsys, "predict", "--help")[0]
    assert set(OPTIMIZERS) == set(options.LEARNING_RATES)
