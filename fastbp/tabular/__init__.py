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
leaves. Eight networks of two hidden layers of 32 train at once as a `fastbp.Population`, each on all rows but an
eighth: 64 epochs of AdamW with β₂ = 0.95 and mini-batches of 32, a rate that falls along a cosine from 0.005, label
smoothing of 0.05, last weights that begin as 0. Each returns to the epoch with the least cost on the rows that it
leaves out. The prediction is the mean of the networks; of classes it is the geometric mean of their probabilities, with
a temperature from the rows left out.

**Beside others** (``python benchmarks/tables.py``): five random splits of at most 4,000 rows of ten real tables, a
quarter held out. Each figure is the error, and for classes the log-loss, over that of the best of the three others on
that table; seconds are one thread's, on a Zen 4 core, RealMLP's on an older one. All means are geometric. The defaults
were chosen on the tables with a star, on three of the splits. Two ingredients were added after a look at the others:
the linear start at taxis, whose target is a sum of other columns, and the temperature at the log-loss of penguins,
which networks separate almost without error::

                                        fastbp  HistGradientBoosting  scikit-learn's MLP  RealMLP_TD_S
    housing *                         1.02                  1.00                1.11          1.12
    mpg *                             0.97                  1.00                1.01          1.09
    winequality *                     1.02                  1.00                1.06          1.08
    titanic *                         0.96 0.95             1.00 1.08           1.03 1.04     1.05 1.00
    phoneme *                         0.99 0.97             1.00 1.00           1.37 1.23     1.05 1.17
    abalone                           1.02                  1.05                1.00          1.02
    taxis                             0.34                  1.78                1.00          2.15
    german                            1.01 0.83             1.00 1.00           1.05 1.13     1.10 1.04
    penguins                          1.20 0.44             1.60 1.60           1.00 1.00     1.00 1.90
    pima                              1.00 0.98             1.09 1.36           1.00 1.02     1.02 1.00
    mean                              0.91 0.80             1.13 1.18           1.06 1.08     1.14 1.18
    of the five with a star           0.99 0.96             1.00 1.04           1.11 1.13     1.08 1.08
    of the others                     0.84 0.71             1.27 1.29           1.01 1.05     1.20 1.26
    without taxis                     1.02 0.80             1.07 1.18           1.06 1.08     1.06 1.18
    without taxis and penguins        1.00 0.93             1.02 1.10           1.07 1.10     1.07 1.05
    fit, s                            0.35                  0.11                0.38          9.80
    predict, ms                       1.86                 12.37                7.19         43.78

Penguins is the one of them with an error more than 10 % above its best peer: 6 wrong of 430 rows against 5. Trees stay
a little ahead on housing and winequality, where thresholds of few numbers decide. On scikit-learn's small clean tables
(``--sets bundled``, three splits, nothing chosen there) the error of classes is 1.3 to 1.6 times that of the best peer:
iris 4 wrong of 114 against 3, wine 3 of 135 against 2, breast cancer 11 of 429 against 7, digits 24 of 1,350 against 17
of RealMLP. The log-loss is 0.72 times, and the error of diabetes 0.99 times.

**What each ingredient is worth** (``--ablation``): the recipe with one of them changed, over the recipe; above 1 is
worse. Two splits of the same tables but penguins, which has one or two wrong rows a split; about 1 % is chance::

                                                error     on *   others  log-loss     fit
    numbers scaled and clipped, no bins         1.042    1.074    1.002     1.044   0.617
    numbers in bins only                        1.005    0.993    1.021     0.989   0.942
    8 bins                                      1.002    1.006    0.996     0.999   0.811
    features not centred                        1.005    1.003    1.007     1.010   0.990
    no linear start                             1.193    1.000    1.486     1.000   0.972
    one network                                 1.057    1.057    1.057     1.039   0.128
    4 networks                                  1.017    1.012    1.022     1.003   0.484
    one hidden layer of 32                      1.016    1.017    1.015     0.999   0.868
    two of 64                                   0.995    0.986    1.007     0.994   1.669
    selu                                        1.022    1.020    1.024     1.014   1.063
    mish                                        1.015    1.015    1.015     1.011   1.077
    mini-batches of 64                          1.005    1.001    1.010     1.007   0.899
    half the epochs                             0.998    0.996    1.000     1.002   0.506
    a constant learning rate                    0.991    0.989    0.993     1.002   0.957
    four periods of a cosine (coslog4)          0.998    0.991    1.007     1.005   0.961
    a tenth of the rate for biases              1.006    1.001    1.012     1.004   1.037
    a tenth of the rate for the first layer     1.018    1.007    1.032     1.012   0.976
    beta_2 = 0.999                              1.003    1.001    1.005     0.999   0.960
    the last epoch, not the best                1.044    0.995    1.109     1.108   0.979
    last weights not 0 at first                 1.010    1.002    1.020     1.003   0.992
    no weight decay                             1.006    1.009    1.002     1.005   1.017
    dropout 0.1                                 0.990    0.986    0.995     0.997   1.184
    no label smoothing                          1.011    1.014    1.006     1.013   0.988
    no temperature                              1.000    1.000    1.000     0.999   1.018

So the bins, the bag, the best epoch and, on one table, the linear start are worth most. What RealMLP has besides does
not pay here: selu and mish, a smaller rate for biases, a rate of its own for the first layer (what its input scales are
for); four periods of a cosine and dropout change nothing that can be told from chance. Nor do decay or dropout that
fall along a cosine (error 1.003 and 1.004 on the tables with a star, three splits), or a rate by step (0.992, in three
times the time). ``epochs=32`` takes half the time for the same error, and is what ``fastbp train`` does.
"""

from typing import TYPE_CHECKING, Any

from fastbp.compiler.threads import imported

if TYPE_CHECKING:
    from fastbp.tabular.classifier import TabularClassifier
    from fastbp.tabular.regressor import TabularRegressor

__all__ = ["TabularClassifier", "TabularRegressor"]

_FILES = {"TabularClassifier": "classifier", "TabularRegressor": "regressor"}


def __getattr__(name: str) -> Any:
    """Import an estimator on first use: the command line, which needs no scikit-learn, uses the parts only."""
    if name not in _FILES:
        raise AttributeError(f"module 'fastbp.tabular' has no attribute {name!r}")
    try:
        import sklearn  # noqa: F401
    except ImportError:
        raise ImportError(
            "fastbp.tabular needs scikit-learn: install it with `pip install 'fastbp[tabular]'`"
        ) from None
    return getattr(imported(f"fastbp.tabular.{_FILES[name]}"), name)
