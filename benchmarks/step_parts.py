"""Where the time of a training step goes: ``python benchmarks/step_parts.py``.

A step of `tiles` calls its parts by address. So each part can be left out: what a step is faster without it is what it
costs, but for what the processor does of several parts at once. "rest" is a step without all of them. The figures are
from the fastest of many short, interleaved turns, on one thread; what is within some per cent of 0 is noise. "at the
peak" is the time of the network's multiply-adds at the peak of this machine, measured in the same run; "padded" is the
same with the columns that fill the last registers.

``--megabytes 130`` takes so many samples that X is larger than the caches.
"""

import argparse
import os
from dataclasses import replace
from itertools import pairwise
from typing import Any

from sidebyside.cases import CASES, Case, Workload, large

SUMS = "forward", "gradient", "bias_panel", "step_row", "propagate_row"
# Each part, and the functions in a network's table that compute it.
PARTS: dict[str, tuple[str, ...]] = {
    "sums": (*SUMS, "transpose_weights"),
    "rows of X": ("gather",),
    "rows of outputs": ("take_rows", "put_rows"),
}
# Fields of a network. Without the output or the errors, numbers are written in their place: what lies in memory there
# may be anything, and a cost that is not finite ends the training.
OF_NET = {"costs": ("cost", "cost_gradient"), "output": ("output_activation",)}
OF_LAYERS = {"activations": "activation", "derivatives": "derivative"}  # fields of its layers
FLOAT64 = {  # the second is a candidate of `sklearn_search.py`
    "narrow": Case("narrow", (50, 64, 64, 1), "relu", "identity", "adam", 0.001, 64, 500),
    "digits": Case("digits", (64, 100, 10), "relu", "softmax", "adam", 0.001, 32, 45),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cases = {**CASES, **FLOAT64}
    parser.add_argument("--case", default=",".join(cases), help="some of them")
    parser.add_argument("--megabytes", type=float, default=0.0)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=0.005, help="of a turn")
    arguments = parser.parse_args()
    for variable in ("OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[variable] = "1"
    for name in arguments.case.split(","):
        case = cases[name]
        case = large(case, arguments.megabytes) if arguments.megabytes else replace(case, epochs=1)
        measure(case, "float64" if case.name in FLOAT64 else "float32", arguments.rounds, arguments.seconds)


def measure(case: Case, dtype: str, rounds: int, at_least_s: float) -> None:
    """Print where a step of a case goes."""
    from fastbp.comparison.machine import gflops
    from fastbp.comparison.timing import interleaved_rounds

    work = Workload(case, seed=0)
    X, Y, order = work.X.astype(dtype), work.Y.astype(dtype), work.orders[0].reshape(-1)
    trainer = new_trainer(case, X, Y)
    trainer.train(order)  # so that all memory holds finite numbers where nothing writes it
    parts = [*PARTS, *OF_NET, *OF_LAYERS, "update"]
    left_out = {"step": [], **{name: [name] for name in parts}, "rest": parts}
    calls = {name: without(trainer, those, order) for name, those in left_out.items()}
    peaks = [gflops(dtype, 1, seconds=0.2)]
    seconds = interleaved_rounds(calls, rounds, at_least_s)
    peaks.append(gflops(dtype, 1, seconds=0.2))
    us = {name: min(turns) / case.steps * 1e6 for name, turns in seconds.items()}
    at_peak, padded = (flops / max(peaks) * 1e-3 for flops in (case.flops_per_step, padded_flops(case, dtype)))
    print(f"\n{case.name}: {case}, {dtype}, X of {X.nbytes / 1e6:.0f} MB; peak {max(peaks):.0f} GFLOP/s")
    share = at_peak / us["step"]
    print(f"  {'step':<16}{us['step']:9.2f} µs; at the peak {at_peak:.2f}, {share:.1%}; padded {padded:.2f}")
    for name in [*parts, "rest"]:
        spent = us[name] if name == "rest" else us["step"] - us[name]
        print(f"  {name:<16}{spent:9.2f}    {spent / us['step']:6.1%}")


def new_trainer(case: Case, X: Any, Y: Any) -> Any:
    """Return a trainer of a case whose weights stay what they are, whatever is left out."""
    import fastbp
    from fastbp.formulations import FORMULATIONS
    from fastbp.formulations.step_options import StepOptions

    activations = {"activation": case.hidden, "output_activation": case.output}
    net = fastbp.Network(list(case.sizes), cost=case.cost, seed=0, dtype=X.dtype, **activations)
    optimizer = (fastbp.Adam if case.optimizer == "adam" else fastbp.SGD)(1e-20)
    state = optimizer.new_state(net.parameters.size, net.dtype)
    trainer: Any = FORMULATIONS["tiles"].trainer(net._model, optimizer, state, X, Y, case.batch_size, StepOptions())
    trainer.begin()
    return trainer


def without(trainer: Any, left_out: list[str], order: Any) -> Any:
    """Return what trains on an order, but calls a function that does nothing in place of some parts.

    The memory is the same for all: where it lies makes a tenth of a difference in the time of a step.
    """
    call, optimizer, dtype = trainer._call, trainer._packed, trainer._call.data.X.dtype
    nothing = address_of(does_nothing, "", dtype)
    instead = {"cost": nothing, "cost_gradient": address_of(no_error, "RRRRd", dtype)}
    instead["output_activation"] = address_of(one_half, "RRii", dtype)
    functions, layers = call.net.functions.copy(), call.net.layers.copy()
    for part in left_out:
        for name in PARTS.get(part, ()):
            functions[name][:] = nothing
        if part in OF_LAYERS:
            layers[OF_LAYERS[part]][1:-1] = nothing
    of_net = {name: instead[name] for part in left_out for name in OF_NET.get(part, ())}
    net = call.net._replace(functions=functions, layers=layers, **of_net)
    if "update" in left_out:
        optimizer = optimizer._replace(update=nothing)

    def train() -> None:
        call.net, trainer._packed = net, optimizer
        trainer.train(order)

    return train


def address_of(function: Any, kinds: str, dtype: Any) -> int:
    """Return the address of a C function with these arguments: see `fastbp/compiler/callbacks.py`."""
    from fastbp.compiler.callbacks import address
    from fastbp.compiler.options import PART, njit

    return address(njit(function, on_disk=False, **PART), kinds, dtype, function.__name__, on_disk=False)


def does_nothing() -> None:
    """In place of a part of a step."""


def no_error(delta, z, a, y, parameter):  # type: ignore[no-untyped-def]
    """δ = 0, in place of ∂C/∂a."""
    for j in range(delta.size):
        delta[j] = 0


def one_half(a, z, n, m):  # type: ignore[no-untyped-def]
    """A = ½, in place of the output activation."""
    for j in range(a.size):
        a[j] = 0.5


def padded_flops(case: Case, dtype: str) -> int:
    """Return the floating-point operations of a step with whole registers of neurons."""
    from fastbp.formulations.tiles.registers import VECTOR_BYTES

    lanes = VECTOR_BYTES // (8 if dtype == "float64" else 4)
    sizes = [-(-n // lanes) * lanes for n in case.sizes]
    forward = gradient = sum(n_in * wide for n_in, wide in zip(case.sizes, sizes[1:], strict=False))
    back = sum(n_out * wide for wide, n_out in list(pairwise(sizes))[1:])
    return 2 * case.batch_size * (forward + gradient + back)


if __name__ == "__main__":
    main()
