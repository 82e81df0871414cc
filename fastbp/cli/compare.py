"""The command ``fastbp compare``: its options, and what it prints and writes."""

import argparse
import sys
import warnings
from typing import Any

from fastbp import plots
from fastbp.cli.arguments import check_writable, finish, positive, several, sizes, whole

DESCRIPTION = {
    "name": "compare",
    "help": "measure the formulations side by side, on this machine",
    "description": """\
Measure the same gradient and the same epoch with every formulation: Python loops (the
same source, uncompiled), textbook, loops, tiles, vectorized. It first checks that all
give the same gradient; then they take turns, with the same number of threads, BLAS
included. Without options: the book's net at three sizes of mini-batch, in half a minute.

The table shows microseconds a step (median, fastest and slowest round), the ratio to the
fastest, samples and operations a second, and the fraction of this machine's measured
peak of multiply-adds. Ctrl-C ends it and keeps what was measured by then.
""",
    "examples": """\
examples:
  fastbp compare
  fastbp compare --sizes 784,100,10 --batch-sizes 32 --dtypes float64 --bars bars.png
  fastbp compare --widths 16,64,256 --threads 1,2 --json grid.json --csv grid.csv
  fastbp compare --crossover                   who wins where, widths 8 to 2048: minutes
  fastbp compare --load crossover.json --roofline roofline.png
""",
}
PICTURES = {  # by option: what it draws, and the method that does
    "bars": ("the time of each", "plot_bars"),
    "map": ("who wins by width and mini-batch", "plot_crossover"),
    "roofline": ("all of them under the machine's limits", "plot_roofline"),
}
GRID = ("sizes", "widths", "batch_sizes", "dtypes", "threads", "formulations", "rounds")
REST = ("activation", "cost", "optimizer", "seconds", "cold")


def add_options(parser: Any) -> None:
    """Add the options of ``fastbp compare``."""
    what = parser.add_argument_group("what is measured")
    numbers = several(whole(1))
    what.add_argument("--sizes", metavar="SIZES", type=sizes, help="layers of a net (default: 784,30,10)")
    what.add_argument("--widths", metavar="W,W,…", type=numbers, help="nets [w, w, w] of these widths")
    what.add_argument("--batch-sizes", metavar="M,M,…", type=numbers, help="samples a mini-batch (default: 1,10,100)")
    what.add_argument("--dtypes", metavar="D,D", type=several(str), help="float32, float64 (default: float32)")
    what.add_argument("--threads", metavar="N,N,…", type=numbers, help="threads of each, BLAS included (default: 1)")
    names = "of python,textbook,loops,tiles,vectorized"
    what.add_argument("--formulations", metavar="F,F,…", type=several(str), help=names)
    what.add_argument("--activation", metavar="NAME", help="of the hidden layers (default: sigmoid)")
    what.add_argument("--cost", metavar="NAME", help="(default: quadratic)")
    what.add_argument("--optimizer", metavar="NAME", help="of the epoch (default: sgd)")
    grid = "widths 8,16,…,2048, mini-batches 1,2,…,1024, all but Python loops, 7 short rounds; writes crossover.json "
    what.add_argument("--crossover", action="store_true", help=f"{grid}and crossover.png")
    what.add_argument("--load", metavar="FILE.json", help="measure nothing: show and draw a file that --json wrote")
    how = parser.add_argument_group("how")
    how.add_argument("--rounds", metavar="N", type=whole(1), help="turns of each (default: 15)")
    how.add_argument("--time", dest="seconds", metavar="SECONDS", type=positive, help="refuse a grid that takes longer")
    how.add_argument("--cold", action="store_true", default=None, help="compile again, to see how long it takes")
    output = parser.add_argument_group("output")
    output.add_argument("--json", metavar="FILE", help="write all that was measured")
    output.add_argument("--csv", metavar="FILE", help="write it as a table")
    for name, (text, _) in PICTURES.items():
        output.add_argument(f"--{name}", metavar="FILE.png", help=f"draw {text} (needs matplotlib)")
    output.add_argument("--quiet", action="store_true", help="print nothing but errors")


def run(options: argparse.Namespace) -> int:
    """Measure, print, write; return the exit status."""
    from fastbp.comparison import CROSSOVER, Comparison, compare

    asked = {name: getattr(options, name) for name in (*GRID, *REST) if getattr(options, name) is not None}
    if options.crossover:
        _refuse_with("--crossover", asked, ("sizes",))
        asked = CROSSOVER | asked
        options.json, options.map = options.json or "crossover.json", options.map or "crossover.png"
    if options.load:
        _refuse_with("--load", asked, tuple(asked))
    _check_files(options)
    if options.load:
        result = Comparison.from_json(options.load)
    else:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "the comparison was interrupted", RuntimeWarning)
            warnings.showwarning = _show_warning
            result = compare(**asked, progress=not options.quiet)
    written = _write(options, result)
    if not options.quiet:
        print(result)
        if len({row.cell for row in result.rows}) > 1 and any(row.formulation == "tiles" for row in result.rows):
            print(f"\n{result.losses()}")
    return finish(result.interrupted and not options.load, written, options.quiet, "measured")


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    print(f"fastbp: {message}", file=sys.stderr)


def _refuse_with(option: str, asked: dict[str, Any], others: tuple[str, ...]) -> None:
    for name in others:
        if name in asked:
            flag = "time" if name == "seconds" else name.replace("_", "-")
            raise ValueError(f"--{flag} and {option} both say what to measure: leave one of them out")


def _files(options: argparse.Namespace) -> dict[str, str]:
    return {name: getattr(options, name) for name in ("json", "csv", *PICTURES) if getattr(options, name)}


def _check_files(options: argparse.Namespace) -> None:
    others = [options.load] if options.load else []
    for name, path in _files(options).items():
        if name in PICTURES:
            plots.check(path)
        check_writable(path, others)
        others.append(path)
    if options.map and not (options.widths or options.crossover or options.load):
        raise ValueError("--map needs --widths, such as 8,64,512, or --crossover")


def _write(options: argparse.Namespace, result: Any) -> list[str]:
    files = _files(options)
    for name, path in files.items():
        getattr(result, PICTURES[name][1] if name in PICTURES else f"to_{name}")(path)
    return list(files.values())
