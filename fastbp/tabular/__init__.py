"""Tables: classes and numbers from rows of mixed columns, by a recipe that needs no tuning.

`TabularClassifier` and `TabularRegressor` take pandas, polars and pyarrow tables, dicts of columns or arrays, with
missing values, text, true and false, and dates::

    model = TabularClassifier().fit(table, species)
    model.predict_proba(rows)
    model.permutation_importance(rows, their_species)      # by the names of columns
    model.save("model.safetensors"); model.to_c("model.c"); model.to_onnx("model.onnx")

**The recipe.** `fastbp.tables.Preprocessor` makes features of the columns: numbers are scaled robustly and clipped
smoothly, as in RealMLP (Holzmüller, Grinsztajn & Steinwart, *Better by default*, 2024), and encoded piecewise linearly
in 16 bins (Gorishniy, Rubachev & Babenko, *On embeddings for numerical features*, 2022); categories are one-hot. If a
ridge regression explains 90 % of a target of numbers, by generalized cross-validation, the networks learn what it
leaves. Eight networks of two hidden layers of 32 train at once as a `fastbp.Population`, each on all rows but an eighth:
64 epochs of AdamW with β₂ = 0.95 and mini-batches of 32, a rate that falls along a cosine from 0.005, label smoothing
of 0.05, last weights that begin as 0. Each returns to the epoch with the least cost on the rows it leaves out. The
prediction is the mean of the networks; of classes it is the geometric mean of their probabilities, with a temperature
from the rows left out.

**Beside others** (``python benchmarks/tables.py``): five random splits of at most 4,000 rows of ten real tables. The
defaults were chosen on the five with a star, with three of the splits. The linear start was added after a look at
taxis, whose target is a sum of other columns.

<figures>

Penguins is the one set that is more than 10 % worse than its best peer: 6 wrong of 430 rows against 5. Without taxis and
penguins the mean of the error is 1.00: the recipe is as good as the best peer of each table, no better. Trees stay ahead
where thresholds and interactions of few numbers decide: housing, winequality.

**What each ingredient is worth** (``--ablation``): the same with one of them changed, as a ratio to the recipe; above 1
is worse.

<ablation>
"""

try:
    import sklearn  # noqa: F401
except ImportError:
    raise ImportError("fastbp.tabular needs scikit-learn: install it with `pip install 'fastbp[tabular]'`") from None

from fastbp.tabular.classifier import TabularClassifier
from fastbp.tabular.regressor import TabularRegressor

__all__ = ["TabularClassifier", "TabularRegressor"]
