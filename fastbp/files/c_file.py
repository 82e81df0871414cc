"""A network as one C99 file, for machines without Python. It needs only ``math.h``."""

import re
from itertools import count
from textwrap import indent, wrap

import numpy as np

from fastbp.files.layers import check_ours
from fastbp.model import Array, Model

# σ(z) of one number, as in `functions/activations.py`. REAL is float or double, _F the suffix of its functions and
# constants, @ the name of the file's function.
FUNCTIONS = {
    "sigmoid": "const REAL e = exp_F(-fabs_F(z));\nreturn (z < 0 ? e : 1) / (1 + e);",
    "tanh": "return tanh_F(z);",
    "relu": "return z <= 0 ? 0 : z;",
    "leaky_relu": "return z > 0 ? z : 0.01_F * z;",
    "elu": "return z > 0 ? z : expm1_F(z);",
    "selu": "return z > 0 ? 1.0507009873554805_F * z : 1.7580993408473766_F * expm1_F(z);",
    "softplus": "return fmax_F(z, 0) + log1p_F(exp_F(-fabs_F(z)));",
    "silu": "return z / (1 + exp_F(-z));",
    "mish": "return z * tanh_F(fmax_F(z, 0) + log1p_F(exp_F(-fabs_F(z))));",
    "gelu": "return z * (0.5_F * erfc_F(-z * 0.70710678118654752_F));",
    "exponential": "return exp_F(z);",
}

SOFTMAX = """\
static void softmax(REAL *a, int n)
{
    REAL largest = a[0], total = 0;
    for (int j = 1; j < n; j++)
        largest = fmax_F(largest, a[j]);
    for (int j = 0; j < n; j++) {
        a[j] = exp_F(a[j] - largest);
        total += a[j];
    }
    for (int j = 0; j < n; j++)
        a[j] /= total;
}"""

LAYER = """\
for (int j = 0; j < {n_out}; j++) {{
    REAL z = biases_{l}[j];
    for (int k = 0; k < {n_in}; k++)
        z += weights_{l}[j][k] * {a_in}[k];
    {a_out}[j] = {sigma};
}}"""

HEAD = """\
/* A neural network, written by fastbp. C99, needs only math.h; link with -lm.

   {layers}

   @(x, a) reads {n_in} numbers x and writes {n_out} numbers a. It keeps no state between calls. Its arrays take
   {stack:,} bytes of the stack, the constants {constants:,} bytes. */

#include <math.h>"""

KEYWORDS = frozenset(
    "auto break case char const continue default do double else enum extern float for goto if inline int long register "
    "restrict return short signed sizeof static struct switch typedef union unsigned void volatile while main softmax "
    "_Bool _Complex _Imaginary".split()
)


def c_source(model: Model, name: str) -> str:
    """Return the file. Raises ValueError for a user's own activation, a name C cannot use, or NaN or infinity in θ."""
    check_ours(model, "a C file")
    if not re.fullmatch(r"[A-Za-z_][A-Za-z_0-9]*", name) or name in KEYWORDS:
        raise ValueError(f"name is {name!r}; it must be a name that a function in C can have, such as 'predict'")
    if not np.isfinite(model.parameters.vector).all():
        raise ValueError("the parameters are not all finite; C99 has no such constants: train anew, or load a file")
    names = [activation.name for activation in model.activations]
    functions = [
        f"static REAL sigma_{activation}(REAL z)\n{{\n{indent(body, '    ')}\n}}"
        for activation, body in FUNCTIONS.items()
        if activation in names
    ]
    softmax = [SOFTMAX] if "softmax" in names else []
    widths = [f"{n} {activation}" for n, activation in zip(model.sizes[1:], names, strict=True)]
    head = HEAD.format(
        layers="\n   ".join(wrap(f"Layers: {model.sizes[0]} inputs -> " + " -> ".join(widths), 110)),
        n_in=model.sizes[0],
        n_out=model.sizes[-1],
        stack=sum(model.sizes[1:-1]) * model.dtype.itemsize,
        constants=model.parameters.vector.nbytes,
    )
    parts = [head, *_constants(model), *functions, *softmax, _predict(model, names)]
    source = "\n\n".join(parts) + "\n"
    real, f = ("float", "f") if model.dtype == np.float32 else ("double", "")
    return source.replace("REAL", real).replace("_F", f).replace("@", name)


def _constants(model: Model) -> list[str]:
    parts = []
    for l, w, b in zip(count(1), model.parameters.weights, model.parameters.biases, strict=False):
        n_out, n_in = w.shape
        rows = ",\n".join(f"    {{{_numbers(row)}}}" for row in w)
        parts.append(f"static const REAL weights_{l}[{n_out}][{n_in}] = {{\n{rows}}};")
        parts.append(f"static const REAL biases_{l}[{n_out}] = {{{_numbers(b)}}};")
    return parts


def _numbers(values: Array) -> str:
    """Return numbers as C constants, with enough digits to restore their bits."""
    words = [f"{value!s}_F" for value in values]
    return ",\n     ".join(", ".join(words[start : start + 8]) for start in range(0, len(words), 8))


def _predict(model: Model, names: list[str]) -> str:
    last = model.n_layers
    places = ["x", *(f"a{l}" for l in range(1, last)), "a"]
    lines = [f"REAL a{l}[{model.sizes[l]}];" for l in range(1, last)]
    for l, activation in enumerate(names, start=1):
        sigma = f"sigma_{activation}(z)" if activation in FUNCTIONS else "z"
        n_in, n_out = model.sizes[l - 1 : l + 1]
        lines.append(LAYER.format(l=l, n_in=n_in, n_out=n_out, a_in=places[l - 1], a_out=places[l], sigma=sigma))
        if activation == "softmax":
            lines.append(f"softmax({places[l]}, {n_out});")
    head = f"void @(const REAL x[{model.sizes[0]}], REAL a[{model.sizes[-1]}])"
    return f"{head};\n\n{head}\n{{\n" + indent("\n".join(lines), "    ") + "\n}"
