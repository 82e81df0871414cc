"""The recipe of `fastbp.tabular` with one ingredient changed, for `benchmarks/tables.py --ablation`."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from fastbp.tabular import TabularClassifier, TabularRegressor
from fastbp.tabular.recipe import Recipe


def variant(recipe: dict[str, Any] | None = None, **parameters: Any) -> Callable[[bool, int], Any]:
    """Return a function that makes an estimator with other parameters, or other fields of its `Recipe`."""

    def make(classes: bool, seed: int) -> Any:
        kind: Any = TabularClassifier if classes else TabularRegressor
        known = kind().get_params()
        model = kind(random_state=seed, **{name: value for name, value in parameters.items() if name in known})
        if recipe:
            of_model: Callable[[], Recipe] = model._recipe
            model._recipe = lambda: replace(of_model(), **recipe)
        return model

    return make


VARIANTS: dict[str, Callable[[bool, int], Any]] = {
    "the recipe": variant(),
    "numbers scaled and clipped, no bins": variant(numbers="scaled"),
    "numbers in bins only": variant(numbers="piecewise_linear"),
    "8 bins": variant(n_bins=8),
    "features not centred": variant({"centred": False}),
    "no linear start": variant(linear_start=False),
    "one network": variant(n_members=1),
    "4 networks": variant(n_members=4),
    "one hidden layer of 32": variant(hidden_layer_sizes=(32,)),
    "two of 64": variant(hidden_layer_sizes=(64, 64)),
    "selu": variant(activation="selu"),
    "mish": variant(activation="mish"),
    "mini-batches of 64": variant(batch_size=64),
    "half the epochs": variant(epochs=32),
    "a constant learning rate": variant({"schedule": "constant"}),
    "four periods of a cosine (coslog4)": variant({"schedule": "log_cosine"}),
    "a tenth of the rate for biases": variant({"bias_rate": 0.1}),
    "a tenth of the rate for the first layer": variant({"first_rate": 0.1}),
    "beta_2 = 0.999": variant({"beta_2": 0.999}),
    "the last epoch, not the best": variant({"best_epoch": False}),
    "last weights not 0 at first": variant({"zero_output": False}),
    "no weight decay": variant(weight_decay=0.0),
    "dropout 0.1": variant(dropout=0.1),
    "no label smoothing": variant(label_smoothing=0.0),
    "no temperature": variant({"tempered": False}),
}
