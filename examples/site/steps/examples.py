"""Which >>> examples the build runs, and how: all of the pages, each object of the reference by itself."""

import importlib
import re
from importlib.util import find_spec

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

# Packages that an example may need. Where one is missing, its example and what follows it are not run.
OPTIONAL = {name: (name,) for name in ("matplotlib", "onnxruntime", "pandas", "polars", "pyarrow", "sklearn", "torch")}
OPTIONAL["keras"] = ("keras", "torch")  # its backend
SETUP = "import os\nos.environ.setdefault('KERAS_BACKEND', 'torch')"


def is_example(node: nodes.Node) -> bool:
    """Whether it is a session of Python."""
    return isinstance(node, nodes.doctest_block | nodes.literal_block) and node.astext().startswith(">>>")


def owner(node: nodes.Node) -> nodes.Element | None:
    """Return the signature of the object whose docstring has the example, if one does."""
    while node.parent is not None:
        node = node.parent
        if isinstance(node, addnodes.desc):
            return node[0]
    return None


def module_of(signature: nodes.Element) -> str:
    """Return the module that defines an object: its examples use what that module has imported."""
    thing = importlib.import_module(signature["module"])
    for part in signature["fullname"].split("."):
        thing = getattr(thing, part)
    return getattr(getattr(thing, "fget", thing), "__module__", None) or signature["module"]


def prepare(_: Sphinx, page: nodes.document) -> None:
    """Mark the examples of a page for `sphinx.ext.doctest`."""
    lacking: set[str] = set()
    begun = set()
    for node in list(page.findall(is_example)):
        signature, text = owner(node), node.astext()
        group = signature["ids"][0] if signature is not None and signature["ids"] else "page"
        words = re.findall(r"(?<![a-z])[a-z]+(?![a-z])", text)
        if any(find_spec(package) is None for word in words for package in OPTIONAL.get(word, ())):
            lacking.add(group)
        if group != "page" and group not in begun:
            names = f"vars(importlib.import_module({module_of(signature)!r}))"
            text = f">>> import importlib; globals().update({names})\n{text}"
        begun.add(group)
        node.rawsource = node.astext().rstrip()  # Markdown's examples end with an empty line
        node[:] = [nodes.Text(node.rawsource)]
        node["testnodetype"], node["language"], node["test"] = "doctest", "pycon", text
        node["groups"], node["options"] = [group], {}
        if group in lacking:
            node["skipif"] = "True"


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect it."""
    app.connect("doctree-read", prepare)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
