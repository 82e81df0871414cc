"""The state of a training, to a file and back: the history, and everything the bits of the next `fit` depend on.

That is the optimizer with its hyperparameters, moments and count of steps; the random generator, which orders samples;
the network's own seed and count of steps, for dropout; the seed also decides which samples are held out.
"""

from __future__ import annotations  # so that naming numpy.random does not import it

import dataclasses
import inspect
import sys
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from fastbp import optimizers
from fastbp.files.serialization import TrainingState
from fastbp.model import Array, Model
from fastbp.optimizers import LBFGS, ConjugateGradient, Optimizer, OptimizerState
from fastbp.training.history import History
from fastbp.training.state import Training

OURS: dict[str, type[Optimizer]] = {
    name: kind
    for name, kind in vars(optimizers).items()
    if inspect.isclass(kind) and issubclass(kind, Optimizer) and kind is not Optimizer
}

GENERATORS = ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")

ARRAYS = [field.name for field in dataclasses.fields(OptimizerState)]
# The largest memory of LBFGS in a file of version 2, which does not have the memory itself: a small file must not make
# fastbp allocate much.
LARGEST_OF_VERSION_2 = 500

# Positions in a generator's buffer: NumPy does not check them, and reads beyond the buffer if they are too large.
LARGEST = {"pos": 624, "buffer_pos": 4, "has_uint32": 1}


class Resumed(NamedTuple):
    """The state of a training from a file."""

    rng: np.random.Generator
    own_seed: int
    history: History | None
    training: Training | None


def state_of(training: Training | None, rng: np.random.Generator, seed: int, history: History | None) -> TrainingState:
    """Return the state for a file. Raises ValueError for a random generator or an optimizer that a file cannot name."""
    words: dict[str, Any] = {"seed": seed, "generator": _plain(rng.bit_generator.state)}
    if words["generator"].get("bit_generator") not in GENERATORS:
        raise ValueError(
            f"the random generator is a {type(rng.bit_generator).__name__}, but a file can only keep those of NumPy, "
            f"{', '.join(GENERATORS)}: give the network one of them as its seed, or leave training_state out"
        )
    words["history"] = None if history is None else _plain(vars(history))
    words["optimizer"] = None if training is None else _optimizer_words(training.optimizer)
    words["steps"] = 0 if training is None else int(training.steps[0])
    arrays = {} if training is None else {f"optimizer.{name}": value for name, value in vars(training.state).items()}
    return TrainingState(words, arrays)


def resumed(saved: TrainingState, model: Model, custom: Iterable[Any]) -> Resumed:
    """Return the state from a file. Raises ValueError, KeyError, TypeError or OverflowError if it is not valid."""
    words = saved.words
    seed = words["seed"]
    if type(seed) is not int or not 0 <= seed < 2**63:
        raise ValueError(f"its seed is {seed!r}")
    rng = _generator(words["generator"])
    history = None if words["history"] is None else _history(words["history"])
    if words["optimizer"] is None:
        return Resumed(rng, seed, history, None)
    optimizer = _optimizer(words["optimizer"], custom)
    if isinstance(optimizer, LBFGS):
        in_file = LARGEST_OF_VERSION_2 if saved.version == 2 else len(saved.arrays["optimizer.first"])
        if optimizer.memory > in_file:
            raise ValueError(f"its LBFGS remembers {optimizer.memory} steps, but it has room for {in_file}")
    optimizers.layer_rates.of_layers(optimizer, model.n_layers)
    state = optimizer.new_state(model.parameters.vector.size, model.dtype)
    without_memory = saved.version == 2 and isinstance(optimizer, LBFGS | ConjugateGradient)
    _take_over(state, saved.arrays, ["t", "rate"] if without_memory else [*vars(state)])
    steps = int(state.t[0]) if saved.version == 2 else words["steps"]
    if type(steps) is not int or not 0 <= steps < 2**63:
        raise ValueError(f"it was trained for {steps!r} steps")
    return Resumed(rng, seed, history, Training(model, optimizer, state, rng, np.array([steps], np.int64)))


def _optimizer_words(optimizer: Optimizer) -> dict[str, Any]:
    kind = type(optimizer)
    if OURS.get(kind.__name__, kind) is not kind:
        raise ValueError(
            f"{kind.__name__} is your own optimizer, but fastbp has one of that name, which the file would mean: give "
            "yours another name"
        )
    given = {field.name: getattr(optimizer, field.name) for field in dataclasses.fields(optimizer) if field.init}
    if optimizer.layer_rates is None:  # as in the files of before
        del given["layer_rates"]
    return {"name": kind.__name__, "hyperparameters": _plain(given)}


def _optimizer(words: dict[str, Any], custom: Iterable[Any]) -> Optimizer:
    name, hyperparameters = words["name"], words["hyperparameters"]
    theirs = {kind.__name__: kind for kind in custom if isinstance(kind, type) and issubclass(kind, Optimizer)}
    kind = (OURS | theirs).get(name)
    if kind is None:
        raise ValueError(f"it uses the optimizer {name!r}, which is not one of fastbp's: give its class, custom=[…]")
    return kind(**hyperparameters)


def _take_over(state: OptimizerState, arrays: dict[str, Array], kept: list[str]) -> None:
    """Overwrite a new state with the arrays of the file. Raises ValueError for other shapes or dtypes."""
    for name in kept:
        mine, theirs = getattr(state, name), arrays[f"optimizer.{name}"]
        if theirs.shape != mine.shape or theirs.dtype != mine.dtype:
            raise ValueError(
                f"its array optimizer.{name} is {theirs.dtype} of shape {theirs.shape}; this network needs "
                f"{mine.dtype} of shape {mine.shape}"
            )
        mine[:] = theirs
    if state.t[0] < 0:
        raise ValueError(f"it has taken {state.t[0]} steps")


def _generator(words: dict[str, Any]) -> np.random.Generator:
    name = words["bit_generator"]
    if name not in GENERATORS:
        raise ValueError(f"its random generator is {name!r}, which is not NumPy's")
    bits = getattr(np.random, name)(0)
    bits.state = _of_the_form_of(bits.state, words, "generator")
    return np.random.Generator(bits)


def _of_the_form_of(form: Any, words: Any, where: str) -> Any:
    """Return the `words` with arrays where the `form` has them. Raises ValueError if keys or types differ."""
    if isinstance(form, dict):
        if not isinstance(words, dict) or words.keys() != form.keys():
            raise ValueError(f"its {where} does not have {', '.join(form)}")
        return {name: _of_the_form_of(value, words[name], f"{where}.{name}") for name, value in form.items()}
    if isinstance(form, np.ndarray):
        if not isinstance(words, list) or len(words) != form.size or not all(type(n) is int for n in words):
            raise ValueError(f"its {where} is not a list of {form.size} whole numbers")
        return np.array(words, form.dtype)
    if isinstance(form, str):
        return form
    largest = LARGEST.get(where.rpartition(".")[2], 2**128 - 1)
    if type(words) is not int or not 0 <= words <= largest:
        raise ValueError(f"its {where} is not a whole number from 0 to {largest}")
    return words


def _history(words: dict[str, Any]) -> History:
    """Return the history from the file. Raises ValueError or TypeError if it is not valid."""
    history = History(**words)
    n = len(history)
    lists = {name: value for name, value in vars(history).items() if isinstance(vars(History()).get(name), list)}
    for name, values in (*lists.items(), *history.metrics.items()):
        if not isinstance(values, list) or len(values) not in (0, n) or not all(map(_is_number, values)):
            raise ValueError(f"its history has no {n} numbers of {name!r}")
    for measured in history.data_sets.values():
        if not isinstance(measured, list) or not all(isinstance(name, str) for name in measured):
            raise ValueError(f"its history has a data set with the metrics {measured!r}, which is not a list of names")
    history.data_sets = {name: tuple(measured) for name, measured in history.data_sets.items()}
    if type(history.interrupted) is not bool or not isinstance(history.stopped, str | None):
        raise ValueError("its history does not say how training ended")
    best = history.best_epoch
    if best is not None and (type(best) is not int or not 1 <= best <= n):
        raise ValueError(f"its best epoch is {best!r} of {n}")
    return history


def _is_number(value: Any) -> bool:
    """Whether it is a float, or a whole number that could be one."""
    return isinstance(value, float) or (type(value) is int and abs(value) <= sys.float_info.max)


def _plain(value: Any) -> Any:
    """Return a value with NumPy's numbers and arrays, and tuples, replaced by Python's numbers and lists."""
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value
