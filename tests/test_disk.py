"""Files are written whole or not at all; the user's cache on each system; wrong file names."""

import os
import sys
from pathlib import Path

import pytest

import fastbp
from fastbp import disk


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "home"


@pytest.mark.parametrize(
    ("platform", "variable", "parts"),
    [
        ("linux", None, ("home", ".cache")),
        ("linux", "XDG_CACHE_HOME", ("elsewhere",)),
        ("darwin", "XDG_CACHE_HOME", ("home", "Library", "Caches")),
        ("win32", None, ("home", "AppData", "Local")),
        ("win32", "LOCALAPPDATA", ("elsewhere",)),
    ],
)
def test_the_users_cache(
    home: Path, monkeypatch: pytest.MonkeyPatch, platform: str, variable: str | None, parts: tuple[str, ...]
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    if variable:
        monkeypatch.setenv(variable, str(home.parent / "elsewhere"))
    assert disk.user_cache() == home.parent.joinpath(*parts, "fastbp")


def test_a_relative_cache_home_is_ignored(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert disk.user_cache() == home / ".cache" / "fastbp"


@pytest.mark.parametrize("survives_power_cut", [True, False])
def test_an_exception_leaves_the_old_file_and_nothing_else(tmp_path: Path, survives_power_cut: bool) -> None:
    path = tmp_path / "file"
    disk.write(path, b"old")
    with pytest.raises(KeyboardInterrupt), disk.written_whole(path, survives_power_cut=survives_power_cut) as file:
        file.write(b"half of the n")
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == ["file"] and path.read_bytes() == b"old"
    with disk.written_whole(path, survives_power_cut=survives_power_cut) as file:
        file.write(b"new")
        assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"] and path.read_bytes() == b"new"


@pytest.mark.parametrize(
    ("path", "error"), [(3, TypeError), (b"file", TypeError), ("", ValueError), ("\0", ValueError)]
)
def test_wrong_file_names_are_refused(path: object, error: type[Exception]) -> None:
    with pytest.raises(error, match="path is "):
        disk.write(path, b"")  # type: ignore[arg-type]


def test_a_picture_is_written_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figure_module = pytest.importorskip("matplotlib.figure")
    path = tmp_path / "costs.PNG"
    history = fastbp.History(cost=[2.0, 1.0])
    history.plot(path)
    old = path.read_bytes()
    assert old[:4] == b"\x89PNG"

    def full(self: object, file: object, **_: object) -> None:
        file.write(b"half")  # type: ignore[attr-defined]
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(figure_module.Figure, "savefig", full)
    with pytest.raises(OSError, match="No space left"):
        history.plot(path)
    assert os.listdir(tmp_path) == [path.name] and path.read_bytes() == old
