"""Requests for more memory than the machine has are refused."""

import gc
import os

import pytest

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
