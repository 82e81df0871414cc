"""How sphinx-gallery runs the scripts of `examples/`: as programs, each with a folder for what it writes."""

import re
import shutil
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sphinx_gallery.scrapers import figure_rst
from sphinx_gallery.sorting import FileNameSortKey

import fastbp
import fastbp.data

BOOK = ("the_first_experiment", "the_book_replayed")  # need MNIST, and the first would download it
# What takes more than 15 seconds of a core without --quick, and what is different with it.
MORE = "without it, the program does more"
QUICK = dict.fromkeys(("a_surrogate_from_derivatives", "balancing_a_pole", "cost_surfaces", "loops_vs_vectorized",
                       "vanishing_gradients"), MORE)  # fmt: skip
QUICK["the_book_replayed"] = (
    "each network learns for a few epochs, so most accuracies stay below the book's. Without it, a network learns as "
    "long as in the book, and the program takes some minutes"
)
PAGE = """
.. raw:: html

    <iframe class="explained" src="{address}" title="{name}, a page to explore" loading="lazy"></iframe>
    <p><a href="{address}">Open {name} in a window of its own</a></p>
"""


def missing(script: Path) -> str:
    """Return what a script needs and this machine lacks, in words; an empty text if it can run."""
    imported = re.findall(r"^(?:from|import) (sklearn|mapie|polars)\b", script.read_text(encoding="utf-8"), re.M)
    lacking = [name for name in dict.fromkeys(imported) if find_spec(name) is None]
    if script.stem in BOOK and not has_mnist():
        lacking.append("MNIST, in the folder `mnist` of the folder that FASTBP_DATA names")
    return " and ".join(lacking)


@cache
def has_mnist() -> bool:
    """Whether the four files are where `fastbp.load_mnist` looks for them, and intact."""
    try:
        fastbp.load_mnist()
    except (FileNotFoundError, fastbp.data.DataFileError) as error:
        print(f"no MNIST: {error}", file=sys.stderr)
        return False
    return True


def pattern(scripts: Path) -> str:
    """Return a regular expression for the scripts that can run here."""
    return rf"[\\/]({'|'.join(path.stem for path in scripts.glob('*/*.py') if not missing(path))})\.py$"


def arguments(_: Any, script: dict[str, Any]) -> list[str]:
    """Return the arguments of a script: a folder of its own. Give it what a program has: a docstring and a file."""
    path = Path(script["src_file"])
    source = path.read_text(encoding="utf-8")
    # Without a spec, multiprocessing starts its workers from __file__, as for any program.
    script["example_globals"].update(__doc__=source.split('"""')[1].strip(), __file__=str(path), __spec__=None)
    shutil.rmtree(path.with_suffix(""), ignore_errors=True)
    return ([path.stem] if 'add_argument("folder"' in source else []) + (["--quick"] if path.stem in QUICK else [])


def written(_: Any, variables: dict[str, Any], settings: dict[str, Any]) -> str:
    """Return what shows the pictures and the pages that a script has written to its folder."""
    script, names = Path(variables["src_file"]), variables["image_path_iterator"]
    pictures, pages = [], ""
    for path in sorted(script.with_suffix("").glob("*.png")):
        pictures.append(next(names))
        path.rename(pictures[-1])
    for path in sorted(script.with_suffix("").glob("*.html")):
        place = Path("_pages", script.stem, path.name)
        target = Path(settings["src_dir"], "extra", place)
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)
        depth = len(Path(variables["target_file"]).parent.relative_to(settings["src_dir"]).parts)
        pages += PAGE.format(address="../" * depth + place.as_posix(), name=path.name)
    return figure_rst(pictures, settings["src_dir"], script.stem.replace("_", " ")) + pages


class Order(FileNameSortKey):
    """The order of the tables in the gallery's README and, of the tutorials, in `learn/index.md`."""

    def __call__(self, filename: str) -> Any:
        examples, path = Path(self.src_dir).parent / "examples", Path(filename)
        tables = [(examples / page).read_text(encoding="utf-8") for page in ("README.md", "site/learn/index.md")]
        return [tables[0].find(f"[`{path.name}`]"), tables[1].find(f"<tutorials/{path.stem}>"), filename]
