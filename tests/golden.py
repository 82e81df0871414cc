"""Small trainings whose results are known to the last bit: `data/golden.json` holds a digest of each.

    python tests/golden.py --check                   # prints which differ; exits with 1 if one does
    python tests/golden.py --check --target avx2     # the same, compiled for another processor
    python tests/golden.py --record --target avx2    # records the present digests

Each compiled formulation runs each case in each dtype. The inputs are made of whole numbers, and only compiled loops
compute the results: neither NumPy's random numbers nor the C library takes part. So there are no cases of
Levenberg-Marquardt, L-BFGS and conjugate gradient: NumPy and SciPy compute their sums, with whatever BLAS they have.
"""

import argparse
import hashlib
import itertools
import json
import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from llvmlite import binding
from numba import config

import fastbp
from fastbp.compiler import levels
from fastbp.formulations.tiles.registers import VECTOR_BYTES
from fastbp.functions.activations import ACTIVATIONS, Activation
from fastbp.functions.cost_pairs import PAIRS
from fastbp.functions.costs import COSTS
from fastbp.optimizers import AdamEpsilonHat

FILE = Path(__file__).parent / "data" / "golden.json"
LOOPS = [(formulation, dtype) for formulation in ("tiles", "loops") for dtype in ("float32", "float64")]
TARGETS = {"avx2": "x86-64-v3"}  # other levels to compile for
# LLVM vectorizes the sums of `loops`: their bits depend on the width of its vectors and on its version.
WIDTH, LLVM = f"registers of {VECTOR_BYTES} bytes", f"LLVM {binding.llvm_version_info[0]}"
VECTORS = "registers of 64 bytes" if levels.level().cpu == "x86-64-v4" else WIDTH  # that LLVM uses
SIZES = [20, 35, 9, 4]  # wider and narrower than a panel, for every width of the registers
OPTIMIZERS = {
    "SGD": partial(fastbp.SGD, 0.05),
    "Momentum": partial(fastbp.Momentum, 0.1),
    "Nesterov": partial(fastbp.Nesterov, 0.1),
    "Adam": partial(fastbp.Adam, 0.01),
    "AdamEpsilonHat": partial(AdamEpsilonHat, 0.01),
    "AdamW": partial(fastbp.AdamW, 0.01, weight_decay=0.1),
    "RMSProp": partial(fastbp.RMSProp, 0.01),
    "RMSProp with momentum": partial(fastbp.RMSProp, 0.01, momentum=0.7),
    "RMSProp centered": partial(fastbp.RMSProp, 0.01, centered=True),
    "Adagrad": partial(fastbp.Adagrad, 0.1, rate_decay=0.1),
}
OPTIONS: dict[str, dict[str, Any]] = {
    "l2": {"l2": 0.3},
    "l1": {"l1": 0.3},
    "max_norm": {"max_norm": 0.5},
    "clip_value": {"clip_value": 0.01},
    "clip_norm": {"clip_norm": 0.05},
    "dropout": {"dropout": 0.25},
    "sample_weight": {"sample_weight": np.arange(30) % 4},
    "order": {"shuffle": [np.arange(30) * k % 30 for k in (7, 11)]},
}
ADAM = OPTIMIZERS["Adam"]

Case = Callable[[str, str], np.ndarray]  # of a formulation and a dtype


@cache
def fractions(n: int, seed: int) -> np.ndarray:
    """Return n numbers in [0, 1) of 53 bits each, by Knuth's linear congruence, MMIX."""
    state, numbers = seed, np.empty(n)
    for i in range(-9, n):  # the first nine numbers are too close to the seed
        state = (6364136223846793005 * state + 1442695040888963407) % 2**64
        numbers[max(i, 0)] = (state >> 11) * 2.0**-53
    return numbers


def samples(n: int, sizes: list[int], sparse: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Return X in [-1, 1) and Y in [0, 1], which suit every cost; several outputs sum to 1."""
    X = 2 * fractions(n * sizes[0], seed=1) - 1
    if sparse:
        X = np.where(fractions(X.size, seed=2) < 0.9, 0, X)
    Y = fractions(n * sizes[-1], seed=3).reshape(n, -1) / sizes[-1]
    if sizes[-1] > 1:
        Y[:, -1] = [1 - math.fsum(row) for row in Y[:, :-1].tolist()]
    return X.reshape(n, -1), Y


def network(formulation: str, dtype: str, sizes: list[int], choices: dict[str, Any]) -> fastbp.Network:
    """Return a network whose weights are in [-1/4, 1/4)."""
    functions = {"activation": "tanh", "output_activation": "identity", "cost": "quadratic", **choices}
    net = fastbp.Network(sizes, **functions, initializer="zeros", dtype=dtype, seed=0, formulation=formulation)
    net.parameters = fractions(net.parameters.size, seed=4) / 2 - 0.25
    net._own_seed = 5  # decides which neurons are dropped
    return net


def training(
    sizes: list[int],
    formulation: str,
    dtype: str,
    n: int = 30,
    batch_size: int = 7,
    optimizer: Callable[[], Any] = OPTIMIZERS["SGD"],
    sparse: bool = False,
    options: dict[str, Any] | None = None,
    **choices: Any,
) -> np.ndarray:
    """Return the parameters after two epochs."""
    net = network(formulation, dtype, sizes, choices)
    options = {"shuffle": False, "progress": False, **(options or {})}
    net.fit(*samples(n, sizes, sparse), epochs=2, batch_size=batch_size, optimizer=optimizer(), **options)
    return net.parameters


def outputs(formulation: str, dtype: str, n: int) -> np.ndarray:
    """Return what a network predicts for n samples."""
    return network(formulation, dtype, SIZES, {}).predict(samples(n, SIZES)[0])


def gradient(formulation: str, dtype: str, n: int) -> np.ndarray:
    """Return the gradient of n samples."""
    return network(formulation, dtype, SIZES, {}).gradient(*samples(n, SIZES)).vector


def sizes_of(output: Activation) -> list[int]:
    """Return layer sizes: an activation that sums over its layer gets more neurons than a register has lanes."""
    return [20, 35, 45] if output.whole_layer else SIZES


def cases() -> Iterator[tuple[str, Case]]:
    """Yield every case and its name."""
    yield "predict: 30 rows", partial(outputs, n=30)
    yield "predict: a row", partial(outputs, n=1)
    yield "gradient: 30 samples", partial(gradient, n=30)
    yield "gradient: a sample", partial(gradient, n=1)
    for name, optimizer in OPTIMIZERS.items():
        yield f"optimizer: {name}", partial(training, SIZES, optimizer=optimizer)
    yield "optimizer: Rprop", partial(training, SIZES, batch_size=30, optimizer=fastbp.Rprop)
    for name, activation in ACTIVATIONS.items():
        if not activation.whole_layer:
            yield f"hidden: {name}", partial(training, SIZES, activation=name)
        yield f"output: {name}", partial(training, sizes_of(activation), output_activation=name)
    for cost, output in itertools.product(COSTS.values(), ACTIVATIONS.values()):
        usual = output.name == ("sigmoid" if cost.refusal(ACTIVATIONS["identity"]) else "identity")
        if usual or (output.function, cost.function) in PAIRS:
            choices = {"output_activation": output, "cost": cost}
            yield f"cost: {cost.name} of {output.name}", partial(training, sizes_of(output), **choices)
    for name, options in OPTIONS.items():
        yield f"option: {name}", partial(training, SIZES, options=options)
        yield f"option: {name}, Adam", partial(training, SIZES, options=options, optimizer=ADAM)
    yield "steps of one sample", partial(training, SIZES, batch_size=1)
    yield "steps of one sample, Adam", partial(training, SIZES, batch_size=1, optimizer=ADAM)
    yield "layers of one neuron", partial(training, [20, 1, 35, 1])
    yield "a long layer", partial(training, [300, 20, 4], batch_size=15)
    yield "inputs that are 0", partial(training, [70, 35, 4], batch_size=30, sparse=True)
    yield "few weights, many samples", partial(training, [3, 12, 4], n=700, batch_size=600)
    yield "many weights, many samples", partial(training, [80, 120, 4], n=1030, batch_size=1030)


def place(formulation: str, dtype: str) -> str:
    """Return the key of digests in the record of a case: it names what the bits depend on."""
    return f"{formulation} {dtype}, {VECTORS}, {LLVM}" if formulation == "loops" else f"{formulation} {dtype}"


def recorded() -> dict[str, dict[str, str]]:
    """Return the recorded digests: case, place, digest."""
    return dict(json.loads(FILE.read_text())) if FILE.exists() else {}


def compared(formulation: str, dtype: str) -> dict[str, Case]:
    """Return the cases with digests for the machine that the code is compiled for, and those without any."""
    known = recorded()
    places = {where for of in known.values() for where in of}
    return {name: case for name, case in cases() if place(formulation, dtype) in known.get(name, places)}


def digest(case: Case, formulation: str, dtype: str) -> str:
    """Return the present digest of a case."""
    numbers = case(formulation, dtype).astype(np.dtype(dtype).newbyteorder("<"))
    return hashlib.sha256(numbers.tobytes()).hexdigest()[:16]


def differing(formulation: str, dtype: str) -> list[str]:
    """Return the names of the cases whose digest is not the recorded one."""
    known = {name: of.get(place(formulation, dtype)) for name, of in recorded().items()}
    here = compared(formulation, dtype)
    return [name for name, case in here.items() if digest(case, formulation, dtype) != known.get(name)]


def record() -> None:
    """Record the present digests; those of other widths and versions of LLVM stay."""
    old = recorded()
    new = {name: old.get(name, {}) for name, _ in cases()}
    for (name, case), loops in itertools.product(cases(), LOOPS):
        new[name][place(*loops)] = digest(case, *loops)
    lines = [f"{json.dumps(name)}: {json.dumps(of, indent=1, sort_keys=True)}" for name, of in new.items()]
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def why_not(target: str | None = None) -> str | None:
    """Return why nothing can be compared on a target, or on this machine; None if it can."""
    if config.DISABLE_JIT:
        return "NUMBA_DISABLE_JIT is set: Python has no fused multiply-add (FMA), and the bits differ"
    if target:
        lowest = levels.x86_64(levels.present(), TARGETS[target]).name
        return None if lowest == TARGETS[target] else f"this machine's level is {levels.level().name}"
    if levels.level().name in ("x86-64-v3", "x86-64-v4", levels.HALVES, "aarch64"):
        return None
    return "the target has no fused multiply-add (FMA): products and sums are rounded one by one, and the bits differ"


def main() -> int:
    """Check or record."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--check", action="store_true", help="say which digests differ from the recorded ones")
    action.add_argument("--record", action="store_true", help="record those of today")
    parser.add_argument("--target", choices=TARGETS, help="what to compile for, if not for this machine")
    arguments = parser.parse_args()
    reason = why_not(arguments.target)
    if reason:
        parser.error(f"nothing can be compared: {reason}")
    if arguments.target:
        command = [sys.executable, __file__, "--check" if arguments.check else "--record"]
        return subprocess.run(command, env={**os.environ, "NUMBA_CPU_NAME": TARGETS[arguments.target]}).returncode
    if arguments.record:
        record()
        return 0
    found = [(f"{formulation} {dtype}", differing(formulation, dtype)) for formulation, dtype in LOOPS]
    for loops, names in found:
        print(*(f"{loops}, {name}: other bits than those in {FILE.name}\n" for name in names), sep="", end="")
    n_compared = sum(len(compared(*loops)) for loops in LOOPS)
    print(f"{sum(len(names) for _, names in found)} of {n_compared} digests differ")
    return int(any(names for _, names in found))


if __name__ == "__main__":
    sys.exit(main())
