"""Networks in files: the safetensors format, with the architecture as JSON in its metadata. Loading runs no code.

**Versions.** A file names the version of its format. This fastbp writes version 3. Every later fastbp reads all of them
since 1, with the same parameters, bit for bit (`tests/data` has a file of each), and refuses newer ones.

1. Metadata ``fastbp``: ``"1"``; ``architecture`` and ``metadata``: JSON. Arrays ``weights.l`` and ``biases.l``.
2. Metadata ``fastbp``: a JSON object of ``version``, ``conventions``, ``architecture``, ``metadata`` and, if the state
   of training was saved, ``training``. Arrays as in version 1 and, with that state, ``optimizer.…``.
3. ``training`` also has ``steps``, the number of mini-batches trained on; in version 2 that is the optimizer's count.
   Files have the memory of LBFGS and ConjugateGradient; in version 2 it is empty.

**Populations.** A file of many networks has ``version`` and ``population`` in its metadata ``fastbp``: a list of such
JSON objects, one for each network. The names of the arrays of network i, from 0, begin with ``i/``.
"""

import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

from fastbp import disk
from fastbp.files.container import decode, encode, words_of
from fastbp.functions.activations import ACTIVATIONS, Activation
from fastbp.functions.costs import COSTS, PARAMETRIC, Cost
from fastbp.functions.layer_activations import LAYER_ACTIVATIONS
from fastbp.functions.sample_costs import PARAMETRIC_OF_SAMPLES, SAMPLE_COSTS
from fastbp.model import Array, Model
from fastbp.optimizers import Optimizer

FORMAT_VERSION = 3

CONVENTIONS = (
    "z = w a + b and a = sigma(z) in the layers l = 1 ... L; weights.l is w of layer l, of the shape (n_out, n_in), "
    "row by row, and biases.l is b; activations are those of the layers 1 ... L, by fastbp's names"
)

Custom: TypeAlias = Activation | Cost | type[Optimizer]


class ModelFileError(ValueError):
    """A file is not a model that fastbp can read; the message names the file and says why.

    Examples
    --------
    >>> import fastbp, pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "no_model.safetensors")
    ...     _ = path.write_text("something else")
    ...     fastbp.load(path)
    Traceback (most recent call last):
        ...
    fastbp.files.serialization.ModelFileError: ...
    """


class TrainingState(NamedTuple):
    """What a file holds so that training can continue: values that JSON can hold, and arrays."""

    words: dict[str, Any]
    arrays: dict[str, Array]
    version: int = FORMAT_VERSION  # of the file


class Contents(NamedTuple):
    """What a file will hold of a network: arrays, and values that JSON can hold."""

    arrays: dict[str, Array]
    words: dict[str, Any]


class SavedNetwork(NamedTuple):
    """What a file holds of a network."""

    arguments: dict[str, Any]  # for Network(**arguments)
    weights: list[Array]
    biases: list[Array]
    metadata: dict[str, Any]
    training: TrainingState | None


def save(path: str | os.PathLike[str], contents: Contents) -> None:
    """Write a network to a file, whole or not at all: an old file stays until the new one is on the disk."""
    disk.write(path, encode(contents.arrays, json.dumps(contents.words)))


def save_several(path: str | os.PathLike[str], networks: Iterable[Contents]) -> None:
    """Write many networks to a file, in the same way."""
    arrays: dict[str, Array] = {}
    words = []
    for i, contents in enumerate(networks):
        arrays |= {f"{i}/{name}": array for name, array in contents.arrays.items()}
        words.append(contents.words)
    disk.write(path, encode(arrays, json.dumps({"version": FORMAT_VERSION, "population": words})))


def contents_of(
    model: Model, formulation: str, metadata: dict[str, Any], training: TrainingState | None = None
) -> Contents:
    """Return what a file holds of a network. Raises ValueError for a function of a user's with the name of ours."""
    for activation in model.activations:
        _check_name(activation, ACTIVATIONS | LAYER_ACTIVATIONS)
    _check_name(model.cost, COSTS | SAMPLE_COSTS)
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
    content = {
        "version": FORMAT_VERSION, "conventions": CONVENTIONS, "architecture": architecture, "metadata": metadata,
    }  # fmt: skip
    if training is not None:
        content["training"] = training.words
        arrays.update(training.arrays)
    return Contents(arrays, content)


def _check_name(choice: Activation | Cost, table: Mapping[str, Activation | Cost]) -> None:
    """Refuse a user's own function under one of our names: the file holds the name only, which would mean ours."""
    if choice.name in table and choice.function.__module__ != table[choice.name].function.__module__:
        raise ValueError(
            f"{choice.name!r} is your own {type(choice).__name__}, but fastbp has one of that name, which `load` "
            "would take: give yours another name"
        )


def load(path: str | os.PathLike[str], custom: Iterable[Custom]) -> SavedNetwork:
    """Read what `save` wrote. Raises OSError if it cannot be read, ModelFileError if it is anything else."""
    content = disk.checked_path(path).read_bytes()
    with refusing(path):
        arrays, words = decode(content)
        found = _content(words)
        if "population" in found:
            raise ValueError("it has a population: use fastbp.Population.load")
        return _saved_network(arrays, found, list(custom))


def load_several(path: str | os.PathLike[str], custom: Iterable[Custom]) -> list[SavedNetwork]:
    """Read what `save_several` wrote. Raises as `load`."""
    content, of_user = disk.checked_path(path).read_bytes(), list(custom)
    with refusing(path):
        arrays, words = decode(content)
        members = _content(words).get("population")
        if not isinstance(members, list) or not members:
            raise ValueError("it has no population; fastbp.load reads a single network")
        of_member: list[dict[str, Array]] = [{} for _ in members]
        for name, array in arrays.items():
            number, _, own = name.partition("/")
            if not number.isdecimal():
                raise ValueError(f"its array {name!r} belongs to no network")
            of_member[int(number)][own] = array
        return [_saved_network(*of_one, of_user) for of_one in zip(of_member, members, strict=True)]


def metadata_of(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the metadata of the network in a file, of a population that of its first member. Raises as `load`.

    Only the header of the file is read.
    """
    with disk.checked_path(path).open("rb") as file:
        content = file.read(8)
        content += file.read(min(int.from_bytes(content, "little"), os.fstat(file.fileno()).st_size))
    with refusing(path):
        found = _content(words_of(content))
        metadata = found["population"][0]["metadata"] if "population" in found else found["metadata"]
        if not isinstance(metadata, dict):
            raise ValueError(f"its metadata is not a JSON object but {metadata!r}")
    return metadata


@contextlib.contextmanager
def refusing(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn whatever a damaged or lying file makes its reader raise into a ModelFileError."""
    try:
        yield
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        reason = f"missing {error}" if isinstance(error, KeyError) else str(error)
        raise ModelFileError(f"{os.fspath(path)}: not a model that fastbp can read: {reason}") from None


def _content(words: dict[str, str]) -> dict[str, Any]:
    """Return the JSON of a file of any version."""
    if words["fastbp"] == "1":
        return {name: json.loads(words[name]) for name in ("architecture", "metadata")}
    content = json.loads(words["fastbp"])
    version = content["version"]
    if version not in (2, FORMAT_VERSION):
        raise ValueError(
            f"it has format version {version!r}; this fastbp reads 1 to {FORMAT_VERSION}: install a newer one"
        )
    return dict(content)


def _saved_network(arrays: dict[str, Array], content: dict[str, Any], custom: list[Custom]) -> SavedNetwork:
    architecture, metadata = content["architecture"], content["metadata"]
    sizes, names = architecture["sizes"], architecture["activations"]
    if len(names) != len(sizes) - 1 or not names:
        raise ValueError(f"it names {len(names)} activations for layers of {sizes} neurons")
    weights = [arrays[f"weights.{l}"] for l in range(1, len(sizes))]
    biases = [arrays[f"biases.{l}"] for l in range(1, len(sizes))]
    for l, (shape, w, b) in enumerate(zip(zip(sizes[1:], sizes, strict=False), weights, biases, strict=True), start=1):
        if w.shape != shape or b.shape != shape[:1] or {w.dtype.name, b.dtype.name} != {architecture["dtype"]}:
            raise ValueError(f"the arrays of layer {l} are not {architecture['dtype']} of the shape {shape}")
    activations = [_known("activation", name, ACTIVATIONS | LAYER_ACTIVATIONS, custom, Activation) for name in names]
    cost, parameter = architecture["cost"], architecture["cost_parameter"]
    parametric = PARAMETRIC | PARAMETRIC_OF_SAMPLES
    if cost in parametric and parameter is not None:
        cost = parametric[cost](parameter)
    else:
        cost = _known("cost", cost, COSTS | SAMPLE_COSTS, custom, Cost)
    arguments = {
        "sizes": sizes,
        "activation": activations[:-1],
        "output_activation": activations[-1],
        "cost": cost,
        "dtype": architecture["dtype"],
        "formulation": architecture["formulation"],
    }
    if not isinstance(metadata, dict):
        raise ValueError(f"its metadata is not a JSON object but {metadata!r}")
    training = TrainingState(content["training"], arrays, content["version"]) if "training" in content else None
    return SavedNetwork(arguments, weights, biases, metadata, training)


def _known(what: str, name: str, table: dict[str, Any], custom: list[Custom], kind: type) -> Any:
    for candidate in custom:
        if isinstance(candidate, kind) and getattr(candidate, "name", None) == name:
            return candidate
    if name not in table:
        raise ValueError(f"it uses the {what} {name!r}, which is not one of fastbp's: give yours with custom=[…]")
    return table[name]
