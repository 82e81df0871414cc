"""A model of a table in one file: it predicts the same, and other files are refused."""

import json

import numpy as np
import pytest

pytest.importorskip("sklearn", minversion="1.6", reason="scikit-learn 1.6 or newer is not installed")

from table_models import MODELS, classifier, regressor, table

import fastbp
from fastbp.files.container import decode, encode
from fastbp.tabular import TabularClassifier, TabularRegressor


@pytest.mark.parametrize("name", MODELS)
def test_a_loaded_model_predicts_the_same(name, tmp_path):
    model, path = MODELS[name](), tmp_path / "model.safetensors"
    model.save(path)
    loaded = type(model).load(path)
    given = table(30, 1)
    assert (loaded.predict(given) == model.predict(given)).all()
    assert loaded.get_params() == model.get_params() and loaded.columns_ == model.columns_
    assert loaded.n_features_in_ == 7 and loaded.feature_names_in_.tolist() == list(given.names)
    assert model.population_[0].metadata == {}


def test_what_a_user_adds_to_the_file_returns(tmp_path):
    model = TabularRegressor((3,), n_members=1, epochs=1, random_state=0).fit({"x": [1.0, 2, 3]}, [1.0, 2, 4])
    assert model.metadata_ == {}
    model.metadata_ = {"author": "us", "scores": [0.5]}
    model.save(tmp_path / "m")
    assert TabularRegressor.load(tmp_path / "m").metadata_ == {"author": "us", "scores": [0.5]}
    assert model.fit({"x": [1.0, 2, 3]}, [1.0, 2, 4]).metadata_ == {}


@pytest.mark.parametrize("labels", [["b", "a"], [0, 1], [0.0, 2.0], [True, False], np.array(["x", "y"], object)])
def test_labels_of_every_kind_return(labels, tmp_path):
    y = np.array(labels)[np.arange(20) % 2]
    X = np.random.default_rng(0).normal(size=(20, 2))
    model = TabularClassifier((3,), n_members=1, epochs=1, random_state=0).fit(X, y)
    model.save(tmp_path / "m")
    loaded = TabularClassifier.load(tmp_path / "m")
    assert loaded.classes_.tolist() == model.classes_.tolist() and loaded.classes_.dtype == model.classes_.dtype
    assert not hasattr(loaded, "feature_names_in_")
    assert (loaded.predict(X) == model.predict(X)).all()


def changed(path, change):
    """Rewrite a file with other words in its metadata."""
    arrays, words = decode(path.read_bytes())
    content = json.loads(words["fastbp"])
    change(content["population"][0]["metadata"])
    path.write_bytes(encode(arrays, json.dumps(content)))


def without(metadata, *keys):
    *path, last = keys
    for key in path:
        metadata = metadata[key]
    del metadata[last]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.clear(), "it has networks without the preprocessing of a table"),
        (lambda m: without(m, "fastbp.tabular", "target"), "missing 'target'"),
        (lambda m: without(m, "fastbp.tabular", "preprocessor", "codes"), "no description of a preprocessing"),
        (lambda m: m["fastbp.tabular"].update(version=9), "it has version 9"),
        (lambda m: m["fastbp.tabular"]["preprocessor"]["codes"].pop(), "does not fit"),
        (lambda m: m["fastbp.tabular"]["target"].update(coef=[1.0]), "does not fit"),
        (lambda m: m["fastbp.tabular"]["target"].update(scale=float("nan")), "not finite"),
        (lambda m: m["fastbp.tabular"]["parameters"].update(unknown=1), "unknown"),
    ],
)
def test_other_files_are_refused(change, message, tmp_path):
    path = tmp_path / "model.safetensors"
    regressor().save(path)
    changed(path, change)
    with pytest.raises(fastbp.ModelFileError, match=message):
        TabularRegressor.load(path)


def test_the_other_kind_is_named(tmp_path):
    classifier().save(tmp_path / "m")
    with pytest.raises(fastbp.ModelFileError, match=r"it has a TabularClassifier: use TabularClassifier.load"):
        TabularRegressor.load(tmp_path / "m")
    fastbp.Network([2, 1]).save(tmp_path / "net")
    with pytest.raises(fastbp.ModelFileError, match="it has no population"):
        TabularRegressor.load(tmp_path / "net")
