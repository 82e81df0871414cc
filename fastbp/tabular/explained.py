"""Which columns matter: permutation importance, and derivatives of the prediction by columns of numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from fastbp import validation
from fastbp.model import Array
from fastbp.tables import Table, cells
from fastbp.tables.codes import CLIP


class Explained:
    """The methods of the estimators that explain by the names of columns."""

    def permutation_importance(
        self: Any, X: Any, y: Any, *, n_repeats: int = 5, random_state: Any = None
    ) -> dict[str, tuple[float, float]]:
        """Return by how much the score falls if a column is shuffled: mean and deviation, the largest mean first.

        The score is that of `score`, accuracy or R². Columns that do not enter the model are not there.

        Parameters
        ----------
        X, y
            Rows that were not trained on, as in `fit`.
        n_repeats : int, default 5
            How many times each column is shuffled.
        random_state : int, RandomState or None, default None

        References
        ----------
        Breiman, *Random forests*, 2001, section 10.

        Examples
        --------
        >>> import numpy as np
        >>> from fastbp.tabular import TabularRegressor
        >>> rng = np.random.default_rng(0)
        >>> table = {"noise": rng.normal(size=200), "signal": rng.normal(size=200)}
        >>> model = TabularRegressor(n_members=2, random_state=0).fit(table, table["signal"])
        >>> list(model.permutation_importance(table, table["signal"], random_state=0))
        ['signal', 'noise']
        """
        check_is_fitted(self, "population_")
        repeats, rng = validation.whole_number("n_repeats", n_repeats, 1), check_random_state(random_state)
        table = self._table(X)
        check_consistent_length(table, y)
        best, found = self._score_of(table, y), {}
        for name in dict.fromkeys(self.preprocessor_.column_of_feature):
            falls = []
            for _ in range(repeats):
                columns = {other: table[other] for other in table.names}
                columns[name] = columns[name][rng.permutation(len(table))]
                falls.append(best - self._score_of(Table(columns), y))
            found[name] = float(np.mean(falls)), float(np.std(falls))
        return dict(sorted(found.items(), key=lambda item: -item[1][0]))

    def input_gradients(self: Any, X: Any) -> dict[str, Array]:
        """Return the derivative of the prediction by each column of numbers, in its own units, at each row.

        For a regressor (n_samples,), for a classifier (n_samples, n_classes), of the probabilities. Where a number is
        missing it is 0. Other columns have no derivative, and are not there.

        Parameters
        ----------
        X : table-like, (n_samples, n_features)
            As in `fit`.

        Examples
        --------
        >>> import numpy as np
        >>> from fastbp.tabular import TabularRegressor
        >>> X = np.random.default_rng(0).normal(size=(200, 2))
        >>> model = TabularRegressor(numbers="scaled", random_state=0).fit(X, 3 * X[:, 1])
        >>> {name: bool(abs(slopes.mean()) > 1) for name, slopes in model.input_gradients(X).items()}
        {'x0': False, 'x1': True}
        """
        check_is_fitted(self, "population_")
        table = self._table(X)
        G = self._gradients(self.preprocessor_.transform(table))  # (n, n_features, n_out)
        found, described = {}, self.preprocessor_.to_dict()
        for code in described["codes"]:
            if (name := code["column"]) in (c.name for c in self.columns_ if c.kind == "number"):
                x = cells.numbers(table._column(name), table.decimal)
                slopes = _slopes(code, x, described["smooth_clip"])
                places = self.preprocessor_.features_of(name)[: slopes.shape[1]]
                linear = self._linear_slope(code) * np.isfinite(x)[:, None]
                found[name] = np.einsum("nf,nfk->nk", slopes, G[:, places]) + linear
        return {name: self._like_target(each) for name, each in found.items()}


def _slopes(code: dict[str, Any], x: Array, smooth_clip: bool) -> Array:
    """Return the derivatives of a number's features by the number, (n, n_features); 0 where it is missing."""
    parts, edges = [], np.array(code["edges"])
    n_bins = max(len(edges) - 1, 0)
    if len(code["features"]) - n_bins - code["missing"] == 1:  # z / √(1 + (z/3)²), z = factor (x − center)
        (center,), (factor,) = code["center"], code["factor"]
        bent = 1 + ((x - center) * factor / CLIP) ** 2 if smooth_clip else np.ones(len(x))
        parts.append((factor * bent**-1.5)[:, None])
    if n_bins:
        inside = (x[:, None] >= edges[:-1]) & (x[:, None] < edges[1:])
        parts.append(inside / np.diff(edges))
    return np.where(np.isfinite(x)[:, None], np.concatenate(parts, axis=1), 0.0)
