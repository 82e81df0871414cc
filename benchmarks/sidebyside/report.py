"""The measurements as a table, and the figures that the table, the JSON file and the picture share."""

import statistics
from pathlib import Path
from typing import Any

BUSY = 0.9  # a smaller share of the processor means that other work ran on the same cores


def show_last_case(result: dict[str, Any]) -> None:
    """Print the table of the last case, also if it was interrupted."""
    if not result["cases"]:
        return
    case = result["cases"][-1]
    summarize(case)
    unit = "call" if case["name"] == "predict" else "step"
    threads = result["settings"]["threads"]
    print(f"\n{case['name']}: {case['description']}, float32, {threads} thread(s)")
    if "cost" in case:
        sums = case["flops_per_step"] / case["flops_per_step_of_three_sums"] * 6
        cost, steps = case["cost"], f"{case['epochs']} × {case['steps']} steps"
        peak = max(case["peak_gflops"])
        print(f"cost {cost['start']:.4g} → {cost['cost']:.4g} in {steps}; FMA peak {peak:.0f} GFLOP/s; ", end="")
        print(f"{sums:.2f} operations per weight and sample")
    head = f"{'':<19}{'µs per ' + unit:>11}{'min…max':>20}{'CPU µs':>9}"
    if unit == "step":
        head += f"{'samples/s':>12}{'GFLOP/s':>9}{'of peak':>9}{'first epoch s':>16}"
    print(f"{head}{'× fastbp':>10}")
    for peer in case["peers"]:
        print(_row(peer, unit), flush=True)
    busy = [share for peer in case["peers"] for share in peer.get("cpu_share", []) if share < BUSY]
    if busy:
        got = f"{len(busy)} measurements got {min(busy):.0%} to {max(busy):.0%} of the time"
        print(f"  other work ran on these cores: {got}; the CPU µs are more reliable than the other times")


def _row(peer: dict[str, Any], unit: str) -> str:
    if "median_us" not in peer:
        return f"{peer['label']:<19}{peer['status']}: {peer.get('reason') or 'not measured'}"
    spread = f"{_short(peer['min_us'])}…{_short(peer['max_us'])}"
    row = f"{peer['label']:<19}{_short(peer['median_us']):>11}{spread:>20}{_short(peer['median_cpu_us']):>9}"
    if unit == "step":
        first = f"{peer['first_epoch_s']:.2f}"
        if "first_epoch_warm_s" in peer:
            first += f" / {peer['first_epoch_warm_s']:.2f}"
        row += f"{peer['samples_per_second']:>12,.0f}{peer['gflops']:>9.1f}"
        row += f"{peer['share_of_peak']:>9.1%}{first:>16}"
    ratio = peer.get("times_fastest_fastbp")
    row += f"{ratio:>10.2f}" if ratio else f"{'':>10}"
    if peer["status"] != "ok":
        row += f"  {peer['status'].upper()}{': ' + peer['reason'] if peer.get('reason') else ''}"
    return row


def _short(microseconds: float) -> str:
    return f"{microseconds:.2f}" if microseconds < 100 else f"{microseconds:,.0f}"


def summarize(case: dict[str, Any]) -> None:
    """Add to each measured peer its median and the figures that follow from it."""
    from sidebyside.worker import PEERS

    measured = [peer for peer in case["peers"] if peer["rounds_us"]]
    for peer in measured:
        median = peer["median_us"] = statistics.median(peer["rounds_us"])
        peer["min_us"], peer["max_us"] = min(peer["rounds_us"]), max(peer["rounds_us"])
        pairs = zip(peer["rounds_us"], peer["cpu_share"], strict=False)
        peer["median_cpu_us"] = statistics.median(wall * share for wall, share in pairs)
        if case["name"] != "predict":
            peer["samples_per_second"] = case["batch_size"] / median * 1e6
            peer["gflops"] = case["flops_per_step"] / median * 1e-3
            peer["gflops_of_three_sums"] = case["flops_per_step_of_three_sums"] / median * 1e-3
            peer["share_of_peak"] = peer["gflops"] / max(case["peak_gflops"])
    ours = [peer for peer in measured if PEERS[peer["name"]][2] == "fastbp" and peer["status"] != "failed"]
    if not ours:
        return
    fastest = min(ours, key=lambda peer: peer["median_us"])
    case["fastest_fastbp"] = fastest["name"]
    for peer in measured:  # the median of ratios within a round, because other work slows both
        pairs = zip(peer["rounds_us"], fastest["rounds_us"], strict=False)
        peer["times_fastest_fastbp"] = statistics.median(theirs / mine for theirs, mine in pairs)


def draw(result: dict[str, Any], path: Path) -> str:
    """Draw the picture if possible; return the end of the sentence about the written files."""
    if not any("median_us" in peer for case in result["cases"] for peer in case["peers"]):
        return ""
    try:
        from sidebyside.picture import draw_cases
    except ModuleNotFoundError:
        return "; no picture: matplotlib is not installed"
    draw_cases(result, path)
    return f" and {path}"
