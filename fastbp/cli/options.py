"""The options of the command line, their defaults, and the checks before any work starts."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from fastbp import plots
from fastbp.cli import compare as compare_command
from fastbp.cli import replay as replay_command
from fastbp.cli import warm_up as warm_up_command
from fastbp.cli.arguments import check_writable, listed, positive, share, sizes, whole

DATA_SETS = ("digits", "mnist")
LEARNING_RATES = {
    "sgd": 0.1, "momentum": 0.03, "nesterov": 0.03, "adam": 0.002, "adamw": 0.002, "rmsprop": 0.001, "adagrad": 0.02,
}  # fmt: skip
DEFAULTS: dict[str, dict[str, Any]] = {
    "digits": {"hidden": [64, 64], "epochs": 30, "batch_size": 32},
    "mnist": {"hidden": [128], "epochs": 10, "batch_size": 64},
    "table": {"test_share": 0.2},  # `one_network.recipe_of` decides the rest of one network
}
OF_ONE_NETWORK: dict[str, Any] = {  # what describes one network or its training, and the defaults for all data
    "hidden": None, "activation": "relu", "cost": None, "dtype": "float32", "formulation": "tiles", "epochs": None,
    "no_early_stopping": False, "goal": None, "batch_size": None, "optimizer": "adam", "learning_rate": None,
    "shards": None, "plot": None,
}  # fmt: skip
OF_TABLES = (
    "target", "kind", "test_share", "test", "drop", "categorical", "no_early_stopping", "no_header", "delimiter",
    "decimal", "encoding", "na",
)  # fmt: skip
BELONGS_TO = {**dict.fromkeys(OF_TABLES, "table"), "folder": "mnist", "download": "mnist"}

DESCRIPTION = "Feed-forward neural networks trained by backpropagation, on this machine's CPU."
EXAMPLES = """\
examples:
  fastbp train digits                          a first network, in some seconds
  fastbp train iris.csv --target species       from a table
  fastbp predict iris.safetensors new.csv      what it says about other rows
  fastbp info iris.safetensors                 what is in the file
  fastbp compare                               loops against vectorized, measured here
  fastbp replay --quick                        the experiments of Nielsen's book
  fastbp warm-up                               compiles ahead of time

'fastbp train --help' and 'fastbp predict --help' say more.
"""
TRAIN_DESCRIPTION = """\
Train a network, test it on samples that took no part in the training, and save it.

DATA is 'digits' (1,797 images of 8x8 pixels, in the package), 'mnist' (70,000 of
28x28), or the file of a table: CSV and other text, perhaps gzipped; JSON; NPZ with
arrays X and y; with the extra 'tabular' Parquet and Excel.

Of a table, name the column to learn with --target (-1 is the last). Before training, a
list says what each column was taken for, how it enters and how many values are missing.
Columns in which nothing can be learned (identifiers, constants, free text) are left
out, and so are rows without a target. Text means classes, and so do whole numbers with
2 to 20 different values in at least 5 times as many rows (--regress and --classify
overrule this).

A table is learned by the recipe of the estimators of fastbp.tabular: eight networks,
each without a fold of the training rows, on which its best epoch is chosen, and their
mean. --plot, and any option of the groups "network" and "training" but --seed and
--threads, describes one network instead: [64, 64] relu with softmax outputs and the cost
cross_entropy for classes, identity outputs and the cost quadratic for numbers, where the
options say nothing else; a part of the training rows decides when training stops. So do
several targets, several processes of MPI, and a table of more than 10,000,000 cells. A
line says which of the two, and why. The model file holds how the columns enter.

Ctrl-C ends the training early; the model of the last whole epoch is tested and saved.
The first run on a machine compiles for some seconds and keeps the machine code.
"""
TRAIN_EXAMPLES = """\
examples:
  fastbp train digits
  fastbp train mnist --download --hidden 256,64 --plot mnist.png
  fastbp train iris.csv --target species --hidden 16
  fastbp train houses.csv --target price --drop address --categorical zip
  fastbp train abalone.data --no-header --target -1
  fastbp train samples.npz --classify
"""
PREDICT_DESCRIPTION = """\
Write a model's prediction for each row of a file, as CSV: the class or the number, after
the columns that identify the row, and with --probabilities the probability of each class.

Columns are found by the names of the training columns, in any order; others are ignored.
A row that cannot be read gets an empty prediction, and a warning. If the target is there,
too, the accuracy or the root of the mean squared error goes to the standard error.
'digits' and 'mnist' mean their test images.
"""
PREDICT_EXAMPLES = """\
examples:
  fastbp predict iris.safetensors new.csv --output species.csv --probabilities
  fastbp predict houses.safetensors new.xlsx --id address
  fastbp predict digits.safetensors digits | head
"""


class Parser(argparse.ArgumentParser):
    """Reports an error in one line."""

    def error(self, message: str) -> NoReturn:
        """End the program with status 2."""
        self.exit(2, f"fastbp: error: {' '.join(message.split())} (see {self.prog} --help)\n")


def new_parser(version: str) -> Parser:
    """Return the parser of everything after the word fastbp."""
    parser: Parser = _described(Parser, DESCRIPTION, EXAMPLES, prog="fastbp")
    parser.add_argument("--version", action="version", version=f"fastbp {version}")
    commands = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND", parser_class=Parser)

    new = commands.add_parser
    train = _described(new, TRAIN_DESCRIPTION, TRAIN_EXAMPLES, name="train", help="train a network and save it")
    train.add_argument("data", metavar="DATA", help="digits, mnist, or the file of a table")
    _add_data_options(train.add_argument_group("data"))
    _add_reading_options(train.add_argument_group("how the file is read (found out if left out)"))
    _add_network_options(train.add_argument_group("network"))
    _add_training_options(train.add_argument_group("training"))
    _add_output_options(train.add_argument_group("output"))

    text = "write a model's predictions for the rows of a file"
    predict = _described(new, PREDICT_DESCRIPTION, PREDICT_EXAMPLES, name="predict", help=text)
    predict.add_argument("model", metavar="MODEL", help="a file that 'fastbp train' or Network.save wrote")
    predict.add_argument("data", metavar="FILE", help="a table, or digits or mnist for their test images")
    predict.add_argument("--output", metavar="FILE.csv", help="where to write (default: standard output)")
    predict.add_argument("--probabilities", action="store_true", help="write the probability of each class, too")
    text = "columns to copy, separated by commas (default: those that identified rows in the training)"
    predict.add_argument("--id", metavar="COLUMNS", type=listed, default=[], help=text)
    predict.add_argument("--json", action="store_true", help="write JSON: predictions, score, warnings")
    predict.add_argument("--target", metavar="COLUMN", help="the column to compare with (default: the model's target)")
    predict.add_argument("--data", dest="folder", metavar="FOLDER", help="the folder that MNIST's four files are in")

    _add_reading_options(predict.add_argument_group("how the file is read (found out if left out)"))

    compare_command.add_options(_described(new, **compare_command.DESCRIPTION))
    replay_command.add_options(_described(new, **replay_command.DESCRIPTION))
    warm_up_command.add_options(_described(new, **warm_up_command.DESCRIPTION))

    info = _described(new, "Print what is in a model file.", "", name="info", help="print what is in a model file")
    info.add_argument("model", metavar="MODEL", help="a file that 'fastbp train' or Network.save wrote")
    return parser


def _described(new: Callable[..., Any], description: str, examples: str, **names: str) -> Any:
    raw = argparse.RawDescriptionHelpFormatter
    return new(description=description, epilog=examples, formatter_class=raw, allow_abbrev=False, **names)


def _add_data_options(group: Any) -> None:
    text = "what to learn: a column, by name or number (1 is the first, -1 the last), or an array of an NPZ file"
    group.add_argument("--target", metavar="COLUMN", help=text)
    kinds = group.add_mutually_exclusive_group()
    for kind, text in (("classify", "the target is classes"), ("regress", "the target is numbers")):
        kinds.add_argument(f"--{kind}", dest="kind", action="store_const", const=kind, help=text)
    text = "columns to leave out, separated by commas"
    group.add_argument("--drop", metavar="COLUMNS", type=listed, default=[], help=text)
    text = "columns of numbers that stand for categories, separated by commas"
    group.add_argument("--categorical", metavar="COLUMNS", type=listed, default=[], help=text)
    held_out = group.add_mutually_exclusive_group()
    text = "the fraction of a table's rows to test on (default: 0.2)"
    held_out.add_argument("--test-share", metavar="SHARE", type=share, help=text)
    held_out.add_argument("--test", metavar="FILE", help="a table to test on, instead")
    group.add_argument("--data", dest="folder", metavar="FOLDER", help="where MNIST's four files are, or are put")
    group.add_argument("--download", action="store_true", help="download MNIST if it is not there (11 MB)")


def _add_reading_options(group: Any) -> None:
    text = "the first line holds values, not names: columns are column_1, column_2, …"
    group.add_argument("--no-header", action="store_true", help=text)
    group.add_argument("--delimiter", metavar="MARK", help="comma, semicolon, tab, bar, whitespace, or a character")
    group.add_argument("--decimal", metavar="MARK", choices=[".", ","], help="the decimal mark, . or ,")
    group.add_argument("--encoding", metavar="NAME", help="such as utf-8, latin-1, utf-16")
    text = "further spellings of a missing value, separated by commas, besides empty, ?, -, ., NA, N/A, NaN, null, none"
    group.add_argument("--na", metavar="MARKS", type=listed, help=text)


def _add_network_options(group: Any) -> None:
    text = "sizes of the hidden layers, such as 64,32, or none (default: 64,64; mnist 128; tables see above)"
    group.add_argument("--hidden", metavar="SIZES", type=sizes, help=text)
    names = "sigmoid, tanh, relu, leaky_relu, elu, selu, softplus, silu, mish, gelu, exponential, identity"
    text = f"of the hidden layers: {names} (default: relu)"
    group.add_argument("--activation", metavar="NAME", help=text)
    text = (
        "cross_entropy for classes; quadratic, squared_error, absolute, huber, quantile, poisson for numbers; "
        "quadratic and squared_error for classes, too, on sigmoid outputs (default: cross_entropy or quadratic)"
    )
    group.add_argument("--cost", metavar="NAME", help=text)
    group.add_argument("--dtype", choices=["float32", "float64"], help="(default: float32)")
    text = "what computes: tiles, loops, vectorized, textbook; they give the same numbers (default: tiles)"
    group.add_argument("--formulation", metavar="NAME", help=text)


def _add_training_options(group: Any) -> None:
    text = "how often every sample is used (default: 30; mnist 10; one network for a table at most 200, a small one 60)"
    group.add_argument("--epochs", metavar="N", type=whole(1), help=text)
    text = "tables: hold no training rows out, and train for all epochs"
    group.add_argument("--no-early-stopping", action="store_true", help=text)
    text = "stop after the first epoch whose training cost is at most this; tables: with scaled columns"
    group.add_argument("--goal", metavar="COST", type=positive, help=text)
    text = "samples in a mini-batch (default: 32; mnist 64, large tables 64 or 256)"
    group.add_argument("--batch-size", metavar="N", type=whole(1), help=text)
    group.add_argument("--optimizer", choices=list(LEARNING_RATES), help="(default: adam)")
    rates = ", ".join(f"{name} {rate:g}" for name, rate in LEARNING_RATES.items())
    group.add_argument("--learning-rate", metavar="RATE", type=positive, help=f"(default: {rates})")
    text = "decides the initial weights, the order of the samples and the rows to test on (default: 0)"
    group.add_argument("--seed", metavar="N", type=whole(0), default=0, help=text)
    group.add_argument("--threads", metavar="N", type=whole(1), help="use at most N threads (default: all cores)")
    text = "cut the rows into N shards: 1, 2, 4, … N processes of MPI train to the same bits (default: several: 8)"
    group.add_argument("--shards", metavar="N", type=whole(1), help=text)


def _add_output_options(group: Any) -> None:
    group.add_argument("--output", metavar="FILE", help="where to save the model (default: DATA.safetensors, here)")
    group.add_argument("--no-save", action="store_true", help="do not save it")
    group.add_argument("--plot", metavar="FILE.png", help="draw cost and accuracy by epoch (needs matplotlib)")
    group.add_argument("--quiet", action="store_true", help="print nothing but errors")
    group.add_argument("--json", action="store_true", help="print one JSON object instead: columns, scores, warnings")


def complete(options: argparse.Namespace) -> None:
    """Fill in the defaults of the data, and check before the training what would fail after it.

    ``options.of_one_network`` are then the options given that describe one network.
    Raises ValueError or ImportError for an option that is for other data, or a file that cannot be written.
    """
    kind = options.data if options.data in DATA_SETS else "table"
    for name, belongs in BELONGS_TO.items():
        given = getattr(options, name)
        if given not in (None, False, []) and kind != belongs:
            flags = {"kind": f"--{options.kind}", "folder": "--data"}
            flag = flags.get(name, _flag(name))
            raise ValueError(f"{flag} is for {belongs if belongs == 'mnist' else 'tables'}, not for {options.data}")
    options.of_one_network = [_flag(name) for name in OF_ONE_NETWORK if getattr(options, name) not in (None, False)]
    for name, value in (*DEFAULTS[kind].items(), *OF_ONE_NETWORK.items()):
        if getattr(options, name) is None:
            setattr(options, name, value)
    if options.learning_rate is None:
        options.learning_rate = LEARNING_RATES[options.optimizer]
    if options.output is None:
        options.output = f"{Path(options.data.removesuffix('.gz')).stem}.safetensors"
    if not options.no_save:
        check_writable(options.output, [options.data])
    if options.plot:
        plots.check(options.plot)
        check_writable(options.plot, [options.data, options.output])


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
