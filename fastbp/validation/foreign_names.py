"""Other libraries' names for activations, costs and so on, and advice about names that fastbp does not have.

Names are compared without case, hyphens and underscores, so "LeakyReLU" and "leaky-relu" need no entry.
"""

import functools
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

BINARY = ("binary_crossentropy", "bce", "bce_loss", "bce_with_logits_loss")
CATEGORICAL = ("categorical_crossentropy", "sparse_categorical_crossentropy")

# For each kind of thing: fastbp's names, and other libraries' names for exactly the same.
ALIASES: dict[str, dict[str, tuple[str, ...]]] = {
    "activation": {
        "identity": ("linear", "purelin"), "sigmoid": ("logistic", "logsig"), "tanh": ("tansig",), "relu": ("poslin",),
        "silu": ("swish",), "exponential": ("exp",),
    },
    "cost": {
        # The mean squared error of others is divided by the number of outputs; the minimum is at the same place.
        "squared_error": ("mse", "mse_loss", "mean_squared_error", "sse"),
        "absolute": ("mae", "mean_absolute_error", "absolute_error", "l1", "l1_loss"),
        "cross_entropy": ("cross_entropy_loss", "log_loss", *BINARY, *CATEGORICAL),
        "huber": ("huber_loss", "smooth_l1", "smooth_l1_loss"),
        "quantile": ("pinball", "pinball_loss", "quantile_loss"),
        "poisson": ("poisson_nll_loss",),
    },
    "initializer": {
        "glorot": ("glorot_uniform", "xavier_uniform", "xavier"),
        "he": ("kaiming_normal", "kaiming"), "zeros": ("zero",),
    },
    "metric": {
        "accuracy": ("acc", "binary_accuracy", "categorical_accuracy", "sparse_categorical_accuracy"),
        "r2": ("r2_score",), "mae": ("mean_absolute_error",),
    },
    "optimizer": {
        "lbfgs": ("l_bfgs_b",), "conjugate_gradient": ("cg",), "levenberg_marquardt": ("lm", "trainlm"),
        "rprop": ("trainrp",), "sgd": ("traingd",), "momentum": ("traingdm",),
    },
}  # fmt: skip

_OWN_ACTIVATION = "fastbp does not have it; define it as a fastbp.Activation"
_OWN_COST = "fastbp does not have it; define it as a fastbp.Cost"
_CUT_NORMAL = "Keras truncates the normal distribution at two deviations; {!r} is the same without truncation"
_NORMAL = "{!r} is a normal distribution of the same variance"
_UNIFORM = "'glorot' is a uniform distribution of the same variance"
_MSE = "use the cost 'squared_error', which is this times the number of outputs, or your own function"
# Names that fastbp does not have, and the nearest thing that it has.
EXPLAINED: dict[str, dict[str, str]] = {
    "activation": {
        "log_softmax": "use 'softmax' with the cost 'cross_entropy', which computes the logarithm itself",
        **dict.fromkeys(
            ("hard_sigmoid", "hard_swish", "hard_tanh", "softsign", "relu6", "prelu", "celu", "satlin", "hardlim",
             "radbas"), _OWN_ACTIVATION,
        ),
    },
    "cost": {
        "kl_divergence": "for given targets it is 'cross_entropy' minus a constant, with the same gradient",
        "nll_loss": "it needs logarithms of outputs; use 'cross_entropy' with softmax outputs",
        **dict.fromkeys(
            ("hinge", "log_cosh", "mape", "msle", "mean_absolute_percentage_error", "mean_squared_logarithmic_error",
             "cosine_similarity"), _OWN_COST,
        ),
    },
    "initializer": {
        "he_normal": _CUT_NORMAL.format("he"),
        "lecun_normal": _CUT_NORMAL.format("lecun"),
        "he_uniform": _NORMAL.format("he"), "kaiming_uniform": _NORMAL.format("he"),
        "lecun_uniform": _NORMAL.format("lecun"), "glorot_normal": _UNIFORM, "xavier_normal": _UNIFORM,
    },
    "metric": {"mse": _MSE, "mean_squared_error": _MSE},
    "optimizer": {
        "trainscg": "there is no scaled conjugate gradient; 'conjugate_gradient', with a line search, is similar",
        "trainbfg": "'lbfgs' is BFGS with limited memory",
        "trainbr": "use fastbp.LevenbergMarquardt(regularization='evidence')",
        "nadam": "it combines 'adam' and 'nesterov', which fastbp has separately",
    },
}  # fmt: skip


def _plain(name: str) -> str:
    return re.sub(r"[-_\s]", "", name.lower())


def _of_kind(table: Mapping[str, Mapping[str, Any]], what: str) -> dict[str, Any]:
    """Return the part of a table for `what`: "cost", "output_activation", "activation or cost"."""
    return {name: v for kind in what.removeprefix("output_").split(" or ") for name, v in table.get(kind, {}).items()}


def is_one_of(name: Any, names: Iterable[str]) -> bool:
    """Whether `name` is one of these names, in any spelling."""
    return isinstance(name, str) and _plain(name) in map(_plain, names)


def meant(what: str, choice: str, table: Iterable[str]) -> str | None:
    """Return the name in `table` that `choice` means in another library or spelling; or None."""
    aliases = _of_kind(ALIASES, what)
    return next((name for name in table if aliases and is_one_of(choice, (name, *aliases.get(name, ())))), None)


def hint(what: str, choice: str, table: Iterable[str]) -> str:
    """Return advice about an unknown name, or the nearest known name, or only a full stop."""
    explained = {_plain(name): words for name, words in _of_kind(EXPLAINED, what).items()}
    if _plain(choice) in explained:
        return f": {explained[_plain(choice)]}."
    from difflib import get_close_matches  # takes long to import, and only an error needs it

    near = get_close_matches(choice.lower(), table, n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else "."


# Parameters of other libraries, and what fastbp has instead.
_RATE = "it is a parameter of the optimizer: fit(optimizer=fastbp.SGD(learning_rate=0.1)), fastbp.Adam(0.001) and so on"
_OF_NETWORK, _OF_FIT = "it is a parameter of Network: Network(sizes, {})", "it is a parameter of fit: fit(X, Y, {})"
FIT_PARAMETERS = {
    "verbose": "progress=True shows a live line, progress=False nothing; print(history) prints a table of all epochs",
    "x": "the inputs are X", "y": "the targets are Y",
    "loss": _OF_NETWORK.format("cost=…"), "cost": _OF_NETWORK.format("cost=…"),
    "lr": _RATE, "learning_rate": _RATE, "learning_rate_init": _RATE,
    "momentum": "give optimizer=fastbp.Momentum(learning_rate, momentum)",
    "solver": "it is called optimizer",
    **dict.fromkeys(("n_epochs", "num_epochs", "nb_epoch", "max_iter"), "it is called epochs"),
    **dict.fromkeys(("minibatch_size", "mini_batch_size", "batch"), "it is called batch_size"),
    "validation_fraction": "it is called validation_split",
    **dict.fromkeys(("eval_set", "test_data", "X_val"), "it is called validation_data: (X, Y)"),
    "goal": "give early_stopping=fastbp.EarlyStopping(\"training_cost\", patience=None, goal=…)",
    "patience": "give early_stopping=fastbp.EarlyStopping(patience=…)",
    "lmbda": "the penalty is called l2, and is divided by the number of samples",
    "alpha": "the penalty is called l2; for scikit-learn's alpha and n samples, give l2=alpha * n / batch_size",
    "weight_decay": "it is called l2; or give fastbp.AdamW(weight_decay=…)",
    "seed": _OF_NETWORK.format("seed=…"), "random_state": _OF_NETWORK.format("seed=…"),
    "initial_epoch": "a second fit continues from the first one",
    "sample_weights": "it is called sample_weight",
}  # fmt: skip
NETWORK_PARAMETERS = {
    **dict.fromkeys(("loss", "loss_function", "criterion"), "it is called cost"),
    **dict.fromkeys(("hidden_layer_sizes", "layers", "layer_sizes", "input_shape", "input_dim"),
                    "sizes has all layers, input and output too: [784, 30, 10]"),
    **dict.fromkeys(("random_state", "rng"), "it is called seed"),
    **dict.fromkeys(("kernel_initializer", "init", "weight_init"), "it is called initializer"),
    **dict.fromkeys(("activations", "hidden_activation", "activation_function"), "it is called activation"),
    **dict.fromkeys(("out_activation", "final_activation"), "it is called output_activation"),
    "lr": _RATE, "learning_rate": _RATE, "learning_rate_init": _RATE,
    "optimizer": _OF_FIT.format("optimizer=…"), "solver": _OF_FIT.format("optimizer=…"),
    "epochs": _OF_FIT.format("epochs=…"), "max_iter": _OF_FIT.format("epochs=…"),
    "batch_size": _OF_FIT.format("batch_size=…"), "alpha": _OF_FIT.format("l2=…"), "l2": _OF_FIT.format("l2=…"),
    "dropout": _OF_FIT.format("dropout=…"), "metrics": _OF_FIT.format("metrics=…"),
    "verbose": _OF_FIT.format("progress=…"),
}  # fmt: skip


def explaining(explained: Mapping[str, str]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a function explain, in its TypeError, parameters that similar functions of other libraries have."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        names = list(inspect.signature(function).parameters)

        @functools.wraps(function)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            for name in kwargs:
                if name not in names:
                    from difflib import get_close_matches  # takes long to import, and only an error needs it

                    near = get_close_matches(name, names, n=1)
                    words = f"did you mean {near[0]}?" if near else f"it has {', '.join(names[1:])}"
                    called = function.__qualname__.removesuffix(".__init__")
                    raise TypeError(f"{called} has no parameter {name!r}: {explained.get(name, words)}")
            return function(*args, **kwargs)

        return checked

    return decorate
