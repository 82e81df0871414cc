"""The safetensors format: named arrays and one text in a file. Reading it runs no code.

A file is eight bytes with the length of a JSON header, the header with the dtype, shape and place of every array, and
the arrays. Source: https://github.com/huggingface/safetensors. The package of that name writes the same bytes.
"""

import json
import math
from typing import Any

import numpy as np

from fastbp.model import Array

LARGEST_HEADER = 100_000_000  # bytes, the limit of the safetensors package

# Arrays lie in a file in this order of their dtypes, widest first, so that all are aligned.
_DTYPES: dict[str, np.dtype[Any]] = {"I64": np.dtype("<i8"), "F64": np.dtype("<f8"), "F32": np.dtype("<f4")}


def encode(arrays: dict[str, Array], word: str) -> bytes:
    """Return the bytes of a file with these arrays, and with a text as its metadata `fastbp`."""
    arrays = {name: np.ascontiguousarray(array, array.dtype.newbyteorder("<")) for name, array in arrays.items()}
    names = {dtype: name for name, dtype in _DTYPES.items()}
    header: dict[str, Any] = {"__metadata__": {"fastbp": word}}
    content, end = [], 0
    for name, array in sorted(arrays.items(), key=lambda item: (list(names).index(item[1].dtype), item[0])):
        start, end = end, end + array.nbytes
        header[name] = {"dtype": names[array.dtype], "shape": list(array.shape), "data_offsets": [start, end]}
        content.append(array.tobytes())
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, *content])


def decode(content: bytes) -> tuple[dict[str, Array], dict[str, str]]:
    """Return the arrays and the metadata of a file. Raises ValueError, KeyError or TypeError for anything else."""
    header, start = _header(content)
    metadata = header.pop("__metadata__", {})
    data, arrays, expected = memoryview(content)[start:], {}, 0
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        if entry["dtype"] not in _DTYPES:
            raise ValueError(f"array {name!r} is of dtype {entry['dtype']!r}, which fastbp does not write")
        dtype, shape = _DTYPES[entry["dtype"]], [int(n) for n in entry["shape"]]
        start, end = (int(n) for n in entry["data_offsets"])
        right_size = end == start + dtype.itemsize * math.prod(shape)
        if min(shape, default=0) < 0 or start != expected or not right_size or end > len(data):
            raise ValueError(
                f"array {name!r} of shape {shape} does not fit its place {start}…{end} of {len(data)} bytes"
            )
        arrays[name] = np.frombuffer(data[start:end], dtype).reshape(shape)
        expected = end
    if expected != len(data):
        raise ValueError(f"{len(data) - expected} bytes follow the last array")
    return arrays, metadata


def words_of(content: bytes) -> dict[str, str]:
    """Return the metadata of a file whose first bytes are `content`, to the end of the header. Raises as `decode`."""
    return dict(_header(content)[0].get("__metadata__", {}))


def _header(content: bytes) -> tuple[dict[str, Any], int]:
    """Return the header, and where it ends."""
    if len(content) < 8:
        raise ValueError(f"it is only {len(content)} bytes long")
    length, n_bytes = int.from_bytes(content[:8], "little"), len(content) - 8
    if length > min(LARGEST_HEADER, n_bytes):
        raise ValueError(f"its header should be {length} bytes, but {n_bytes} follow: cut off, or of another format")
    header = json.loads(content[8 : 8 + length])
    if not isinstance(header, dict):
        raise ValueError("its header is not a JSON object")
    return header, 8 + length
