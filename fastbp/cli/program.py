"""The command line: which command runs, and the one line and the exit status that each error gets."""

import os
import shutil
import sys
from collections.abc import Sequence

import numpy as np

import fastbp
from fastbp.cli import compare as compare_command
from fastbp.cli import models, report
from fastbp.cli import predict as predict_command
from fastbp.cli import replay as replay_command
from fastbp.cli import train as train_command
from fastbp.cli import warm_up as warm_up_command
from fastbp.cli.arguments import EXIT_INTERRUPTED
from fastbp.cli.options import new_parser

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
        found, width = models.load(options.model), shutil.get_terminal_size().columns
        print(report.info(found, width=width))
        return 0
    commands = {
        "train": train_command.run, "predict": predict_command.run, "compare": compare_command.run,
        "replay": replay_command.run, "warm-up": warm_up_command.run,
    }  # fmt: skip
    with np.errstate(all="ignore"):  # a training that diverges ends in one error, without NumPy's warnings
        return commands[options.command](options)


def _fail(message: str, status: int = EXIT_USAGE) -> int:
    print(f"fastbp: error: {' '.join(message.split())}", file=sys.stderr)
    return status
