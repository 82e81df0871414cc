"""`fastbp train`: reads the data, says what it makes of them, trains, tests, saves."""

from __future__ import annotations

import argparse
import difflib
import json
import os
import shutil
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import fastbp
from fastbp import plots
from fastbp.cli import mpi, report, scores
from fastbp.cli import tables as tabular
from fastbp.cli.arguments import EXIT_INTERRUPTED
from fastbp.cli.options import DATA_SETS, complete
from fastbp.data import DataFileError, Split
from fastbp.distributed.ranks import Ranks
from fastbp.optimizers import OPTIMIZERS


@dataclass(frozen=True)
class Recipe:
    """How a table is learned, where no option says so."""

    hidden: list[int]
    epochs: int
    batch_size: int
    patience: int | None  # None: all epochs


def recipe_of(n_rows: int, early_stopping: bool) -> Recipe:
    """Return how a table with so many training rows is learned: the one place that decides.

    >>> recipe_of(800, True)
    Recipe(hidden=[64, 64], epochs=200, batch_size=32, patience=20)
    """
    batch_size = 32 if n_rows < 5_000 else 64 if n_rows < 20_000 else 256
    return Recipe([64, 64], 200 if early_stopping else 60, batch_size, 20 if early_stopping else None)


def run(options: argparse.Namespace) -> int:
    """Run the command; return the exit status."""
    ranks = mpi.ranks()
    if ranks.rank > 0:  # rank 0 prints and saves for all
        options.quiet, options.no_save, options.plot, options.json = True, True, None, False
        sys.stdout = sys.stderr = open(os.devnull, "w")
    if options.json:
        options.quiet = True
    with ranks.together():
        return _run_on(ranks, options)


def _run_on(ranks: Ranks, options: argparse.Namespace) -> int:
    complete(options)
    with fastbp.threads(options.threads):
        problem = _problem(options)
        patience = _complete_for(problem, options)
        net = _new_network(options, problem)
        if not options.quiet:
            _print_data(problem)
            print(f"network   {report.architecture(net)}")
            print(f"          {net.parameters.size:,} parameters in {net.dtype}")
            until = "at most " if patience else ""
            steps = f"{until}{options.epochs} epochs, mini-batches of {options.batch_size}"
            rate = f"{options.optimizer} with learning rate {options.learning_rate:g}"
            print(f"training  {steps}, {rate}, seed {options.seed}", flush=True)
        history = _fit(net, problem, patience, options, ranks)
        if len(history) == 0:
            raise KeyboardInterrupt("interrupted before the first epoch was done; nothing was saved")
        reached = scores.of_problem(net, problem)
        problem.warnings += reached.warnings
        net.metadata = _metadata(problem, reached, options, history)
        # Saved before anything is printed: a closed terminal must not cost the model.
        if not options.no_save:
            net.save(options.output)
        if options.plot:
            plots.history(history, options.plot, held_out="test" if problem.target is None else "validation")
        if not options.quiet:
            _print_results(net, problem, history, reached)
    if options.json:
        print(json.dumps(_as_json(net, problem, options, history, reached), ensure_ascii=False))
    if not options.no_save and not options.quiet:
        print(f"saved     {options.output}    (next: fastbp predict {options.output} {options.data})")
    if history.interrupted:
        saved = "tested" if options.no_save else f"tested and saved as {options.output}"
        print(f"fastbp: interrupted; the model after epoch {len(history)} was {saved}", file=sys.stderr)
        return EXIT_INTERRUPTED
    return 0


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
        problem = tabular.problem_of_table(
            table, names, options.kind, test=test, test_share=options.test_share, seed=options.seed,
            scale_targets=options.cost != "poisson", early_stopping=not options.no_early_stopping,
            drop=tuple(tabular.named(name, table.names) for name in options.drop),
            categorical=tuple(tabular.named(name, table.names) for name in options.categorical), dtype=options.dtype,
        )  # fmt: skip
    except ValueError as error:
        raise ValueError(f"{options.data}: {error}") from None
    problem.name = options.data
    problem.metadata["table"] |= {"na": list(options.na or ()), "header": "column_1" not in table.names[:1]}
    return problem


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


def _complete_for(problem: tabular.Problem, options: argparse.Namespace) -> int | None:
    """Fill in what the recipe decides about a table; return the patience of early stopping."""
    if problem.target is None:
        return None
    recipe = recipe_of(len(problem.X_train), problem.X_validation is not None)
    for name in ("hidden", "epochs", "batch_size"):
        if getattr(options, name) is None:
            setattr(options, name, getattr(recipe, name))
    return recipe.patience


def _new_network(options: argparse.Namespace, problem: tabular.Problem) -> fastbp.Network:
    cost = options.cost or ("cross_entropy" if problem.classes else "quadratic")
    if problem.classes:
        output = "softmax" if cost == "cross_entropy" else "sigmoid"
    elif cost == "cross_entropy":
        raise ValueError("cost cross_entropy is for classes, but the target is numbers: choose another, or --classify")
    else:
        output = "exponential" if cost == "poisson" else "identity"
    sizes = [problem.X_train.shape[1], *options.hidden, problem.n_outputs]
    return fastbp.Network(
        sizes, activation=options.activation, output_activation=output, cost=cost, dtype=options.dtype,
        seed=options.seed, formulation=options.formulation,
    )  # fmt: skip


def _fit(
    net: fastbp.Network, problem: tabular.Problem, patience: int | None, options: argparse.Namespace, ranks: Ranks
) -> fastbp.History:
    """Train each rank on its rows."""
    X, y = (array[ranks.rows(len(array))] for array in (problem.X_train, problem.y_train))
    held_out = (problem.X_test, problem.y_test)
    if problem.target is not None:
        held_out = (problem.X_validation, problem.y_validation)  # type: ignore[assignment]
    validation = None if held_out[0] is None else tuple(array[ranks.rows(len(array))] for array in held_out)
    stopping = None
    if options.goal is not None:
        stopping = fastbp.EarlyStopping("training_cost", patience=None, goal=options.goal, restore_best=False)
    elif patience is not None:
        stopping = fastbp.EarlyStopping(patience=patience)
    optimizer = OPTIMIZERS[options.optimizer](learning_rate=options.learning_rate)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "training was interrupted", RuntimeWarning)
        return net.fit(
            X, y, epochs=options.epochs, batch_size=options.batch_size, optimizer=optimizer,
            validation_data=validation, progress=not options.quiet, early_stopping=stopping,
            communicator=ranks.communicator, shards=max(8, ranks.size),
        )  # fmt: skip


def _print_data(problem: tabular.Problem) -> None:
    width = shutil.get_terminal_size().columns
    print(f"data      {report.data(problem)}")
    if problem.target is not None:
        print(f"target    {report.target(problem)}")
        for note in (*(problem.table.notes if problem.table else ()), *problem.notes):
            print(f"note      {note}")
        assert problem.preprocessor is not None
        print("\n" + report.columns(problem.preprocessor, problem.table, width) + "\n")


def _print_results(
    net: fastbp.Network, problem: tabular.Problem, history: fastbp.History, reached: scores.Scores
) -> None:
    print(f"time      {report.timing(history)}")
    if history.stopped:
        print(f"stopped   {history.stopped}")
    for line in reached.lines:
        print(f"test      {line}")
    print(f"baseline  {reached.baseline}")
    for warning in problem.warnings:
        print(f"warning   {warning}")
    if problem.classes is not None:
        matrix = report.confusion_matrix(
            problem.y_test, net.predict(problem.X_test).argmax(axis=1), len(problem.classes)
        )
        print("\n" + report.confusion_table(matrix, problem.classes, shutil.get_terminal_size().columns) + "\n")


def _metadata(
    problem: tabular.Problem, reached: scores.Scores, options: argparse.Namespace, history: fastbp.History
) -> dict[str, Any]:
    """Return what the file holds besides the network: what it is for, how good it is, how it was made."""
    made = {
        "fastbp": fastbp.__version__, "data": Path(options.data).name, "training_rows": len(problem.X_train),
        "validation_rows": 0 if problem.X_validation is None else len(problem.X_validation),
        "test_rows": len(problem.X_test), "epochs": len(history), "batch_size": options.batch_size,
        "optimizer": options.optimizer, "learning_rate": options.learning_rate, "seed": options.seed,
    }  # fmt: skip
    return {**problem.metadata, "scores": reached.numbers, "made": made}


def _as_json(
    net: fastbp.Network, problem: tabular.Problem, options: argparse.Namespace, history: fastbp.History,
    reached: scores.Scores,
) -> dict[str, Any]:  # fmt: skip
    columns = [] if problem.preprocessor is None else report.columns_as_data(problem.preprocessor, problem.table)
    return {
        "model": None if options.no_save else options.output,
        "target": problem.metadata.get("target"), "classes": problem.classes,
        "columns": columns, "scores": reached.numbers, "made": net.metadata["made"],
        "seconds": float(np.sum(history.seconds)), "stopped": history.stopped, "interrupted": history.interrupted,
        "notes": [*(problem.table.notes if problem.table else ()), *problem.notes], "warnings": problem.warnings,
    }  # fmt: skip
