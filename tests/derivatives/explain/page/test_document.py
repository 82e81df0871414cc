import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import fastbp
from fastbp.derivatives.explain.page import document as module
from fastbp.derivatives.explain.page.source import LINES
from fastbp.formulations import loops
from fastbp.functions.activations import ACTIVATIONS
from fastbp.functions.cost_pairs import PAIRS
from fastbp.functions.costs import COSTS

NASTY = ["</script><script>alert(1)</script>", "<!-- \"&amp;' " + "\u2028", "plain"]
softsign = fastbp.Activation("<b>soft</b>", lambda z: z / (1 + abs(z)), lambda z: 1 / (1 + abs(z)) ** 2)


class Parts(HTMLParser):
    """The tags with their attributes, and the text inside each kind of tag."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.text, self.open = [], {}, []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.open.append(tag)

    def handle_endtag(self, tag):
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data):
        if self.open:
            self.text.setdefault(self.open[-1], []).append(data)

    @property
    def data(self):
        return json.loads(self.text["script"][0])


def trace_of(sizes, dtype="float32", **options):
    net = fastbp.Network(sizes, seed=0, dtype=dtype, **options)
    rng = np.random.default_rng(0)
    return net.trace(rng.random(sizes[0]), rng.random(sizes[-1]))


@pytest.fixture(scope="module")
def small():
    return trace_of([2, 3, 3], activation="sigmoid", cost="quadratic")


def page_of(trace, folder, **options):
    trace.to_html(folder / "page.html", **options)
    return (folder / "page.html").read_text(encoding="utf-8")


def test_a_page_is_one_small_file_that_asks_no_network(small, tmp_path):
    page = page_of(small, tmp_path)
    parts = Parts(page)
    assert [tag for tag, _ in parts.tags if tag in ("link", "img", "iframe", "object", "embed", "base")] == []
    assert [attributes for _, attributes in parts.tags if {"src", "href", "srcset"} & set(attributes)] == []
    assert re.findall(r"url\(|@import|\bimport\(|fetch\(|XMLHttpRequest|WebSocket|sendBeacon", page) == []
    assert set(re.findall(r"https?://[\w./]+", page)) == {"http://www.w3.org/2000/svg"}  # the name of SVG, no address
    (policy,) = (at["content"] for tag, at in parts.tags if at.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none';")
    assert len(page.encode()) < 120_000


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_pages_of_the_books_network_are_small(dtype, tmp_path):
    assert len(page_of(trace_of([784, 30, 10], dtype), tmp_path).encode()) < 300_000


def test_pages_of_weights_far_apart_are_small(tmp_path):
    """Exponents that differ from weight to weight take no more bits than they have in memory, or few more."""
    net = fastbp.Network([784, 30, 10], seed=0, dtype="float64")
    net.parameters[:] *= 2.0 ** np.random.default_rng(1).integers(-300, 300, size=len(net.parameters))
    page = page_of(net.trace(np.zeros(784), np.zeros(10)), tmp_path)
    assert len(page.encode()) < 80_000 + 1.25 * 8 * 1.1 * len(net.parameters)


@pytest.mark.parametrize("name", module.SCRIPTS)
def test_scripts_lose_their_comments_only(name):
    """What a page has of a script: the same lines, in the same order; no comment is left and no text is cut."""
    whole = Path(module.__file__).with_name(name).read_text("utf-8")
    short = module._without_comments(whole)
    assert "//" not in short.replace("http://www.w3.org/2000/svg", "") and "\n\n" not in short
    for kept, line in zip(short.splitlines(), (line for line in whole.splitlines() if not re.match(r" *(//|$)", line)),
                          strict=True):  # fmt: skip
        assert line.strip().split(" //")[0] == kept


def test_a_page_has_the_numbers_of_the_trace(small, tmp_path):
    data = Parts(page_of(small, tmp_path, names=["a", "b", "c"], input_names=["p", "q"], title="A title")).data
    assert (data["sizes"], data["dtype"], data["title"]) == ([2, 3, 3], "float32", "A title")
    assert (data["activations"], data["cost"], data["own"]) == (["sigmoid", "sigmoid"], "quadratic", [])
    assert (data["names"], data["inputNames"]) == (["a", "b", "c"], ["p", "q"])
    assert data["x"] == module.packed(small.x) and data["y"] == module.packed(small.y)
    (frame,) = data["frames"]
    theta = [part.ravel() for at in small.layers[1:] for part in (at.w, at.b)]
    assert frame["theta"] == module.packed(np.concatenate(theta))
    assert frame["delta"] == module.packed(np.concatenate([at.delta for at in small.layers[1:]]))
    assert "dadz" not in frame


def test_labels_are_text(small, tmp_path):
    """Labels cannot end the script that they are in, and arrive unchanged."""
    page = page_of(small, tmp_path, names=NASTY, input_names=NASTY[:2], title=NASTY[0])
    parts = Parts(page)
    assert parts.data["names"] == NASTY and parts.data["inputNames"] == NASTY[:2] and parts.data["title"] == NASTY[0]
    assert parts.text["h1"] == parts.text["title"] == [NASTY[0]]
    assert [tag for tag, _ in parts.tags].count("script") == 2 and "alert" not in parts.text["script"][1]
    assert "<script>alert" not in page
    assert "@@" in page_of(small, tmp_path, title="@@data@@ @@")  # is a title, no part of the template


def test_a_function_of_ones_own_is_named_and_its_numbers_are_pythons(tmp_path):
    trace = trace_of([2, 3, 1], activation=softsign, output_activation="identity", cost="quadratic")
    data = Parts(page_of(trace, tmp_path)).data
    assert data["own"] == ["<b>soft</b>"]
    (frame,) = data["frames"]
    assert frame["dadz"] == module.packed(np.concatenate([at.da_dz for at in trace.layers[1:]]))
    assert frame["dCda"] == module.packed(np.concatenate([at.dC_da for at in trace.layers]))


@pytest.mark.parametrize("name", ["sigmoid", "constructor"])
def test_a_function_is_ones_own_whatever_its_name(name, tmp_path):
    other = fastbp.Activation(name, softsign.function, softsign.derivative)
    trace = trace_of([1, 1], output_activation=other, cost="quadratic")
    assert Parts(page_of(trace, tmp_path)).data["own"] == [name]


def test_a_cost_is_ones_own_unless_it_is_exactly_ours(tmp_path):
    half = fastbp.Cost("huber", lambda a, y: (a - y) ** 2 / 4, lambda a, y: (a - y) / 2)
    for cost, own in ((half, ["huber"]), (fastbp.Huber(0.3), []), (fastbp.Quantile(0.9), []), ("quadratic", [])):
        assert Parts(page_of(trace_of([1, 1], cost=cost), tmp_path)).data["own"] == own


def test_javascript_knows_every_function_of_ours():
    """A new activation, cost or pair needs a line in backpropagation.js, also where no Node.js can say so."""
    script = Path(module.__file__).with_name("backpropagation.js").read_text("utf-8")
    tables = dict(re.findall(r"const (ACTIVATIONS|COSTS|PAIRS) = {(.*?)\n};", script, re.S))
    names = {name: re.findall(r'^  "?([\w ]+)"?: {', table, re.M) for name, table in tables.items()}
    pairs = {f"{sigma.__name__} {cost.__name__}" for sigma, cost in PAIRS}
    assert names["ACTIVATIONS"] == list(ACTIVATIONS) and names["COSTS"] == list(COSTS) and set(names["PAIRS"]) == pairs


def test_lines_of_code_are_read_from_loops(small, tmp_path):
    source, lines = Parts(page_of(small, tmp_path)).data["source"], Path(loops.__file__).read_text("utf-8").splitlines()
    assert set(source["lines"]) == set(LINES)
    for what, at in source["lines"].items():
        assert lines[at["line"] - 1].strip().startswith(LINES[what][1])
        function = source["functions"][at["function"]]
        assert function["text"].splitlines()[at["line"] - function["first"]] == lines[at["line"] - 1]


def test_a_notebook_shows_the_page_and_the_tables(small):
    shown = small._repr_html_()
    (frame,) = (attributes for tag, attributes in Parts(shown).tags if tag == "iframe")
    assert frame["sandbox"] == "allow-scripts"
    assert frame["srcdoc"] == module.html_of([small])
    assert "<caption>layer 0, the input</caption>" in shown


def test_a_large_network_shows_in_a_notebook_as_tables(small, monkeypatch):
    monkeypatch.setattr(module, "LARGEST_INLINE", 50)
    assert "<iframe" not in small._repr_html_() and "<caption>layer 0, the input</caption>" in small._repr_html_()


def test_a_page_that_is_too_large_is_not_written(tmp_path):
    trace = trace_of([3000, 2100, 1])
    message = "a page of a trace of the network 3,000 → 2,100 → 1 would have 32 MB; a browser shows at most 30 MB well"
    with pytest.raises(ValueError, match=message):
        trace.to_html(tmp_path / "page.html")
    assert list(tmp_path.iterdir()) == []


WRONG = [
    ({"names": ["a"]}, ValueError, "there are 1 names for 3 outputs"),
    ({"names": 3}, TypeError, "names is 3; it must be a list of 3 words"),
    ({"input_names": ["a"]}, ValueError, "there are 1 input_names for 2 inputs"),
    ({"title": 3}, TypeError, "title is 3; it must be a str"),
    ({"path": 3}, TypeError, "path is 3; it must be a str or a pathlib.Path"),
    ({"path": ""}, ValueError, "path is ''; it must be the name of a file"),
]


@pytest.mark.parametrize(("options", "error", "message"), WRONG, ids=[str(options) for options, *_ in WRONG])
def test_wrong_arguments_are_explained(options, error, message, small, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message):
        small.to_html(**({"path": "page.html"} | options))
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_replaced_as_a_whole_or_not_at_all(small, tmp_path, monkeypatch):
    (tmp_path / "page.html").write_text("old")
    with pytest.raises(FileNotFoundError):
        small.to_html(tmp_path / "no_folder" / "page.html")
    with pytest.raises(OSError, match="director"):
        small.to_html(tmp_path)
    monkeypatch.setattr(os, "replace", lambda *paths: (_ for _ in ()).throw(OSError("the disk is full")))
    with pytest.raises(OSError, match="the disk is full"):
        small.to_html(tmp_path / "page.html")
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"] and (tmp_path / "page.html").read_text() == "old"
