"""The idx format of the MNIST files: a big-endian header with the shape, then the bytes.

::

    00 00 08 03 | 00 00 ea 60 | 00 00 00 1c | 00 00 00 1c | 60000 * 28 * 28 bytes
          │  └ number of axes       one 32-bit size per axis
          └ type of the values: 08 is unsigned byte
"""

import gzip
import hashlib
import math
import os
import struct
import zlib
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from fastbp.tables.errors import DataFileError
from fastbp.tables.npz import DEFLATE_MAX_RATIO

MAX_AXES = 4
MAX_BYTES = 1 << 30  # limit of gzip-compressed content; EMNIST, the largest of the family, has half of it
GZIP_MAGIC = b"\x1f\x8b"
UNSIGNED_BYTE = 0x08
_CHUNK = 1 << 20


def read_idx(path: str | os.PathLike[str]) -> NDArray[np.uint8]:
    """Read an idx file of unsigned bytes with one to four axes, gzip-compressed or not.

    The content, not the name, decides whether it is compressed. No memory is allocated for a header that claims more
    than the file's size allows.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    ndarray of uint8
        In the shape that the header gives, C-contiguous and writable.

    Raises
    ------
    DataFileError
        If the file is damaged, is no idx file, holds another type than unsigned bytes, or expands to more than 1 GiB.
    OSError
        If the file cannot be opened or read, for one FileNotFoundError.

    References
    ----------
    Y. LeCun, C. Cortes and C. Burges, The MNIST database of handwritten digits, section "File formats".

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "labels.idx1-ubyte"
    ...     _ = path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))
    ...     read_idx(path)
    array([7, 2, 1], dtype=uint8)
    """
    try:
        return read_content(Path(path))[0]
    except DataFileError as error:
        raise DataFileError(f"{path}: {error}. Replace the file by an intact copy") from error


def read_content(path: Path, shape: tuple[int, ...] | None = None) -> tuple[NDArray[np.uint8], str]:
    """Return the content of an idx file and the sha256 of its uncompressed bytes, in lower-case hexadecimal digits.

    Raises DataFileError if it is malformed or, before its content is read, if it has another `shape`; the caller adds
    the name of the file and what to do. Raises OSError if it cannot be opened or read.
    """
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        compressed = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
        file.seek(0)
        if not compressed:
            return _read_stream(file, size, shape)
        with gzip.GzipFile(fileobj=file) as stream:
            try:
                return _read_stream(cast(BinaryIO, stream), min(size * DEFLATE_MAX_RATIO, MAX_BYTES), shape)
            except (EOFError, gzip.BadGzipFile, zlib.error) as error:
                raise DataFileError(f"its gzip compression is truncated or damaged ({error})") from error


def _read_stream(stream: BinaryIO, limit: int, shape: tuple[int, ...] | None) -> tuple[NDArray[np.uint8], str]:
    header, found = _read_header(stream)
    if shape is not None and found != shape:
        raise DataFileError(f"its header gives the shape {found}, but {shape} is required")
    n_bytes = math.prod(found)
    if len(header) + n_bytes > limit:
        raise DataFileError(f"its header announces {n_bytes} bytes of shape {found}, but the file has room for {limit}")
    digest = hashlib.sha256(header)
    content = bytearray()
    while len(content) < n_bytes:
        chunk = stream.read(min(_CHUNK, n_bytes - len(content)))
        if not chunk:
            raise DataFileError(f"it ends after {len(content)} of the {n_bytes} bytes that its header announces")
        digest.update(chunk)
        content += chunk
    # Reading to the end also makes gzip check its checksum.
    if stream.read(1):
        raise DataFileError(f"bytes follow after the {n_bytes} that its header announces, shape {found}")
    return np.frombuffer(content, dtype=np.uint8).reshape(found), digest.hexdigest()


def _read_header(stream: BinaryIO) -> tuple[bytes, tuple[int, ...]]:
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0":
        raise DataFileError(f"it starts with the bytes {magic.hex(' ') or '(none)'}, but an idx file with 00 00 08")
    kind, rank = magic[2], magic[3]
    if kind != UNSIGNED_BYTE:
        raise DataFileError(f"its values are of idx type 0x{kind:02x}, but only 0x08 (unsigned byte) is read")
    if not 1 <= rank <= MAX_AXES:
        raise DataFileError(f"its header gives {rank} axes, but 1 to {MAX_AXES} are read")
    sizes = stream.read(4 * rank)
    if len(sizes) < 4 * rank:
        raise DataFileError(f"it ends inside the header: {len(sizes)} of {4 * rank} bytes of sizes are there")
    return magic + sizes, struct.unpack(f">{rank}I", sizes)
