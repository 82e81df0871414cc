"""Compiled code calls nothing that C libraries round differently."""

import ast
import math

import pytest
from conftest import PACKAGE

# The functions of `math` that every machine rounds alike.
EXACT_IN_MATH = {"sqrt", "isfinite", "prod", "fsum", "inf", "nan", "pi"}


def is_compiled(path):
    uncompiled = {"floating_point.py", "elementary_constants.py", "initializers.py"}
    in_functions = path.relative_to(PACKAGE).parts[0] == "functions"
    marked = "compiler.options import" in path.read_text(encoding="utf-8")
    return path.name not in uncompiled and (in_functions or path.name == "updates.py" or marked)


SOURCES = [path for path in sorted(PACKAGE.rglob("*.py")) if is_compiled(path)]


def test_the_compiled_sources_are_found():
    assert {"activations.py", "costs.py", "elementary.py", "updates.py", "loops.py"} <= {path.name for path in SOURCES}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_compiled_code_calls_no_function_of_the_c_library(path):
    """C libraries differ in the last bits of their results, and a training would follow these."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in ("math", "np"):
            asked = getattr(math, node.attr, None)
            assert asked is None or node.attr in EXACT_IN_MATH, f"line {node.lineno}: {node.value.id}.{node.attr}"
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
            known = isinstance(node.left, ast.Constant) and isinstance(node.right, ast.Constant)
            assert known, f"line {node.lineno}: {ast.unparse(node)}"
