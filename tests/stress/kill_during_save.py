"""Kill a process at random moments while it saves a network again and again, and read the file.

The file must always exist, be whole, and be no older than the last save that had returned. Run as

    python tests/stress/kill_during_save.py --kills 300

Exits with 1 if a model was unreadable or lost.
"""

import argparse
import multiprocessing
import random
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

import numpy as np

import fastbp

SIZES = [200, 300, 10]
SECONDS = 0.03  # a kill comes within this time after the first save


class Result(NamedTuple):
    """The results of many kills."""

    kills: int
    saves: int  # saves that had returned
    amid: int  # kills during the writing, which left an unfinished file
    newer: int  # kills between the renaming of the new file and the return of the save
    wrong: list[str]  # models that could not be read, were not whole, or were lost


def save_for_ever(path: Path, number: int, returned: Connection) -> None:
    """Save networks that differ in all their numbers, and print the number of each when its save has returned."""
    net = fastbp.Network(SIZES, initializer="zeros", formulation="vectorized")
    net.fit(np.zeros((1, SIZES[0])), np.zeros((1, SIZES[-1])), epochs=1)  # so that there are moments
    while True:
        number += 1
        net.parameters[:] = number
        net._training.state.first[:] = number
        net.metadata = {"number": number}
        net.save(path, training_state=True)
        returned.send(number)


def what_is_wrong(path: Path, least: int) -> tuple[int, str | None]:
    """Return the number of the network in the file, and what is wrong with the file."""
    try:
        net = fastbp.load(path)
    except (OSError, fastbp.ModelFileError) as error:
        return least, f"after save {least}: {error}"
    number = net.metadata["number"]
    first = net._training.state.first if net._training else np.zeros(1)
    if not ((net.parameters == number).all() and (first == number).all()):
        return number, f"after save {least}: a mixture of models in the file of save {number}"
    if number not in (least, least + 1):
        return number, f"after save {least}: the file of save {number}"
    return number, None


def kill_once(path: Path, last: int, delay: float) -> tuple[int, Result]:
    """Start a process that saves, kill it, and check the file. Return the number for the next process to begin with."""
    mine, theirs = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.Process(target=save_for_ever, args=(path, last, theirs), daemon=True)
    process.start()
    theirs.close()
    start = last
    last = mine.recv()  # so that the kill hits a save and not the start of Python
    time.sleep(delay)
    process.kill()
    process.join()
    try:
        while True:
            last = mine.recv()
    except EOFError:
        mine.close()
    found, wrong = what_is_wrong(path, last)
    unfinished = [file for file in path.parent.iterdir() if file.name != path.name]
    for file in unfinished:
        file.unlink()
    return found, Result(1, last - start, len(unfinished), int(found == last + 1), [wrong] if wrong else [])


def stress(kills: int, seed: int = 0, seconds: float = SECONDS) -> Result:
    """Return the results of so many kills."""
    chance, total, last = random.Random(seed), Result(0, 0, 0, 0, []), 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.safetensors"
        for _ in range(kills):
            last, result = kill_once(path, last, chance.uniform(0, seconds))
            total = Result(*(a + b for a, b in zip(total, result, strict=True)))
    return total


def main() -> int:
    """Print the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    start = time.perf_counter()
    result = stress(options.kills, options.seed)
    print(f"{result.kills} kills during {result.saves:,} saves, in {time.perf_counter() - start:.0f} s")
    print(f"{result.amid} left an unfinished file, {result.newer} the new one of a save that had not returned")
    print(f"{len(result.wrong)} unreadable or lost models", *result.wrong, sep="\n")
    return 1 if result.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
