"""A copy of what Sphinx reads: pages, the sources they quote, and the scripts with a title for the gallery."""

import ast
import re
import shutil
from pathlib import Path, PurePosixPath

from steps import gallery
from steps.names import linked, title_of

import fastbp
from fastbp import plots

COPIED = ("examples", "fastbp", "benchmarks")
PAGES = {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md", "examples/README.md": "gallery.inc"}
HEADER = ".. include:: ../gallery.inc\n   :parser: myst_parser.sphinx_\n"


def copied(root: Path, target: Path) -> Path:
    """Copy the sources and return the folder of the site in the copy.

    What an earlier build left in `target` stays, so scripts that did not change do not run again.
    """
    for name in COPIED:
        ignored = shutil.ignore_patterns("__pycache__", ".asv", "tutorials")
        shutil.copytree(root / name, target / name, ignore=ignored, dirs_exist_ok=True)
    site = target / "examples" / "site"
    tutorials = root / "examples" / "site" / "learn" / "tutorials"
    shutil.copytree(tutorials, target / "tutorials", dirs_exist_ok=True)
    (target / "tutorials" / "GALLERY_HEADER.rst").write_text("Tutorials\n=========\n", encoding="utf-8")
    scripts = target / "gallery"
    for folder in (scripts, site / "extra"):
        folder.mkdir(exist_ok=True)
    for path in sorted((root / "examples").glob("*.py")):
        (scripts / path.name).write_text(with_title(path, gallery.missing(path)), encoding="utf-8")
    (scripts / "GALLERY_HEADER.rst").write_text(HEADER, encoding="utf-8")
    for path, page in PAGES.items():
        text = linked((root / path).read_text(encoding="utf-8"), PurePosixPath(path).parent)
        in_no_menu = "---\norphan: true\n---\n" if page.endswith(".md") else ""
        (site / page).write_text(in_no_menu + text, encoding="utf-8")
    # The picture of gallery pages that have none.
    plots.network(fastbp.Network([2, 3, 2], seed=0), path=site / "_static" / "network.png")
    return site


def with_title(path: Path, missing: str) -> str:
    """Return a script whose docstring is a page: its name as a title, the commands as code, what is missing here."""
    source = path.read_text(encoding="utf-8")
    text = ast.get_docstring(ast.parse(source)) or ""
    title = title_of(path.stem)
    text = re.sub(r"^(?! )(.+)\n\n(?=    )", r"\1\n\n::\n\n", text, flags=re.M)
    if path.stem in gallery.QUICK and not missing:
        text += f"\n\n.. note::\n\n   The output is that of ``--quick``: {gallery.QUICK[path.stem]}."
    if missing:
        text += f"\n\n.. note::\n\n   The program did not run in this build: it needs {missing}."
    page = f"{title}\n{'=' * len(title)}\n\n{text}"
    return f'"""\n{page}\n"""\n' + source.split('"""', 2)[2]
