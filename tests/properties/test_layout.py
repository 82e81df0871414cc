"""The tests mirror the modules: `CONTRIBUTING.md` says how."""

from collections import Counter

import pytest
from conftest import PACKAGE, TESTS

ACROSS = {"properties", "oracles", "fuzz", "stress", "site"}
FOLDER_OF = {"scikit_learn": "sklearn"}  # a folder named sklearn could be imported as scikit-learn
FILES = sorted(TESTS.rglob("test_*.py"))
MIRRORS = [path for path in FILES if path.relative_to(TESTS).parts[0] not in ACROSS]


def test_every_file_has_a_name_of_its_own():
    """pytest imports all test files as top-level modules."""
    assert FILES
    assert [name for name, times in Counter(path.name for path in FILES).items() if times > 1] == []


@pytest.mark.parametrize("path", MIRRORS, ids=[path.stem for path in MIRRORS])
def test_every_file_is_about_a_module_of_the_folder_it_mirrors(path):
    parts = [FOLDER_OF.get(part, part) for part in path.relative_to(TESTS).parts[:-1]]
    folder = PACKAGE.joinpath(*parts)
    assert (folder / "__init__.py").is_file()
    about = {*parts[-1:], *(module.stem for module in folder.glob("[!_]*.py"))}
    name = path.stem.removeprefix("test_")
    assert any(name == word or name.startswith(f"{word}_") for word in about), f"none of {sorted(about)}"
