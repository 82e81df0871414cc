"""Requests for more memory than the machine has are refused."""

import gc
import os

import pytest
from conftest import run_python

from fastbp import memory


def test_a_refusal_says_what_needs_how_much_and_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "physical_memory", lambda: 1000)
    memory.require_memory("an array", 1000, "never said")
    says = "^an array needs 1,001 bytes, and this machine has 1,000: take a smaller one$"
    for error in (MemoryError, ValueError):
        with pytest.raises(error, match=says):
            memory.require_memory("an array", 1001, "take a smaller one", error)


def test_a_machine_that_does_not_know_its_memory_refuses_only_impossible_arrays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(os, "sysconf", raising=False)  # as on Windows
    memory.require_memory("an array", 2**40, "never said")
    with pytest.raises(MemoryError):
        memory.require_memory("an array", 2**70, "take a smaller one")


@pytest.mark.parametrize("collects", [True, False])
def test_collection_pauses_and_goes_on_as_before_also_after_an_error(collects: bool) -> None:
    was = gc.isenabled()
    try:
        (gc.enable if collects else gc.disable)()
        with pytest.raises(ZeroDivisionError), memory.no_collection():
            assert not gc.isenabled()
            _ = 1 / 0
        assert gc.isenabled() == collects
    finally:
        (gc.enable if was else gc.disable)()


@pytest.mark.parametrize("users_are_frozen", [True, False])
def test_what_stays_is_old_at_once_unless_the_user_has_frozen_objects(
    users_are_frozen: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    thawed: list[int] = []
    monkeypatch.setattr(gc, "get_freeze_count", lambda: 5 * users_are_frozen)
    monkeypatch.setattr(gc, "unfreeze", lambda original=gc.unfreeze: (thawed.append(1), original()))
    gc.enable()
    with memory.no_collection(stays=True):
        made: list[list[int]] = [[]]
        made[0].append(made)  # type: ignore[arg-type]
    oldest = any(thing is made for thing in gc.get_objects(generation=2))
    assert (oldest, len(thawed)) == ((False, 0) if users_are_frozen else (True, 1))


def test_an_import_leaves_nothing_frozen() -> None:
    assert run_python("import gc, fastbp; print(gc.get_freeze_count())") == "0"
