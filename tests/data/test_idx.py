"""The idx reader: what it reads, and the error for each damaged file."""

import gzip
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mnist_files import idx_bytes

from fastbp.data import DataFileError, idx
from fastbp.data.mnist import read_idx


@pytest.mark.parametrize("compress", [False, True])
@given(shape=st.lists(st.integers(0, 5), min_size=1, max_size=4))
def test_read_idx_round_trip(tmp_path_factory: pytest.TempPathFactory, compress: bool, shape: list[int]) -> None:
    array = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    path = tmp_path_factory.mktemp("idx") / "name-does-not-matter"
    path.write_bytes(gzip.compress(idx_bytes(array)) if compress else idx_bytes(array))
    read = read_idx(str(path))
    assert read.dtype == np.uint8 and read.flags.c_contiguous and read.flags.writeable
    np.testing.assert_array_equal(read, array, strict=True)


GOOD = idx_bytes(np.arange(6, dtype=np.uint8).reshape(2, 3))
MALFORMED = {
    "empty": (b"", r"starts with the bytes \(none\), but an idx file with 00 00 08"),
    "short": (b"\0\0\x08", "starts with the bytes 00 00 08, but"),
    "magic": (b"\x01" + GOOD[1:], "starts with the bytes 01 00 08 02, but an idx file with 00 00 08"),
    "type": (GOOD[:2] + b"\x0d" + GOOD[3:], r"idx type 0x0d, but only 0x08 \(unsigned byte\)"),
    "no axes": (b"\0\0\x08\0" + GOOD[4:], "gives 0 axes, but 1 to 4"),
    "five axes": (b"\0\0\x08\x05" + GOOD[4:], "gives 5 axes, but 1 to 4"),
    "header cut": (GOOD[:9], "ends inside the header: 5 of 8 bytes"),
    "content cut": (GOOD[:-1], r"announces 6 bytes of shape \(2, 3\), but the file has room for 17"),
    "trailing": (GOOD + b"\0", r"bytes follow after the 6 that its header announces, shape \(2, 3\)"),
}


@pytest.mark.parametrize(("content", "message"), MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_idx(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "damaged-idx"
    path.write_bytes(content)
    with pytest.raises(DataFileError, match=f"damaged-idx: .*{message}.*Replace the file by an intact copy"):
        read_idx(path)


COMPRESSED = gzip.compress(GOOD)
MALFORMED_GZIP = {
    "truncated": (COMPRESSED[:-9], "gzip compression is truncated or damaged"),
    "checksum cut": (COMPRESSED[:-1], "gzip compression is truncated or damaged"),
    "checksum wrong": (COMPRESSED[:-8] + bytes(4) + COMPRESSED[-4:], "gzip compression is truncated or damaged"),
    "junk behind": (COMPRESSED + b"junk", "gzip compression is truncated or damaged"),
    "deflate damaged": (COMPRESSED[:10] + b"\xff" * 20, "gzip compression is truncated or damaged"),
    "content cut": (gzip.compress(GOOD[:-1]), "ends after 5 of the 6 bytes"),
    "trailing": (gzip.compress(GOOD + b"\0"), "bytes follow after the 6"),
    "second member": (COMPRESSED + COMPRESSED, "bytes follow after the 6"),
}


@pytest.mark.parametrize(("content", "message"), MALFORMED_GZIP.values(), ids=MALFORMED_GZIP.keys())
def test_malformed_gzip(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "damaged.gz"
    path.write_bytes(content)
    with pytest.raises(DataFileError, match=rf"damaged\.gz: .*{message}.*Replace the file"):
        read_idx(path)


@pytest.mark.parametrize("compress", [False, True])
def test_a_header_cannot_claim_memory(tmp_path: Path, compress: bool) -> None:
    claim = b"\0\0\x08\x04" + struct.pack(">4I", 2**32 - 1, 2**32 - 1, 2**32 - 1, 2**32 - 1)
    path = tmp_path / "bomb"
    path.write_bytes(gzip.compress(claim) if compress else claim)
    tracemalloc.start()
    with pytest.raises(DataFileError, match=f"announces {(2**32 - 1) ** 4} bytes"):
        read_idx(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


def test_decompressed_size_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "zeros.gz"
    path.write_bytes(gzip.compress(idx_bytes(np.zeros(5000, dtype=np.uint8))))
    assert len(read_idx(path)) == 5000
    monkeypatch.setattr(idx, "MAX_BYTES", 4000)
    with pytest.raises(DataFileError, match=r"announces 5000 bytes.*room for 4000"):
        read_idx(path)


@given(content=st.binary(max_size=60), gz=st.booleans(), start=st.sampled_from([b"", b"\0\0\x08\x01", GOOD]))
def test_junk_is_read_whole_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, gz: bool, start: bytes
) -> None:
    path = tmp_path_factory.mktemp("idx") / "junk"
    path.write_bytes(gzip.compress(start + content) if gz else start + content)
    try:
        array = read_idx(path)
    except DataFileError:
        return
    assert idx_bytes(array) == start + content


def test_absent_idx_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="absent"):
        read_idx(tmp_path / "absent")
