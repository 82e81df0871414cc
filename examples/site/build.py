"""Build the site: offline, without a warning, with every example run and every link checked.

    python examples/site/build.py FOLDER [--quick]

The pages are in FOLDER/html and work from there: open index.html. FOLDER/sources is the copy that Sphinx reads, so
nothing is written into a checkout. Needs ``pip install -e ".[site]"``; gallery pages also use what is installed of
scikit-learn, MAPIE and polars, and the data in FASTBP_DATA.
"""

import argparse
import sys
import time
from pathlib import Path

from sphinx.cmd.build import build_main
from steps import history, links, reference, sources

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("folder", type=Path, help="for FOLDER/html and FOLDER/sources")
    parser.add_argument("--quick", action="store_true", help="run no script of the gallery and no example")
    given = parser.parse_args()
    folder = given.folder.resolve()
    site = sources.copied(ROOT, folder / "sources")
    reference.write(site / "reference")
    history.write(site / "measure")
    # The pages are read once; the second builder takes them from the doctrees.
    common = [str(site), "-W", "--keep-going", "-n", "-q", "-d", str(folder / "doctrees")]
    scripts = ["-D", "plot_gallery=False"] if given.quick else []
    steps = {
        "pages": lambda: build_main([*common, str(folder / "html"), "-b", "html", *scripts]),
        "examples": lambda: 0 if given.quick else build_main([*common, str(folder / "examples"), "-b", "doctest"]),
        "links": lambda: links.report(folder / "html"),
    }
    for name, step in steps.items():
        start = time.perf_counter()
        if failed := step():
            return failed
        print(f"{name}: {time.perf_counter() - start:.0f} s")
    print(f"open {folder / 'html' / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
