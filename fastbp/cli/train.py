"""`fastbp train`: reads the data, says what it makes of them, trains, tests, saves."""

from __future__ import annotations

import argparse
import difflib
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np

import fastbp
from fastbp import plots
from fastbp.cli import mpi, report, scores
from fastbp.cli import tables as tabular
from fastbp.cli.arguments import EXIT_INTERRUPTED
from fastbp.cli.bag import Bag
from fastbp.cli.one_network import OneNetwork, train_together
from fastbp.cli.options import DATA_SETS, complete
from fastbp.cli.trainings import Trained, Training
from fastbp.data import DataFileError, Split
from fastbp.distributed.ranks import Ranks
from fastbp.tables.arrays import Array
from fastbp.tables.preprocessor import Preprocessor

MOST_CELLS = 10_000_000  # of training rows × columns: the features of a bag, 17 of a number, fill half a gigabyte


def run(options: argparse.Namespace) -> int:
    """Run the command; return the exit status."""
    ranks = mpi.ranks()
    if ranks.rank > 0:  # rank 0 prints for all
        sys.stdout = sys.stderr = open(os.devnull, "w")
    if options.json:
        options.quiet = True
    with ranks.together():
        return _run_on(ranks, options)


def _run_on(ranks: Ranks, options: argparse.Namespace) -> int:
    if ranks.rank > 0:  # rank 0 reads, tests and saves for all
        with fastbp.threads(options.threads):
            return EXIT_INTERRUPTED if train_together(ranks).interrupted else 0
    complete(options)
    with fastbp.threads(options.threads):
        problem = _problem(options)
        training = chosen(problem, options, ranks)
        if training.preprocessor is not None:
            _check_test_file(problem, training.preprocessor, options)
            problem.warnings += tabular.doubts(problem, training.preprocessor)
        if not options.quiet:
            _print_data(problem, training)
        trained = training.run()
        if trained.epochs == "0":
            raise KeyboardInterrupt("interrupted before the first epoch was done; nothing was saved")
        outputs = trained.model.outputs(problem.test)
        reached = scores.of_problem(problem, outputs)
        problem.warnings += [*trained.warnings, *reached.warnings]
        made = _made(problem, training, trained, options)
        trained.model.keep({**problem.metadata, "scores": reached.numbers, "made": made})
        # Saved before anything is printed: a closed terminal must not cost the model.
        if not options.no_save:
            trained.model.save(options.output)
        if options.plot and trained.history is not None:
            held_out = "test" if problem.target is None else "validation"
            plots.history(trained.history, options.plot, held_out=held_out)
        if not options.quiet:
            _print_results(problem, trained, reached, outputs)
    if options.json:
        told = _as_json(problem, training, trained, options) | {"scores": reached.numbers, "made": made}
        print(json.dumps(told, ensure_ascii=False))
    if not options.no_save and not options.quiet:
        print(f"saved     {options.output}    (next: fastbp predict {options.output} {options.data})")
    if trained.interrupted:
        saved = "tested" if options.no_save else f"tested and saved as {options.output}"
        after = f"epoch{'s' * (' ' in trained.epochs)} {trained.epochs}"
        print(f"fastbp: interrupted; the model after {after} was {saved}", file=sys.stderr)
        return EXIT_INTERRUPTED
    return 0


def chosen(problem: tabular.Problem, options: argparse.Namespace, ranks: Ranks) -> Training:
    """Return the training of a problem, prepared: a bag of networks, unless there is a reason for one network."""
    why = _why_one_network(problem, options, ranks)
    try:
        return Bag(problem, options) if why is None else OneNetwork(problem, options, ranks, why)
    except DataFileError as error:
        raise DataFileError(f"{options.data}: {error}") from None


def _why_one_network(problem: tabular.Problem, options: argparse.Namespace, ranks: Ranks) -> str | None:
    """Return why one network is trained and not a bag, or None."""
    given, n = options.of_one_network, len(problem.y)
    if problem.target is None:
        return "images are no table"
    if given:
        return f"{', '.join(given)} {'describes' if len(given) == 1 else 'describe'} one"
    if ranks.size > 1:
        return f"{ranks.size} processes train it together"
    if len(problem.target.names) > 1:
        return f"the target has {len(problem.target.names)} columns"
    if n * len(problem.training.names) > MOST_CELLS:
        return f"the training rows have more than {MOST_CELLS:,} cells"
    if problem.classes and len(np.unique(problem.y)) < 2:
        return "the training rows are of one class"
    return None


def _problem(options: argparse.Namespace) -> tabular.Problem:
    if options.data in DATA_SETS:
        split = split_of(options.data, options.dtype, options.folder, options.download, not options.quiet)
        return tabular.problem_of_split(split, options.data)
    existing(options.data)
    text = [*tabular.place_or_name(options.target), *options.categorical]
    table = tabular.read(options.data, options, text, target=options.target)
    try:
        names = tabular.targets_of(options.target, table)
        test = None
        if options.test is not None:
            header = None if table.names[:1] != ("column_1",) else False
            test = tabular.read(existing(options.test), options, [*names, *text], header, target=options.target)
            absent = [name for name in names if name not in test]
            if absent:
                raise DataFileError(f"the test file {options.test} has no column {absent[0]!r}, the target")
        for what in ("drop", "categorical"):
            setattr(options, what, tuple(tabular.named(name, table.names) for name in getattr(options, what)))
        problem = tabular.problem_of_table(
            table, names, options.kind, test=test, test_share=options.test_share, seed=options.seed
        )
    except ValueError as error:
        raise ValueError(f"{options.data}: {error}") from None
    problem.name = options.data
    problem.metadata["table"] |= {"na": list(options.na or ()), "header": "column_1" not in table.names[:1]}
    return problem


def _check_test_file(problem: tabular.Problem, preprocessor: Preprocessor, options: argparse.Namespace) -> None:
    """Raise ValueError if the table to test on lacks a column: before training, not after it."""
    try:
        preprocessor.checked(problem.test)
    except DataFileError as error:
        raise ValueError(f"{options.test}: {error}; the training rows have it") from None


def split_of(name: str, dtype: str, folder: str | None, download: bool, progress: bool) -> Split:
    """Return the digits or MNIST. Raises ValueError, with what to do, if MNIST is not there."""
    if name == "digits":
        return fastbp.load_digits(dtype)
    try:
        return fastbp.load_mnist(folder, download=download, progress=progress, dtype=dtype)
    except FileNotFoundError:
        where = f" in {folder}" if folder else ""
        raise ValueError(
            f"MNIST is not complete{where}: 'fastbp train mnist --download' fetches it (11 MB); or name the folder of "
            "its four files with --data, or the one above it, as mnist, with the variable FASTBP_DATA"
        ) from None


def existing(path: str) -> str:
    """Return the path of a file. Raises ValueError, with what may have been meant, if there is none."""
    if not Path(path).exists():
        near = difflib.get_close_matches(path, DATA_SETS, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise ValueError(f"{path}: there is no such file; {hint}give digits, mnist, or the file of a table")
    return path


def _print_data(problem: tabular.Problem, training: Training) -> None:
    width = shutil.get_terminal_size().columns
    print(f"data      {report.data(problem, training)}")
    if training.preprocessor is not None:
        print(f"target    {report.target(problem)}")
        for note in (*(problem.table.notes if problem.table else ()), *problem.notes):
            print(f"note      {note}")
        print("\n" + report.columns(training.preprocessor, problem.table, width) + "\n")
        print(f"recipe    {training.recipe}")
    print("\n".join(training.lines()), flush=True)


def _print_results(problem: tabular.Problem, trained: Trained, reached: scores.Scores, outputs: Array) -> None:
    print(f"time      {trained.time}")
    if trained.stopped:
        print(f"stopped   {trained.stopped}")
    for line in reached.lines:
        print(f"test      {line}")
    print(f"baseline  {reached.baseline}")
    for warning in problem.warnings:
        print(f"warning   {warning}")
    if problem.classes is not None:
        matrix = report.confusion_matrix(problem.y_test, outputs.argmax(axis=1), len(problem.classes))
        print("\n" + report.confusion_table(matrix, problem.classes, shutil.get_terminal_size().columns) + "\n")


def _made(
    problem: tabular.Problem, training: Training, trained: Trained, options: argparse.Namespace
) -> dict[str, Any]:
    """Return how a model was made."""
    return {
        "fastbp": fastbp.__version__, "data": Path(options.data).name, "training_rows": training.n_rows,
        "validation_rows": training.n_validation, "test_rows": len(problem.y_test), **trained.made,
    }  # fmt: skip


def _as_json(
    problem: tabular.Problem, training: Training, trained: Trained, options: argparse.Namespace
) -> dict[str, Any]:
    columns = [] if training.preprocessor is None else report.columns_as_data(training.preprocessor, problem.table)
    return {
        "model": None if options.no_save else options.output, "recipe": training.recipe,
        "target": problem.metadata.get("target"), "classes": problem.classes, "columns": columns,
        "seconds": trained.seconds, "stopped": trained.stopped, "interrupted": trained.interrupted,
        "notes": [*(problem.table.notes if problem.table else ()), *problem.notes], "warnings": problem.warnings,
    }  # fmt: skip
