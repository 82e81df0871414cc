"""Tests that have passed in one environment need not run again in another, which has more packages.

    FASTBP_TESTS_PASSED=write:file     the names of the tests that pass are written to a file
    FASTBP_TESTS_PASSED=read:file      the tests named in it are left out

What was skipped there, for want of a package, runs here, and so does all that was not collected.
"""

import os
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

VARIABLE = "FASTBP_TESTS_PASSED"
# Where fastbp itself does something else if a package is there, such as polars for large files, all tests run again.
AGAIN = ("tests/tables/", "tests/tabular/", "fastbp/tabular/")


def versions() -> str:
    """What compiles and computes everything: with other versions, nothing is left out."""
    return f"numba {version('numba')}, llvmlite {version('llvmlite')}, numpy {version('numpy')}"


class Passed:
    """Of the process that hears of all tests: it writes their names, or tells its workers which file to read."""

    def __init__(self) -> None:
        # Taken out of the environment, because some tests run pytest themselves.
        self.action, _, self.file = os.environ.pop(VARIABLE, "").partition(":")
        self.names: dict[str, bool] = {}

    @pytest.hookimpl(optionalhook=True)  # of pytest-xdist
    def pytest_configure_node(self, node: Any) -> None:
        node.workerinput["passed"] = self.action, self.file

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.names[report.nodeid] = report.passed and self.names.get(report.nodeid, True)

    def pytest_sessionfinish(self) -> None:
        if self.action == "write":
            passed = [name for name, has_passed in self.names.items() if has_passed]
            Path(self.file).write_text("\n".join([versions(), *passed]) + "\n", encoding="utf-8")


def leave_out(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the tests that have passed in the other environment."""
    worker = getattr(config, "workerinput", None)
    plugin = config.pluginmanager.get_plugin("passed_tests")
    action, file = worker["passed"] if worker else (plugin.action, plugin.file)
    if action != "read":
        return
    with_versions, *names = Path(file).read_text(encoding="utf-8").split("\n")
    passed = set(names) if with_versions == versions() else set()
    left_out = {item for item in items if item.nodeid in passed and not item.nodeid.startswith(AGAIN)}
    config.hook.pytest_deselected(items=list(left_out))
    items[:] = [item for item in items if item not in left_out]
