"""A model of a table as one C99 file: its columns become features, and each network is a function."""

from __future__ import annotations

import json
import re
from textwrap import indent, wrap
from typing import Any

from fastbp.files import c_file
from fastbp.tabular.bag import SMALLEST
from fastbp.tabular.described import Entering, entering, others_in_linear_model

HEAD = """\
/* A model of a table, written by fastbp. C99, needs only math.h and string.h; link with -lm.

   @(x, y) reads {n} numbers x, one for each column, and writes {n_out} numbers y: {meaning}.
   NaN is a missing value, true is 1 and false 0, and of a category it is @_level(column, word). Columns:
{columns}

   It keeps no state between calls. */

#include <math.h>
#include <string.h>"""

LEVELS = """\
/* The number of a word of a category, or -1 if it was not, or seldom, among the rows of training. */
int @_level(int column, const char *word);

int @_level(int column, const char *word)
{{
    switch (column) {{
{cases}
    }}
    return -1;
}}"""


def source(model: Any, name: str) -> str:
    """Return the file. Raises ValueError for columns of dates, or for a name that C cannot use."""
    columns = list(entering(model, "a C file"))
    nets = [_network(net._model, i, name) for i, net in enumerate(model.population_)]
    n_features, n_out = model.population_[0].sizes[0], model.population_[0].sizes[-1]
    classes = getattr(model, "classes_", None)
    meaning = "the prediction" if classes is None else f"the probabilities of {', '.join(map(str, classes.tolist()))}"
    listed = [f"   {j} {_comment(column.name)}: {column.kind}" for j, column in enumerate(columns)]
    head = HEAD.format(n=len(columns), n_out=n_out, meaning=_comment(meaning), columns="\n".join(listed))
    body = "\n".join(_column(j, column) for j, column in enumerate(columns))
    signature = f"void @(const double x[{len(columns)}], double y[{n_out}])"
    start = f"float z[{n_features}] = {{0}}, a[{n_out}];\ndouble linear = 0;"
    end = _mean(model, len(nets)) if classes is None else _geometric_mean(len(nets), n_out, model.temperature_)
    function = f"{signature};\n\n{signature}\n{{\n" + indent("\n".join([start, body, end]), "    ") + "\n}"
    cases = "\n".join(_levels(j, column) for j, column in enumerate(columns) if column.kind == "category")
    return "\n\n".join([head, *nets, LEVELS.format(cases=cases), function, ""]).replace("@", name)


def _network(model: Any, i: int, name: str) -> str:
    """Return the function of a network, with names of its own for everything in it."""
    text = c_file.c_source(model, name)
    text = text[text.index("#include <math.h>") + len("#include <math.h>") :].strip()
    text = re.sub(r"\b(weights|biases)_(\d+)\b", rf"\1_{i}_\2", text)
    text = re.sub(r"\b(sigma_\w+|softmax)\b", rf"\1_{i}", text)
    return re.sub(rf"^void {name}\(", f"static void {name}_member_{i}(", text, flags=re.MULTILINE)


def _column(j: int, column: Entering) -> str:
    """Return the statements that write the features of a column."""
    code, at = column.code, column.at
    head = f"/* {_comment(column.name)} */"
    if column.kind == "boolean":
        return f"{head}\nz[{at}] = x[{j}] == 1 ? 1 : x[{j}] == 0 ? -1 : 0;"
    if column.kind == "category":
        n = len(code["levels"])
        if len(code["features"]) == 1:
            return f"{head}\nz[{at}] = x[{j}] == 1 ? 1 : x[{j}] == 0 ? -1 : 0;"
        lines = [head, f"if (x[{j}] >= 0 && x[{j}] < {n})", f"    z[{at} + (int)x[{j}]] = 1;"]
        if code["other"]:
            lines += [f"else if (!isnan(x[{j}]))", f"    z[{at + n}] = 1;"]
        if code["missing"]:
            lines += [f"else if (isnan(x[{j}]))", f"    z[{column.at_missing}] = 1;"]
        return "\n".join(lines)
    (center,), (factor,) = code["center"], code["factor"]
    lines = [head, f"if (isfinite(x[{j}])) {{", f"    const double s = (x[{j}] - {center!r}) * {factor!r};"]
    if column.scaled:
        lines.append(f"    z[{at}] = (float)(s / sqrt(1 + s / 3 * (s / 3)));")
    if column.coef:
        lines.append(f"    linear += {column.coef!r} * s;")
    if column.n_bins:
        edges = ",\n         ".join(wrap(", ".join(map(repr, code["edges"])), 100))
        lines += [
            f"    static const double edges[{column.n_bins + 1}] = {{{edges.replace(',,', ',')}}};",
            f"    for (int t = 0; t < {column.n_bins}; t++) {{",
            f"        const double p = (x[{j}] - edges[t]) / (edges[t + 1] - edges[t]);",
            f"        z[{at + column.scaled} + t] = (float)(p < 0 ? 0 : p > 1 ? 1 : p);",
            "    }",
        ]
    lines.append("}" + (f" else\n    z[{column.at_missing}] = 1;" if code["missing"] else ""))
    return "\n".join(lines)


def _levels(j: int, column: Entering) -> str:
    words = ", ".join(json.dumps(word, ensure_ascii=False) for word in column.code["levels"])
    n = len(column.code["levels"])
    return indent(
        f"case {j}: {{\n    static const char *const words[{n}] = {{{words}}};\n    for (int i = 0; i < {n}; i++)\n"
        "        if (strcmp(word, words[i]) == 0)\n            return i;\n    break;\n}",
        "    ",
    )


def _mean(model: Any, n_members: int) -> str:
    lines = [f"linear += {value!r} * z[{place}];" for place, value in others_in_linear_model(model)]
    calls = "\n".join(f"@_member_{i}(z, a);\ny[0] += a[0];" for i in range(n_members))
    total = f"y[0] = {model.intercept_!r} + linear + {model.scale_!r} * y[0] / {n_members};"
    return "\n".join([*lines, "y[0] = 0;", calls, total])


def _geometric_mean(n_members: int, n_out: int, temperature: float) -> str:
    each = f"for (int k = 0; k < {n_out}; k++)\n    "
    calls = "\n".join(
        f"@_member_{i}(z, a);\n{each}y[k] += log(fmax(a[k], {SMALLEST!r})) / {n_members * temperature!r};"
        for i in range(n_members)
    )
    return "\n".join([
        "(void)linear;", f"{each}y[k] = 0;", calls, "double largest = y[0], total = 0;",
        f"{each}largest = fmax(largest, y[k]);", f"{each}total += y[k] = exp(y[k] - largest);", f"{each}y[k] /= total;",
    ])  # fmt: skip


def _comment(text: str) -> str:
    """Return text that cannot end a comment in C."""
    return text.replace("*/", "* /").replace("\n", " ").replace("\\", "/").replace("@", "(at)")
