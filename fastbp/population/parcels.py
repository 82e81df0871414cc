"""The data of a `fit` on their way to other processes: in a file that workers map, scattered by Dask, or as bytes.

Every worker opens them once and keeps them for its next tasks.
"""

from __future__ import annotations

import io
import mmap
import os
import pickle
import struct
import tempfile
import uuid
from collections import OrderedDict
from contextlib import suppress
from typing import Any

import numpy as np

from fastbp.model import CACHE_LINE

MOST_KEPT = 2  # parcels of other processes that a process keeps open
_kept: OrderedDict[str, Any] = OrderedDict()
_own: dict[str, Any] = {}  # things of this process


class Parcel:
    """Things to send, as a context manager: at its end no process can open them any more.

    What memory-mapped arrays have stays in their files where those can be read. Everything else is written to a file
    once; with Dask it is scattered to all workers. `as_bytes` is for processes that cannot open the one or the other.
    Raises any exception of `pickle` if the things cannot be pickled.
    """

    def __init__(self, things: Any, executor: Any):
        self.key, self._things, self._path = uuid.uuid4().hex, things, ""
        self._pieces = _packed(self.key, things, in_files=True)
        self._scatter = getattr(getattr(executor, "_client", None), "scatter", None)
        self._scattered: Any = None

    def __enter__(self) -> Parcel:
        _own[self.key] = self._things
        if self._scatter is not None:
            return self
        handle, self._path = tempfile.mkstemp(prefix="fastbp-", suffix=".data")
        try:
            with open(handle, "wb") as file:
                file.writelines(self._pieces)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        _own.pop(self.key, None)
        self._scattered = None
        if self._path:
            with suppress(OSError):  # on Windows, a worker that maps it keeps it
                os.unlink(self._path)

    @property
    def source(self) -> Any:
        """What workers need to open it: the path of the file; or Dask's future, a new one if its workers were lost."""
        if self._scatter is None:
            return self._path
        if self._scattered is None or self._scattered.status != "finished":
            self._scattered = self._scatter(b"".join(self._pieces), broadcast=True, hash=False)
        return self._scattered

    def as_bytes(self) -> bytes:
        """Return everything, with the contents of memory-mapped arrays too."""
        return b"".join(_packed(self.key, self._things, in_files=False))


def opened(key: str, source: Any) -> Any:
    """Return the things of the parcel `key`. Raises OSError if this process cannot open it."""
    things = _own.get(key) or _kept.get(key)
    if things is None:
        if isinstance(source, str):
            with open(source, "rb") as file:
                source = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        things = _kept[key] = _unpacked(key, memoryview(source))
        while len(_kept) > MOST_KEPT:
            _kept.popitem(last=False)
    return things


# A parcel is its key, the number of buffers, an index: where each of them begins, and its bytes. Then the buffers, each
# at a cache line, as loops need it: the pickle first, then those of its arrays.
_HEAD = struct.Struct("<32sQ")


def _packed(key: str, things: Any, *, in_files: bool) -> list[Any]:
    """Return a parcel in pieces; those of arrays are views."""
    buffers: list[pickle.PickleBuffer] = []
    stream = io.BytesIO()
    _Pickler(stream, buffers, in_files).dump(things)
    contents: list[Any] = [stream.getbuffer(), *(buffer.raw() for buffer in buffers)]
    places, at = np.empty((len(contents), 2), np.int64), _HEAD.size + 16 * len(contents)
    pieces: list[Any] = [_HEAD.pack(key.encode(), len(contents)), places]
    for place, content in zip(places, contents, strict=True):
        padding = -at % CACHE_LINE
        pieces += bytes(padding), content
        place[:] = at + padding, content.nbytes
        at = int(place.sum())
    return pieces


def _unpacked(key: str, parcel: memoryview) -> Any:
    """Return the things of a parcel; arrays stay where they are, read-only."""
    written, n = _HEAD.unpack_from(parcel)
    if written != key.encode():
        raise OSError("this is another file")
    places = np.frombuffer(parcel, np.int64, 2 * n, _HEAD.size).reshape(n, 2).tolist()
    first, *others = (parcel[start : start + length] for start, length in places)
    return pickle.loads(first, buffers=others)


class _Pickler(pickle.Pickler):
    """Leaves the contents of arrays in their own buffers and, with `in_files`, those of memory maps in their files."""

    def __init__(self, stream: io.BytesIO, buffers: list[pickle.PickleBuffer], in_files: bool):
        super().__init__(stream, 5, buffer_callback=buffers.append)
        self._in_files = in_files

    def reducer_override(self, thing: Any) -> Any:
        if not isinstance(thing, np.memmap):
            return NotImplemented
        whole = thing
        while isinstance(whole.base, np.memmap):
            whole = whole.base
        if not self._in_files or whole.filename is None or whole.mode == "c" or not isinstance(whole.base, mmap.mmap):
            return np.asarray, (np.array(thing),)
        if whole.mode != "r":
            whole.flush()
        start = thing.ctypes.data - whole.ctypes.data
        path, strides = os.path.abspath(whole.filename), thing.strides
        return _mapped, (path, whole.offset, whole.nbytes, thing.dtype, thing.shape, start, strides)


def _mapped(
    path: str, offset: int, n_bytes: int, dtype: np.dtype[Any], shape: Any, start: int, strides: Any
) -> np.memmap[Any, Any]:
    """Map a file as another process has it."""
    whole = np.memmap(path, np.uint8, "r", offset, (n_bytes,))
    return np.ndarray.__new__(np.memmap, shape, dtype, whole, start, strides)
