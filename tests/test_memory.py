"""Requests for more memory than the machine has are refused."""

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
