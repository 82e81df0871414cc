"""fastbp beside other libraries that do the same training: ``python benchmarks/peers.py``.

The peers are NumPy written by hand, scikit-learn, PyTorch (eager, and compiled), JAX with a whole epoch in one jitted
lax.scan, and fastbp's formulations. Each has a process of its own; all use the same cores and the same number of
threads, start from the same parameters and take the samples in the same order. The rounds of the peers are interleaved,
and their order is reversed from round to round. A measurement repeats the same epochs from the initial parameters until
enough time has passed. Then the cost that each peer has reached is compared with that of a reference in float64; a peer
with another cost has failed.

The times do not include making, converting and checking the data, nor the return to the initial parameters. "first
epoch" is the time of imports, building the net, compiling and one epoch in a fresh process without any cache; for
fastbp's loops and tiles, the figure after the slash is that of a process that finds the machine code on disk. "CPU µs"
is the processor time of all threads of the process; other work on the same cores changes it little.
"""

import argparse
import dataclasses
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from sidebyside import report
from sidebyside.cases import CASES, PREDICT, QUICK_CASES, large, quick
from sidebyside.process import ISA, Process, Settings
from sidebyside.worker import PEERS

from fastbp.comparison.machine import describe
from fastbp.comparison.process import MeasuringError

TOLERANCE = 1e-3  # relative, of the cost reached in float32
# The same with --megabytes: thousands of steps in float32 drift from float64. A cost that is less than a hundredth of
# the first one counts as that hundredth: that of `small` is far less in the end, and leaps by powers of ten with Adam.
LONG_TOLERANCE, LEAST_COST = 2e-2, 1e-2
PAUSE = 0.1  # seconds, in which the threads of the previous peer end their busy waiting
CACHED = ("loops", "tiles")  # their machine code on disk serves all nets: started twice, cold and warm


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--case", default="", help="book,online,small,medium,large,wide (default: all)")
    parser.add_argument("--peers", default=",".join(PEERS), help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.2, help="minimum of each measurement (default 0.2)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--isa", choices=list(ISA), help="limit all peers to these instructions")
    parser.add_argument("--megabytes", type=float, default=0, help="of X, at least: larger than the caches, one epoch")
    parser.add_argument("--quick", action="store_true", help="two small cases, two short rounds, cold starts only")
    parser.add_argument("--predict", action="store_true", help="one row through [10,32,32,1] instead of training")
    parser.add_argument("--simplechains", action="store_true", help="SimpleChains.jl's published task, fastbp only")
    parser.add_argument("--epochs", type=int, default=10_000, help="for --simplechains (default %(default)s)")
    parser.add_argument("--output", default="peers", help="writes OUTPUT.json and OUTPUT.png (default %(default)s)")
    parser.add_argument("--plant-wrong", default="", help=argparse.SUPPRESS)  # for the test of this program
    chosen = parser.parse_args(arguments)
    unknown = set(chosen.peers.split(",")) - set(PEERS)
    if unknown:
        parser.error(f"unknown peers: {', '.join(sorted(unknown))}; there are {', '.join(PEERS)}")
    if min(chosen.threads, chosen.rounds, chosen.epochs) < 1 or chosen.seconds <= 0:
        parser.error("--threads, --rounds, --epochs and --seconds must be greater than 0")
    return chosen


def main() -> int:
    arguments = parse()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        run = Run(arguments, Path(folder))
        try:
            run.everything()
        except KeyboardInterrupt:
            run.result["interrupted"] = True
            report.show_last_case(run.result)
    run.result["machine"]["load_average_at_the_end"] = describe()["load_average"]
    path = Path(f"{arguments.output}.json")
    path.write_text(json.dumps(run.result, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    print(f"\nwrote {path}{report.draw(run.result, path.with_suffix('.png'))}")
    failed = [peer for case in run.result["cases"] for peer in case["peers"] if peer["status"] == "failed"]
    return 130 if run.result["interrupted"] else 1 if failed else 0


class Run:
    """One run of this program. `result` has all measurements so far, and is written to the JSON file."""

    def __init__(self, arguments: argparse.Namespace, cache: Path):
        self.arguments, self.cache = arguments, cache
        self.settings = Settings(arguments.threads, arguments.seed, arguments.plant_wrong or None, arguments.isa)
        if arguments.quick:
            arguments.rounds, arguments.seconds = min(arguments.rounds, 2), min(arguments.seconds, 0.05)
        shown_keys = "threads", "rounds", "seconds", "seed", "quick", "isa", "megabytes"
        shown = {key: getattr(arguments, key) for key in shown_keys}
        tolerance = LONG_TOLERANCE if arguments.megabytes else TOLERANCE
        self.result: dict[str, Any] = {
            "format": 1,
            "machine": describe(),
            "settings": {**shown, "dtype": "float32", "cost_tolerance": tolerance},
            "interrupted": False,
            "cases": [],
        }
        self.shows_progress = sys.stderr.isatty()

    def everything(self) -> None:
        """Run what the command line asks for."""
        if self.arguments.simplechains:
            self.simplechains()
            return
        names = (
            self.arguments.case.split(",") if self.arguments.case else QUICK_CASES if self.arguments.quick else CASES
        )
        for name in ("predict",) if self.arguments.predict else names:
            if name not in (*CASES, "predict"):
                raise SystemExit(f"unknown case {name!r}; there are {', '.join(CASES)}")
            case = PREDICT if name == "predict" else CASES[name]
            if self.arguments.megabytes and name != "predict":
                case = large(case, self.arguments.megabytes)
            Comparison(self, quick(case) if self.arguments.quick else case, name == "predict").measure()
            self.progress("")
            report.show_last_case(self.result)

    def simplechains(self) -> None:
        """Time SimpleChains' task with each of the chosen formulations of fastbp."""
        names = [name for name in self.arguments.peers.split(",") if PEERS[name][2] == "fastbp"]
        self.result["simplechains"] = {}
        epochs = self.arguments.epochs
        print(f"[4,32,16,4] tanh, 10000 samples full batch, Adam, {epochs} epochs, {self.arguments.threads} thread(s):")
        for name in names:
            self.progress(f"SimpleChains' task: {name}")
            process = Process(name, self.settings, self.cache)
            try:
                answer = process.ask("simplechains", formulation=name, epochs=epochs)
            except MeasuringError as error:
                self.progress("")
                print(f"  {PEERS[name][0]:<20}left out: {error}")
                continue
            finally:
                process.close()
            self.progress("")
            self.result["simplechains"][name] = answer
            all_epochs = answer["seconds"] * 10_000 / epochs
            print(f"  {PEERS[name][0]:<20}{answer['seconds']:8.2f} s  = {all_epochs:.2f} s for 10000 epochs", end="")
            print(f"  squared error {answer['cost']:.3g}", flush=True)

    def progress(self, words: str) -> None:
        """Replace the progress line on a terminal."""
        if self.shows_progress:
            print(f"\r\033[K{words[:100]}", end="", file=sys.stderr, flush=True)


class Comparison:
    """One case: a process for each peer, their rounds, and the check of the costs that they reached."""

    def __init__(self, run: Run, case: Any, predicting: bool):
        self.run, self.case, self.predicting = run, case, predicting
        self.peers = [
            {"name": name, "label": PEERS[name][0], "status": "unchecked", "rounds_us": []}
            for name in run.arguments.peers.split(",")
        ]
        self.processes: dict[str, Process] = {}
        self.result = {
            "name": case.name,
            "description": str(case) if not predicting else f"{case.hidden} {list(case.sizes)}, one row",
            "sizes": list(case.sizes),
            "batch_size": case.batch_size,
            "steps": case.steps,
            "epochs": case.epochs,
            "flops_per_step": case.flops_per_step,
            "flops_per_step_of_three_sums": case.flops_per_step_of_three_sums,
            "peak_gflops": [],
            "peers": self.peers,
        }
        run.result["cases"].append(self.result)

    def measure(self) -> None:
        """Start all processes, measure in turn, check, end all processes."""
        try:
            for peer in self.peers:
                self._try(peer, self._start)
            self.processes["peak"] = Process("peak", self.run.settings, self.run.cache)
            self._peak()
            for round_ in range(self.run.arguments.rounds):
                for peer in self.peers if round_ % 2 == 0 else self.peers[::-1]:
                    if peer["status"] == "unchecked":
                        self._progress(f"round {round_ + 1} of {self.run.arguments.rounds}: {peer['label']}")
                        self._try(peer, self._round)
                self._peak()
            self._check()
        finally:
            for process in self.processes.values():
                process.close()

    def _progress(self, words: str) -> None:
        self.run.progress(f"{self.case.name}: {words}")

    def _try(self, peer: dict[str, Any], do: Any) -> None:
        try:
            do(peer)
        except MeasuringError as error:
            missing = f"ModuleNotFoundError: No module named '{PEERS[peer['name']][2]}"
            absent = str(error).startswith(missing)
            peer["status"] = "left out" if absent else "failed"
            peer["reason"] = "not installed" if absent else str(error).partition("\n")[0][:200]
            self.processes.pop(peer["name"]).close()

    def _start(self, peer: dict[str, Any]) -> None:
        name = peer["name"]
        self._progress(f"starting {peer['label']}")
        answer = self._prepare(name)
        if "left_out" in answer:
            peer["status"], peer["reason"] = "left out", answer["left_out"]
            self.processes.pop(name).close()
            return
        peer["version"], peer["thread_pools"] = answer["version"], answer["thread_pools"]
        peer["first_epoch_s"] = answer["first_epoch_s"]
        if name in CACHED and not self.run.arguments.quick:
            self.processes.pop(name).close()
            peer["first_epoch_warm_s"] = self._prepare(name)["first_epoch_s"]
        if self.predicting:
            peer["outputs"] = self.processes[name].ask("start_predicting")["outputs"]

    def _prepare(self, name: str) -> dict[str, Any]:
        cache = self.run.cache / f"{self.case.name}-{name}"
        self.processes[name] = Process(name, self.run.settings, cache)
        return self.processes[name].ask("prepare", case=dataclasses.asdict(self.case))

    def _round(self, peer: dict[str, Any]) -> None:
        do = "predict" if self.predicting else "run"
        if self.run.arguments.threads > 1:
            time.sleep(PAUSE)
        answer = self.processes[peer["name"]].ask(do, at_least_s=self.run.arguments.seconds)
        peer["rounds_us"].append(answer["us_per_call" if self.predicting else "us_per_step"])
        peer.setdefault("cpu_share", []).append(answer["cpu_share"])
        if not self.predicting:
            peer.setdefault("rounds_call_us", []).append(answer["call_us_per_step"])

    def _peak(self) -> None:
        self.result["peak_gflops"].append(self.processes["peak"].ask("peak")["gflops"])

    def _check(self) -> None:
        """Compare the cost or the outputs of every peer with NumPy in float64."""
        self._progress("the reference in float64")
        reference = self.processes["reference"] = Process("reference", self.run.settings, self.run.cache)
        reference.ask("prepare", case=dataclasses.asdict(self.case))
        if self.predicting:
            expected = reference.ask("start_predicting")["outputs"]
        else:
            reference.ask("run", at_least_s=1e-9)
            self.result["cost"] = reference.ask("cost")
        for peer in self.peers:
            if peer["status"] == "unchecked" and self.predicting:
                pairs = zip(peer.pop("outputs"), expected, strict=True)
                same = all(abs(theirs - right) <= TOLERANCE * max(1, abs(right)) for theirs, right in pairs)
                peer["status"], peer["reason"] = ("ok", "") if same else ("failed", "outputs differ from the reference")
            elif peer["status"] == "unchecked":
                self._try(peer, self._check_cost)

    def _check_cost(self, peer: dict[str, Any]) -> None:
        cost, expected = self.processes[peer["name"]].ask("cost")["cost"], self.result["cost"]["cost"]
        size = max(abs(expected), LEAST_COST * self.result["cost"]["start"] * bool(self.run.arguments.megabytes))
        same = abs(cost - expected) <= self.run.result["settings"]["cost_tolerance"] * size  # false for NaN
        peer["cost"] = cost if cost - cost == 0 else None
        peer["status"] = "ok" if same else "failed"
        if not same:
            peer["reason"] = f"reached a cost of {cost:.6g}, the reference {expected:.6g}"


if __name__ == "__main__":
    sys.exit(main())
