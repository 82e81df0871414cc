"""The elementary functions: error in ulp against mpmath, special values, and vector instructions in loops over them.

A loop compiled with fast-math makes all calls, as in the kernels. The last tests repeat the others without fused
multiply-add and without the JIT, each in a new process, because Numba reads its target once.
"""

import functools
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from numba import config, njit

from fastbp.functions.elementary import erfc, exp, expm1, log, log1p, one_minus_power, sigmoid, softplus, tanh

mpmath = pytest.importorskip("mpmath")

FASTMATH = {"nsz", "arcp", "contract", "afn", "reassoc"}
DTYPES = [np.float32, np.float64]
INF, NAN = np.inf, np.nan
ELSEWHERE = "FASTBP_TEST_ELEMENTARY_ELSEWHERE"

# function: (the exact one, the largest |x| to test for float32 and float64: beyond it f is constant or infinite)
EXACT = {
    exp: (mpmath.exp, 104, 746),
    expm1: (mpmath.expm1, 89, 710),
    tanh: (mpmath.tanh, 10, 20),
    sigmoid: (lambda x: 1 / (1 + mpmath.exp(-x)), 104, 746),
    softplus: (lambda x: mpmath.log1p(mpmath.exp(x)), 104, 746),
    erfc: (mpmath.erfc, 10, 27),
    log: (mpmath.log, None, None),
    log1p: (mpmath.log1p, None, None),
}
FUNCTIONS = [pytest.param(f, id=getattr(f, "__name__", None) or f.__wrapped__.__name__) for f in EXACT]
# The largest error allowed; each function's docstring has the largest error found.
ULP = {exp: 1.1, expm1: 1.3, tanh: 2.6, sigmoid: 1.8, softplus: 1.8, erfc: 5.2, log: 1.0, log1p: 1.5}

SPECIALS = {
    exp: [(0, 1), (-0.0, 1), (INF, INF), (-INF, 0), (1e4, INF), (-1e4, 0)],
    expm1: [(0, 0), (-0.0, -0.0), (INF, INF), (-INF, -1), (1e4, INF), (-1e4, -1), (-100, -1)],
    tanh: [(0, 0), (-0.0, -0.0), (INF, 1), (-INF, -1), (1e4, 1), (-1e4, -1), (25, 1)],
    sigmoid: [(0, 0.5), (-0.0, 0.5), (INF, 1), (-INF, 0), (1e4, 1), (-1e4, 0), (50, 1)],
    softplus: [(INF, INF), (-INF, 0), (1e4, 1e4), (-1e4, 0), (100, 100)],
    erfc: [(0, 1), (-0.0, 1), (INF, 0), (-INF, 2), (1e4, 0), (-1e4, 2), (-7, 2), (1e-30, 1)],
    log: [(0, -INF), (-0.0, -INF), (1, 0), (INF, INF), (-INF, NAN), (-1, NAN), (-1e-40, NAN)],
    log1p: [(0, 0), (-0.0, -0.0), (-1, -INF), (INF, INF), (-INF, NAN), (-1.0001, NAN), (-1e30, NAN), (1e-40, 1e-40)],
}


@functools.cache
def in_loop(function, dtype):
    """A loop for arrays of this dtype alone."""

    @njit(fastmath=FASTMATH, error_model="numpy")
    def run(x, out):
        for i in range(x.shape[0]):
            out[i] = function(x[i])

    return run


def applied(function, x):
    out = np.empty_like(x)
    in_loop(function, x.dtype)(x, out)
    return out


def arguments(function, dtype):
    """Return points over the whole range, with more near 0, in the tails, at seams of reductions, and subnormals."""
    rng, info, n = np.random.default_rng(0), np.finfo(dtype), 300
    lowest, highest = np.log2(info.smallest_subnormal), np.log2(info.max)
    if function is log:
        near_one = 1 + 2.0 ** -rng.uniform(1, info.nmant, n) * rng.choice([-1, 1], n)
        seams = 2.0 ** rng.integers(-6, 7, n) * np.sqrt(0.5) * (1 + 1e-6 * rng.normal(size=n))
        parts = [2.0 ** rng.uniform(lowest, highest, n), 2.0 ** rng.uniform(lowest, info.minexp, n), near_one, seams]
    elif function is log1p:
        above = 2.0 ** rng.uniform(lowest, highest, n)
        below = np.concatenate([-(2.0 ** rng.uniform(lowest, 0, n)), 2.0 ** rng.uniform(-info.nmant, 0, n) - 1])
        powers = 2.0 ** np.concatenate([rng.integers(-info.nmant, 0, n), rng.integers(1, int(info.maxexp) - 1, n)])
        seams = powers * np.sqrt(0.5) * (1 + 1e-6 * rng.normal(size=2 * n)) - 1
        parts = [above, below, 4 * rng.uniform(-0.25, 1, n), seams]
    else:
        top = EXACT[function][1 if dtype == np.float32 else 2]
        near_zero = 2.0 ** rng.uniform(lowest, 0, n) * rng.choice([-1, 1], n)
        seams = (rng.integers(-9, 9, n) + 0.5) * np.log(2.0) / 2 * (1 + 1e-5 * rng.normal(size=n))
        tail = rng.uniform(0.83, 1.0, n) * (top if function is erfc else -top)  # the result or e^x is subnormal here
        parts = [rng.uniform(-top, top, n), 4 * rng.uniform(-1, 1, 2 * n), near_zero, seams, tail]
    with np.errstate(under="ignore"):
        return np.concatenate(parts).astype(dtype)


def error_in_ulp(exact, value, info):
    """Return (value - exact) / the gap between the floats around `exact`, an mpf; infinity counts as 2^maxexp."""
    gap = mpmath.ldexp(1, max(mpmath.frexp(exact)[1] - info.nmant - 1, int(info.minexp) - info.nmant))
    given = mpmath.ldexp(1, int(info.maxexp)) if np.isinf(value) else mpmath.mpf(float(value))
    return float((min(exact, mpmath.ldexp(1, int(info.maxexp))) - given) / gap)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_error_in_ulp(function, dtype):
    x = arguments(function, dtype)
    exact, info = EXACT[function][0], np.finfo(dtype)
    with mpmath.workprec(120):
        pairs = zip(x, applied(function, x), strict=True)
        errors = [error_in_ulp(exact(mpmath.mpf(float(a))), b, info) for a, b in pairs]
    worst = np.argmax(np.abs(errors))
    assert abs(errors[worst]) <= ULP[function], f"{errors[worst]:.3f} ulp at {x[worst]!r}"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_special_values(function, dtype):
    x, expected = np.array([*SPECIALS[function], (NAN, NAN)] * 9, dtype=dtype).T.copy()  # enough to fill vectors
    result = applied(function, x)
    np.testing.assert_array_equal(result, expected)
    signed = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(result[signed]), np.signbit(expected[signed]))


@pytest.mark.parametrize("x", [0.0, 0.5, 0.9, 0.999, 1 - 1e-9])
@pytest.mark.parametrize("n", [1, 2, 1000, 65536, 65537, 10**9])
def test_one_minus_power(x, n):
    with mpmath.workprec(120):
        assert one_minus_power(np.float64(x), n) == pytest.approx(float(1 - mpmath.mpf(x) ** n), rel=1e-15)


@pytest.mark.parametrize("dtype", DTYPES)
def test_edges_of_overflow_and_underflow(dtype):
    info = np.finfo(dtype)
    with mpmath.workprec(120):
        largest = dtype(mpmath.nstr(mpmath.log(mpmath.mpf(float(info.max))), 40))
        smallest = dtype(mpmath.nstr(mpmath.log(mpmath.mpf(float(info.smallest_subnormal))), 40))
    x = np.array([np.nextafter(largest, dtype(0)), largest * (1 + 2 * info.eps), smallest, smallest - 1], dtype=dtype)
    finite, over, subnormal, under = applied(exp, x)
    assert 0.99 * info.max < finite < INF
    assert over == INF
    assert (subnormal, under) == (info.smallest_subnormal, 0)
    assert applied(sigmoid, x)[2] == info.smallest_subnormal
    assert applied(softplus, x)[2] == info.smallest_subnormal


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_one_name_serves_scalars_of_both_dtypes(function, dtype):
    result = function(dtype(0.75))
    assert result == applied(function, np.array([0.75], dtype=dtype))[0]
    if config.DISABLE_JIT:
        assert result.dtype == dtype
    else:
        assert all(s.return_type == s.args[0] for s in function.nopython_signatures)


@pytest.mark.skipif(bool(config.DISABLE_JIT), reason="nothing is compiled")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_loop_becomes_strict_vector_instructions(function, dtype):
    x = np.ones(3, dtype=dtype)
    run = in_loop(function, x.dtype)
    run(x, x.copy())
    (assembly,), (code,) = run.inspect_asm().values(), run.inspect_llvm().values()

    name = {np.float32: "float", np.float64: "double"}[dtype]
    lanes = [int(n) for n in re.findall(rf"fmul [a-z ]*<(\d+) x {name}>", code)]
    assert lanes and min(lanes) * x.itemsize >= 16, "the loop is not vectorized"
    if dtype == np.float32:
        assert not re.search(r"<\d+ x double>|fpext", code), "float32 is promoted"
        assert not re.search(r"<\d+ x i64>", code.replace("getelementptr", "")), "integer work is done in 64 bits"

    names = "exp|exp2|expm1|log|log1p|tanh|erf|erfc|fma|ldexp|frexp|rint|round|floor|copysign"
    library = re.findall(rf"\$(?:{names})f?\b|\bcall\w*\s+(?:{names})f?\b", assembly)
    assert not library, f"calls {set(library)}"
    if re.search("vfmadd|fmla", assembly) is None:
        assert os.environ.get(ELSEWHERE) == "generic", (
            "multiply_add is not fused, or this machine has no fused multiply-add"
        )

    arithmetic = re.findall(r"= (?:f(?:add|sub|mul|div|neg|cmp)|select) [^\n]*(?:float|double)", code)
    liberties = set(re.findall(r" (fast|reassoc|nnan|ninf|nsz|arcp|afn) ", "\n".join(arithmetic)))
    assert arithmetic and not liberties, f"the function took over the fast-math flags of its caller: {liberties}"


@pytest.mark.skipif(ELSEWHERE in os.environ, reason="this is the other process")
@pytest.mark.parametrize("setting", ["NUMBA_CPU_NAME=generic", "NUMBA_DISABLE_JIT=1"])
def test_elsewhere(setting):
    name, _, value = setting.partition("=")
    environment = {**os.environ, name: value, ELSEWHERE: value}
    environment.pop("NUMBA_CPU_FEATURES", None)
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-x", "-W", "error", "-p", "no:cacheprovider", __file__]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
