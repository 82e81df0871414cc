"""The command line: ``fastbp train``, ``predict``, ``info``; the other commands have files of their own."""

import argparse
import difflib
import os
import shutil
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import fastbp
from fastbp import disk, plots
from fastbp.cli import compare as compare_command
from fastbp.cli import mpi, report
from fastbp.cli import replay as replay_command
from fastbp.cli import tables as tabular
from fastbp.cli import warm_up as warm_up_command
from fastbp.cli.arguments import EXIT_INTERRUPTED, check_writable
from fastbp.cli.options import DATA_SETS, complete, new_parser
from fastbp.data import DataFileError, Split, Table, read_table
from fastbp.distributed.ranks import Ranks
from fastbp.optimizers import OPTIMIZERS, Optimizer

EXIT_FAILED, EXIT_USAGE, EXIT_BROKEN_PIPE = 1, 2, 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command ``fastbp``.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments after the name of the command; by default those of this process.

    Returns
    -------
    int
        The exit status: 0; 1 if training diverged, or measuring failed; 2 for wrong options or bad input; 130 after
        Ctrl-C; 141 if nobody reads the output. Errors are one line on the standard error.

    Examples
    --------
    >>> main(["--version"])
    fastbp ...
    0
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a name that the terminal's encoding lacks must not end the program
            stream.reconfigure(errors="backslashreplace")
    try:
        status = _run(argv)
        sys.stdout.flush()
        return status
    except SystemExit as ended:  # argparse has said why
        return ended.code if isinstance(ended.code, int) else 0
    except BrokenPipeError:
        # Python flushes stdout once more at its end; that must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BROKEN_PIPE
    except KeyboardInterrupt as interrupt:
        print(f"fastbp: {str(interrupt) or 'interrupted'}", file=sys.stderr)
        return EXIT_INTERRUPTED
    except fastbp.DivergenceError as error:
        return _fail(f"{error} (--learning-rate). Nothing was saved", EXIT_FAILED)
    except fastbp.MeasuringError as error:
        return _fail(str(error), EXIT_FAILED)
    except OSError as error:
        return _fail(f"{error.filename}: {error.strerror}" if error.filename and error.strerror else str(error))
    except (ValueError, TypeError, ImportError) as error:
        return _fail(str(error))
    except MemoryError as error:
        return _fail(f"not enough memory: {error}")


def _run(argv: Sequence[str] | None) -> int:
    parser = new_parser(fastbp.__version__)
    options = parser.parse_args(argv)
    if options.command is None:
        parser.print_help()
        return EXIT_USAGE
    if options.command == "info":
        print(report.info(fastbp.load(options.model)))
        return 0
    commands = {
        "train": _train, "predict": _predict, "compare": compare_command.run, "replay": replay_command.run,
        "warm-up": warm_up_command.run,
    }  # fmt: skip
    with np.errstate(all="ignore"):  # a training that diverges ends in one error, without NumPy's warnings
        return commands[options.command](options)


def _fail(message: str, status: int = EXIT_USAGE) -> int:
    print(f"fastbp: error: {' '.join(message.split())}", file=sys.stderr)
    return status


def _train(options: argparse.Namespace) -> int:
    ranks = mpi.ranks()
    if ranks.rank > 0:  # rank 0 prints and saves for all
        options.quiet, options.no_save, options.plot = True, True, None
        sys.stdout = sys.stderr = open(os.devnull, "w")
    with ranks.together():
        return _train_on(ranks, options)


def _train_on(ranks: Ranks, options: argparse.Namespace) -> int:
    complete(options)
    with fastbp.threads(options.threads):
        problem = _problem(options)
        net = _new_network(options, problem)
        optimizer = OPTIMIZERS[options.optimizer](learning_rate=options.learning_rate)
        if not options.quiet:
            print(f"data      {report.data(options.data, problem)}")
            print(f"network   {report.architecture(net)}")
            print(f"          {net.parameters.size:,} parameters in {net.dtype}")
            steps = f"{options.epochs} epochs, mini-batches of {options.batch_size}"
            rate = f"{options.optimizer} with learning rate {options.learning_rate:g}"
            print(f"training  {steps}, {rate}, seed {options.seed}", flush=True)
        history = _fit(net, problem, optimizer, options, ranks)
        if len(history) == 0:
            raise KeyboardInterrupt("interrupted before the first epoch was done; nothing was saved")
        net = problem.finished(net)
        # Saved before anything is printed: a closed terminal must not cost the model.
        if not options.no_save:
            net.save(options.output)
        if options.plot:
            plots.history(history, options.plot, held_out="test")
        if not options.quiet:
            _print_results(net, problem, history)
    if not options.no_save and not options.quiet:
        print(f"saved     {options.output}    (next: fastbp predict {options.output} {options.data})")
    if history.interrupted:
        saved = "tested" if options.no_save else f"tested and saved as {options.output}"
        print(f"fastbp: interrupted; the model after epoch {len(history)} was {saved}", file=sys.stderr)
        return EXIT_INTERRUPTED
    return 0


def _problem(options: argparse.Namespace) -> tabular.Problem:
    if options.data in DATA_SETS:
        split = _split(options.data, options.dtype, options.folder, options.download, not options.quiet)
        return tabular.problem_of_split(split, options.data)
    try:
        table = read_table(_existing(options.data), target=options.target)
    except DataFileError as error:
        raise ValueError(f"{error}{'' if options.target else ' (--target names the column to be learned)'}") from None
    if table.y is None:
        names = ", ".join(map(repr, table.feature_names[:10])) + (", …" if len(table.feature_names) > 10 else "")
        raise ValueError(f"{options.data}: give --target, the column or array to be learned; the columns are {names}")
    scale_targets = options.cost != "poisson"
    try:
        return tabular.problem_of_table(
            table, options.kind, test_share=options.test_share, seed=options.seed, scale_targets=scale_targets
        )
    except ValueError as error:
        raise ValueError(f"{options.data}: {error}") from None


def _split(name: str, dtype: str, folder: str | None, download: bool, progress: bool) -> Split:
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


def _existing(path: str) -> str:
    if not Path(path).exists():
        near = difflib.get_close_matches(path, DATA_SETS, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise ValueError(f"{path}: there is no such file; {hint}give digits, mnist, or a CSV or NPZ file")
    return path


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
    net: fastbp.Network, problem: tabular.Problem, optimizer: Optimizer, options: argparse.Namespace, ranks: Ranks
) -> fastbp.History:
    """Train each rank on its rows."""
    (X, y), (X_test, y_test) = (
        [array[ranks.rows(len(array))] for array in problem.scaled(X, y)]
        for X, y in ((problem.X_train, problem.y_train), (problem.X_test, problem.y_test))
    )
    stopping = None
    if options.goal is not None:
        stopping = fastbp.EarlyStopping("training_cost", patience=None, goal=options.goal, restore_best=False)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "training was interrupted", RuntimeWarning)
        return net.fit(
            X, y, epochs=options.epochs, batch_size=options.batch_size, optimizer=optimizer,
            validation_data=(X_test, y_test), progress=not options.quiet, early_stopping=stopping,
            communicator=ranks.communicator, shards=max(8, ranks.size),
        )  # fmt: skip


def _print_results(net: fastbp.Network, problem: tabular.Problem, history: fastbp.History) -> None:
    outputs, y = net.predict(problem.X_test), problem.y_test
    print(f"time      {report.timing(history)}")
    if history.stopped:
        print(f"stopped   {history.stopped}")
    if problem.classes is None:
        names = _output_names(net)
        print("\n".join(f"test      {line}" for line in report.regression_scores(y, outputs, names).splitlines()))
        return
    predicted = outputs.argmax(axis=1)
    print(f"test      {report.accuracy(y, predicted)}\n")
    matrix = report.confusion_matrix(y, predicted, len(problem.classes))
    print(report.confusion_table(matrix, problem.classes, shutil.get_terminal_size().columns) + "\n")


def _predict(options: argparse.Namespace) -> int:
    net = fastbp.load(options.model)
    if options.output:
        check_writable(options.output, [options.model, options.data])
    table = _rows_to_predict(net, options)
    if table.X.shape[1] != net.sizes[0]:
        raise ValueError(f"{options.data} has {table.X.shape[1]} features, but {options.model} needs {net.sizes[0]}")
    outputs = net.predict(table.X)
    classes = _classes(net)
    if table.y is not None:
        print(f"{options.data}: {_score(table, outputs, net, classes)}", file=sys.stderr)
    text = report.predictions_csv(outputs, _output_names(net), classes)
    if options.output:
        disk.write(options.output, text.encode())
    else:
        sys.stdout.write(text)
    return 0


def _rows_to_predict(net: fastbp.Network, options: argparse.Namespace) -> Table:
    if options.data in DATA_SETS:
        split = _split(options.data, net.dtype.name, options.folder, False, False)
        return Table(split.X_test, split.y_test, (), None)
    features = _names(net, "features", net.sizes[0])
    path = _existing(options.data)
    if options.target is not None:
        return read_table(path, target=options.target, features=features)
    target = net.metadata.get("target")
    try:
        return read_table(path, target=target if isinstance(target, str) else None, features=features)
    except DataFileError:  # the model's target is missing or incomplete here, and not needed
        return read_table(path, features=features)


def _score(table: Table, outputs: tabular.Array, net: fastbp.Network, classes: list[str] | None) -> str:
    y = table.y
    assert y is not None
    if classes is not None:
        if y.ndim == 2 and y.shape[1] > 1:
            raise ValueError(f"the target has shape {y.shape}, but the model gives classes: give one label a row")
        return report.accuracy(tabular.class_names(y.ravel()), np.array(classes)[outputs.argmax(axis=1)])
    y = y.reshape(len(y), -1)
    if y.dtype.kind == "U" or y.shape != outputs.shape:
        what = "text" if y.dtype.kind == "U" else f"{y.shape[1]} columns of numbers"
        raise ValueError(f"the target is {what}, but the model gives {outputs.shape[1]} columns of numbers")
    return "; ".join(report.regression_scores(y, outputs, _output_names(net)).splitlines())


def _classes(net: fastbp.Network) -> list[str] | None:
    names = _names(net, "classes", net.sizes[-1])
    if names is None and net.activations[-1].name == "softmax":
        return [str(i) for i in range(net.sizes[-1])]
    return names


def _output_names(net: fastbp.Network) -> list[str]:
    target = net.metadata.get("target", "output")
    return [str(target)] if net.sizes[-1] == 1 else [f"{target}_{j}" for j in range(net.sizes[-1])]


def _names(net: fastbp.Network, key: str, n: int) -> list[str] | None:
    """Return names from the model's metadata, checked: anyone may have written them. None if it has none."""
    names = net.metadata.get(key) if isinstance(net.metadata, dict) else None
    if names is None:
        return None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names) or len(names) != n:
        raise ValueError(f"the model's metadata {key!r} is not a list of {n} texts; train it again")
    return names
