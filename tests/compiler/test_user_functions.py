"""A user's functions on disk: they are named by a digest of their content, if it can be digested."""

import itertools
import math
import os
from pathlib import Path

import numba
import numpy as np
import pytest
from conftest import copy_machine_code, run_python

import fastbp
from fastbp.compiler import code_cache
from fastbp.compiler.user_functions import named_by_content
from fastbp.functions import elementary


def files_of(cache: Path) -> list[Path]:
    return sorted(cache.rglob("*.machinecode"))


# A user's cost whose functions use a constant, a global number, an array, another function and a closure.
USERS = """
import sys, math
from numba.core import event
with event.install_recorder("numba:run_pass") as recorder:
    import fastbp, numba
    import numpy as np
    SCALE, TABLE = 2.0, np.array([1.0, 3.0])
    @numba.njit
    def helper(x):
        return x * x
    def scaled(by):
        return lambda a, y: SCALE * by * helper(a - y) * TABLE[1]
    cost = fastbp.Cost("mine", scaled(0.5), lambda a, y: SCALE * (a - y) * TABLE[1])
    net = fastbp.Network([1, 1], cost=cost, initializer="zeros", dtype="float64", formulation="loops")
    result = net.evaluate([[0.0]], [[3.0]]).cost, net.gradient([[0.0]], [[3.0]]).biases[0][0]
print(len(recorder.buffer), *result)
"""
CHANGES = {  # old text, new text, and the cost and the gradient afterwards
    "constant": ("scaled(0.5)", "scaled(1.5)", (81, -18)),
    "global number": ("SCALE, TABLE = 2.0", "SCALE, TABLE = 4.0", (54, -36)),
    "array": ("[1.0, 3.0]", "[1.0, 5.0]", (45, -30)),
    "helper": ("return x * x", "return x * x * x", (-81, -18)),
    "its options": ("@numba.njit", "@numba.njit(fastmath=True)", (27, -18)),
    "code": ("SCALE * by *", "SCALE + by *", (83 / 2 - 26, -18)),
}


# Runs several programs one after the other, as cells of a notebook, and says how many files there are after each.
CELLS = """
import sys
from fastbp.compiler.code_cache import cache_folder
for cell in sys.argv[1:]:
    exec(compile(cell, "<cell>", "exec"), {"__name__": "__main__"})
    print(len(list(cache_folder().glob("*.machinecode"))))
"""


def test_a_users_functions_are_kept_by_their_content(tmp_path):
    """The functions are in `__main__` without a source file, as in a notebook."""
    cells = [USERS, *(USERS.replace(old, new) for old, new, _ in CHANGES.values())]
    assert len(set(cells)) == 1 + len(CHANGES)
    expected = [(27, -18), *(result for _, _, result in CHANGES.values())]

    def run():
        """The passes, the costs with the gradients, and the numbers of files, of all cells."""
        lines = run_python(CELLS, *cells, FASTBP_CACHE=str(tmp_path)).splitlines()
        passes, *results = zip(*(map(float, line.split()) for line in lines[::2]), strict=True)
        return passes, list(zip(*results, strict=True)), [int(line) for line in lines[1::2]]

    copy_machine_code(tmp_path)
    before = len(files_of(tmp_path))
    passes, results, files = run()
    for what, found, right in zip(["nothing", *CHANGES], results, expected, strict=True):
        assert found == pytest.approx(right), what
    assert min(passes) > 0 and all(a < b for a, b in itertools.pairwise([before, *files]))
    assert run() == ((0,) * len(cells), results, files[-1:] * len(cells))


def content(function):
    copy = named_by_content(function)
    return copy and copy.__name__


def test_digests_know_what_a_function_refers_to(monkeypatch):
    def of(value):
        return content(lambda a: (value, a))

    values = [
        *(0, False, 0.0, -0.0, 1, True, "0", b"0", None, (), (0,), (0.0,), ((0,),), 1j, frozenset({1}), np.float32(1)),
        *(np.float64(1), np.int8(1), np.zeros(2), np.zeros((2, 1)), np.zeros((2, 2)), np.zeros((2, 2), order="F")),
        *(math.sin, math.cos, abs, math, np, float, np.float32, elementary.exp, elementary.log),
        *(
            [np.sin] if hasattr(np.sin, "__qualname__") else []
        ),  # before NumPy 2.2 a ufunc does not say where it is from
    ]
    names = [of(value) for value in values]
    assert None not in names and len(set(names)) == len(names)
    assert names == [of(value) for value in values]
    unknown = [object(), [], {}, os, test_digests_know_what_a_function_refers_to, np.zeros(2**20), np.array([None])]
    assert {of(value) for value in unknown} == {None}
    assert len({content(lambda a, b=1: a), content(lambda a, b=2: a), content(lambda a, *, b=2: a)}) == 3
    assert content(lambda a: max(a, (lambda: 1)())) != content(lambda a: max(a, (lambda: 2)()))


def test_a_function_that_calls_itself_or_imports_has_no_digest():
    @numba.njit
    def itself(n):
        return 1 if n < 2 else n * itself(n - 1)

    def imports(a):
        import os

        return a * len(os.sep)

    assert content(lambda a: itself(a)) is None and content(itself.py_func) is None and content(imports) is None


def test_a_function_without_a_digest_works_and_is_not_kept(tmp_path):
    script = USERS.replace("TABLE[1]", "TABLE[1] * BOX.number").replace("SCALE, TABLE", "BOX, SCALE, TABLE")
    script = script.replace("= 2.0, np", "= types.ModuleType('box'), 2.0, np").replace(
        "import sys", "import types, sys"
    )
    script = script.replace("    def scaled", "    BOX.number = 1.0\n    def scaled")
    copy_machine_code(tmp_path)
    for _ in range(2):
        passes, *result = map(float, run_python(script, FASTBP_CACHE=str(tmp_path)).split())
        assert passes > 0 and result == [27, -18]
    assert not list(tmp_path.rglob("users_*")) and files_of(tmp_path)


def test_only_so_many_files_of_users_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(code_cache, "USERS_FILES_KEPT", 2)
    for age in range(5):
        (tmp_path / f"users_{age}.machinecode").touch()
        os.utime(tmp_path / f"users_{age}.machinecode", (1e9 - age, 1e9 - age))
    (tmp_path / "ours.machinecode").touch()
    os.utime(tmp_path / "ours.machinecode", (0, 0))

    class Data:
        class library:
            has_dynamic_globals = False

        def _reduce(self):
            return ()

    def users_new():
        pass

    monkeypatch.setattr(code_cache, "cache_folder", lambda: tmp_path)
    code_cache.MachineCodeCache(users_new).save_overload("()", Data())
    new, *rest = sorted(os.listdir(tmp_path), key=lambda name: not name.startswith("users_new"))
    assert new.startswith("users_new") and sorted(rest) == ["ours.machinecode", "users_0.machinecode"]


def test_a_users_function_with_a_comprehension_gets_a_clear_error():
    """Ours have none, and are compiled without the pass for them."""
    activation = fastbp.Activation("mine", lambda z: z * [0.5 * k for k in range(3)][1], lambda z: 0.5)
    net = fastbp.Network([1, 1], output_activation=activation, cost="quadratic")
    with pytest.raises(TypeError, match="Numba cannot compile <function"):
        net.predict([[0.0]])
