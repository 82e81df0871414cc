"""The lines of `loops.py` that compute a number of the page, read from the file itself."""

import ast
from functools import cache
from pathlib import Path
from typing import Any

from fastbp.formulations import loops

# What is computed: the function that computes it, and how its line begins.
LINES = {
    "z": ("forward", "weighted_input += "),
    "a": ("forward", "call(activation, "),
    "cost": ("backward_sample", "call(net.cost, "),
    "cost_gradient": ("output_error", "call(cost_gradient, "),
    "bp1": ("output_error", "call(derivative, "),
    "sum": ("propagate_error", "delta_previous[k] += "),
    "bp2": ("propagate_error", "call(derivative, "),
    "bp3": ("accumulate_gradient", "db[j] += "),
    "bp4": ("accumulate_gradient", "dw[j, k] += "),
}


@cache
def functions_and_lines() -> dict[str, Any]:
    """Return the functions, each with its first line number and its text, and the line number of each of `LINES`."""
    text = Path(loops.__file__).read_text(encoding="utf-8")
    lines = text.splitlines()
    functions = {
        node.name: (node.lineno, node.end_lineno)
        for node in ast.parse(text).body
        if isinstance(node, ast.FunctionDef) and node.name in {function for function, _ in LINES.values()}
    }
    found = {}
    for what, (function, begin) in LINES.items():
        first, last = functions[function]
        (found[what],) = (i for i in range(first, (last or first) + 1) if lines[i - 1].strip().startswith(begin))
    texts = {name: {"first": i, "text": "\n".join(lines[i - 1 : end])} for name, (i, end) in functions.items()}
    places = {what: {"function": LINES[what][0], "line": i} for what, i in found.items()}
    return {"functions": texts, "lines": places}
