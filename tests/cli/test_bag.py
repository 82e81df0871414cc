"""`fastbp train` by the recipe of the estimators: a bag of networks, its file, and what one network is trained for."""

import json
import os
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import refused, rows, run
from conftest import run_python

import fastbp
from fastbp.cli import bag, models, options
from fastbp.cli import train as train_command
from fastbp.progress import Members
from fastbp.tables import Table, Target
from fastbp.tabular import files
from fastbp.tabular.classes import Classes
from fastbp.tabular.numbers import Numbers
from fastbp.tabular.recipe import Recipe

pytestmark = pytest.mark.usefixtures("folder")
needs_sklearn = pytest.mark.skipif(find_spec("sklearn") is None, reason="scikit-learn is not installed")


@pytest.fixture(autouse=True)
def _few_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bag, "EPOCHS", 8)


@pytest.fixture
def shop() -> Path:
    """An identifier, numbers with missing ones, categories, yes and no, and a kind that follows size and colour."""
    rng = np.random.default_rng(0)
    lines = ["id,size,colour,sold,weight,kind"]
    for i in range(150):
        size, colour = rng.uniform(1, 9), ["red", "green", "blue"][rng.integers(3)]
        kind = 10 if colour == "red" else 2 if size > 5 else 1
        sold = "yes" if rng.random() < 0.5 else "no"
        lines.append(f"A{i},{'?' if i % 20 == 7 else f'{size:.3f}'},{colour},{sold},{rng.normal():.3f},{kind}")
    path = Path("shop.csv")
    path.write_text("\n".join(lines))
    return path


def trained(capsys: pytest.CaptureFixture[str], *arguments: Any) -> dict[str, Any]:
    out, err = run(capsys, "train", *arguments, "--json")
    assert err == ""
    told: dict[str, Any] = json.loads(out)
    return told


def test_what_is_printed_before_and_after_training(capsys: pytest.CaptureFixture[str], shop: Path) -> None:
    out, err = run(capsys, "train", shop, "--target", "kind")
    assert err == "" and max(map(len, out.splitlines())) <= 80
    assert "rows      120 training, 30 test\ntarget    kind: 3 classes, 1, 2, 10\n" in out
    assert re.search(r"^size +number +8 +scaled \+ \d+ bins \+ missing$", out, re.MULTILINE)
    head = "recipe    8 networks, each without a fold of the rows, and their mean\nnetwork   "
    assert head in out and re.search(r"^ {10}8 × [\d,]+ parameters in float32$", out, re.MULTILINE)
    assert "training  8 epochs, mini-batches of 32, adamw with learning rate 0.005, seed 0\n" in out
    assert re.search(r"^time      8 networks, 8 epochs each, in [\d.]+ s$", out, re.MULTILINE)
    assert re.search(r"^test      accuracy (8|9|10)\d\.", out, re.MULTILINE) or "accuracy 100" in out
    assert "baseline  always the majority, '" in out and re.search(r"actual +1 +2 +10 +right", out)
    assert run(capsys, "train", shop, "--target", "kind", "--quiet") == ("", "")


def test_classes_keep_the_order_of_the_target(capsys: pytest.CaptureFixture[str], shop: Path) -> None:
    """That of numbers; sorted as text, 10 would come before 2."""
    told = trained(capsys, shop, "--target", "kind")
    assert told["classes"] == ["1", "2", "10"] and told["recipe"].startswith("8 networks")
    out, err = run(capsys, "predict", "shop.safetensors", shop, "--probabilities")
    header, body = rows(out)
    assert header == ["id", "predicted", "probability_1", "probability_2", "probability_10"]
    p = np.array([row[2:] for row in body], dtype=float)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-12)
    assert [row[1] for row in body] == [["1", "2", "10"][i] for i in p.argmax(axis=1)]
    actual = [line.split(",")[-1] for line in shop.read_text().splitlines()[1:]]
    right = sum(row[1] == label for row, label in zip(body, actual, strict=True))
    assert f"({right} of 150)" in err and right > 110


@needs_sklearn
@pytest.mark.parametrize("target", ["kind", "weight"])
def test_the_file_is_that_of_the_estimator(capsys: pytest.CaptureFixture[str], shop: Path, target: str) -> None:
    """With the same bits as its `fit` of the same rows."""
    from fastbp.cli.tables import split_rows
    from fastbp.tabular import TabularClassifier, TabularRegressor

    told = trained(capsys, shop, "--target", target, "--drop", "sold", "--seed", 3)
    kind: Any = TabularClassifier if target == "kind" else TabularRegressor
    table = fastbp.data.read_table(shop)
    loaded = kind.load("shop.safetensors")
    header, body = rows(run(capsys, "predict", "shop.safetensors", shop)[0])
    said, predicted = [row[header.index("predicted")] for row in body], loaded.predict(table.drop([target]))
    assert said == predicted.tolist() if target == "kind" else np.array_equal(np.array(said, float), predicted)
    assert loaded.get_params()["drop"] == ("sold",) and loaded.get_params()["random_state"] == 3
    assert loaded.metadata_["scores"] == told["scores"] and loaded.metadata_["made"] == told["made"]
    labels = Target.of(table[target], target).encode(table[target]) if target == "kind" else None
    train, _ = split_rows(150, 0.2, 3, labels)
    y = table[target][train].astype(int).astype(str) if target == "kind" else table[target][train]
    again = kind(**loaded.get_params()).fit(table.rows(train).drop([target]), y)
    assert (again.population_.parameters == loaded.population_.parameters).all()


def test_predict_takes_other_columns_and_bad_rows(capsys: pytest.CaptureFixture[str], shop: Path) -> None:
    run(capsys, "train", shop, "--target", "weight", "--quiet", "--na", "unknown")
    lines = ["colour;more;sold;size;id;kind", "red;1;no;2,5;A;1", "pink;2;unknown;3;B;2", "blue;3;no;many;C;1",
             "blue;4", "blue;5;;;E;"]  # fmt: skip
    Path("new.csv").write_text("\n".join(lines))
    out, err = run(capsys, "predict", "shop.safetensors", "new.csv")
    header, body = rows(out)
    assert header == ["id", "predicted"] and [row[0] for row in body] == ["A", "B", "C", "", "E"]
    assert [bool(row[1]) for row in body] == [True, True, False, False, True]
    assert "2 rows have no prediction (line 4: column 'size': 'many' is not a number; line 5: it has 2 fields" in err
    assert "'colour' has values that were not, or hardly, in the training: 'pink'" in err and err.count("\n") == 2
    told = json.loads(run(capsys, "predict", "shop.safetensors", "new.csv", "--json")[0])
    assert [row["predicted"] is None for row in told["predictions"]] == [False, False, True, True, False]
    Path("new.csv").write_text("colour,size\nred,1\n")
    refused(capsys, "predict", "shop.safetensors", "new.csv", says=r"new\.csv: 2 columns are not there: 'sold', 'kind'")
    refused(capsys, "predict", "shop.safetensors", "digits", says="is a model of a table, and digits is images")


@pytest.mark.parametrize("more", [[], ["--epochs", 1]])
def test_a_test_file_of_its_own(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, shop: Path, more: list[Any]
) -> None:
    lines = shop.read_text().splitlines()
    Path("later.csv").write_text("\n".join(lines[:41]) + "\nA,1,red,no,0,99")
    told = trained(capsys, shop, "--target", "kind", "--test", "later.csv", *more)
    assert told["made"]["test_rows"] == 40 and told["made"]["training_rows"] == (128 if more else 150)
    assert told["notes"] == ["1 row of the test file left out, whose target is not one of the classes (line 42: '99')"]
    Path("later.csv").write_text("kind,size\n1,2\n")
    for owner in (fastbp.Population, fastbp.Network):
        monkeypatch.setattr(owner, "fit", None)
    refused(
        capsys, "train", shop, "--target", "kind", "--test", "later.csv", *more,
        says=r"later\.csv: 3 columns are not there: 'colour', 'sold', 'weight'; .*; the training rows have it",
    )  # fmt: skip


def test_no_header(capsys: pytest.CaptureFixture[str]) -> None:
    Path("t.data").write_text("\n".join(f"{'MF'[i % 2]},{i % 7},{i % 3}" for i in range(120)))
    assert trained(capsys, "t.data", "--target", "1")["target"] == "column_1"
    Path("one.data").write_text("3,1\n")
    assert rows(run(capsys, "predict", "t.safetensors", "one.data")[0])[1] in ([["F"]], [["M"]])


def test_a_class_that_no_training_row_has(capsys: pytest.CaptureFixture[str]) -> None:
    """Its probability is 0, and it counts as wrong in the test."""
    Path("t.csv").write_text("x,y\n" + "".join(f"{i},{'abc'[i % 3]}\n" for i in range(60)))
    split = train_command.tabular.split_rows

    def all_of_one_class(n: int, share: float, seed: int, labels: Any = None) -> Any:
        train, test = split(n, share, seed, labels)
        gone = train[labels[train] == 2]
        return np.setdiff1d(train, gone), np.union1d(test, gone)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train_command.tabular, "split_rows", all_of_one_class)
        assert trained(capsys, "t.csv", "--target", "y")["classes"] == ["a", "b", "c"]
    _, body = rows(run(capsys, "predict", "t.safetensors", "t.csv", "--probabilities")[0])
    assert {row[3] for row in body} == {"0.0"} and {row[0] for row in body} <= {"a", "b"}


def test_the_same_seed_gives_the_same_file(capsys: pytest.CaptureFixture[str], shop: Path) -> None:
    for name, more in (("a", ["--threads", 1, "--quiet"]), ("b", []), ("c", ["--seed", 2**40])):
        run(capsys, "train", shop, "--target", "kind", "--output", name, *more)
    a, b, c = (Path(name).read_bytes() for name in "abc")
    assert a == b != c


def test_info(capsys: pytest.CaptureFixture[str], shop: Path) -> None:
    told = trained(capsys, shop, "--target", "kind", "--categorical", "sold")
    out, err = run(capsys, "info", "shop.safetensors")
    assert err == "" and max(map(len, out.splitlines())) <= 80
    assert "estimator   fastbp.tabular.TabularClassifier, 8 networks\nnetwork     " in out
    assert "target      kind: 3 classes, 1, 2, 10\n" in out and f"accuracy {told['scores']['accuracy']:.4g}" in out
    assert re.search(r"made +.*training\s+rows\s+120", out) and "categorical ['sold']" in " ".join(out.split())
    assert re.search(r"^id +identifier +· +not used", out, re.MULTILINE)


def test_a_file_that_was_saved_in_python(capsys: pytest.CaptureFixture[str]) -> None:
    """It says nothing of its table: its target has no name, and numbers are labels as a person writes them."""
    x, recipe = np.arange(60.0), Recipe((4,), epochs=2, n_members=2)
    given = Table({"x": x, "c": ["u", "v"] * 30})
    for learner, y in ((Classes(), x % 3), (Numbers(), x)):
        prepared = learner._prepare(given, y, recipe, recipe.preprocessor())
        learner._train(prepared, 0)
        files.save(learner, "m", {"hidden_layer_sizes": (4,), "epochs": 2, "n_members": 2})
        Path("t.csv").write_text("c,x,y\nu,1,1\nv,2,2\n")
        out, err = run(capsys, "predict", "m", "t.csv", "--probabilities", "--target", "y")
        header = ["predicted", "probability_0", "probability_1", "probability_2"]
        assert rows(out)[0] == (header if isinstance(learner, Classes) else ["predicted"])
        assert re.match(r"t\.csv: (accuracy|RMSE)", err)
        assert "metadata    none" in run(capsys, "info", "m")[0]


@pytest.mark.parametrize(
    "change",
    [
        lambda table: table.pop("target"),
        lambda table: table.update(names=[1]),
        lambda table: table["target"].update(classes=["a", "b"]),
        lambda table: table.update(target=Target(("z",), None, (0.0,), (1.0,)).to_dict()),
    ],
)
def test_files_that_do_not_fit_together(capsys: pytest.CaptureFixture[str], shop: Path, change: Any) -> None:
    run(capsys, "train", shop, "--target", "kind", "--quiet")
    learner: Any = models.load("shop.safetensors")
    change(learner.metadata_["table"])
    files.save(learner, "odd", {})
    refused(capsys, "predict", "odd", shop, says="odd: its preprocessing cannot be read .*; train it again")


# Ctrl-C


def interrupt_after(monkeypatch: pytest.MonkeyPatch, calls: int) -> None:
    done = []

    def member(self: Any, *_: int) -> None:
        done.append(1)
        if len(done) > calls:
            raise KeyboardInterrupt

    monkeypatch.setattr(Members, "member", member)


def test_ctrl_c_keeps_the_last_whole_epochs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, shop: Path
) -> None:
    interrupt_after(monkeypatch, 8 * 8)  # a call for every step of Python, at least one for an epoch
    out, err = run(capsys, "train", shop, "--target", "kind", status=130)
    found = re.fullmatch(
        r"fastbp: interrupted; the model after epochs? (\d)(?: to (\d))? was tested and saved as shop.safetensors\n",
        err,
    )
    assert found and "accuracy" in out and 1 <= int(found[1]) <= int(found[2] or found[1]) <= 8
    assert len(rows(run(capsys, "predict", "shop.safetensors", shop)[0])[1]) == 150


@pytest.mark.parametrize("calls", [0, 12])
def test_ctrl_c_in_the_first_epoch(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, shop: Path, calls: int
) -> None:
    """Of any network: after twelve calls some have done an epoch, and others have not."""
    interrupt_after(monkeypatch, calls)
    _, err = run(capsys, "train", shop, "--target", "kind", status=130)
    assert "before the first epoch was done; nothing was saved" in err and os.listdir() == ["shop.csv"]


# why one network is trained


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (["--epochs", 2], "--epochs describes one"),
        (["--hidden", "none", "--dtype", "float64", "--epochs", 1], "--hidden, --dtype, --epochs describe one"),
        (["--no-early-stopping", "--epochs", 1], "--epochs, --no-early-stopping describe one"),
        (["--optimizer", "adam", "--epochs", 1], "--epochs, --optimizer describe one"),
    ],
)
def test_options_that_describe_one_network(
    capsys: pytest.CaptureFixture[str], shop: Path, given: list[Any], why: str
) -> None:
    out, _ = run(capsys, "train", shop, "--target", "kind", *given, "--no-save")
    assert f"recipe    one network: {why}\n" in out
    assert trained(capsys, shop, "--target", "kind", *given)["recipe"] == f"one network: {why}"
    assert isinstance(models.load("shop.safetensors"), fastbp.Network)


def test_all_options_of_a_network_and_its_training_describe_one() -> None:
    parser = options.new_parser("0").parse_args(["train", "x"])
    of_data = {*options.OF_TABLES, "data", "command", "folder", "download", "seed", "threads", "output", "no_save"}
    others = {*vars(parser)} - of_data - {"quiet", "json"}
    assert others == {*options.OF_ONE_NETWORK} - {"no_early_stopping"}
    assert all(getattr(parser, name) in (None, False) for name in options.OF_ONE_NETWORK)


def test_tables_for_one_network(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, shop: Path
) -> None:
    np.savez("two.npz", X=np.random.default_rng(0).normal(size=(80, 3)), Z=np.arange(160.0).reshape(80, 2))
    assert trained(capsys, "two.npz", "--target", "Z")["recipe"] == "one network: the target has 2 columns"
    Path("rare.csv").write_text("x,y\n" + "".join(f"{i},{'ab'[i < 2]}\n" for i in range(40)))
    told = trained(capsys, "rare.csv", "--target", "y", "--test-share", 0.95)
    assert told["recipe"] == "one network: the training rows are of one class"
    monkeypatch.setattr(train_command, "MOST_CELLS", 599)
    told = trained(capsys, shop, "--target", "kind")  # 120 rows of 5 columns
    assert told["recipe"] == "one network: the training rows have more than 599 cells"
    monkeypatch.setattr(train_command, "MOST_CELLS", 600)
    assert trained(capsys, shop, "--target", "kind")["recipe"].startswith("8 networks")


def test_scikit_learn_is_not_needed(shop: Path) -> None:
    script = """
import sys
sys.modules["sklearn"] = sys.modules["scipy"] = None
from fastbp.cli.program import main
assert main(["train", "shop.csv", "--target", "kind", "--quiet"]) == 0
assert main(["predict", "shop.safetensors", "shop.csv", "--output", "p.csv"]) == 0
try:
    from fastbp.tabular import TabularClassifier
except ImportError as error:
    print(error)
"""
    said = run_python(script)
    assert said == "fastbp.tabular needs scikit-learn: install it with `pip install 'fastbp[tabular]'`"
    assert len(Path("p.csv").read_text().splitlines()) == 151
