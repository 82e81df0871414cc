"""A model of a table in one safetensors file: a population, with all else as JSON in the metadata of its first member.

The promise and the format are those of `fastbp.files.serialization`; the metadata has the key ``fastbp.tabular``: the
version of these contents, the estimator's name and parameters, the names of the columns, the preprocessing
(`Preprocessor.to_dict`) and the target.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from fastbp.files import serialization
from fastbp.population import Population
from fastbp.tables import Preprocessor

VERSION = 1
KEY = "fastbp.tabular"


def save(model: Any, path: str | os.PathLike[str]) -> None:
    """Write a fitted estimator."""
    parameters = model.get_params(deep=False)
    seed = parameters["random_state"]
    parameters["random_state"] = int(seed) if isinstance(seed, int | np.integer) else None
    names = getattr(model, "feature_names_in_", None)
    words = {
        "version": VERSION,
        "estimator": type(model).__name__,
        "parameters": {name: _plain(value) for name, value in parameters.items()},
        "feature_names_in": None if names is None else [str(name) for name in names],
        "preprocessor": model.preprocessor_.to_dict(),
        "target": model._target_words(),
    }
    first = model.population_[0]
    before = first.metadata
    try:
        first.metadata = {KEY: words}
        model.population_.save(path)
    finally:
        first.metadata = before


def load(kind: type[Any], path: str | os.PathLike[str]) -> Any:
    """Return the estimator of a file. Raises OSError or ModelFileError."""
    population = Population.load(path)
    with serialization.refusing(path):
        words = population[0].metadata.pop(KEY, None)
        if words is None:
            raise ValueError("it has networks without the preprocessing of a table: use fastbp.Population.load")
        if words["version"] != VERSION:
            raise ValueError(f"it has version {words['version']!r} of a model of a table: install a newer fastbp")
        if words["estimator"] != kind.__name__:
            raise ValueError(f"it has a {words['estimator']}: use {words['estimator']}.load")
        parameters = {k: tuple(v) if isinstance(v, list) else v for k, v in words["parameters"].items()}
        model = kind(**parameters)
        model.preprocessor_ = Preprocessor.from_dict(words["preprocessor"])
        if len(model.preprocessor_.feature_names_out) != population[0].sizes[0]:
            raise ValueError("its preprocessing does not fit its networks")
        model.n_features_in_ = len(model.preprocessor_.columns)
        if (names := words["feature_names_in"]) is not None:
            model.feature_names_in_ = np.array(names, dtype=object)
        model._take_target(words["target"])
        output = ("softmax", len(model.classes_)) if hasattr(model, "classes_") else ("identity", 1)
        for net in population:
            alike = (net.sizes, net.activations) == (population[0].sizes, population[0].activations)
            if not alike or (net.activations[-1].name, net.sizes[-1]) != output:
                raise ValueError("its networks do not fit its target, or differ")
        model.population_ = population
    return model


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    return value.item() if isinstance(value, np.generic) else value
