"""Metrics of outputs: by name, or a user's own function of outputs and targets."""

from __future__ import annotations  # so that naming numpy.random does not import it

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from fastbp import validation
from fastbp.batches.samples import AnySamples
from fastbp.distributed.shards import Sharded
from fastbp.formulations import Formulation
from fastbp.model import Array, Model

OfClass: TypeAlias = Callable[[Array, Array], float]  # of who is taken for a class, and who is in it, (n,) each


@dataclass
class Evaluation:
    """The cost and metrics of a network on some samples.

    Attributes
    ----------
    cost : float
        The mean cost of the samples.
    accuracy : float or None
        The fraction of samples whose class is right; None where the targets are not classes.
    metrics : dict of str to float
        The other metrics, by name.

    Examples
    --------
    >>> import fastbp
    >>> net = fastbp.Network([2, 3, 2], cost="cross_entropy", initializer="zeros", seed=0)
    >>> result = net.evaluate([[0.0, 1.0], [1.0, 0.0]], [0, 1])
    >>> print(result)
    cost 0.6931  accuracy 50.00%
    >>> result.values()["accuracy"]
    0.5
    """

    cost: float
    accuracy: float | None = None
    metrics: dict[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"cost {self.cost:.4g}" + ("" if self.accuracy is None else f"  accuracy {self.accuracy:.2%}")

    def values(self) -> dict[str, float]:
        """Return cost, accuracy (if there is one) and metrics by name."""
        accuracy = {} if self.accuracy is None else {"accuracy": self.accuracy}
        return {"cost": self.cost} | accuracy | self.metrics


@dataclass(frozen=True)
class Metric:
    """A function of outputs (n, n_out) and targets (n, n_out), and its properties."""

    name: str
    function: Callable[[Array, Array], Any]
    greater_is_better: bool | None = None  # None: not known of a user's own
    needs_classes: bool = False

    def __call__(self, outputs: Array, Y: Array) -> float:
        """Return the value as a float. Raises TypeError if a user's own function does not return a number."""
        value = self.function(outputs, Y)
        try:
            return float(value)
        except (TypeError, ValueError):
            raise TypeError(f"the metric {self.name!r} returned {value!r}; it must return a number") from None


def accuracy(outputs: Array, Y: Array) -> float:
    """Return the fraction of rows whose class is right: the largest output, or for one output, whether it exceeds ½."""
    return float((_classes(outputs) == _classes(Y)).mean())


def top_k(outputs: Array, Y: Array, k: int) -> float:
    """Return the fraction of rows whose class is among the k largest outputs; equal outputs rank by their index."""
    actual = Y.argmax(axis=1)[:, None]
    of_actual = np.take_along_axis(outputs, actual, axis=1)
    ahead = (outputs > of_actual) | ((outputs == of_actual) & (np.arange(outputs.shape[1]) < actual))
    return float((ahead.sum(axis=1) < k).mean())


def r2(outputs: Array, Y: Array, weight: Array | None = None) -> float:
    """Return R² = 1 − Σ w (a − y)² / Σ w (y − ȳ)², the mean over outputs; w is 1 without sample weights.

    For constant y it is 1 if the outputs are right, else 0, as in scikit-learn.
    """
    y, w = Y.astype(np.float64), 1.0 if weight is None else weight[:, None].astype(np.float64)
    residual = (w * (outputs - y) ** 2).sum(axis=0)
    total = (w * (y - np.average(y, axis=0, weights=weight)) ** 2).sum(axis=0)
    varies = total > 0
    return float(np.where(varies, 1 - residual / np.where(varies, total, 1), residual == 0).mean())


def mae(outputs: Array, Y: Array) -> float:
    """Return the mean absolute error |a − y|, over samples and outputs."""
    return float(np.abs(outputs.astype(np.float64) - Y).mean())


def f1(predicted: Array, actual: Array) -> float:
    """Return F1 = 2 TP / (2 TP + FP + FN) of one class, from who is taken for it and who is in it; 0 for 0/0."""
    return _share(2 * (predicted & actual).sum(), predicted.sum() + actual.sum())


def precision(predicted: Array, actual: Array) -> float:
    """Return TP / (TP + FP) of one class, from who is taken for it and who is in it; 0 for 0/0."""
    return _share((predicted & actual).sum(), predicted.sum())


def recall(predicted: Array, actual: Array) -> float:
    """Return TP / (TP + FN) of one class, from who is taken for it and who is in it; 0 for 0/0."""
    return _share((predicted & actual).sum(), actual.sum())


def _share(part: Any, whole: Any) -> float:
    return float(part / whole) if whole else 0.0


def macro(of_class: OfClass) -> Callable[[Array, Array], float]:
    """Return the mean of such a function over the classes that occur as targets or predictions."""

    def mean(outputs: Array, Y: Array) -> float:
        predicted, actual = _classes(outputs), _classes(Y)
        return float(np.mean([of_class(predicted == c, actual == c) for c in np.union1d(predicted, actual)]))

    return mean


def binary(of_class: OfClass) -> Callable[[Array, Array], float]:
    """Return such a function of class 1."""
    return lambda outputs, Y: of_class(_classes(outputs) == 1, _classes(Y) == 1)


def roc_auc(outputs: Array, Y: Array) -> float:
    """Return the area under the ROC curve, the mean over outputs: each class against the rest.

    It is the probability that the output of a sample of the class is larger than that of another sample; equal outputs
    count one half (Mann & Whitney, *On a test of whether one of two random variables is stochastically larger than the
    other*, 1947). Classes that all samples have, or none, are left out; NaN if no class is left.
    """
    areas = [_area(a, y > 0.5) for a, y in zip(outputs.T, Y.T, strict=True) if 0 < (y > 0.5).sum() < len(y)]
    return float(np.mean(areas)) if areas else float("nan")


def _area(a: Array, actual: Array) -> float:
    """Return (Σ ranks of the samples of the class − n₁(n₁ + 1)/2) / n₁n₀; equal outputs share their mean rank."""
    _, place, counts = np.unique(a, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    n_of, n_rest = int(actual.sum()), int((~actual).sum())
    return (float(ranks[actual].sum()) - n_of * (n_of + 1) / 2) / (n_of * n_rest)


def log_loss(outputs: Array, Y: Array) -> float:
    """Return the mean of −log of the output of the right class; of a single output a, it is a or 1 − a.

    Outputs are taken as probabilities as they are, and limited to ε … 1 − ε with ε of their dtype, as in scikit-learn.
    """
    epsilon = float(np.finfo(outputs.dtype).eps)
    p = np.clip(outputs.astype(np.float64), epsilon, 1 - epsilon)
    right = np.where(Y > 0.5, p, 1 - p) if Y.shape[1] == 1 else np.take_along_axis(p, Y.argmax(axis=1)[:, None], axis=1)
    return float(-np.log(right).mean())


def _classes(values: Array) -> Array:
    """Return the class of each row: the index of the largest value, or, for a single column, whether it exceeds ½."""
    return (values[:, 0] > 0.5).astype(np.int64) if values.shape[1] == 1 else values.argmax(axis=1)


METRICS = {
    "accuracy": Metric("accuracy", accuracy, True, True),
    "r2": Metric("r2", r2, True),
    "mae": Metric("mae", mae, False),
    **{
        (name := f"{of_class.__name__}_{kind.__name__}"): Metric(name, kind(of_class), True, True)
        for of_class in (f1, precision, recall)
        for kind in (macro, binary)
    },
    "roc_auc": Metric("roc_auc", roc_auc, True, True),
    "log_loss": Metric("log_loss", log_loss, False, True),
}
KNOWN = (*METRICS, "top_2, top_3, …")


def chosen(metrics: Any, n_out: int) -> list[Metric]:
    """Return the metrics of a list of names and functions, or of a mapping of names to functions.

    Raises TypeError or ValueError for anything else, for unknown names and for a name given twice.
    """
    if isinstance(metrics, Mapping):
        found = [_own(name, function) for name, function in metrics.items()]
    elif isinstance(metrics, str) or callable(metrics):
        found = [_metric(metrics, n_out)]
    else:
        listed = validation.entries("metrics", metrics, f"a list of names and functions. Known: {', '.join(KNOWN)}")
        found = [_metric(choice, n_out) for choice in listed]
    names = [metric.name for metric in found]
    twice = next((name for name in names if names.count(name) > 1 or name == "cost"), None)
    if twice is not None:
        raise ValueError(
            f'metrics has the name {twice!r} twice (the cost is always included): name yours with {{"name": function}}'
        )
    return found


def check_cost(metrics: Iterable[Metric], model: Model) -> None:
    """Raise ValueError if a metric compares each output with its target, but there are several outputs for each."""
    for metric in metrics:
        if model.cost.n_targets(model.sizes[-1]) != model.sizes[-1] and metric.greater_is_better is not None:
            raise ValueError(
                f"the metric {metric.name!r} compares each output with its target, but with the cost "
                f"{model.cost.name!r} there are {model.cost.outputs_per_target} outputs for each target: give your own "
                "function of outputs and targets"
            )


def _metric(choice: Any, n_out: int) -> Metric:
    if isinstance(choice, str):
        return _known(choice, n_out)
    return _own(getattr(choice, "__name__", type(choice).__name__), choice)


def _own(name: Any, function: Any) -> Metric:
    if not isinstance(name, str) or not name:
        raise TypeError(f"metrics has the key {name!r}; keys must be non-empty strings")
    if not callable(function):
        raise TypeError(f"the metric {name!r} is {function!r}; it must be a function of outputs and Y")
    return Metric(name, function)


def _known(name: str, n_out: int) -> Metric:
    k = re.fullmatch(r"top_([1-9]\d*)", name)
    if k is None:
        metric = METRICS[validation.known_name("metric", name, METRICS | dict.fromkeys(KNOWN[-1:]))]
        if metric.name.endswith("_binary") and n_out > 2:
            instead = metric.name.replace("_binary", "_macro")
            raise ValueError(f"the metric {metric.name!r} is for two classes, but there are {n_out}: use {instead!r}")
        return metric
    if int(k[1]) >= n_out:
        raise ValueError(f"the metric {name!r} is always 1 for {n_out} outputs: choose a smaller k")
    return Metric(name, lambda outputs, Y: top_k(outputs, Y, int(k[1])), True, True)


def evaluate(
    formulation: Formulation, model: Model, samples: AnySamples | Sharded, metrics: Iterable[Metric] = ()
) -> Evaluation:
    """Return the mean cost, with weights if the samples have some, the accuracy if Y is classes, and the metrics.

    In shards there are only the first two.
    """
    if isinstance(samples, Sharded):
        return _of_shards(formulation, model, samples)
    parts = [(*formulation.costs(model, block.X, block.Y, block.weight), block.Y) for block in samples.blocks()]
    outputs, costs, Y = parts[0] if len(parts) == 1 else (np.concatenate(part) for part in zip(*parts, strict=True))
    right = accuracy(outputs, Y) if samples.classes else None
    Y = Y[:, : model.cost.n_targets(model.sizes[-1])]
    others = {metric.name: metric(outputs, Y) for metric in metrics if metric.name != "accuracy"}
    return Evaluation(float(costs.mean()), right, others)


def _of_shards(formulation: Formulation, model: Model, samples: Sharded) -> Evaluation:
    def of_shard(i: int, out: Array) -> None:
        out[:] = 0
        for block in samples.blocks(i):
            outputs, costs = formulation.costs(model, block.X, block.Y, block.weight)
            out += costs.sum(), (_classes(outputs) == _classes(block.Y)).sum()

    cost, right = samples.total(of_shard, np.empty(2)) / len(samples)
    return Evaluation(float(cost), float(right) if samples.samples.classes else None)


def check_targets(metrics: Iterable[Metric], name: str, samples: AnySamples) -> None:
    """Raise ValueError if a metric needs classes, or targets, that the data set called `name` does not have."""
    for metric in metrics:
        if samples.missing:
            raise ValueError(
                f"the metric {metric.name!r} needs all targets, but some of the data set {name!r} are missing: leave "
                "the metric out, or validate on other samples"
            )
        if metric.needs_classes and not samples.classes:
            raise ValueError(
                f"the metric {metric.name!r} needs classes, but the targets of the data set {name!r} are not classes: "
                "give labels or one-hot rows, with a sigmoid or softmax output"
            )


def in_words(cost: float, evaluations: Mapping[str, Evaluation]) -> str:
    """Return the training cost of an epoch and its evaluations as a line of text."""
    words = f"cost {cost:.4g}"
    for data, evaluation in evaluations.items():
        words += f"  {data} cost {evaluation.cost:.4g}"
        if evaluation.accuracy is not None:
            words += f"  accuracy {evaluation.accuracy:.2%}"
    return words
