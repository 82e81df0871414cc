"""MNIST: the idx reader, where files are looked for, what is checked, and downloads from a local server."""

import doctest
import gzip
import hashlib
import io
import os
import re
import struct
import sys
import threading
import tracemalloc
import urllib.error
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fastbp.data import DataFileError, idx, load_mnist, mnist
from fastbp.data.mnist import IdxFile, read_idx
from fastbp.progress import LiveLine

NAMES = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"]
SHAPES = [(6, 4, 3), (6,), (2, 4, 3), (2,)]


def idx_bytes(array: NDArray[np.uint8]) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def made_up() -> dict[str, NDArray[np.uint8]]:
    rng = np.random.default_rng(7)
    return {
        name: rng.integers(0, 256 if len(shape) == 3 else 10, shape, dtype=np.uint8)
        for name, shape in zip(NAMES, SHAPES, strict=True)
    }


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, NDArray[np.uint8]]:
    """Replace the four known files by tiny ones, and every place to look by empty ones."""
    arrays = made_up()
    table = {n: IdxFile(a.shape, hashlib.sha256(idx_bytes(a)).hexdigest()) for n, a in arrays.items()}
    monkeypatch.setattr(mnist, "FILES", table)
    monkeypatch.setattr(mnist, "MIRRORS", ())
    monkeypatch.delenv("FASTBP_DATA", raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    return arrays


def write_all(folder: Path, arrays: dict[str, NDArray[np.uint8]]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in arrays.items():
        (folder / f"{name}.gz").write_bytes(gzip.compress(idx_bytes(array)))
    return folder


# The idx reader


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


# The loader, with made-up files


def test_spellings_and_compression(tmp_path: Path, small: dict[str, NDArray[np.uint8]]) -> None:
    spellings = [NAMES[0], f"{NAMES[1]}.gz", "t10k-images.idx3-ubyte", "t10k-labels.idx1-ubyte.gz"]
    for spelling, array in zip(spellings, small.values(), strict=True):
        content = idx_bytes(array)
        (tmp_path / spelling).write_bytes(gzip.compress(content) if spelling.endswith(".gz") else content)
    data = load_mnist(tmp_path, divisor=None)
    np.testing.assert_array_equal(data.X_train, small[NAMES[0]].reshape(6, 12), strict=True)
    np.testing.assert_array_equal(data.y_train, small[NAMES[1]].astype(np.intp), strict=True)
    np.testing.assert_array_equal(data.X_test, small[NAMES[2]].reshape(2, 12), strict=True)
    np.testing.assert_array_equal(data.y_test, small[NAMES[3]].astype(np.intp), strict=True)
    np.testing.assert_array_equal(data.classes, np.arange(10), strict=True)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("divisor", [255, 256.0, np.float32(0.5)])
def test_scaling(tmp_path: Path, small: dict[str, NDArray[np.uint8]], dtype: str, divisor: float) -> None:
    data = load_mnist(write_all(tmp_path, small), dtype=dtype, divisor=divisor)
    expected = small[NAMES[0]].reshape(6, 12).astype(dtype) / np.dtype(dtype).type(divisor)
    np.testing.assert_array_equal(data.X_train, expected, strict=True)
    assert data.X_test.dtype == np.dtype(dtype) and data.X_train.flags.c_contiguous


@pytest.mark.parametrize("divisor", [0, -255, float("nan"), float("inf"), 1e-40, 10**400, "255", [255], 1j])
def test_divisor_out_of_range(tmp_path: Path, small: Any, divisor: Any) -> None:
    with pytest.raises(ValueError, match=r"divisor is .*between 1e-30 and 1e30; give 255 .*256 .*None"):
        load_mnist(write_all(tmp_path, small), divisor=divisor)


def test_dtype_out_of_range(tmp_path: Path, small: Any) -> None:
    with pytest.raises(ValueError, match="dtype is 'int8', but"):
        load_mnist(write_all(tmp_path, small), dtype="int8")


def test_order_of_the_places(tmp_path: Path, small: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def damage_and_expect(folder: Path) -> None:
        # The place that is read is the one whose damage shows.
        (folder / f"{NAMES[0]}.gz").write_bytes(b"junk")
        with pytest.raises(DataFileError, match=re.escape(str(folder))):
            load_mnist()
        with pytest.raises(DataFileError, match=re.escape(str(folder))):
            load_mnist(folder)

    cache = write_all(tmp_path / "home" / ".cache" / "fastbp" / "mnist", small)
    assert len(load_mnist().X_train) == 6
    damage_and_expect(cache)
    xdg = write_all(tmp_path / "xdg" / "fastbp" / "mnist", small)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert len(load_mnist().X_train) == 6
    damage_and_expect(xdg)
    data = write_all(tmp_path / "data" / "mnist", small)
    monkeypatch.setenv("FASTBP_DATA", str(tmp_path / "data"))
    assert len(load_mnist().X_train) == 6
    damage_and_expect(data)
    assert len(load_mnist(write_all(tmp_path / "given", small)).X_train) == 6


def test_user_without_a_home(tmp_path: Path, small: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    with pytest.raises(FileNotFoundError, match=r"no home folder.*give the folder as path"):
        load_mnist()
    monkeypatch.setenv("FASTBP_DATA", str(write_all(tmp_path / "mnist", small).parent))
    assert len(load_mnist().X_train) == 6


def test_missing_files(tmp_path: Path, small: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTBP_DATA", str(tmp_path / "data"))
    (write_all(tmp_path / "data" / "mnist", small) / f"{NAMES[3]}.gz").unlink()
    with pytest.raises(FileNotFoundError) as caught:
        load_mnist()
    message = str(caught.value)
    cache = tmp_path / "home" / ".cache" / "fastbp" / "mnist"
    assert f"not complete: {NAMES[3]} (each with or without .gz) not found in {tmp_path / 'data' / 'mnist'}" in message
    assert f" and {cache}." in message
    assert "Set FASTBP_DATA" in message and "download=True" in message
    assert message.endswith(str(cache)) and not cache.exists()


def test_missing_folder(tmp_path: Path, small: Any) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        load_mnist(tmp_path / "absent")
    message = str(caught.value)
    assert all(name in message for name in NAMES)
    assert f"not found in {tmp_path / 'absent'}." in message
    assert "Give the folder that holds them as path" in message and "download=True" in message
    assert not (tmp_path / "absent").exists()


def test_path_is_a_file(tmp_path: Path, small: Any) -> None:
    (tmp_path / "file").write_bytes(b"")
    for download_too in (False, True):
        with pytest.raises(NotADirectoryError, match=r"path is .*file, a file; give the folder"):
            load_mnist(tmp_path / "file", download=download_too)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (idx_bytes(np.zeros((6, 4, 3), np.uint8)), r"sha256 of its uncompressed content is [0-9a-f]{64}, but that of"),
        (idx_bytes(np.zeros((6, 3, 4), np.uint8)), r"shape \(6, 3, 4\), but \(6, 4, 3\) is required"),
        (idx_bytes(np.zeros(6, np.uint8)), r"shape \(6,\), but \(6, 4, 3\) is required"),
        (b"<html>", "starts with the bytes 3c 68 74 6d"),
        (gzip.compress(idx_bytes(made_up()[NAMES[0]]))[:-10], "truncated or damaged"),
        (idx_bytes(made_up()[NAMES[0]]) + b"\0", "bytes follow"),
    ],
    ids=["checksum", "dims", "axes", "html", "truncated", "trailing"],
)
def test_damaged_files(tmp_path: Path, small: Any, content: bytes, message: str) -> None:
    path = write_all(tmp_path, small) / f"{NAMES[0]}.gz"
    path.write_bytes(content)
    with pytest.raises(DataFileError, match=message) as caught:
        load_mnist(tmp_path, download=True)
    assert str(caught.value).startswith(f"{path}: ")
    assert "Replace it by an intact copy, or delete it and call load_mnist(..., download=True)" in str(caught.value)
    assert path.read_bytes() == content, "a user's file is never overwritten"


# Downloads, from a server on this machine


class Server:
    """Serves `content` by path; those in `cut` break off in the middle."""

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}
        self.cut: set[str] = set()
        self.requests: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.requests.append(self.path)
                content = outer.content.get(self.path)
                if content is None:
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content[: len(content) // 2] if self.path in outer.cut else content)

            def log_message(self, *args: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/"


@pytest.fixture
def server(small: dict[str, NDArray[np.uint8]], monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "*")
    served = Server()
    for name, array in small.items():
        for mirror in ("first", "second"):
            served.content[f"/{mirror}/{name}.gz"] = gzip.compress(idx_bytes(array))
    monkeypatch.setattr(mnist, "MIRRORS", (f"{served.url}first/", f"{served.url}second/"))
    thread = threading.Thread(target=served.http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield served
    served.http.shutdown()
    served.http.server_close()
    thread.join()


def only_first_mirror(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mnist, "MIRRORS", (f"{server.url}first/",))


def test_download(tmp_path: Path, small: Any, server: Server, capfd: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "new" / "folder"
    data = load_mnist(folder, download=True, divisor=None)
    np.testing.assert_array_equal(data.X_train, small[NAMES[0]].reshape(6, 12))
    assert sorted(os.listdir(folder)) == sorted(f"{name}.gz" for name in NAMES)
    assert server.requests == [f"/first/{name}.gz" for name in NAMES]
    assert capfd.readouterr() == ("", "")
    load_mnist(folder, download=True)
    assert len(server.requests) == 4, "what is there is not fetched again"


def test_download_into_the_cache_fetches_only_what_is_missing(
    tmp_path: Path, small: Any, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FASTBP_DATA", str(tmp_path / "data"))
    (write_all(tmp_path / "data" / "mnist", small) / f"{NAMES[2]}.gz").unlink()
    assert len(load_mnist(download=True).X_test) == 2
    assert os.listdir(tmp_path / "home" / ".cache" / "fastbp" / "mnist") == [f"{NAMES[2]}.gz"]
    assert server.requests == [f"/first/{NAMES[2]}.gz"]


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's")
def test_downloads_can_be_shared(tmp_path: Path, server: Server) -> None:
    before = os.umask(0o022)
    try:
        load_mnist(tmp_path, download=True)
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.glob("*.gz")} == {0o644}


@pytest.mark.parametrize("failure", ["absent", "cut", "wrong", "unreachable"])
def test_second_mirror_steps_in(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch, failure: str) -> None:
    first = f"/first/{NAMES[0]}.gz"
    if failure == "absent":
        del server.content[first]
    elif failure == "cut":
        server.cut.add(first)
    elif failure == "wrong":
        server.content[first] = gzip.compress(idx_bytes(np.zeros((6, 4, 3), np.uint8)))
    else:
        # Port 1 of this machine: nothing listens there.
        monkeypatch.setattr(mnist, "MIRRORS", ("http://127.0.0.1:1/first/", mnist.MIRRORS[1]))
    assert len(load_mnist(tmp_path / "mnist", download=True).X_train) == 6
    assert f"/second/{NAMES[0]}.gz" in server.requests
    assert sorted(os.listdir(tmp_path / "mnist")) == sorted(f"{name}.gz" for name in NAMES)


def expect_failure(folder: Path, kind: type[Exception], *parts: str) -> None:
    with pytest.raises(kind) as caught:
        load_mnist(folder, download=True)
    message = str(caught.value)
    assert message.startswith(f"{NAMES[0]}.gz could not be downloaded from any of {len(mnist.MIRRORS)} mirrors (")
    for part in (*parts, "Check the network connection", f"put an intact copy into {folder}"):
        assert part in message
    assert os.listdir(folder) == []


def test_all_mirrors_absent(tmp_path: Path, server: Server) -> None:
    server.content.clear()
    expect_failure(tmp_path / "m", ConnectionError, "/first/train-images", "/second/train-images", "answered 404")


def test_refused_connections_are_closed(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    only_first_mirror(server, monkeypatch)
    server.content.clear()
    closed: list[int] = []
    monkeypatch.setattr(urllib.error.HTTPError, "close", lambda error: closed.append(error.code))
    expect_failure(tmp_path / "m", ConnectionError, "answered 404")
    assert closed == [404]


def test_unreachable(tmp_path: Path, small: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(mnist, "MIRRORS", ("http://127.0.0.1:1/",))
    expect_failure(tmp_path / "m", ConnectionError, "http://127.0.0.1:1/train-images", "URLError")


def test_wrong_checksum(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    only_first_mirror(server, monkeypatch)
    server.content[f"/first/{NAMES[0]}.gz"] = gzip.compress(idx_bytes(np.zeros((6, 4, 3), np.uint8)))
    expect_failure(tmp_path / "m", DataFileError, "the sha256 of its uncompressed content is", "/first/train-images")


def test_truncated_transfer(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    only_first_mirror(server, monkeypatch)
    server.cut.add(f"/first/{NAMES[0]}.gz")
    # Newer Pythons notice by themselves and raise IncompleteRead.
    with pytest.raises(ConnectionError, match=r"broke off after \d+ of \d+ bytes|IncompleteRead"):
        load_mnist(tmp_path / "m", download=True)
    assert os.listdir(tmp_path / "m") == []


def test_truncated_content(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    only_first_mirror(server, monkeypatch)
    server.content[f"/first/{NAMES[0]}.gz"] = server.content[f"/first/{NAMES[0]}.gz"][:-10]
    expect_failure(tmp_path / "m", DataFileError, "gzip compression is truncated or damaged")


def test_too_long_a_transfer(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    only_first_mirror(server, monkeypatch)
    server.content[f"/first/{NAMES[0]}.gz"] = bytes(72 + 65536 + 1)
    expect_failure(tmp_path / "m", DataFileError, "sends more than 65608 bytes")


def test_one_mirror_wrong_one_absent_is_a_data_error(tmp_path: Path, server: Server) -> None:
    server.content = {f"/first/{NAMES[0]}.gz": b"<html>Please log in</html>"}
    expect_failure(tmp_path / "m", DataFileError, "starts with the bytes 3c 68 74 6d", "answered 404")


@pytest.mark.parametrize("moment", ["transfer", "check", "replace"])
def test_interrupt_leaves_nothing(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    seen: list[list[str]] = []

    def interrupt(*args: Any, **named: Any) -> None:
        seen.append(os.listdir(tmp_path))
        raise KeyboardInterrupt

    where = {
        "transfer": (LiveLine, "advance"),
        "check": (mnist, "_checked_content"),
        "replace": (os, "replace"),
    }[moment]
    monkeypatch.setattr(*where, interrupt)
    with pytest.raises(KeyboardInterrupt):
        load_mnist(tmp_path, download=True)
    assert seen[0] and seen[0][0].startswith(f".{NAMES[0]}.gz."), "the temporary file was there"
    assert os.listdir(tmp_path) == []


def test_a_full_disk_is_no_fault_of_the_mirror(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left on device") as caught:
        load_mnist(tmp_path, download=True)
    assert not isinstance(caught.value, ConnectionError)
    assert os.listdir(tmp_path) == [] and len(server.requests) == 1


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_on_a_terminal(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    load_mnist(tmp_path / "silent", download=True, progress=False)
    assert terminal.getvalue() == ""
    load_mnist(tmp_path / "shown", download=True)
    lines = [line.rpartition("\r")[2] for line in terminal.getvalue().split("\n")]
    assert [line.partition(":")[0] for line in lines if line] == [f"{name}.gz" for name in NAMES]
    assert all(re.search(r": (.*)B of \1B ", line) for line in lines if line)


def test_download_without_a_standard_error(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    assert len(load_mnist(tmp_path, download=True).X_train) == 6


def test_mirrors_and_sums_are_the_public_ones() -> None:
    assert all(url.startswith("https://") and url.endswith("/") for url in mnist.MIRRORS)
    assert list(mnist.FILES) == NAMES
    assert all(re.fullmatch("[0-9a-f]{64}", file.sha256) for file in mnist.FILES.values())


# The real files


@pytest.fixture
def real() -> Path:
    folder = Path(os.environ.get("FASTBP_DATA", "no FASTBP_DATA")) / "mnist"
    if not folder.is_dir():
        pytest.skip("needs the real MNIST: set FASTBP_DATA to a folder whose subfolder mnist has the four files")
    return folder


def test_real_mnist(real: Path) -> None:
    raw = load_mnist(real, divisor=None)
    assert [a.shape for a in raw] == [(60000, 784), (60000,), (10000, 784), (10000,), (10,)]
    assert raw.X_train.dtype == raw.X_test.dtype == np.uint8
    assert raw.X_train.max() == 255
    # Counts of the digits 0 to 9, as published by LeCun.
    assert np.bincount(raw.y_train).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert raw.y_test[:5].tolist() == [7, 2, 1, 0, 4]
    scaled = load_mnist()
    assert scaled.X_test.dtype == np.float32 and scaled.X_test.min() == 0 and scaled.X_test.max() == 1
    np.testing.assert_array_equal(scaled.X_test, raw.X_test / np.float32(255), strict=True)
    assert abs(raw.X_train.mean() / 255 - 0.1307) < 1e-4  # the mean that every tutorial normalizes by


def test_docstring_examples() -> None:
    assert doctest.testmod(idx).attempted > 0 and doctest.testmod(idx).failed == 0
    result = doctest.testmod(mnist, optionflags=doctest.ELLIPSIS)
    assert result.attempted > 0 and result.failed == 0
