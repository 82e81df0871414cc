"""Models that `fastbp train` makes, and that `predict` and `info` find in files: one network, or a bag of them.

Both take rows as they come, images or the rows of a table, and say what they think in the words of the target:
probabilities of its classes, or numbers in its units.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

import fastbp
from fastbp.files import serialization
from fastbp.tables.arrays import Array, label_of
from fastbp.tables.preprocessor import Preprocessor
from fastbp.tables.table import Table
from fastbp.tables.target import Target
from fastbp.tabular import files
from fastbp.tabular.classes import Classes
from fastbp.tabular.learner import Learner
from fastbp.tabular.numbers import Numbers


class Model(ABC):
    """A trained model: `preprocessor` and `target` are None for images."""

    preprocessor: Preprocessor | None
    target: Target | None

    @abstractmethod
    def outputs(self, rows: Any) -> Array:
        """Return probabilities of the classes, or numbers in the units of the target, (n, k)."""

    @abstractmethod
    def keep(self, metadata: dict[str, Any]) -> None:
        """Let the file hold this besides, and what it takes to read a table like that of the training."""

    @abstractmethod
    def save(self, path: str) -> None:
        """Write the model file."""


class NetworkModel(Model):
    """One network. Its preprocessing is part of its metadata."""

    def __init__(self, net: fastbp.Network, preprocessor: Preprocessor | None = None, target: Target | None = None):
        self.net, self.preprocessor, self.target = net, preprocessor, target

    def outputs(self, rows: Any) -> Array:
        """Return what the network says, its numbers scaled back."""
        found = self.net.predict(rows if self.preprocessor is None else self.preprocessor.transform(rows))
        if self.target is None or self.target.classes is not None:
            return found
        return self.target.decode(found).reshape(len(found), -1)

    def keep(self, metadata: dict[str, Any]) -> None:
        """Set the metadata of the network."""
        if self.preprocessor is not None and self.target is not None:
            of_table = {"preprocessing": self.preprocessor.to_dict(), "target": self.target.to_dict()}
            metadata = {**metadata, "table": metadata["table"] | of_table}
        self.net.metadata = metadata

    def save(self, path: str) -> None:
        """Write the network."""
        self.net.save(path)


class BagModel(Model):
    """A learner of `fastbp.tabular`. The estimator of its kind reads the file, too."""

    target: Target
    preprocessor: Preprocessor

    def __init__(self, learner: Learner, target: Target):
        self.learner, self.target, self.preprocessor = learner, target, learner.preprocessor_

    def outputs(self, rows: Table) -> Array:
        """Return what the bag says. A class of the target that no training row has has the probability 0."""
        terms = self.learner._rows(rows)
        if isinstance(self.learner, Classes):
            assert self.target.classes is not None
            places = {label: i for i, label in enumerate(self.target.classes)}
            found = np.zeros((len(rows), len(places)))
            found[:, [places[label] for label in _labels(self.learner)]] = self.learner._probabilities(terms)[0]
            return found
        assert isinstance(self.learner, Numbers)
        return self.target.decode(self.learner._mean(terms)[0][:, None]).reshape(len(rows), -1)

    def keep(self, metadata: dict[str, Any]) -> None:
        """Set the metadata of the learner, which has the preprocessing already."""
        self.learner.metadata_ = {**metadata, "table": metadata["table"] | {"target": self.target.to_dict()}}

    def save(self, path: str) -> None:
        """Write the learner, as its estimator does."""
        made = self.learner.metadata_["made"]
        parameters = {name: made[name] for name in ("epochs", "drop", "categorical") if name in made}
        files.save(self.learner, path, {**parameters, "random_state": made["seed"] % 2**32})  # the most of scikit-learn


def load(path: str) -> fastbp.Network | Learner:
    """Return the network or the learner of a file. Raises OSError or ModelFileError."""
    if files.KEY not in serialization.metadata_of(path):
        return fastbp.load(path)
    found: Learner = files.load(path, {kind.estimator: kind for kind in (Classes, Numbers)})
    return found


def of_table(found: fastbp.Network | Learner, path: str) -> tuple[Model, dict[str, Any]] | None:
    """Return the model of a table and what its file says of that table: names of columns, "na", "header".

    None for a network of something else. Raises ValueError if what the file says does not fit together: anyone may have
    written it.
    """
    if isinstance(found, fastbp.Network) and "table" not in found.metadata:
        return None
    try:
        model, kept = _of_network(found) if isinstance(found, fastbp.Network) else _of_learner(found)
        names, marks, header = list(kept["names"]), list(kept.get("na", [])), bool(kept.get("header", True))
        if not all(isinstance(name, str) for name in (*names, *marks)):
            raise ValueError("its names are not texts")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{path}: its preprocessing cannot be read ({error}); train it again") from None
    return model, {"names": names, "na": marks, "header": header}


def _of_network(net: fastbp.Network) -> tuple[Model, Any]:
    kept = net.metadata["table"]
    preprocessor, target = Preprocessor.from_dict(kept["preprocessing"]), Target.from_dict(kept["target"])
    if len(preprocessor.feature_names_out) != net.sizes[0] or target.n_outputs != net.sizes[-1]:
        raise ValueError("its columns do not fit the network")
    return NetworkModel(net, preprocessor, target), kept


def _of_learner(learner: Learner) -> tuple[Model, Any]:
    """An estimator that was saved in Python says nothing of its table; its target has the name "target"."""
    labels = _labels(learner)
    if "table" in learner.metadata_:
        kept = learner.metadata_["table"]
        target = Target.from_dict(kept["target"])
    else:
        kept = {"names": [column.name for column in learner.columns_]}
        target = Target(("target",), tuple(labels)) if labels else Target(("target",), None, (0.0,), (1.0,))
    if bool(labels) != (target.classes is not None) or not set(labels) <= set(target.classes or ()):
        raise ValueError("its target does not fit its networks")
    if not labels and target.n_outputs != 1:
        raise ValueError("its target does not fit its networks")
    return BagModel(learner, target), kept


def _labels(learner: Learner) -> list[str]:
    """Return the classes of a learner as text, none for numbers."""
    labels = getattr(learner, "classes_", None)
    return [] if labels is None else [label_of(label) for label in labels.tolist()]
