"""Downloads of MNIST from a server on this machine: mirrors, checks, interruptions, progress."""

import gzip
import io
import os
import re
import sys
import threading
import urllib.error
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mnist_files import NAMES, idx_bytes, replace_known_files, write_all
from numpy.typing import NDArray

from fastbp.data import DataFileError, load_mnist, mnist
from fastbp.progress import LiveLine


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, NDArray[np.uint8]]:
    return replace_known_files(monkeypatch, tmp_path)


class Server:
    """Serves `content` by path; paths in `cut` break off in the middle."""

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
    assert len(server.requests) == 4, "files that are there are not fetched again"


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
        # Nothing listens on port 1 of this machine.
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
