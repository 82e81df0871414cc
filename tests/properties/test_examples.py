"""The scripts in `examples/` run unchanged, each in a process of its own, except those that need MNIST."""

import ast
import os
import re
import subprocess
import sys
from importlib.util import find_spec

import pytest
from conftest import PACKAGE, TESTS
from forking import ForkingPython

EXAMPLES = TESTS.parent / "examples"
INDEX = EXAMPLES / "README.md"
NOT_HERE = {"the_first_experiment", "the_book_replayed"}  # they need MNIST
for package in ("sklearn", "mapie"):
    if find_spec(package) is None:
        NOT_HERE |= {path.stem for path in EXAMPLES.glob("*.py") if package in path.read_text(encoding="utf-8")}
SCRIPTS = [path for path in sorted(EXAMPLES.glob("*.py")) if path.stem not in NOT_HERE]


def environment(search=""):
    kept = {key: value for key, value in os.environ.items() if not key.startswith("NUMBA_")}
    return kept | {"PYTHONPATH": f"{search}{PACKAGE.parent}", "PYTHONIOENCODING": "utf-8", "MPLBACKEND": "Agg"}


def run(script, folder, *arguments, search=""):
    command = [sys.executable, str(script), *arguments]
    options = {"capture_output": True, "text": True, "encoding": "utf-8", "timeout": 300}
    return subprocess.run(command, cwd=folder, env=environment(search), **options)


# What all scripts import, with a first picture and gradient, which take as long as most of them run.
FIRST = """
import io
import fastbp, numpy
try:
    from matplotlib import pyplot
    pyplot.rcParams["savefig.dpi"] = 30  # nobody looks at them here
    pyplot.title("$x$")
    pyplot.savefig(io.BytesIO())
    pyplot.close()
except ImportError:
    pass
net = fastbp.Network([3, 4, 2], seed=0, dtype="float64")
net.gradient(numpy.eye(3), numpy.eye(3)[:, :2])
"""


@pytest.fixture(scope="module")
def forking():
    """Return a function like `run`; its processes are forked."""
    python = ForkingPython(FIRST, environment())

    def run_forked(script, folder, *arguments):
        return python.run(str(script), script.read_text(encoding="utf-8"), arguments, folder, environment())

    yield run_forked if hasattr(os, "fork") else run
    python.close()


@pytest.fixture(scope="module")
def outputs(tmp_path_factory, forking):
    """Run each script once, with `--quick` if it has that; return its process and its folder."""
    done = {}

    def output(script):
        if script not in done:
            folder = tmp_path_factory.mktemp(script.stem)
            quick = ["--quick"] if "--quick" in script.read_text(encoding="utf-8") else []
            done[script] = forking(script, folder, *quick), folder
        return done[script]

    return output


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_script_that_fails_in_a_forked_process_is_seen(tmp_path, forking):
    (tmp_path / "fails.py").write_text("import sys\nprint(*sys.argv[1:], __name__)\nraise SystemExit('no')\n")
    done = forking(tmp_path / "fails.py", tmp_path, "a", "b")
    assert (done.returncode, done.stdout, done.stderr) == (1, "a b __main__\n", "no\n")
    (tmp_path / "fails.py").write_text("1 / 0\n")
    done = forking(tmp_path / "fails.py", tmp_path)
    assert done.returncode == 1 and done.stderr.endswith("ZeroDivisionError: division by zero\n")


STATEMENTS = [f"{text}{i}" for text, n in (("B", 15), ("D", 8), ("N", 6), ("T", 1), ("C", 3)) for i in range(1, n + 1)]


def statements(text):
    """The statements that a text names: ``B1 to B3, D2`` is B1, B2, B3 and D2."""
    found = set()
    for first, last in re.findall(r"\b([BDNTC]\d+)(?:(?:–| to )([BDNTC]\d+))?", text):
        place, end = STATEMENTS.index(first), STATEMENTS.index(last or first)
        found |= set(STATEMENTS[place : end + 1])
    return found


def test_the_index_says_which_page_covers_what():
    """Every page is in the table and covers the statements listed there; all pages together cover all statements."""
    rows = re.findall(r"^\| \[`(\w+)\.py`\]\((\w+)\.py\) \|.*\| (.*) \|$", INDEX.read_text(encoding="utf-8"), re.M)
    pages = {path.stem: path for path in EXAMPLES.glob("*.py")}
    assert sorted(name for name, _, _ in rows) == sorted(pages)
    covered = set()
    for name, link, cell in rows:
        head = ast.get_docstring(ast.parse(pages[name].read_text(encoding="utf-8")))
        head = head[head.index("Covers") :].split("Writes")[0] if "Covers" in head else ""
        assert link == name and statements(cell) == statements(head), name
        covered |= statements(cell)
    assert covered == set(STATEMENTS)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_example_runs(script, outputs):
    done, folder = outputs(script)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert done.stdout.strip()
    assert [line for line in done.stdout.splitlines() if len(line) > 100 or line != line.rstrip()] == []
    pictures = [path.read_bytes()[:4] == b"\x89PNG" for path in folder.glob("*.png")]
    assert all(pictures) and bool(pictures) == (".png" in script.read_text(encoding="utf-8"))


def test_a_page_without_matplotlib_prints_all_the_same(tmp_path, outputs):
    (tmp_path / "matplotlib.py").write_text("raise ImportError('not here')\n")
    script = EXAMPLES / "jacobians.py"
    done = run(script, tmp_path, search=f"{tmp_path}{os.pathsep}")
    assert done.returncode == 0, done.stdout + done.stderr
    printed, last = outputs(script)[0].stdout.rsplit("\n\n", 1)
    assert done.stdout.startswith(printed) and "wrote" in last
    assert "no pictures: pictures need matplotlib" in done.stdout and list(tmp_path.glob("*.png")) == []


def test_loops_vs_vectorized_prints_what_ran_and_draws(outputs):
    script = EXAMPLES / "loops_vs_vectorized.py"
    done, folder = outputs(script)
    source = script.read_text(encoding="utf-8")
    for function in ("forward", "propagate_error_tiles", "outer_product_vectorized"):
        start = source.index(f"def {function}(")
        code = source[start : source.index("\n\n", start)]
        assert "\n".join(f"      {line}" for line in code.splitlines()) in done.stdout
    assert done.stdout.count("All five give the same numbers") == 3
    for form in ("Python loops", "compiled loops", "parallel loops", "register tiles", "vectorized"):
        assert done.stdout.count(f"  {form}  ") == 4  # for each sum, and in the table
    assert (folder / "loops_vs_vectorized.png").read_bytes()[:4] == b"\x89PNG"


def test_loops_vs_vectorized_compares_nothing_that_differs(tmp_path, forking):
    source = (EXAMPLES / "loops_vs_vectorized.py").read_text(encoding="utf-8")
    right, wrong = "tile = outer_add(tile, A, s, k, w_T, k, j)", "tile = outer_add(tile, A, s, 0, w_T, k, j)"
    assert right in source
    script = tmp_path / "wrong.py"
    script.write_text(source.replace(right, wrong), encoding="utf-8")
    done = forking(script, tmp_path, "--quick")
    assert done.returncode == 1
    assert "forward: the five forms differ by" in done.stderr
    assert "GFLOP/s" not in done.stdout
