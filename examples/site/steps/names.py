"""Code in single backticks becomes a link if the site has a page for it; links out of the site's folder find pages."""

import re
from pathlib import PurePosixPath
from posixpath import normpath
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.util.nodes import make_refnode

# Files of the repository that are pages of the site, by their paths; gallery scripts are `gallery/<name>`.
PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md",
         "examples/README.md": "gallery/index.rst", "examples/crossover.md": "measure/crossover.md"}  # fmt: skip
HERE = PurePosixPath("examples/site")


def find(app: Sphinx, _: Any, node: pending_xref, code: nodes.Element) -> nodes.Node | None:
    """Find a public name by its end; what is no public name stays code. Other roles must find what they name."""
    if node["reftype"] != "obj" or node.get("refdomain") != "py":
        return None
    objects = app.env.domains.python_domain.objects
    name = node["reftarget"].strip().removesuffix("()")
    if re.fullmatch(r"[\w.]{3,}", name):
        inside = (node.get("py:class"), node.get("py:module"), "fastbp")
        found = [f"{scope}.{name}" for scope in inside if f"{scope}.{name}" in objects]
        if not found and "." in name:
            found = sorted((full for full in objects if full.endswith(f".{name}")), key=len)
        if found:
            entry = objects[found[0]]
            return make_refnode(app.builder, node["refdoc"], entry.docname, entry.node_id, code)
    return nodes.literal("", node.astext(), classes=["code"])


def title_of(script: str) -> str:
    """Return the title of the page of a script of the gallery."""
    return script[0].upper() + script[1:].replace("_", " ")


def linked(text: str, folder: PurePosixPath) -> str:
    """Let the links of a Markdown text in `folder` to files of the repository lead to the site's pages of them.

    A script of the gallery is named as its page is. A file that has no page is named, without a link.
    """

    def page(link: re.Match[str]) -> str:
        words, path, place = link[1], link[2], link[3] or ""
        target = normpath(folder / path)
        script = re.fullmatch(r"examples/(\w+)\.py", target)
        if script and words == f"`{script[1]}.py`":
            words = title_of(script[1])
        name = f"gallery/{script[1]}.rst" if script else PAGES.get(target)
        if name:
            return f"[{words}](/{name}{place})"
        return link[0] if re.match("/|http|mailto", path) or target.startswith(f"{HERE}/") else words

    return re.sub(r"(?<!!)\[([^\]]+)\]\(([^)#\s]+)(#[^)\s]*)?\)", page, text)


def inside(app: Sphinx, docname: str, source: list[str]) -> None:
    """Do this for a page that Sphinx reads."""
    if app.env.doc2path(docname).suffix == ".md":
        source[0] = linked(source[0], HERE / PurePosixPath(docname).parent)


def ours(app: Sphinx, what: str, name: str, member: Any, skip: bool, options: Any) -> bool | None:
    """Leave out what a class inherits from another library."""
    its = getattr(member, "fget", None) or getattr(member, "__func__", member)
    return None if (getattr(its, "__module__", None) or "fastbp").startswith("fastbp") else True


def bars(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Keep the bars of |a − y|, which mean something else to reStructuredText."""
    for i, line in enumerate(lines):
        if not line.lstrip().startswith((">>>", "...")):
            lines[i] = re.sub(r"(``.*?``)|\|", lambda found: found[1] or r"\|", line)


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect all of them."""
    app.connect("missing-reference", find)
    app.connect("source-read", inside)
    app.connect("autodoc-skip-member", ours)
    app.connect("autodoc-process-docstring", bars, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
