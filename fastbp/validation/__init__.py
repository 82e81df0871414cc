"""Checks of users' arguments. Every error says what was given, what is required, what to do."""

import contextlib
import math
import operator
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

import numpy as np

from fastbp.functions.activations import Activation, Interval
from fastbp.functions.costs import Cost
from fastbp.model import Array
from fastbp.validation import foreign_names
from fastbp.validation.array_likes import as_array, why_no_numbers

T = TypeVar("T")
interval = cache(Interval.parse)  # of a range that has been read before
REALS = interval("(-inf, inf)")
LAID_OUT = 0x1 | 0x100  # of the flags of an array: C-contiguous and aligned


def named(what: str, choice: Any, table: Mapping[str, T], kind: type[T]) -> T:
    """Return the entry of `table` called `choice`, or `choice` itself if it is a `kind`.

    Raises ValueError for an unknown name, TypeError for anything else.
    """
    if isinstance(choice, kind):
        return choice
    if not isinstance(choice, str):
        raise TypeError(f"{what} is {choice!r}; it must be a name or a fastbp.{kind.__name__}")
    return table[known_name(what, choice, table)]


def known_name(what: str, choice: Any, table: Mapping[str, Any]) -> str:
    """Return the name in `table` that `choice` means, in any case, or as another library calls it.

    Raises TypeError unless it is a str, ValueError with the nearest known name if it is unknown.
    """
    if not isinstance(choice, str):
        raise TypeError(f"{what} is {choice!r}; it must be one of {', '.join(table)}")
    if choice in table:
        return choice
    meant = foreign_names.meant(what, choice, table)
    if meant is not None:
        return meant
    raise ValueError(f"unknown {what} {choice!r}{foreign_names.hint(what, choice, table)} Known: {', '.join(table)}")


def whole_number(what: str, value: Any, minimum: int, most: float = sys.maxsize) -> int:
    """Return `value` as an int. Raises TypeError if it is not a whole number, ValueError if out of range."""
    try:
        if isinstance(value, bool | np.bool_):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{what} is {value!r}; it must be a whole number") from None
    if number < minimum:
        raise ValueError(f"{what} is {number}; it must be at least {minimum}")
    if number > most:
        raise ValueError(f"{what} is {number}; it must be at most {most}")
    return number


def number(what: str, value: Any, minimum: float, below: float = math.inf) -> float:
    """Return `value` as a float. Raises TypeError if it is not a number, ValueError unless minimum ≤ value < below."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.integer | np.floating):
        raise TypeError(f"{what} is {value!r}; it must be a number")
    too_large = isinstance(value, int) and abs(value) > sys.float_info.max  # for a float
    if not minimum <= value < below or value == -math.inf or too_large:
        limit = "finite" if below == math.inf else f"less than {below:g}"
        least = "" if minimum == -math.inf else f"at least {minimum:g} and "
        raise ValueError(f"{what} is {value}; it must be {least}{limit}")
    return float(value)


def positive(what: str, value: Any) -> float:
    """Return `value` as a float. Raises TypeError if it is not a number, ValueError unless 0 < value < ∞."""
    if number(what, value, 0) == 0:
        raise ValueError(f"{what} is {value}; it must be a finite number greater than 0")
    return float(value)


def layer_index(what: str, layer: Any, sizes: Sequence[int], lowest: int = 0) -> int:
    """Return a layer of lowest…L. Raises TypeError if it is not a whole number, ValueError if it is out of range."""
    checked, last = whole_number(what, layer, 0), len(sizes) - 1
    if not lowest <= checked <= last:
        hint = ", 0 the input" if lowest == 0 else "; layer 0 is the input, without weights" if checked == 0 else ""
        raise ValueError(f"{what} is {checked}; it must be {lowest} to {last}{hint}")
    return checked


def neuron_index(what: str, neuron: Any, sizes: Sequence[int], layer: int) -> int:
    """Return a neuron of a layer. Raises TypeError if it is not a whole number, ValueError if it is out of range."""
    checked = whole_number(what, neuron, 0)
    if checked >= sizes[layer]:
        neurons = "1 neuron, 0" if sizes[layer] == 1 else f"{sizes[layer]} neurons, 0 to {sizes[layer] - 1}"
        raise ValueError(f"{what} is {checked}; layer {layer} has {neurons}")
    return checked


def entries(what: str, value: Any, needed: str) -> list[Any]:
    """Return an iterable as a list. Raises TypeError if it is not iterable, or a str or bytes."""
    if not isinstance(value, str | bytes):
        with contextlib.suppress(TypeError):
            return list(value)
    raise TypeError(f"{what} is {value!r}; it must be {needed}")


def layer_sizes(sizes: Iterable[int]) -> tuple[int, ...]:
    """Return the sizes of the layers. Raises TypeError or ValueError unless there are at least two, all ≥ 1."""
    listed = entries("sizes", sizes, "a list of layer sizes such as [784, 30, 10]")
    checked = tuple(whole_number(f"sizes[{l}]", n, 1) for l, n in enumerate(listed))
    if len(checked) < 2:
        raise ValueError(f"sizes is {list(checked)}; a network needs at least an input and an output layer")
    return checked


def float_type(dtype: Any) -> np.dtype[Any]:
    """Return float32 or float64. Raises ValueError for another dtype, TypeError if it is not a dtype."""
    try:
        if dtype is None:  # NumPy would read it as float64
            raise TypeError
        checked = np.dtype(dtype)
    except (TypeError, ValueError, SyntaxError, DeprecationWarning):
        raise TypeError(f"dtype is {dtype!r}; it must be 'float32' or 'float64'") from None
    if checked not in (np.float32, np.float64):
        raise ValueError(f"dtype is {checked}; fastbp computes in float32 or float64")
    return np.dtype(np.float32 if checked.itemsize == 4 else np.float64)


def per_layer(what: str, choice: Any, n_layers: int) -> list[Any]:
    """Return a choice for each layer, from one for all or from a list. Raises ValueError for another length."""
    if isinstance(choice, str) or not isinstance(choice, Sequence):
        return [choice] * n_layers
    if len(choice) != n_layers:
        raise ValueError(f"{what} has {len(choice)} entries, but there are {n_layers} layers: {list(choice)!r}")
    return list(choice)


def matrix(what: str, data: Any, dtype: np.dtype[Any]) -> Array:
    """Return `data` as a C-contiguous read-only array of `dtype`, all finite; without a copy if possible.

    Read-only so that the user's array is not written to, and so that the compiled loops have one type only. Raises
    TypeError for data that are not real numbers, ValueError for NaN, infinity or overflow of `dtype`.
    """
    if is_ready(data, dtype):
        return read_only(data)
    given = data if type(data) is np.ndarray and not data.dtype.hasobject else as_array(what, data)
    converted, own = given, given.dtype
    if (own is not dtype and own != dtype) or given.flags.num & LAID_OUT != LAID_OUT:
        if given.dtype.kind not in "buif" or given.dtype == np.float16:
            advice = why_no_numbers(what, given, data) if given.dtype == object else ""
            advice = advice or "convert it with .astype('float32') if it holds real numbers"
            raise TypeError(f"{what} is of dtype {given.dtype}; needed are float32, float64 or integers: {advice}")
        with np.errstate(over="ignore"):
            converted = np.require(given, dtype, ["C", "A"]).view(np.ndarray)
    _check_finite(what, converted, given)
    return read_only(converted)


def is_ready(data: Any, dtype: np.dtype[Any]) -> bool:
    """Whether `matrix` has nothing to convert and sees at a glance that all is finite: a small array mostly is."""
    return (
        type(data) is np.ndarray
        and data.dtype is dtype
        and data.flags.num & LAID_OUT == LAID_OUT
        and math.isfinite(np.vdot(data, data))
    )


def read_only(array: Array) -> Array:
    """Return a view that cannot be written to."""
    view = array.view()
    view.setflags(False)  # type: ignore[call-arg]  # write: by name, it takes as long again as the view
    return view


def all_finite(numbers: Array) -> bool:
    """Whether all are finite: at once by the product with itself, unless that overflows."""
    return math.isfinite(np.vdot(numbers, numbers)) or bool(np.isfinite(numbers).all())


def _check_finite(what: str, converted: Array, given: Array) -> None:
    if math.isfinite(np.vdot(converted, converted)):  # the fastest, but squares may overflow
        return
    with np.errstate(over="ignore", invalid="ignore"):
        if math.isfinite(converted.sum(dtype=np.float64)):
            return
    bad = np.argwhere(~np.isfinite(converted))
    if len(bad):
        index = tuple(int(i) for i in bad[0])
        others = f" and {len(bad) - 1} more" if len(bad) > 1 else ""
        place = f"{what}[{', '.join(map(str, index))}]"
        advice = f"all must be finite in {converted.dtype}: remove or replace them"
        raise ValueError(f"{place} is {given[index]}{others}; {advice}")


def inputs(X: Any, n_in: int, dtype: np.dtype[Any], what: str = "X") -> Array:
    """Return X as (n, n_in). Raises as `matrix`, and ValueError for another shape or no samples."""
    checked = matrix(what, X, dtype)
    shape = checked.shape
    if len(shape) == 2 and shape[1] == n_in and shape[0] > 0:
        return checked
    if checked.ndim != 2:
        hint = f"; for one sample write {what}[None, :]" if checked.ndim == 1 and checked.size == n_in else ""
        raise ValueError(f"{what} has shape {checked.shape}; needed is (n_samples, {n_in}){hint}")
    if checked.shape[1] != n_in:
        raise ValueError(f"{what} has {checked.shape[1]} features, but the network expects {n_in} (its first layer)")
    raise ValueError(f"{what} has no samples; at least one is needed")


def targets(Y: Any, X: Array, n_out: int, output: Activation, cost: Cost, what: str = "Y") -> tuple[Array, bool]:
    """Return Y as (n, n_out), and whether it is classes: labels, or rows of zeros with one 1.

    With a cost of whole samples, which may have fewer targets than outputs, what is not a target is 0.

    Raises ValueError for another shape or length, labels out of range, or values outside the range of the cost.
    """
    given = Y if type(Y) is np.ndarray and not Y.dtype.hasobject else as_array(what, Y)
    if cost.whole_sample:
        return _targets_of_samples(given, X, n_out, cost, what), False
    if given.ndim == 2 and given.shape[1] == 1 and n_out > 1 and is_classifier(output):
        given = given[:, 0]
    if given.ndim == 1 and n_out > 1:
        return _one_hot(given, len(X), n_out, output, X.dtype, what), True
    checked = matrix(what, given[:, None] if given.ndim == 1 else given, X.dtype)
    if checked.ndim != 2 or checked.shape[1] != n_out:
        raise ValueError(f"{what} has shape {given.shape}; needed is (n_samples, {n_out}): the last layer has {n_out}")
    _check_length(what, len(checked), len(X))
    _check_target_range(what, checked, cost, output)
    return checked, _is_classes(checked, output)


def _targets_of_samples(given: Array, X: Array, n_out: int, cost: Cost, what: str) -> Array:
    """Return targets of a cost of whole samples, with zeros in the place of those that outputs have none of."""
    n_targets = cost.n_targets(n_out)
    checked = matrix(what, given[:, None] if given.ndim == 1 else given, X.dtype)
    if checked.ndim != 2 or checked.shape[1] != n_targets:
        raise ValueError(
            f"{what} has shape {given.shape}; needed is (n_samples, {n_targets}): with {n_out} outputs the cost "
            f"{cost.name!r} has {n_targets} for each sample"
        )
    _check_length(what, len(checked), len(X))
    _check_target_range(what, checked, cost, None)
    wide = np.zeros((len(checked), n_out), X.dtype)
    wide[:, :n_targets] = checked
    wide.flags.writeable = False
    return wide


def output(what: str, array: Any, shape: tuple[int, ...], dtype: np.dtype[Any], *others: Array) -> None:
    """Raise TypeError or ValueError unless `array` is a writable array of this shape and dtype, apart from `others`."""
    if type(array) is not np.ndarray:
        raise TypeError(f"{what} is a {type(array).__name__}; it must be a NumPy array")
    if array.shape != shape or array.dtype != dtype:
        raise ValueError(f"{what} has shape {array.shape} and dtype {array.dtype}; needed are {shape} and {dtype}")
    if not (array.flags.c_contiguous and array.flags.aligned and array.flags.writeable):
        raise ValueError(f"{what} must be C-contiguous, aligned and writeable; numpy.empty makes such an array")
    if any(np.may_share_memory(array, other) for other in others):
        raise ValueError(f"{what} is in the same memory as X, Y or the parameters; numpy.empty makes an array apart")


def _check_length(what: str, n: int, n_samples: int) -> None:
    if n != n_samples:
        raise ValueError(f"{what} has {n} rows, but X has {n_samples}; every sample needs one target")


def _one_hot(labels: Array, n_samples: int, n_out: int, output: Activation, dtype: np.dtype[Any], what: str) -> Array:
    if not is_classifier(output):
        raise ValueError(
            f"{what} has shape {labels.shape}, but the network has {n_out} {output.name} outputs: give (n_samples, "
            f"{n_out}), or, for class labels, use the output activation 'softmax' or 'sigmoid'"
        )
    if labels.dtype.kind not in "bui":
        whole = labels.dtype.kind == "f" and np.isfinite(labels).all() and (labels == np.floor(labels)).all()
        if not whole:
            hint = ": use numpy.unique(labels, return_inverse=True)[1]" if labels.dtype.kind in "OUST" else ""
            needed = f"class labels are whole numbers from 0 to {n_out - 1}{hint}"
            raise TypeError(f"{what} is of dtype {labels.dtype}; {needed}")
    _check_length(what, len(labels), n_samples)
    if labels.min() < 0 or labels.max() >= n_out:
        i = int(np.flatnonzero((labels < 0) | (labels >= n_out))[0])
        needed = f"class labels go from 0 to {n_out - 1} (the last layer has {n_out})"
        raise ValueError(f"{what}[{i}] is {labels[i]}; {needed}")
    one_hot = np.zeros((len(labels), n_out), dtype)
    one_hot[np.arange(len(labels)), labels.astype(np.intp)] = 1
    one_hot.flags.writeable = False
    return one_hot


def _check_target_range(what: str, Y: Array, cost: Cost, output: Activation | None) -> None:
    allowed = interval(cost.target_range)
    if allowed is not REALS and not (allowed.has(Y.min()) and allowed.has(Y.max())):
        s, j = next((int(s), int(j)) for s, j in np.ndindex(Y.shape) if not allowed.has(Y[s, j]))
        raise ValueError(f"{what}[{s}, {j}] is {Y[s, j]}; the cost {cost.name!r} needs targets in {cost.target_range}")
    if output and output.whole_layer and cost.name == "cross_entropy" and not np.abs(_row_sums(Y) - 1).max() < 5e-4:
        sums = Y.sum(axis=1, dtype=np.float64)
        wrong_rows = np.abs(sums - 1) > 1e-3
        if wrong_rows.any():
            s = int(wrong_rows.argmax())
            raise ValueError(
                f"{what}[{s}] sums to {sums[s]:g}; with softmax and cross_entropy a row of targets is a probability "
                f"distribution over the classes and must sum to 1 (for independent yes/no outputs use 'sigmoid')"
            )


def any_targets(cost: Cost, output: Activation) -> bool:
    """Whether any numbers, one for each output, can be targets, and are no classes."""
    return interval(cost.target_range) is REALS and not cost.whole_sample and not is_classifier(output)


def is_classifier(output: Activation) -> bool:
    """Whether outputs are probabilities of classes: sigmoid or softmax."""
    return _within_0_and_1(output.output_range)


@cache
def _within_0_and_1(output_range: str) -> bool:
    return interval("[0, 1]").contains(interval(output_range))


def _is_classes(Y: Array, output: Activation) -> bool:
    binary = is_classifier(output) and bool(((Y == 0) | (Y == 1)).all())
    return binary and (Y.shape[1] == 1 or bool((_row_sums(Y) == 1).all()))


def _row_sums(Y: Array) -> Array:
    """Return the sum of each row; exact for zeros and ones, else rounded. Ten times faster than `sum`."""
    with np.errstate(all="ignore"):  # BLAS may warn of numbers that it reads beside the matrix
        sums: Array = Y @ np.ones(Y.shape[1], Y.dtype)
    return sums


def seed(given: Any) -> Any:
    """Return a seed for `numpy.random.default_rng`. Raises TypeError or ValueError for anything else."""
    if given is None or isinstance(given, np.random.Generator | np.random.SeedSequence):
        return given
    return whole_number("seed", given, 0, most=math.inf)


def truth(what: str, value: Any) -> bool:
    """Return True or False. Raises TypeError for anything else."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{what} is {value!r}; it must be True or False")
    return bool(value)
