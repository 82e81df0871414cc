"""The preprocessing of a model as the exporters need it: what each column that enters becomes, and where."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from fastbp.tabular.linear import LinearFeatures


class Entering(NamedTuple):
    """A column that enters: its code as in `Preprocessor.to_dict`, and the place of its first feature.

    `coef` is its factor in the linear model, 0 without one, of a number in units of `code["factor"]`.
    """

    name: str
    kind: str
    code: dict[str, Any]
    at: int
    coef: float

    @property
    def scaled(self) -> bool:
        """Whether a number has a feature of its own besides its bins."""
        return bool(len(self.code["features"]) - self.n_bins - self.code["missing"] == 1)

    @property
    def n_bins(self) -> int:
        """The features of the bins of a number."""
        return max(len(self.code["edges"]) - 1, 0)

    @property
    def at_missing(self) -> int:
        """The place of the feature that is 1 where the value is missing, if there is one."""
        return self.at + len(self.code["features"]) - 1


def entering(model: Any, what: str) -> Iterator[Entering]:
    """Return the columns of a fitted estimator that enter. Raises ValueError for dates, which `what` cannot have."""
    kinds = {column.name: column.kind for column in model.columns_}
    coef = getattr(model, "coef_", None)
    place, at = 0, 0
    for code in model.preprocessor_.to_dict()["codes"]:
        name = code["column"]
        if kinds[name] == "date":
            raise ValueError(f"column {name!r} is a date, which {what} cannot take: fit with drop=[{name!r}]")
        is_number = kinds[name] == "number"
        yield Entering(name, kinds[name], code, at, 0.0 if coef is None or not is_number else float(coef[place]))
        at += len(code["features"])
        place += is_number


def others_in_linear_model(model: Any) -> list[tuple[int, float]]:
    """Return the places of the other features that the linear model has, and their coefficients."""
    coef = getattr(model, "coef_", None)
    if coef is None:
        return []
    features = LinearFeatures(model.preprocessor_)
    return list(zip(features.others, coef[len(features.codes) :].tolist(), strict=True))
