"""The multiply-adds a second that this machine's cores can do: ``python benchmarks/peak.py``.

Twelve vectors stay in registers and are multiplied and added to in turn: no memory is touched, and there are enough
independent sums to hide the latency of a fused multiply-add on two ports. What any other loop reaches is a share of it.
"""

import argparse
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

from llvmlite import binding, ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

SUMS = 12
ELEMENTS = {"float32": (ir.FloatType(), 4, "f32"), "float64": (ir.DoubleType(), 8, "f64")}


def vector_bytes() -> int:
    """Return the width of this machine's vector registers."""
    features = binding.get_host_cpu_features()
    return 64 if features.get("avx512f") else 32 if features.get("avx2") else 16


@cache
def multiply_adds(dtype: str) -> Any:
    """Return a compiled function of n that does n rounds of SUMS vector multiply-adds."""
    element, n_bytes, suffix = ELEMENTS[dtype]
    lanes = vector_bytes() // n_bytes
    vector = ir.VectorType(element, lanes)

    @intrinsic
    def burn(typing: Any, n: Any, x: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            n, x = arguments
            number = builder.fptrunc(x, element) if n_bytes == 4 else x
            factor = builder.insert_element(ir.Constant(vector, ir.Undefined), number, ir.IntType(32)(0))
            factor = builder.shuffle_vector(factor, factor, ir.Constant(ir.VectorType(ir.IntType(32), lanes), None))
            signature = ir.FunctionType(vector, [vector] * 3)
            fma = cgutils.get_or_insert_function(builder.module, signature, f"llvm.fma.v{lanes}{suffix}")
            before, loop, after = builder.block, builder.append_basic_block(), builder.append_basic_block()
            builder.branch(loop)
            builder.position_at_end(loop)
            i = builder.phi(n.type)
            sums = [builder.phi(vector) for _ in range(SUMS)]
            added = [builder.call(fma, [factor, factor, s]) for s in sums]
            for k, (s, new) in enumerate(zip(sums, added, strict=True)):
                s.add_incoming(ir.Constant(vector, [element(float(k))] * lanes), before)
                s.add_incoming(new, loop)
            i.add_incoming(n.type(0), before)
            following = builder.add(i, n.type(1))
            i.add_incoming(following, loop)
            builder.cbranch(builder.icmp_signed("<", following, n), loop, after)
            builder.position_at_end(after)
            total = added[0]
            for new in added[1:]:  # so that no sum is left out as unused
                total = builder.fadd(total, new)
            result = builder.extract_element(total, ir.IntType(32)(0))
            return builder.fpext(result, ir.DoubleType()) if n_bytes == 4 else result

        return types.float64(types.intp, types.float64), codegen

    @njit(nogil=True)
    def run(n: int) -> float:
        return burn(n, 0.5)  # type: ignore[call-arg]

    run(1)
    return run


def gflops(dtype: str = "float32", threads: int = 1, seconds: float = 0.1) -> float:
    """Return the most GFLOP/s in several tries of a few milliseconds, on so many threads at once."""
    run = multiply_adds(dtype)
    n = 1_000_000
    work = 2e-9 * n * SUMS * vector_bytes() / ELEMENTS[dtype][1] * threads
    fastest = float("inf")
    with ThreadPoolExecutor(threads) as pool:
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            start = time.perf_counter()
            list(pool.map(run, [n] * threads))
            fastest = min(fastest, time.perf_counter() - start)
    return work / fastest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    for dtype in ELEMENTS:
        speed = max(gflops(dtype, arguments.threads) for _ in range(5))
        print(f"{dtype}: {speed:.0f} GFLOP/s on {arguments.threads} thread(s), {8 * vector_bytes()}-bit registers")


if __name__ == "__main__":
    main()
