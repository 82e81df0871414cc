"""The folder of machine code: its place, its name, and when old ones are removed."""

import os
import shutil
import sys
from pathlib import Path

import pytest
from conftest import PACKAGE

from fastbp.compiler import code_cache


@pytest.fixture
def copied_sources(tmp_path, monkeypatch):
    """Let `source_digest` read a copy of the sources, which the test may change."""
    for folder in code_cache.COMPILED:
        shutil.copytree(PACKAGE / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(code_cache, "__file__", str(tmp_path / "compiler" / "code_cache.py"))
    return tmp_path


def test_the_digest_is_of_all_compiled_sources(copied_sources):
    digest = code_cache.source_digest.__wrapped__
    seen = {digest()}
    assert digest() in seen
    for path in sorted(copied_sources.rglob("*.py")):
        path.write_bytes(path.read_bytes() + b"\n")
        assert digest() not in seen, path
        seen.add(digest())
    (copied_sources / "cli").mkdir()
    for path, counts in (("cli/new.py", False), ("formulations/tiles/new.py", True)):
        before = digest()
        (copied_sources / path).write_text("")
        assert (digest() != before) == counts


@pytest.fixture
def folder(monkeypatch):
    """`cache_folder` without its memory: it looks for the folder at each call."""
    monkeypatch.setattr(code_cache, "_folders", code_cache._folders.__wrapped__)
    return code_cache.cache_folder.__wrapped__


def test_the_folder_is_named_by_sources_and_versions(folder, monkeypatch, tmp_path):
    monkeypatch.setenv("FASTBP_CACHE", str(tmp_path))
    first = folder()
    assert first == folder() and first.parent == tmp_path and first.is_dir()
    monkeypatch.setattr(code_cache, "source_digest", lambda: "of other sources")
    assert folder() != first
    seen = {first, folder()}
    for package in (code_cache.numba, code_cache.llvmlite, code_cache.np):
        monkeypatch.setattr(package, "__version__", "0.0")
        assert folder() not in seen
        seen.add(folder())


def test_old_folders_are_removed_when_a_new_one_is_made(folder, monkeypatch, tmp_path):
    monkeypatch.setenv("FASTBP_CACHE", str(tmp_path))
    for age in range(20):
        (tmp_path / f"machinecode-{age}").mkdir()
        (tmp_path / f"machinecode-{age}" / "code").touch()
        os.utime(tmp_path / f"machinecode-{age}", (1e9 - age, 1e9 - age))
    (tmp_path / "machinery").mkdir()
    youngest = {f"machinecode-{age}" for age in range(code_cache.FOLDERS_KEPT - 1)}
    new = folder()
    assert set(os.listdir(tmp_path)) == {new.name, "machinery", *youngest}
    (tmp_path / "machinecode-9").mkdir()
    assert folder() == new and (tmp_path / "machinecode-9").is_dir()  # the folder exists, so no old one is removed


def test_machine_code_lies_beside_the_sources_of_a_checkout_only(folder, monkeypatch, tmp_path):
    """So pip removes an installed package completely, and no folder remains that Python would import as `fastbp`."""
    package, user = tmp_path / "fastbp", tmp_path / "user" / "fastbp"
    (package / "compiler").mkdir(parents=True)
    monkeypatch.delenv("FASTBP_CACHE", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(user.parent))
    monkeypatch.setattr(code_cache, "__file__", str(package / "compiler" / "code_cache.py"))
    monkeypatch.setattr(code_cache, "source_digest", lambda: "none")
    project = tmp_path / "pyproject.toml"
    assert folder().parent == user
    project.write_text('[project]\nname = "another"\n')
    assert folder().parent == user
    project.write_bytes(b"\xff")
    assert folder().parent == user
    assert os.listdir(package) == ["compiler"]
    project.write_text('[project]\nname = "fastbp"\n')
    assert folder().parent == package / "__pycache__"
    shutil.rmtree(package / "__pycache__")
    (package / "__pycache__").write_text("no folder")
    assert folder().parent == user
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", no_home)
    assert folder() is None


def no_home():
    raise RuntimeError("Could not determine home directory.")
