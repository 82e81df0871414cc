"""The peers of `fastbp.tabular` in `benchmarks/tables.py`, each behind a preparation that suits it."""

from typing import Any

import numpy as np
import pandas
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor, make_column_selector
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

IDENTIFIERS = 0.5  # a text column with more different values than this share of its rows is left out
MOST_CATEGORIES = 250  # for HistGradientBoosting


class Columns:
    """What the peers cannot do themselves: dates as parts, text as categories, identifiers left out."""

    def fit_transform(self, X: pandas.DataFrame) -> pandas.DataFrame:
        """Learn the categories from the rows of training."""
        texts = X.select_dtypes(exclude="number").columns
        self._dates = [name for name in texts if _is_date(X[name])]
        others = [name for name in texts if name not in self._dates]
        self._dropped = [name for name in others if X[name].nunique() > IDENTIFIERS * len(X)]
        self._categories = {
            name: X[name].dropna().astype(str).value_counts().index[:MOST_CATEGORIES].tolist()
            for name in others
            if name not in self._dropped
        }
        return self.transform(X)

    def transform(self, X: pandas.DataFrame) -> pandas.DataFrame:
        """Return numbers and categories."""
        out = X.drop(columns=self._dropped + self._dates)
        for name, known in self._categories.items():
            words = X[name].astype(object).where(X[name].isna(), X[name].astype(str))
            out[name] = pandas.Categorical(words, categories=known)
        for name in self._dates:
            date = pandas.to_datetime(X[name])
            out[f"{name} days"] = (date - pandas.Timestamp(0)).dt.total_seconds() / 86400
            for part in ("month", "day", "dayofweek", "hour", "minute"):
                out[f"{name} {part}"] = getattr(date.dt, part).astype(float)
        return out


def _is_date(column: pandas.Series) -> bool:
    text = column.dropna().astype(str)
    return len(text) > 0 and bool(text.str.match(r"^\d{4}-\d{2}-\d{2}").all())


class Peer:
    """An estimator behind `Columns`, with its own preparation."""

    def __init__(self, classes: bool, seed: int):
        self._classes, self._seed, self._columns = classes, seed, Columns()

    def fit(self, X: pandas.DataFrame, y: np.ndarray) -> "Peer":
        """Fit the preparation and the estimator."""
        self._model = self._made()
        self._fit(self._columns.fit_transform(X), y)
        return self

    def _made(self) -> Any:
        raise NotImplementedError

    def _fit(self, X: pandas.DataFrame, y: np.ndarray) -> None:
        self._model.fit(X, y)

    def predict(self, X: pandas.DataFrame) -> np.ndarray:
        """Return the predictions."""
        return np.asarray(self._model.predict(self._columns.transform(X)))

    def predict_proba(self, X: pandas.DataFrame) -> np.ndarray:
        """Return the probabilities of the classes."""
        return np.asarray(self._model.predict_proba(self._columns.transform(X)))

    @property
    def classes_(self) -> np.ndarray:
        """The classes."""
        return np.asarray(self._model.classes_)


class HistGradientBoosting(Peer):
    """scikit-learn's gradient-boosted trees, with categories and missing values as they are."""

    def _made(self) -> Any:
        kind = HistGradientBoostingClassifier if self._classes else HistGradientBoostingRegressor
        return kind(categorical_features="from_dtype", random_state=self._seed)


class ScikitMLP(Peer):
    """scikit-learn's MLP: one-hot categories, medians and indicators of missing numbers, scaled numbers and targets."""

    def _made(self) -> Any:
        numbers = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
        prepared = ColumnTransformer(
            [
                ("numbers", numbers, make_column_selector(dtype_include="number")),
                ("words", OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_include="category")),
                ("truths", "passthrough", make_column_selector(dtype_include="bool")),
            ],
            sparse_threshold=0.0,
        )
        if self._classes:
            return make_pipeline(prepared, MLPClassifier(random_state=self._seed))
        mlp = TransformedTargetRegressor(MLPRegressor(random_state=self._seed), transformer=StandardScaler())
        return make_pipeline(prepared, mlp)


class RealMLP(Peer):
    """pytabkit's RealMLP_TD_S or RealMLP_TD, with the means of missing numbers."""

    KIND = "RealMLP_TD_S"

    def _made(self) -> Any:
        import pytabkit

        kind = getattr(pytabkit, f"{self.KIND}_{'Classifier' if self._classes else 'Regressor'}")
        return kind(device="cpu", n_threads=1, random_state=self._seed, verbosity=0)

    def _fit(self, X: pandas.DataFrame, y: np.ndarray) -> None:
        self._numbers = X.select_dtypes("number").columns
        self._means = X[self._numbers].mean()
        self._model.fit(self._filled(X), y)

    def _filled(self, X: pandas.DataFrame) -> pandas.DataFrame:
        """pytabkit accepts missing categories, but no missing numbers."""
        missing = [name for name in self._numbers if X[name].isna().any() or f"{name}?" in getattr(self, "_asked", ())]
        if not hasattr(self, "_asked"):
            self._asked = [f"{name}?" for name in missing]
        out = X.copy()
        for name in self._asked:
            out[name] = X[name[:-1]].isna().astype(float)
        out[self._numbers] = X[self._numbers].fillna(self._means).astype(float)
        return out

    def predict(self, X: pandas.DataFrame) -> np.ndarray:
        """Return the predictions."""
        return np.asarray(self._model.predict(self._filled(self._columns.transform(X)))).reshape(len(X))

    def predict_proba(self, X: pandas.DataFrame) -> np.ndarray:
        """Return the probabilities of the classes."""
        return np.asarray(self._model.predict_proba(self._filled(self._columns.transform(X))))


class RealMLPFull(RealMLP):
    """The large variant."""

    KIND = "RealMLP_TD"


PEERS = {"HistGradientBoosting": HistGradientBoosting, "scikit-learn's MLP": ScikitMLP, "RealMLP_TD_S": RealMLP}
