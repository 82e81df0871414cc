"""The data of a `fit`: samples, validation data and weights, checked before anything is changed."""

from __future__ import annotations  # so that naming numpy.random does not import it

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fastbp import validation
from fastbp.batches import sources
from fastbp.batches import weights as weighting
from fastbp.batches.orders import Orders
from fastbp.batches.samples import AnySamples, MappedSamples, Samples, SomeRows, checked_anywhere
from fastbp.batches.sources import Buffers, Chunks, FromChunks, FromFiles, InMemory, Source
from fastbp.model import Array, Model
from fastbp.validation import hints
from fastbp.validation.array_likes import is_sparse


@dataclass
class Data:
    """The samples that a `fit` trains on, and the data sets that it evaluates."""

    samples: AnySamples | None  # None: they come in chunks
    chunks: Chunks | None
    samples_per_epoch: int | None  # None for chunks of unknown number
    data_sets: dict[str, AnySamples]


class SampleWeight(NamedTuple):
    """The `sample_weight` of a user, unchecked."""

    given: Any
    may_be_negative: bool


def in_arrays(
    X: Any, Y: Any, model: Model, weight: SampleWeight, validation_data: Any, split: Any, split_seed: int
) -> Data:
    """Return the data of a `fit` on arrays, or on samples that are checked already. Raises TypeError or ValueError."""
    samples = X if isinstance(X, AnySamples) else checked_anywhere(X, Y, model, "", *weight)
    if weight.given is not None and not np.any(samples.weight):
        raise ValueError("sample_weight is 0 for every sample; at least one must be greater than 0")
    if split is None:
        return Data(samples, None, len(samples), data_sets(validation_data, model, (X, Y, samples)))
    held_out, kept = _split(split, len(samples), split_seed)
    trained_on = samples.part(kept)
    if weight.given is not None and not np.any(trained_on.weight):
        raise ValueError("sample_weight is 0 for all samples that validation_split leaves for training")
    return Data(trained_on, None, len(kept), {"validation": samples.part(held_out).evaluated()})


def in_chunks(
    X: Any, model: Model, weight: SampleWeight, validation_data: Any, steps: Any, batch_size: int, epochs: int
) -> Data:
    """Return the data of a `fit` on chunks. Raises TypeError or ValueError."""
    if weight.given is not None:
        raise ValueError("with chunks, sample_weight must be in the chunks: (X, Y, sample_weight)")
    steps = None if steps is None else validation.whole_number("steps_per_epoch", steps, 1)
    if steps is None and epochs > 1 and isinstance(X, Iterator):
        raise ValueError(
            f"X is a one-shot iterator but epochs is {epochs}: give the function that makes it, or steps_per_epoch"
        )
    n = None if steps is None else steps * batch_size
    return Data(None, Chunks(X, model, weight.may_be_negative), n, data_sets(validation_data, model, None))


def comes_in_chunks(X: Any, Y: Any) -> bool:
    """Whether X is an iterable of chunks, or a function that returns one."""
    array = isinstance(X, Sequence | Mapping) or hasattr(X, "__array__") or is_sparse(X)
    return Y is None and (callable(X) or (isinstance(X, Iterable) and not array))


def data_sets(given: Any, model: Model, trained_on: tuple[Any, Any, AnySamples] | None) -> dict[str, AnySamples]:
    """Return the data sets of `validation_data` by name; what is checked already is not checked again."""
    if given is None:
        return {}
    pairs = given if isinstance(given, Mapping) else {"validation": given}
    found: dict[str, AnySamples] = {}
    for name, pair in pairs.items():
        if not isinstance(name, str) or not name:
            raise TypeError(f"validation_data has the key {name!r}; keys must be non-empty strings")
        if isinstance(pair, AnySamples):
            found[name] = pair
            continue
        if not isinstance(pair, Sequence) or isinstance(pair, str) or len(pair) not in (2, 3):
            where = f"validation_data[{name!r}]" if pairs is given else "validation_data"
            others = "" if pairs is given else ", or a dict of them"
            raise ValueError(f"{where} must be a pair (X, Y), or (X, Y, sample_weight)" + others)
        X, Y, *weight = pair
        if trained_on is not None and X is trained_on[0] and Y is trained_on[1] and not weight:
            found[name] = trained_on[2].evaluated()
        else:
            found[name] = checked_anywhere(X, Y, model, f"{name} ", *weight)
    return found


def _split(given: Any, n: int, seed: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the rows to hold out and those to train on, each in ascending order."""
    fraction = validation.number("validation_split", given, 0.0, below=1.0)
    n_held_out = round(fraction * n)
    if not 0 < n_held_out < n:
        raise ValueError(
            f"validation_split is {fraction:g}, which holds out {n_held_out} of {n} samples; at least one is needed to "
            "validate on and one to train on"
        )
    shuffled = np.random.default_rng(seed).permutation(n)
    return np.sort(shuffled[:n_held_out]), np.sort(shuffled[n_held_out:])


class Weights:
    """The weights of samples or of their outputs, from `sample_weight` and `class_weight`; `ndim` is 0 for none."""

    def __init__(self, data: Data, class_weight: Any, n_out: int):
        if data.samples is None:
            if isinstance(class_weight, str):
                raise ValueError(f"with chunks, class_weight must be a dict, not {class_weight!r}")
            self.ndim = 0 if class_weight is None else 1
            self._of_classes = weighting.class_weights(class_weight, np.ones(max(2, n_out), int), n_out)
            return
        weight = data.samples.weight
        self.ndim = weight.ndim if weight is not None else 0 if class_weight is None else 1
        counts = None
        if class_weight is not None and data.samples.classes:
            counts = np.sum([weighting.class_counts(block.Y) for block in data.samples.blocks()], axis=0)
        self._of_classes = weighting.class_weights(class_weight, counts, n_out)

    def of_rows(self, samples: AnySamples) -> Array | None:
        """Return the weights of all training samples; None if none were given."""
        if not self.ndim:
            return None
        parts = [weighting.combined(block.weight, self._of_classes, block.Y) for block in samples.blocks()]
        return np.concatenate([part for part in parts if part is not None])

    def of_chunk(self, chunk: Samples) -> Array | None:
        """Return the weights of the samples of a chunk; None if none were given."""
        if self._of_classes is not None and not chunk.classes:
            raise ValueError("class_weight needs targets that are classes, but a chunk has other targets")
        return weighting.combined(chunk.weight, self._of_classes, chunk.Y)


def smoothed(data: Data, share: Any, model: Model) -> Data:
    """Return the data with smoothed labels, (1 − ε) y + ε/K where ε is `share`; data sets are evaluated as they are.

    Raises TypeError or ValueError unless the share is at least 0 and less than 1 and the targets are classes in memory.
    """
    share = validation.number("label_smoothing", share, 0.0, below=1.0)
    if share == 0:
        return data
    if not isinstance(data.samples, Samples | SomeRows):
        raise ValueError("label_smoothing is for samples in memory; smooth the targets of files and chunks yourself")
    if not data.samples.classes:
        raise ValueError(
            "label_smoothing needs targets that are classes: labels or one-hot rows, sigmoid or softmax outputs"
        )
    n_classes = model.sizes[-1] if model.activations[-1].whole_layer else 2
    return replace(data, samples=data.samples.smoothed(share, n_classes))


def hints_about(samples: AnySamples | None, model: Model) -> list[str]:
    """Return hints about samples in memory. Those of files and chunks would have to be read first."""
    if not isinstance(samples, Samples):
        return []
    output, X, Y = model.activations[-1], samples.X, samples.Y[:, : model.cost.n_targets(model.sizes[-1])]
    return [hints.target_range(Y, output), hints.scales(X, Y, output)]


def source(data: Data, weights: Weights, shuffle: Any, model: Model, batch_size: int, epochs: int) -> Source:
    """Return the source of the samples of all epochs. Raises TypeError or ValueError for a wrong `shuffle`."""
    rows = sources.rows_between_looks(model, batch_size)
    n_in, n_out = model.sizes[0], model.sizes[-1]
    in_buffers = sources.buffer_rows(rows, batch_size, (n_in + n_out) * model.dtype.itemsize)
    if data.chunks is not None:
        if not isinstance(shuffle, bool | np.bool_):
            raise ValueError("with chunks shuffle must be True or False: samples keep the order of the chunks")
        buffers = Buffers(in_buffers, n_in, n_out, model.dtype, weights.ndim)
        return FromChunks(data.chunks, weights.of_chunk, buffers, data.samples_per_epoch)
    assert data.samples is not None
    n, weight = len(data.samples), weights.of_rows(data.samples)
    orders = Orders(shuffle, n, epochs, full_batch=batch_size >= n)
    if isinstance(data.samples, MappedSamples):
        in_buffers = min(in_buffers, -(-n // batch_size) * batch_size)
        return FromFiles(data.samples, weight, orders, Buffers(in_buffers, n_in, n_out, model.dtype, weights.ndim))
    return InMemory(data.samples, weight, orders, rows)
