"""The arguments `dY`, `derivative_weight` and `derivative_units` of `fit`, checked."""

from __future__ import annotations  # so that naming numpy.random does not import it

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from fastbp import derivatives, validation
from fastbp.batches.data import comes_in_chunks
from fastbp.batches.samples import Samples, checked
from fastbp.formulations import Formulation
from fastbp.model import Array, Model
from fastbp.validation.array_likes import as_array

if TYPE_CHECKING:
    from fastbp.derivatives.sobolev import WithDerivatives


def with_derivatives(net: Any, X: Any, Y: Any, asked: SimpleNamespace) -> tuple[Formulation, Any, Any]:
    """Return the formulation and the samples of a `fit`, with derivatives if it is given some.

    Raises TypeError or ValueError if they are not as they should be, or are given with an option that has none.
    """
    dY = getattr(asked, "dY", None)
    if dY is None:
        return net._formulation, X, Y
    if comes_in_chunks(X, Y) or isinstance(X, np.memmap) or isinstance(Y, np.memmap):
        raise ValueError("dY is given, but X and Y are not arrays in memory: give numpy.array(X), or leave dY out")
    for option in ("dropout", "communicator", "shards"):
        if getattr(asked, option) is not None:
            raise ValueError(f"{option} is not possible with dY: leave one of them out")
    if getattr(asked.optimizer, "layer_rates", None) is not None:
        raise ValueError("layer_rates are not possible with dY: leave one of them out")
    if getattr(asked.optimizer, "regularization", None) is not None:
        raise ValueError("the evidence is not known with dY: give l2 instead of regularization")
    negative = validation.truth("allow_negative_weights", asked.allow_negative_weights)
    samples = checked(X, Y, net._model, "", asked.sample_weight, negative)
    formulation, extended = of_samples(samples, dY, asked.derivative_weight, asked.derivative_units, net._model)
    return formulation, extended, None


def of_samples(samples: Samples, dY: Any, weight: Any, units: Any, model: Model) -> tuple[WithDerivatives, Samples]:
    """Return a formulation and samples with derivatives behind their targets. Raises TypeError or ValueError."""
    if why := derivatives.sobolev.refusal(model):
        raise ValueError(f"dY is given, but {why}")
    shape = len(samples), model.sizes[-1], model.sizes[0]
    given = as_array("dY", dY)
    if given.dtype.kind not in "buif":
        raise TypeError(f"dY is of dtype {given.dtype}; needed are real numbers, NaN where a derivative is not known")
    if shape[1] == 1 and given.shape == (shape[0], shape[2]):
        given = given[:, None, :]
    if given.shape != shape:
        also = f", or with one output {(shape[0], shape[2])}" if shape[1] == 1 else ""
        raise ValueError(
            f"dY has shape {given.shape}; needed is {shape}{also}: dY[s, j, k] is the derivative of output j by "
            "input k of sample s, NaN where it is not known"
        )
    D = given.astype(np.float64)
    if np.isinf(D).any():
        raise ValueError(
            f"dY{np.argwhere(np.isinf(D))[0].tolist()} is infinite; it must be finite, or NaN for not known"
        )
    if np.isnan(D).all():
        raise ValueError("dY is NaN everywhere: no derivative is known; leave it out")
    D = D * _in_units(units, shape)
    Y, inputs = derivatives.sobolev.extended(samples.Y, D, _weight(weight, shape), samples.weight, model)
    return derivatives.sobolev.WithDerivatives(inputs), replace(samples, Y=Y, classes=False)


def _weight(given: Any, shape: tuple[int, int, int]) -> Array:
    weight = validation.matrix("derivative_weight", given, np.dtype(np.float64))
    if weight.shape not in ((), shape[1:], shape):
        raise ValueError(
            f"derivative_weight has shape {weight.shape}; needed is a number, {shape[1:]} with one for each "
            f"derivative, or {shape} with one for each derivative of each sample"
        )
    if (weight < 0).any() or not (weight > 0).any():
        raise ValueError("derivative_weight must be at least 0, and greater than 0 somewhere")
    return weight


def _in_units(units: Any, shape: tuple[int, int, int]) -> Array:
    """Return what a derivative in the user's units is multiplied by, (n_out, n_in): deviations of x by those of y."""
    if units is None:
        return np.ones(shape[1:])
    pair = validation.entries("derivative_units", units, "a pair: deviations of the inputs and of the targets")
    if len(pair) != 2:
        raise ValueError(f"derivative_units has {len(pair)} entries; needed are 2: deviations of inputs, of targets")
    x, y = (validation.matrix(f"derivative_units[{i}]", each, np.dtype(np.float64)) for i, each in enumerate(pair))
    for i, (each, n) in enumerate(((x, shape[2]), (y, shape[1]))):
        if each.shape not in ((), (n,)) or not (each > 0).all():
            raise ValueError(
                f"derivative_units[{i}] is {pair[i]!r}; needed is a number, or {n} of them, greater than 0"
            )
    return np.asarray(np.broadcast_to(x, shape[2:]) / np.broadcast_to(y, shape[1:2])[:, None])
