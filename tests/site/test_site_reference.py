"""Everything public has a page of the reference; the steps of the build that need no Sphinx."""

import inspect
import re
import runpy

import pytest
from conftest import TESTS
from steps import history, links, reference

PUBLIC = runpy.run_path(str(TESTS / "properties" / "test_public_names.py"))


@pytest.fixture(scope="module")
def names():
    """All public names, for which all packages must be there."""
    pytest.importorskip("sklearn", minversion="1.6", reason="scikit-learn 1.6 or newer is not installed")
    return reference.public_names()


@pytest.fixture(scope="module")
def pages(tmp_path_factory, names):
    folder = tmp_path_factory.mktemp("reference")
    reference.write(folder)
    return {path.stem: path.read_text(encoding="utf-8") for path in folder.iterdir()}


def test_the_packages_of_the_reference_are_the_public_ones():
    assert sorted(reference.PACKAGES) == sorted(PUBLIC["NAMES"])


@pytest.mark.parametrize("package", PUBLIC["NAMES"])
def test_every_public_name_has_a_page(package, pages):
    text = "\n".join(pages.values())
    described = set()
    for page in pages.values():
        for current, body in re.findall(r"currentmodule:: (\S+)\n(.*)", page, re.S):
            described |= {f"{current}.{name}" for name in re.findall(r"^\.\. (?:auto|py:)\w+:: (\w+)$", body, re.M)}
    for name in PUBLIC["NAMES"][package].split():
        assert f"{package}.{name}" in described or f"``{package}.{name}``" in text, name


def test_every_page_is_in_the_index(pages):
    for name in pages.keys() - {"index"}:
        assert f"   {name}\n" in pages["index"], name


def test_every_command_and_every_choice_is_described(pages):
    for command in PUBLIC["COMMANDS"]:
        assert f"fastbp {command}\n" in pages["commands"]
    for kind, (_, names) in PUBLIC["CHOICES"].items():
        for name in names.split():
            assert f".. _{kind}-{name.replace('_', '-')}:" in pages["choices"], name


def test_every_choice_says_something_of_its_own(pages):
    """No two names have the same description, and none is left without."""
    for section in re.split(r"\.\. _choices-\w+:", pages["choices"])[1:]:
        said = re.findall(r"^``(\w+)``\n   (\S.+)$", section, re.M)
        assert len(said) == len(re.findall(r"^``\w+``$", section, re.M)) > 1
        assert len({words for _, words in said}) == len(said), said
        assert [name for name, words in said if words.startswith(("see", "Return", "σ′ of", "∂C/∂a of"))] == []


def test_every_constant_of_a_package_says_what_it_means(names):
    missing = [name.full for name in names if name.is_data and not name.summary]
    assert missing == []


def test_no_two_pages_differ_only_by_case(pages):
    assert len({page.lower() for page in pages}) == len(pages)


def test_subjects_are_folders_of_the_package(names):
    subjects = {name.subject for name in names}
    assert {"network", "optimizers", "plots", "training"} <= subjects
    for name in names:
        assert name.is_data or inspect.getmodule(name.thing).__name__.split(".")[1] == name.subject


PAGE = '<html><body><p id="here">{}</p></body></html>'


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ('<a href="b.html#here">', []),
        ('<a href="#here">', []),
        ('<a href="https://example.org/">', []),
        ('<img src="data:image/png;base64,">', []),
        ('<a href="c.html">', ["a.html: there is no c.html"]),
        ('<a href="b.html#there">', ["a.html: no place for b.html#there"]),
        ('<a href="#there">', ["a.html: no place for #there"]),
        ('<img src="https://example.org/a.png">', ["a.html loads https://example.org/a.png"]),
        ('<script src="//example.org/a.js">', ["a.html loads //example.org/a.js"]),
        ('<link rel="stylesheet" href="https://example.org/a.css">', ["a.html loads https://example.org/a.css"]),
        ('<link rel="canonical" href="https://example.org/a">', []),
    ],
)
def test_links_are_followed(body, wrong, tmp_path):
    for name, text in (("a", body), ("b", "")):
        (tmp_path / f"{name}.html").write_text(PAGE.format(text), encoding="utf-8")
    links.page.cache_clear()
    assert links.wrong(tmp_path) == wrong


def test_the_history_is_drawn_and_in_a_table(tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    commits = [
        {"commit": letter * 8, "date": "2026-01-01", "processor": "A", "ratios": {f"x.Y.track_z, {name}": ratio}}
        for letter, name, ratio in (("a", "tiles", 0.5), ("b", "loops", 1))
    ]
    text = history.page(tmp_path, commits)
    assert "| `aaaaaaaa` | 2026-01-01 | 0.5 | – |" in text
    assert "| `bbbbbbbb` | 2026-01-01 | – | 1 |" in text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x_y_track_z_dark.svg", "x_y_track_z_light.svg"]


def test_without_a_series_the_page_says_so(tmp_path):
    history.write(tmp_path)
    assert (tmp_path / "history.inc").read_text(encoding="utf-8") == history.NONE
