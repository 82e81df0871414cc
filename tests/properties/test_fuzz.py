"""The loaders accept or refuse randomly changed files; `python tests/fuzz/loaders.py` does this for longer."""

import numpy as np
import pytest
from fuzz import loaders
from fuzz.targets import TARGETS, seeds

EXECUTIONS = {"words": 250}


@pytest.mark.parametrize("name", TARGETS)
def test_changed_files_are_accepted_or_refused(name):
    assert any(TARGETS[name].check(data) for data in seeds(name))
    result = loaders.plain(name, executions=EXECUTIONS.get(name, 500))
    assert 0 < result.accepted < result.executions  # some changed files are still good


def test_a_loader_that_allocates_too_much_is_found():
    with pytest.raises(AssertionError, match="bytes of memory for a file of 2") as error:
        loaders.call(lambda data: np.zeros(100_000_000, np.uint8).any() and False, b"no", True)
    assert error.value.__notes__ == ["the file: b'no'"]
