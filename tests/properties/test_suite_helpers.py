"""What decides which tests run: covering cases, and what another environment has passed; what is compiled before."""

import itertools
import os
from types import SimpleNamespace
from typing import Any

import common_test_calls
import passed_tests
import pytest
from covering import every_pair, in_turn

LISTS = ["abcde", [1, 2, 3], (True, False), range(4)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("call", common_test_calls.CALLS, ids=lambda call: call.__name__)
def test_every_common_call_of_the_tests_works(call: Any, dtype: str) -> None:
    call(dtype)


def fast(cases: list[Any]) -> list[tuple[Any, ...]]:
    """The cases that run always; all others are marked as slow."""
    marked = [case for case in cases if hasattr(case, "marks")]
    assert all(mark.name == "slow" for case in marked for mark in case.marks)
    return [case for case in cases if not hasattr(case, "marks")]


@pytest.mark.parametrize("cover", [every_pair, in_turn])
def test_a_cover_has_all_cases_most_of_them_slow(cover: Any) -> None:
    cases = cover(*LISTS)
    assert [tuple(getattr(case, "values", case)) for case in cases] == list(itertools.product(*LISTS))
    assert 5 * 4 <= len(fast(cases)) <= len(cases) / 3 and cover(*LISTS) == cases


def test_every_pair_of_values_is_in_a_case() -> None:
    for i, k in itertools.combinations(range(4), 2):
        found = {(case[i], case[k]) for case in fast(every_pair(*LISTS))}
        assert found == set(itertools.product(LISTS[i], LISTS[k]))


def test_the_values_of_the_last_list_take_turns() -> None:
    cases = fast(in_turn(*LISTS))
    assert [case[:-1] for case in cases] == list(itertools.product(*LISTS[:-1]))
    for i in range(3):
        assert {(case[i], case[-1]) for case in cases} == set(itertools.product(LISTS[i], LISTS[-1]))


@pytest.mark.parametrize("same_versions", [True, False])
@pytest.mark.parametrize("is_worker", [True, False])
def test_tests_that_have_passed_are_left_out(is_worker, same_versions, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv(passed_tests.VARIABLE, f"write:{tmp_path / 'file'}")
    there = passed_tests.Passed()
    assert passed_tests.VARIABLE not in os.environ
    phases = [
        ("passes[é]", True),
        ("skipped", True),
        ("skipped", False),
        ("skipped", True),
        ("tests/tables/passes", True),
    ]
    for name, passed in phases:
        there.pytest_runtest_logreport(SimpleNamespace(nodeid=name, passed=passed))
    there.pytest_sessionfinish()

    monkeypatch.setenv(passed_tests.VARIABLE, f"read:{tmp_path / 'file'}")
    if not same_versions:
        monkeypatch.setattr(passed_tests, "versions", lambda: "numba 9")
    here, node, left_out = passed_tests.Passed(), SimpleNamespace(workerinput={}), []
    here.pytest_sessionfinish()  # which writes nothing
    here.pytest_configure_node(node)
    config = SimpleNamespace(
        pluginmanager=SimpleNamespace(get_plugin=lambda name: here),
        hook=SimpleNamespace(pytest_deselected=lambda items: left_out.extend(items)),
        **({"workerinput": node.workerinput} if is_worker else {}),
    )

    class Item:
        def __init__(self, name: str):
            self.nodeid = name

    items = [Item(name) for name in ("passes[é]", "new", "skipped", "tests/tables/passes")]
    passed_tests.leave_out(config, items)
    expected = ["new", "skipped", "tests/tables/passes"]
    assert [item.nodeid for item in items] == (expected if same_versions else ["passes[é]", *expected])
    assert [item.nodeid for item in left_out] == (["passes[é]"] if same_versions else [])
