"""Run `golden.py` and small test files for aarch64, whose NEON registers have 16 bytes, in an emulator.

    python tests/stress/aarch64.py --folder FOLDER
    python tests/stress/aarch64.py --folder FOLDER --tests tests/functions tests/properties/test_equations.py

It needs Debian, or a container with it, and `apt-get install qemu-user`; the rest needs no special rights. The first
run fills FOLDER with the unpacked arm64 packages of Debian's Python and the aarch64 wheels from PyPI. The machine code
is kept there too: the first run compiles it under the emulator, for an hour or longer.

The emulator names no processor, so Numba compiles for any aarch64; NUMBA_CPU_NAME and NUMBA_CPU_FEATURES choose one.
Prints what passed and what failed; exits with 1 if something failed.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DEBS = ["python3", "libgomp1", "libstdc++6"]  # and their dependencies
WHEELS = ["numpy", "numba", "pytest", "hypothesis", "mpmath"]
PLATFORMS = ["manylinux_2_28_aarch64", "manylinux_2_27_aarch64", "manylinux2014_aarch64"]
TESTS = [
    "tests/functions/test_elementary.py",
    "tests/functions/test_activations.py",
    "tests/formulations/tiles/test_tile.py",
    "tests/properties/test_worked_example.py",
    "tests/properties/test_equations.py",
    "tests/properties/test_formulations.py",
    "tests/properties/test_gradients.py",
]
LEFT_OUT = "not elsewhere and not other_targets"  # these start other Pythons, which compile for x86 or not at all
FEW = {"tests/properties/test_gradients.py": "tanh-quadratic or softmax-cross_entropy"}  # tests with many cases
WHAT = """
import platform, llvmlite.binding as llvm, numba
from fastbp.formulations.tiles.registers import REGISTERS, VECTOR_BYTES
versions = f"Python {platform.python_version()}, Numba {numba.__version__}, LLVM {llvm.llvm_version_info[0]}"
print(f"{platform.machine()}, {versions}, {REGISTERS} registers of {VECTOR_BYTES} bytes")
"""
PYTEST = ["-q", "--tb=short", "-p", "no:cacheprovider", "-o", "addopts=--strict-markers", "-m", "not slow"]


def unpack_debs(folder: Path) -> None:
    """Unpack Debian's arm64 packages into `folder/root`, with a state of apt apart from this machine's."""
    apt = folder / "apt"
    (apt / "lists" / "partial").mkdir(parents=True, exist_ok=True)
    (apt / "archives" / "partial").mkdir(parents=True, exist_ok=True)
    (apt / "status").touch()  # nothing is installed
    settings = [f"Dir::State={apt}", f"Dir::State::status={apt}/status", f"Dir::Cache={apt}"]
    settings += ["APT::Architecture=arm64", "APT::Architectures=arm64", "APT::Install-Recommends=false"]
    command = ["apt-get", "-qq", *(f"-o{setting}" for setting in settings)]
    subprocess.run([*command, "update"], check=True)
    subprocess.run([*command, "install", "--download-only", "-y", *DEBS], check=True)
    for deb in sorted((apt / "archives").glob("*.deb")):
        subprocess.run(["dpkg", "-x", deb, folder / "root"], check=True)


def python_in(folder: Path) -> Path:
    """Return the unpacked Python: bin/python3 is a link to it."""
    return (folder / "root/usr/bin" / os.readlink(folder / "root/usr/bin/python3")).absolute()


def unpack_wheels(folder: Path) -> None:
    """Unpack the wheels into `folder/site`."""
    version = python_in(folder).name.removeprefix("python")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", folder / "site", "--only-binary", ":all:"]
    platforms = [word for platform in PLATFORMS for word in ("--platform", platform)]
    subprocess.run([*command, *platforms, "--python-version", version, *WHEELS], check=True)


def write_starter(folder: Path) -> Path:
    """Write a program that starts the emulated Python, and is its sys.executable, so that tests can start another."""
    starter = folder / "python"
    command = f'qemu-aarch64 -L "{folder}/root" -0 "{starter}" "{python_in(folder)}"'
    starter.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    starter.chmod(0o755)
    return starter


def built(folder: Path) -> Path:
    """Fill the folder if it is empty; return the program that starts Python."""
    done = folder / "built"
    if not done.exists():
        folder.mkdir(parents=True, exist_ok=True)
        unpack_debs(folder)
        unpack_wheels(folder)
        done.touch()
    return write_starter(folder)


def environment(folder: Path) -> dict[str, str]:
    """Return the environment in which the emulated Python finds its library, fastbp and its machine code."""
    return {
        **os.environ,
        "PYTHONHOME": f"{folder}/root/usr",
        "PYTHONPATH": f"{folder}/site:{ROOT}",
        "PYTHONPYCACHEPREFIX": f"{folder}/pycache",
        "FASTBP_CACHE": f"{folder}/cache",
    }


def selection(file: str) -> str:
    """Return the pytest arguments that select the tests of a file."""
    return f"{LEFT_OUT} and ({FEW[file]})" if file in FEW else LEFT_OUT


def main() -> int:
    """Print a row for the digests and for each test file, then what went wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="where the emulated Python is, or will be")
    parser.add_argument("--tests", nargs="*", default=TESTS, help="test files or folders, from the root of the project")
    options = parser.parse_args()
    folder = options.folder.resolve()
    python = built(folder)
    commands = {"what": ["-c", WHAT], "tests/golden.py": ["tests/golden.py", "--check"]}
    commands |= {file: ["-m", "pytest", *PYTEST, "-k", selection(file), file] for file in options.tests}
    failed = []
    for name, arguments in commands.items():
        start = time.monotonic()
        run = subprocess.run(
            [python, *arguments], cwd=ROOT, env=environment(folder), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True,
        )  # fmt: skip
        last = (run.stdout.splitlines() or ["nothing was printed"])[-1]
        word = "passed" if run.returncode == 0 else "FAILED" if run.returncode > 0 else "KILLED"
        print(f"{word}  {name:<42} {time.monotonic() - start:5.0f} s  {last}", flush=True)
        if run.returncode:
            failed.append(f"\n{name}\n{run.stdout}")
    print(*failed, f"\n{len(failed)} of {len(commands)} failed", sep="\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
