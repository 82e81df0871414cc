"""Tables as learning problems: which targets are classes, held-out rows, and scaling, which the weights take over."""

from __future__ import annotations  # so that naming Network and Table does not import them

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from fastbp.data import Split, Table
    from fastbp.network.network import Network

Array = npt.NDArray[Any]
Kind = Literal["classify", "regress"]

MOST_VALUES = 20  # a target of whole numbers is classes if it has at most this number of different values,
ROWS_PER_VALUE = 5  # and at least this number of rows for each of them
MOST_CLASSES = 1000  # more are a column of names instead; their one-hot targets could fill the memory


@dataclass(frozen=True)
class Scaling:
    """Columns shifted and scaled to mean 0 and standard deviation 1; constant columns to 0.

    >>> scaling = Scaling.of(np.array([[1.0, 7.0], [3.0, 7.0]]))
    >>> scaling.apply(np.array([[1.0, 7.0], [5.0, 8.0]]))
    array([[-1., 0.],
           [ 3., 0.]])
    """

    mean: Array  # (n_columns,) float64
    deviation: Array  # (n_columns,) float64; 0 for a constant column

    @classmethod
    def of(cls, values: Array) -> Scaling:
        """Return the scaling that standardises the columns of `values`, (n_rows, n_columns)."""
        low, high = values.min(axis=0), values.max(axis=0)
        # In units near the largest value squares neither overflow nor underflow; a power of two rounds nothing.
        unit = np.ldexp(1.0, np.frexp(np.maximum(-low, high))[1] - 1)
        mean, deviation = (values / unit).mean(axis=0) * unit, (values / unit).std(axis=0) * unit
        # The mean of equal numbers may be off by a rounding: their deviation must be 0 all the same. For a subnormal
        # deviation the factor 1/deviation would be infinite.
        varies = (low < high) & (deviation >= np.finfo(np.float64).tiny)
        return cls(np.where(varies, mean, low), np.where(varies, deviation, 0.0))

    @property
    def factor(self) -> Array:
        """1/deviation; 0 for constant columns: training learns nothing about them, so predictions must ignore them."""
        return np.divide(1.0, self.deviation, out=np.zeros_like(self.deviation), where=self.deviation > 0)

    def apply(self, values: Array) -> Array:
        """Return (values − mean) · factor."""
        return (values - self.mean) * self.factor


def folded(net: Network, inputs: Scaling, targets: Scaling | None = None) -> Network:
    """Return the network that takes unscaled inputs and gives unscaled outputs.

    z⁽¹⁾ = w (x − mean) / deviation + b is (w / deviation) x + (b − (w / deviation) mean), so the first layer takes over
    the scaling of the inputs, and an identity output layer that of the targets. The network is in float64, whatever
    `net` is, because a column may be far from 0 compared with its deviation. Raises ValueError if there are `targets`,
    but the outputs of `net` are not identity.

    >>> import fastbp
    >>> net = fastbp.Network([1, 1], initializer="zeros")
    >>> net.weights[0][:] = 2
    >>> raw = folded(net, Scaling(np.array([10.0]), np.array([5.0])), Scaling(np.array([100.0]), np.array([3.0])))
    >>> raw.predict([[20.0]])  # (20 − 10) / 5 = 2, twice that is 4, 4 · 3 + 100
    array([[112.]])
    """
    output = net.activations[-1]
    if targets is not None and output.name != "identity":
        raise ValueError(f"the output activation is {output.name!r}; only identity outputs can be rescaled")
    result = type(net)(
        net.sizes, activation=net.activations[:-1], output_activation=output, cost=net.cost, initializer="zeros",
        dtype="float64", formulation=net.formulation,
    )  # fmt: skip
    result.parameters, result.history, result.metadata = net.parameters, net.history, dict(net.metadata)
    result.weights[0][:] *= inputs.factor
    result.biases[0][:] -= result.weights[0] @ inputs.mean
    if targets is not None:
        result.weights[-1][:] *= targets.deviation[:, None]
        result.biases[-1][:] = result.biases[-1] * targets.deviation + targets.mean
    return result


def class_names(y: Array) -> Array:
    """Return the targets as the names of classes: whole numbers without a decimal point, text as it is.

    >>> class_names(np.array([1.0, 2.0])).tolist(), class_names(np.array([True, False])).tolist()
    (['1', '2'], ['1', '0'])
    """
    if y.dtype.kind == "U":
        return y
    values, index = np.unique(y, return_inverse=True)
    return np.array([str(int(v)) if v == np.floor(v) else str(v) for v in values])[index.reshape(y.shape)]


def means_classes(y: Array) -> bool:
    """Whether a target is classes: text, or true and false, or few whole numbers (`MOST_VALUES`, `ROWS_PER_VALUE`).

    >>> means_classes(np.array(["a", "b"])), means_classes(np.arange(100.0)), means_classes(np.arange(100) % 3)
    (True, False, True)
    """
    if y.dtype.kind in "Ub":
        return True
    if y.ndim == 2 and y.shape[1] > 1:
        return False
    different = np.unique(y)
    whole = bool((different == np.floor(different)).all())
    return whole and 2 <= len(different) <= min(MOST_VALUES, y.size // ROWS_PER_VALUE)


def encode_classes(y: Array, target: str) -> tuple[npt.NDArray[np.intp], list[str]]:
    """Return labels 0, 1, … and the names of the classes: numbers ascending, text in alphabetical order.

    Raises ValueError for a single class, for more than `MOST_CLASSES`, and for more than one column.

    >>> encode_classes(np.array(["no", "yes", "no"]), "answer")
    (array([0, 1, 0]), ['no', 'yes'])
    """
    if y.ndim == 2 and y.shape[1] > 1:
        raise ValueError(f"the target {target!r} has {y.shape[1]} columns; classes are one column of labels")
    values, labels = np.unique(y.ravel(), return_inverse=True)
    if not 2 <= len(values) <= MOST_CLASSES:
        advice = "name the right column" if len(values) == 1 or y.dtype.kind == "U" else "regress instead of classify"
        raise ValueError(
            f"the target {target!r} has {len(values)} different value{'s' * (len(values) > 1)}; for classes 2 to "
            f"{MOST_CLASSES} are required: {advice}"
        )
    return labels.astype(np.intp), class_names(values).tolist()


def split_rows(n: int, test_share: float, seed: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return the rows to train on and the rows held out, drawn at random; at least one of each.

    Raises ValueError for fewer than two rows, and for a share that is not between 0 and 1.

    >>> train, test = split_rows(10, 0.2, seed=0)
    >>> len(train), len(test), sorted([*train, *test]) == list(range(10))
    (8, 2, True)
    """
    if not 0 < test_share < 1:
        raise ValueError(f"the test share is {test_share:g}; it must be greater than 0 and less than 1, such as 0.2")
    if n < 2:
        raise ValueError("the table has 1 row; at least 2 are needed, one to train on and one to test on")
    n_test = min(max(round(n * test_share), 1), n - 1)
    order = np.random.default_rng(seed).permutation(n)
    return np.sort(order[n_test:]), np.sort(order[:n_test])


@dataclass
class Problem:
    """Unscaled samples to train and to test on, and the scaling for training."""

    X_train: Array  # a row for each sample
    y_train: Array  # (n_rows,) labels of classes, or (n_rows, n_outputs) numbers
    X_test: Array
    y_test: Array
    classes: list[str] | None  # their names; None for regression
    inputs: Scaling | None = None  # None: not scaled
    targets: Scaling | None = None
    metadata: dict[str, Any] = field(default_factory=dict)  # for the model file

    @property
    def n_outputs(self) -> int:
        """How many outputs its network has."""
        return len(self.classes) if self.classes else int(self.y_train.shape[1])

    def scaled(self, X: Array, y: Array) -> tuple[Array, Array]:
        """Return scaled samples for the training."""
        return (self.inputs.apply(X) if self.inputs else X), (self.targets.apply(y) if self.targets else y)

    def finished(self, net: Network) -> Network:
        """Return the trained network, made to take unscaled samples, with the metadata."""
        result = folded(net, self.inputs, self.targets) if self.inputs else net
        result.metadata = dict(self.metadata)
        return result


def problem_of_split(split: Split, name: str) -> Problem:
    """Return the problem of an image data set; its pixels, in [0, 1], are not scaled."""
    classes = [str(label) for label in split.classes.tolist()]
    return Problem(*split[:4], classes, metadata={"data": name, "classes": classes})


def problem_of_table(
    table: Table, kind: Kind | None = None, *, test_share: float = 0.2, seed: int = 0, scale_targets: bool = True
) -> Problem:
    """Return the problem of a table with a target: classification or regression, as `kind` or `means_classes` says.

    `seed` decides which rows are held out, `test_share` of all. `scale_targets` says whether the numbers of a
    regression are scaled for training: that needs identity outputs. Raises ValueError where `encode_classes` or
    `split_rows` does, for text as numbers, and if no feature varies.
    """
    assert table.y is not None and table.target_name is not None
    y, name = table.y, table.target_name
    train, test = split_rows(len(table.X), test_share, seed)
    metadata: dict[str, Any] = {"features": list(table.feature_names), "target": name}
    classes = targets = None
    if kind == "classify" or (kind is None and means_classes(y)):
        y, classes = encode_classes(y, name)
        metadata["classes"] = classes
    elif y.dtype.kind == "U":
        raise ValueError(f"the target {name!r} is text, which stands for classes; regression needs numbers")
    else:
        y = y.astype(np.float64).reshape(len(y), -1)
        targets = Scaling.of(y[train]) if scale_targets else None
    inputs = Scaling.of(table.X[train])
    if not inputs.deviation.any():
        raise ValueError("no feature varies in the training rows; at least one must, or there is nothing to learn from")
    return Problem(table.X[train], y[train], table.X[test], y[test], classes, inputs, targets, metadata)
