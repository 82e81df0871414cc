"""The safetensors format: arrays and a few words in a file that runs no code when it is read.

A file is eight bytes with the length of a JSON header, the header, which gives the dtype, shape and place of every
array, and the arrays. The `safetensors` package writes and reads it where it is installed, else what is here, which
writes the same bytes. Source: the format in the package's README, https://github.com/huggingface/safetensors.
"""

import json
from typing import Any

import numpy as np

from fastbp.model import Array

LARGEST_HEADER = 100_000_000  # bytes, the limit of the safetensors package

# In the order in which arrays lie in a file, those of a dtype by name: the widest first, so that all are aligned.
_DTYPES: dict[str, np.dtype[Any]] = {"I64": np.dtype("<i8"), "F64": np.dtype("<f8"), "F32": np.dtype("<f4")}


def encode(arrays: dict[str, Array], word: str) -> bytes:
    """Return the bytes of a file with these arrays, and a text as its metadata `fastbp`.

    One text only: the package writes several in another order every time, and no two files would be the same.
    """
    words = {"fastbp": word}
    arrays = {name: np.ascontiguousarray(array, array.dtype.newbyteorder("<")) for name, array in arrays.items()}
    package = _package()
    if package is not None:
        return bytes(package.save(arrays, words))
    names = {dtype: name for name, dtype in _DTYPES.items()}
    header: dict[str, Any] = {"__metadata__": words}
    content, end = [], 0
    for name, array in sorted(arrays.items(), key=lambda item: (list(names).index(item[1].dtype), item[0])):
        start, end = end, end + array.nbytes
        header[name] = {"dtype": names[array.dtype], "shape": list(array.shape), "data_offsets": [start, end]}
        content.append(array.tobytes())
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, *content])


def decode(content: bytes) -> tuple[dict[str, Array], dict[str, str]]:
    """Return arrays and metadata of a file. Raises ValueError, KeyError or TypeError for anything else."""
    header, start = _header(content)
    metadata = header.pop("__metadata__", {})
    for name, entry in header.items():
        if entry["dtype"] not in _DTYPES:
            raise ValueError(f"array {name!r} is of dtype {entry['dtype']!r}, which fastbp does not write")
    package = _package()
    if package is None:
        return _arrays(header, memoryview(content)[start:]), metadata
    try:
        arrays = package.load(content)
    except Exception as error:  # the package has an exception of its own, and Python's beside it
        raise ValueError(str(error)) from None
    return arrays, metadata


def _package() -> Any:
    """Return the part of the safetensors package that turns arrays to bytes and back; None if it is not installed."""
    try:
        import safetensors.numpy
    except ImportError:
        return None
    return safetensors.numpy


def _header(content: bytes) -> tuple[dict[str, Any], int]:
    """Return the header, and where it ends."""
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
    return header, 8 + length


def _arrays(header: dict[str, Any], data: memoryview) -> dict[str, Array]:
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
    return arrays
