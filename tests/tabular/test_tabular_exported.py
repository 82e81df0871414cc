"""The whole model as C and ONNX gives the predictions of `predict`, also for missing and unseen values."""

import ctypes
import shutil
import subprocess

import numpy as np
import pytest

pytest.importorskip("sklearn", minversion="1.6", reason="scikit-learn 1.6 or newer is not installed")

from table_models import classes, numbers, table

from fastbp.tables import Table
from fastbp.tabular import TabularClassifier, TabularRegressor

SMALL = {"hidden_layer_sizes": (8,), "n_members": 2, "epochs": 20, "learning_rate": 0.03, "random_state": 0}
GCC = shutil.which("gcc") or shutil.which("cc")


def without_dates(n=120, seed=0):
    """Also with a category of two words, and one with missing and rare ones."""
    given = table(n, seed).drop(["day"])
    rng = np.random.default_rng(seed)
    shape = rng.choice(["round", "square"], n).astype(object)
    kind = rng.choice(["a", "b", "c"], n).astype(object)
    kind[0], kind[1::7], kind[2] = "rare", None, "other"
    return Table({name: given[name] for name in given.names} | {"shape": shape, "kind": kind})


def fitted(kind):
    given = without_dates()
    if kind == "classifier":
        return TabularClassifier(**SMALL).fit(given, classes(given))
    if kind == "linear":
        y = 3 * np.nan_to_num(given["size"], nan=50.0) + 5 * given["weight"] + (given["kind"] == "a")
        model = TabularRegressor(**SMALL).fit(given, y)
        assert model.coef_ is not None
        return model
    return TabularRegressor(**SMALL).fit(given, numbers(given))


def unknown():
    """Rows with values outside the training rows, unseen and missing ones."""
    given = without_dates(40, 7)
    columns = {name: given[name].copy() for name in given.names}
    columns["size"][:3] = [1e6, -1e6, np.nan]
    columns["kind"][:3] = ["new", None, "a"]
    columns["shape"][:2] = ["oval", None]
    columns["colour"][:2] = ["pink", None]
    return Table(columns)


def predicted(model, given):
    return model.predict_proba(given) if hasattr(model, "classes_") else model.predict(given)[:, None]


def entering(model):
    return [column.name for column in model.columns_ if column.used]


@pytest.mark.skipif(GCC is None, reason="no C compiler")
@pytest.mark.parametrize("kind", ["classifier", "regressor", "linear"])
def test_c(kind, tmp_path):
    model, given = fitted(kind), unknown()
    model.to_c(tmp_path / "model.c", name="of_table")
    strict = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic"]
    subprocess.run(
        [GCC, "-O1", *strict, "-shared", "-fPIC", "-o", "model.so", "model.c", "-lm"], cwd=tmp_path, check=True
    )
    library = ctypes.CDLL(str(tmp_path / "model.so"))
    expected = predicted(model, given)
    for row in range(len(given)):
        x = (ctypes.c_double * 9)(*(_cell(library, j, given[name][row]) for j, name in enumerate(entering(model))))
        y = (ctypes.c_double * expected.shape[1])()
        library.of_table(x, y)
        np.testing.assert_allclose(list(y), expected[row], rtol=2e-5, atol=1e-6)


def _cell(library, j, value):
    if value is None:
        return np.nan
    return float(library.of_table_level(j, value.encode()) if isinstance(value, str) else value)


@pytest.mark.parametrize("kind", ["classifier", "regressor", "linear"])
def test_onnx(kind, tmp_path):
    pytest.importorskip("onnx", reason="onnx is not installed")
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    model, given = fitted(kind), unknown()
    model.to_onnx(tmp_path / "model.onnx")
    inputs = {}
    for name in entering(model):
        column = given[name]
        texts = column.dtype == object
        inputs[name] = np.array([[v or ""] for v in column]) if texts else column.astype(np.float64)[:, None]
    (y,) = onnxruntime.InferenceSession(tmp_path / "model.onnx").run(None, inputs)
    np.testing.assert_allclose(y, predicted(model, given), rtol=2e-5, atol=1e-6)


def test_dates_are_refused_by_name(tmp_path):
    model = TabularRegressor((3,), n_members=1, epochs=1).fit(table(), numbers(table()))
    with pytest.raises(
        ValueError, match=r"column 'day' is a date, which a C file cannot take: fit with drop=\['day'\]"
    ):
        model.to_c(tmp_path / "m.c")
    if pytest.importorskip("onnx", reason="onnx is not installed"):
        with pytest.raises(ValueError, match="column 'day' is a date, which an ONNX file cannot take"):
            model.to_onnx(tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())


def test_a_name_that_c_cannot_use(tmp_path):
    model = fitted("regressor")
    with pytest.raises(ValueError, match="a name that a function in C can have"):
        model.to_c(tmp_path / "m.c", name="double")
