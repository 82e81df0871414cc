"""The built site: its links, and in a Chromium without network its requests, search and accessibility.

Needs ``pip install -e ".[site]"``, and for the browser playwright and a Chromium as the tests of
`derivatives/explain/page`. FASTBP_SITE is the ``html`` of a site that is built already; otherwise one is built here,
without running scripts.
"""

import os
import re
import runpy
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from conftest import TESTS
from steps import links

from fastbp.data import mnist

SITE = TESTS.parent / "examples" / "site"
NEEDED = ("sphinx", "pydata_sphinx_theme", "sphinx_gallery", "numpydoc", "myst_parser", "sklearn", "matplotlib")
MISSING = [name for name in NEEDED if find_spec(name) is None]
BUILT = os.environ.get("FASTBP_SITE")
AXE = os.environ.get("AXE_CORE")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PUBLIC = runpy.run_path(str(TESTS / "properties" / "test_public_names.py"))
pytestmark = pytest.mark.skipif(
    bool(MISSING) and BUILT is None, reason=f"the site needs {', '.join(MISSING)}, or FASTBP_SITE"
)
needs_browser = pytest.mark.skipif(
    CHROMIUM is None or find_spec("playwright") is None, reason="there is no Chromium, or no playwright"
)


def test_scripts_run_where_what_they_need_is_there(tmp_path, monkeypatch):
    gallery = pytest.importorskip("steps.gallery", reason="the site's packages are not installed")
    for name, line in (("the_first_experiment", ""), ("a", "import sklearn\n"), ("b", "import no_such\n")):
        (tmp_path / "gallery").mkdir(exist_ok=True)
        (tmp_path / "gallery" / f"{name}.py").write_text(line)
    monkeypatch.setattr(gallery, "find_spec", lambda name: None)
    monkeypatch.setattr(gallery, "has_mnist", lambda: False)
    assert "FASTBP_DATA" in gallery.missing(tmp_path / "gallery" / "the_first_experiment.py")
    assert gallery.missing(tmp_path / "gallery" / "a.py") == "sklearn"
    runs = re.compile(gallery.pattern(tmp_path))
    assert runs.search("gallery/b.py") and not runs.search("gallery/a.py")
    assert not runs.search("gallery/the_first_experiment.py")
    monkeypatch.setattr(gallery, "has_mnist", lambda: True)
    assert re.search(gallery.pattern(tmp_path), "gallery/the_first_experiment.py")


def test_a_folder_without_the_files_is_not_mnist(tmp_path, monkeypatch, capsys):
    """Then the first experiment would download them, and the build is offline."""
    gallery = pytest.importorskip("steps.gallery", reason="the site's packages are not installed")
    monkeypatch.setenv("FASTBP_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "mnist").mkdir()
    assert not gallery.has_mnist.__wrapped__() and "train-images" in capsys.readouterr().err
    for name in mnist.FILES:
        (tmp_path / "mnist" / name).write_bytes(b"damaged")
    assert not gallery.has_mnist.__wrapped__()


def test_a_script_becomes_a_page_and_stays_a_program(tmp_path):
    sources = pytest.importorskip("steps.sources", reason="the site's packages are not installed")
    script = tmp_path / "two_lines.py"
    script.write_text('"""What it does.\n\n    python two_lines.py\n\nMore.\n"""\n\nprint(__doc__.splitlines()[1])\n')
    page = sources.with_title(script, "a package")
    assert page.startswith('"""\nTwo lines\n=========\n\nWhat it does.\n\n::\n\n    python two_lines.py\n\nMore.')
    assert "it needs a package" in page and page.endswith("print(__doc__.splitlines()[1])\n")
    script.write_text(page)
    assert subprocess.check_output([sys.executable, str(script)], text=True) == "Two lines\n"


def test_links_to_files_of_the_repository_lead_to_their_pages():
    names = pytest.importorskip("steps.names", reason="the site's packages are not installed")
    folder = names.HERE / "learn"
    for given, page in {
        "[a](../../jacobians.py)": "[a](/gallery/jacobians.rst)",
        "[`four_equations.py`](../../four_equations.py)": "[Four equations](/gallery/four_equations.rst)",
        "[a](../../README.md#b)": "[a](/gallery/index.rst#b)",
        "[a](../../../CONTRIBUTING.md)": "[a](/contributing.md)",
        "[a](../../../tests/conftest.py)": "a",
        "[a](other.md)": "[a](other.md)",
        "[a](https://example.org)": "[a](https://example.org)",
        "![a](../../crossover.png)": "![a](../../crossover.png)",
    }.items():
        assert names.linked(given, folder) == page


@pytest.fixture(scope="module")
def html(tmp_path_factory):
    if BUILT:
        return Path(BUILT).resolve()
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, str(SITE / "build.py"), str(folder), "--quick"],
        env={**os.environ, "PYTHONPATH": str(TESTS.parent)}, capture_output=True, text=True, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "html"


def test_every_link_leads_somewhere(html):
    assert len(list(html.rglob("*.html"))) > 100
    assert links.wrong(html) == []


def test_every_public_name_has_a_place_on_its_page(html):
    reference = {path: path.read_text(encoding="utf-8") for path in (html / "reference").glob("*.html")}
    text = "\n".join(reference.values())
    for package, names in PUBLIC["NAMES"].items():
        for name in names.split():
            assert f'id="{package}.{name}"' in text or f">{package}.{name}<" in text, f"{package}.{name}"


def test_no_page_shows_markup(html):
    """Markdown or reStructuredText that was not understood."""
    for path in html.rglob("*.html"):
        if "_modules" not in path.parts and "_pages" not in path.parts:
            words = re.sub(r"<(pre|script|code)\b.*?</\1>", "", path.read_text(encoding="utf-8"), flags=re.S)
            assert re.findall(r"``\w|:(?:doc|ref|class|func):`|\]\(\w|\\\|", words) == [], path.relative_to(html)


@pytest.fixture(scope="module")
def browser():
    from playwright import sync_api

    options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    with sync_api.sync_playwright() as running:
        chromium = running.chromium.launch(executable_path=CHROMIUM, args=options)
        yield chromium
        chromium.close()


@pytest.fixture
def opened(browser, html):
    """Open pages; at the end there must have been no request elsewhere, and no error on the console."""
    wrong, contexts = [], []

    def opened(name, **options):
        context = browser.new_context(**({"viewport": {"width": 1280, "height": 900}} | options))
        context.set_offline(True)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("console", lambda message: message.type == "error" and wrong.append(f"{name}: {message.text}"))
        page.on("pageerror", lambda error: wrong.append(f"{name}: {error}"))
        page.on("request", lambda one: one.url.startswith(("file:", "data:", "blob:")) or wrong.append(one.url))
        page.goto((html / name).as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()
    assert wrong == []


@needs_browser
def test_no_page_asks_another_host(html, opened):
    """Every page that is written by hand or by a script, and every tenth of those that are generated."""
    names = sorted(path.relative_to(html).as_posix() for path in html.rglob("*.html"))
    names = [name for name in names if not name.startswith("_static/")]  # the theme has a template there
    generated = [name for name in names if name.startswith(("reference/fastbp.", "_modules/"))]
    page = opened("index.html")
    for name in [*(name for name in names if name not in generated), *generated[::10]]:
        page.goto((html / name).as_uri())
        page.wait_for_load_state("load")


@needs_browser
def test_formulas_are_set_without_network(opened):
    page = opened("learn/four_equations.html")
    page.wait_for_selector("mjx-container")
    fonts = page.evaluate("document.fonts.ready.then(all => [...all].filter(one => one.status === 'loaded').length)")
    assert fonts > 0 and page.locator("mjx-merror").count() == 0


FINDS = {
    "jacobian": "reference/fastbp.Network-class.html#fastbp.Network.jacobian",
    "load_digits": "reference/fastbp.load_digits-function.html#fastbp.load_digits",
    "GaussianNLL": "reference/fastbp.GaussianNLL-function.html#fastbp.GaussianNLL",
    "crossover": "measure/crossover.html",
}


@needs_browser
@pytest.mark.parametrize("name", FINDS)
def test_search_finds_a_name(name, html, opened):
    page = opened("index.html")
    page.keyboard.press("Control+k")
    page.locator("input[type=search]:visible").first.fill(name)
    page.keyboard.press("Enter")
    page.wait_for_selector(f"#search-results li a[href*='{FINDS[name].partition('#')[0]}']")  # they come one by one
    links_found = page.locator("#search-results li a").evaluate_all("all => all.map(one => one.href.split('?')[0])")
    wanted = (html / FINDS[name].split("#")[0]).as_uri()
    assert any(link.startswith(wanted) for link in links_found), links_found


PAGES = ("index.html", "reference/fastbp.Network-class.html", "gallery/four_equations.html", "gallery/index.html",
         "learn/tutorials/first_net.html", "measure/history.html", "measure/where_fastbp_loses.html",
         "use/from_pytorch.html")  # fmt: skip


@needs_browser
@pytest.mark.skipif(AXE is None, reason="AXE_CORE is not set to axe.min.js")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_there_is_no_violation_of_level_a_or_aa(name, scheme, opened):
    page = opened(name, color_scheme=scheme, viewport={"width": 390 if scheme == "dark" else 1280, "height": 900})
    page.evaluate(Path(str(AXE)).read_text("utf-8"))
    # Without `preload`, because a page from file:// may not read its own style sheets.
    options = "{preload: false, runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']}"
    found = page.evaluate(f"axe.run(document, {options})")["violations"]
    assert [(one["id"], [node["html"] for node in one["nodes"][:3]]) for one in found] == []


@needs_browser
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("name", PAGES)
def test_no_page_is_wider_than_the_screen(name, width, opened):
    page = opened(name, viewport={"width": width, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
