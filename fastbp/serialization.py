"""Networks in files: the safetensors format, with the architecture as JSON in its metadata. Loading runs no code.

A file is eight bytes with the length of a JSON header, the header, which gives the dtype, shape and place of every
array, and the arrays.
"""

import json
import os
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fastbp.kernels.activations import ACTIVATIONS, Activation
from fastbp.kernels.costs import COSTS, PARAMETRIC, Cost
from fastbp.parameters import Array, Model

FORMAT_VERSION = "1"

LARGEST_HEADER = 100_000_000  # bytes, the limit of the safetensors package
_DTYPES: dict[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "F64": np.dtype("<f8")}


class ModelFileError(ValueError):
    """A file is not a model that fastbp can read; the message names the file and says why."""


class SavedNetwork(NamedTuple):
    """What a file says of a network."""

    arguments: dict[str, Any]  # for Network(**arguments)
    weights: list[Array]
    biases: list[Array]
    metadata: dict[str, Any]


def save(path: str | os.PathLike[str], model: Model, formulation: str, metadata: dict[str, Any]) -> None:
    """Write a network to a file, whole or not at all: an old file stays until the new one is on the disk."""
    for activation in model.activations:
        _check_name(activation, ACTIVATIONS)
    _check_name(model.cost, COSTS)
    arrays: dict[str, Array] = {}
    for l, (w, b) in enumerate(zip(model.parameters.weights, model.parameters.biases, strict=True), start=1):
        arrays[f"weights.{l}"], arrays[f"biases.{l}"] = w, b
    architecture = {
        "sizes": list(model.sizes),
        "activations": [activation.name for activation in model.activations],
        "cost": model.cost.name,
        "cost_parameter": model.cost.parameter,
        "dtype": model.dtype.name,
        "formulation": formulation,
    }
    words = {"fastbp": FORMAT_VERSION, "architecture": json.dumps(architecture), "metadata": json.dumps(metadata)}
    write_atomically(path, encode(arrays, words))


def _check_name(choice: Activation | Cost, table: Mapping[str, Activation | Cost]) -> None:
    """Refuse a user's own function under one of our names: the file holds names only, and would mean ours."""
    ours = choice.function.__module__ == table[choice.name].function.__module__ if choice.name in table else None
    if ours is False:
        raise ValueError(
            f"{choice.name!r} is your own {type(choice).__name__}, but fastbp has one of that name, which the file "
            "would mean: give yours another name"
        )


def encode(arrays: dict[str, Array], metadata: dict[str, str]) -> bytes:
    """Return the bytes of a safetensors file."""
    names = {dtype: name for name, dtype in _DTYPES.items()}
    header: dict[str, Any] = {"__metadata__": metadata}
    content, end = [], 0
    for name, array in arrays.items():
        little_endian = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        start, end = end, end + array.nbytes
        header[name] = {"dtype": names[little_endian.dtype], "shape": list(array.shape), "data_offsets": [start, end]}
        content.append(little_endian.tobytes())
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, *content])


def write_atomically(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file beside its place, flush it to the disk, and move it there."""
    target = Path(path)
    unfinished = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}")
    try:
        with unfinished.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, target)
    finally:
        unfinished.unlink(missing_ok=True)


def load(path: str | os.PathLike[str], custom: Iterable[Activation | Cost]) -> SavedNetwork:
    """Read what `save` wrote. Raises OSError if it cannot be read, ModelFileError if it is anything else."""
    try:
        return _saved_network(*decode(Path(path).read_bytes()), list(custom))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        reason = f"missing {error}" if isinstance(error, KeyError) else str(error)
        raise ModelFileError(f"{os.fspath(path)}: not a model that fastbp can read: {reason}") from None


def decode(content: bytes) -> tuple[dict[str, Array], dict[str, str]]:
    """Return arrays and metadata of a safetensors file. Raises ValueError, KeyError or TypeError for anything else."""
    if len(content) < 8:
        raise ValueError(f"it is only {len(content)} bytes long")
    length = int.from_bytes(content[:8], "little")
    if length > min(LARGEST_HEADER, len(content) - 8):
        raise ValueError(
            f"its header should be {length} bytes, but {len(content) - 8} follow: cut off, or of another format"
        )
    header = json.loads(content[8 : 8 + length])
    if not isinstance(header, dict):
        raise ValueError("its header is not a JSON object")
    data = memoryview(content)[8 + length :]
    metadata = header.pop("__metadata__", {})
    arrays, expected = {}, 0
    for name, entry in header.items():
        dtype, shape = _DTYPES[entry["dtype"]], [int(n) for n in entry["shape"]]
        start, end = (int(n) for n in entry["data_offsets"])
        n_bytes = dtype.itemsize
        for n in shape:
            n_bytes *= n
        if min(shape, default=0) < 0 or start != expected or end != start + n_bytes or end > len(data):
            raise ValueError(
                f"array {name!r} of shape {shape} does not fit its place {start}…{end} of {len(data)} bytes"
            )
        arrays[name] = np.frombuffer(data[start:end], dtype).reshape(shape)
        expected = end
    if expected != len(data):
        raise ValueError(f"{len(data) - expected} bytes follow the last array")
    return arrays, metadata


def _saved_network(arrays: dict[str, Array], words: dict[str, str], custom: list[Activation | Cost]) -> SavedNetwork:
    if words.get("fastbp") != FORMAT_VERSION:
        raise ValueError(f"it has format version {words.get('fastbp')!r}; this fastbp reads {FORMAT_VERSION!r}")
    architecture = json.loads(words["architecture"])
    sizes, names = architecture["sizes"], architecture["activations"]
    if len(names) != len(sizes) - 1:
        raise ValueError(f"it names {len(names)} activations for {len(sizes) - 1} layers")
    weights = [arrays[f"weights.{l}"] for l in range(1, len(sizes))]
    biases = [arrays[f"biases.{l}"] for l in range(1, len(sizes))]
    for l, (shape, w, b) in enumerate(zip(zip(sizes[1:], sizes, strict=False), weights, biases, strict=True), start=1):
        if w.shape != shape or b.shape != shape[:1] or {w.dtype.name, b.dtype.name} != {architecture["dtype"]}:
            raise ValueError(f"the arrays of layer {l} are not {architecture['dtype']} of the shape {shape}")
    activations = [_known("activation", name, ACTIVATIONS, custom, Activation) for name in names]
    arguments = {
        "sizes": sizes,
        "activation": activations[:-1],
        "output_activation": activations[-1],
        "cost": _known_cost(architecture["cost"], architecture["cost_parameter"], custom),
        "dtype": architecture["dtype"],
        "formulation": architecture["formulation"],
    }
    metadata = json.loads(words["metadata"])
    if not isinstance(metadata, dict):
        raise ValueError(f"its metadata is not a JSON object but {metadata!r}")
    return SavedNetwork(arguments, weights, biases, metadata)


def _known_cost(name: str, parameter: float | None, custom: list[Activation | Cost]) -> Any:
    if name in PARAMETRIC and parameter is not None:
        return PARAMETRIC[name](parameter)
    return _known("cost", name, COSTS, custom, Cost)


def _known(what: str, name: str, table: dict[str, Any], custom: list[Activation | Cost], kind: type) -> Any:
    for candidate in custom:
        if isinstance(candidate, kind) and candidate.name == name:
            return candidate
    if name not in table:
        raise ValueError(f"it uses the {what} {name!r}, which is not one of fastbp's: give yours with custom=[…]")
    return table[name]
