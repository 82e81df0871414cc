"""The command ``fastbp replay``: its options, and what it prints and writes."""

import argparse
import warnings
from pathlib import Path
from typing import Any

from fastbp import plots
from fastbp.cli.arguments import check_writable, finish, several, whole

DESCRIPTION = {
    "name": "replay",
    "help": "run the experiments of Nielsen's book, beside its published figures",
    "description": """\
Run the experiments with feed-forward networks from the first three chapters of Nielsen's
"Neural Networks and Deep Learning", and show each published figure beside ours.

The book's figure programs have a seed: they are replayed exactly, with the same count of
right answers at every epoch. The others run over several seeds: median, lowest, highest.
All of it takes minutes, --quick half a minute.

FOLDER holds mnist, with MNIST's four files, and, if you have them, nielsen, with the
results of the book's programs (overfitting.json, regularized.json, …, from the folder fig
of github.com/mnielsen/neural-networks-and-deep-learning).
""",
    "examples": """\
examples:
  fastbp replay --quick
  fastbp replay --data FOLDER --figures pictures --json replay.json
  fastbp replay --only overfitting,regularized --formulation loops
""",
}


def add_options(parser: Any) -> None:
    """Add the options of ``fastbp replay``."""
    parser.add_argument("--data", metavar="FOLDER", help="where mnist and nielsen are (default: $FASTBP_DATA)")
    parser.add_argument("--quick", action="store_true", help="few epochs, one seed")
    parser.add_argument("--only", metavar="KEY,…", type=several(str), default=(), help="these experiments (--list)")
    parser.add_argument("--list", action="store_true", help="list the experiments, and run none")
    parser.add_argument("--seeds", metavar="N", type=whole(1), default=3, help="for what has none (default: 3)")
    parser.add_argument("--formulation", metavar="NAME", default="tiles", help="tiles, loops, … (default: tiles)")
    parser.add_argument("--threads", metavar="N", type=whole(1), help="use at most N threads (default: all cores)")
    parser.add_argument("--json", metavar="FILE", help="write every series")
    parser.add_argument("--figures", metavar="FOLDER", help="draw the book's figures there (needs matplotlib)")
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")


def run(options: argparse.Namespace) -> int:
    """Replay, print, write; return the exit status."""
    import fastbp
    from fastbp.replay import KEYS, read_book, replay

    if options.list:
        print("\n".join(KEYS))
        return 0
    _check_files(options)
    with fastbp.threads(options.threads), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "the replay was interrupted", RuntimeWarning)
        book = read_book(options.data)
        result = replay(
            book, options.only, quick=options.quick, seeds=options.seeds, formulation=options.formulation,
            progress=not options.quiet,
        )  # fmt: skip
    written: list[str] = []
    if options.json:
        result.to_json(options.json)
        written.append(options.json)
    if options.figures:
        Path(options.figures).mkdir(exist_ok=True)
        written += map(str, result.plot(options.figures))
    if not options.quiet:
        print(result)
    return finish(result.interrupted, written, options.quiet, "done")


def _check_files(options: argparse.Namespace) -> None:
    if options.json:
        check_writable(options.json, [])
    if options.figures:
        plots.check()
        folder = Path(options.figures)
        if folder.exists() and not folder.is_dir():
            raise ValueError(f"--figures {options.figures} is a file; give the name of a folder")
        if not folder.absolute().parent.is_dir():
            raise ValueError(f"cannot write {options.figures}: there is no folder {folder.absolute().parent}")
