"""A model of a table in one safetensors file: a population, with all else as JSON in the metadata of its first member.

The promise and the format are those of `fastbp.files.serialization`; the metadata has the key ``fastbp.tabular``: the
version of these contents, the estimator's name and parameters, the names of the columns, the preprocessing
(`Preprocessor.to_dict`) and the target; beside it is what the model's `metadata_` has.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from fastbp.files import serialization
from fastbp.population import Population
from fastbp.tables import Preprocessor
from fastbp.tabular.learner import Learner

VERSION = 1
KEY = "fastbp.tabular"


def save(learner: Learner, path: str | os.PathLike[str], parameters: Mapping[str, Any]) -> None:
    """Write a learner, with the parameters of its estimator that are not the defaults, or all."""
    seed = parameters.get("random_state")
    known = {**parameters, "random_state": int(seed) if isinstance(seed, int | np.integer) else None}
    names = getattr(learner, "feature_names_in_", None)
    words = {
        "version": VERSION,
        "estimator": learner.estimator,
        "parameters": {name: _plain(value) for name, value in known.items()},
        "feature_names_in": None if names is None else [str(name) for name in names],
        "preprocessor": learner.preprocessor_.to_dict(),
        "target": learner._target_words(),
    }
    first = learner.population_[0]
    before = first.metadata
    try:
        first.metadata = {**learner.metadata_, KEY: words}
        learner.population_.save(path)
    finally:
        first.metadata = before


def load(path: str | os.PathLike[str], kinds: Mapping[str, type[Any]]) -> Any:
    """Return the learner of a file, of the kind for its estimator. Raises OSError or ModelFileError."""
    population = Population.load(path)
    with serialization.refusing(path):
        metadata, population[0].metadata = population[0].metadata, {}
        words = metadata.pop(KEY, None)
        if words is None:
            raise ValueError("it has networks without the preprocessing of a table: use fastbp.Population.load")
        if words["version"] != VERSION:
            raise ValueError(f"it has version {words['version']!r} of a model of a table: install a newer fastbp")
        if words["estimator"] not in kinds:
            raise ValueError(f"it has a {words['estimator']}: use {words['estimator']}.load")
        model = _unfitted(kinds[words["estimator"]], words)
        model.preprocessor_, model.metadata_ = Preprocessor.from_dict(words["preprocessor"]), metadata
        if len(model.preprocessor_.feature_names_out) != population[0].sizes[0]:
            raise ValueError("its preprocessing does not fit its networks")
        model._take_target(words["target"])
        for net in population:
            alike = (net.sizes, net.activations) == (population[0].sizes, population[0].activations)
            if not alike or (net.activations[-1].name, net.sizes[-1]) != model._output:
                raise ValueError("its networks do not fit its target, or differ")
        model.population_ = population
    return model


def _unfitted(kind: type[Any], words: dict[str, Any]) -> Any:
    """Return a learner, or an estimator, which has parameters and knows the names of its columns."""
    if not hasattr(kind, "set_params"):
        return kind()
    model = kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in words["parameters"].items()})
    model.n_features_in_ = len(words["preprocessor"]["columns"])
    if (names := words["feature_names_in"]) is not None:
        model.feature_names_in_ = np.array(names, dtype=object)
    return model


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    return value.item() if isinstance(value, np.generic) else value
