"""Writes the reference, from the package alone: a page for each public object, and an index by subject."""

import argparse
import importlib
import inspect
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from steps.choices import page_of_choices

from fastbp.cli.options import new_parser

PACKAGES = ("fastbp", "fastbp.comparison", "fastbp.data", "fastbp.plots", "fastbp.replay", "fastbp.sklearn",
            "fastbp.tables", "fastbp.tabular")  # fmt: skip


@dataclass(frozen=True)
class Name:
    """A public name: where users find it, and the object."""

    package: str
    name: str
    thing: Any

    @property
    def full(self) -> str:
        return f"{self.package}.{self.name}"

    @property
    def is_data(self) -> bool:
        return not callable(self.thing)

    @property
    def module(self) -> str:
        """The module that defines it."""
        return getattr(self.thing, "__module__", self.package)

    @property
    def subject(self) -> str:
        """The folder or file of fastbp that defines it: subjects are folders."""
        return self.package.partition(".")[2] if self.is_data else self.module.split(".")[1]

    @property
    def page(self) -> str:
        """The file of its page. Some systems do not tell ``Replay`` from ``replay``."""
        if self.is_data:
            return f"{self.package}-constants"
        return f"{self.full}-{'class' if inspect.isclass(self.thing) else 'function'}"

    @property
    def summary(self) -> str:
        text = comment(self.package, self.name) if self.is_data else inspect.getdoc(self.thing) or ""
        return " ".join(text.split("\n\n")[0].split()).replace("|", r"\|")


def public_names() -> list[Name]:
    """Return the public names of all packages that can be imported here; an object has the first of its names."""
    found: dict[Any, Name] = {}
    for package in PACKAGES:
        module = importlib.import_module(package)
        for name in sorted(module.__all__):
            thing = getattr(module, name)
            key = (package, name) if not callable(thing) else id(thing)
            found.setdefault(key, Name(package, name, thing))
    return list(found.values())


def comment(package: str, name: str) -> str:
    """Return the comment after a constant or above it, from the module of the package that defines it."""
    folder = Path(str(importlib.import_module(package).__file__)).parent
    names = (folder / "__init__.py").read_text("utf-8")
    imported = re.search(rf"from ([\w.]+) import (?:\([^)]*\b{name}\b|.*\b{name}\b)", names)
    source = (folder / f"{imported[1].split('.')[-1]}.py").read_text("utf-8") if imported else ""
    line = re.search(rf"((?:^#.*\n)*)^[A-Z_, ]*\b{name}\b[^=\n]*=.*?(?:  # (.*))?$", source, re.M)
    if not line:
        return ""
    return line[2] or re.sub("^# ?", "", line[1], flags=re.M)


def titled(title: str, mark: str = "=") -> str:
    return f"{title}\n{mark * len(title)}\n"


def first_sentence(module: ModuleType | str) -> str:
    text = module if isinstance(module, str) else module.__doc__ or ""
    return " ".join(text.split("\n\n")[0].split())


def object_page(name: Name) -> str:
    kind, members = ("function", "")
    if inspect.isclass(name.thing):
        kind = "exception" if issubclass(name.thing, BaseException) else "class"
        members = "   :members:\n   :inherited-members: Exception\n"
    others = [f"``{package}.{name.name}``" for package in PACKAGES if package != name.package
              and getattr(importlib.import_module(package), name.name, None) is name.thing]  # fmt: skip
    also = f"Also as {', '.join(others)}.\n\n" if others else ""
    return f"{titled(name.name)}\n.. currentmodule:: {name.package}\n\n{also}.. auto{kind}:: {name.name}\n{members}"


def constants_page(package: str, names: list[Name]) -> str:
    page = titled(f"Constants of {package}") + f"\n.. currentmodule:: {package}\n"
    for name in names:
        value = repr(name.thing)
        page += f"\n.. py:data:: {name.name}\n   :value: {value}\n\n   {name.summary}\n"
    return page


def commands_page() -> str:
    """Return the help of every command, as the program prints it."""
    parser = new_parser("0")
    (commands,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    page = titled("Commands") + "\nThe command line: what ``fastbp COMMAND --help`` prints.\n"
    for command, its in commands.choices.items():
        text = re.sub("^", "   ", its.format_help(), flags=re.M)
        page += f"\n.. _command-{command}:\n\n{titled(f'fastbp {command}', '-')}\n.. code-block:: text\n\n{text}\n"
    return page


def index_page(names: list[Name]) -> str:
    subjects: dict[str, list[Name]] = defaultdict(list)
    for name in names:
        subjects[name.subject].append(name)
    page = titled("Reference") + (
        "\nEverything public, by subject; a subject is a folder of fastbp. Each object has a page with its parameters, "
        "the errors it raises and an example.\n\n.. toctree::\n   :hidden:\n\n   commands\n   choices\n\n"
        ":doc:`commands` has the command line, :doc:`choices` the names that arguments take.\n"
    )
    for subject in sorted(subjects):
        module = importlib.import_module(f"fastbp.{subject}")
        title = subject if subject == "sklearn" else subject.capitalize()
        page += f"\n{titled(title, '-')}\n{first_sentence(module)}\n"
        its = sorted(subjects[subject], key=lambda name: (name.is_data, name.name.lower()))
        for name in its:
            link = f":py:data:`~{name.full}`" if name.is_data else f":doc:`{name.full} <{name.page}>`"
            page += f"\n{link}\n   {name.summary}\n"
        pages = dict.fromkeys(name.page for name in its)
        page += f"\n.. toctree::\n   :hidden:\n   :caption: {title}\n\n" + "".join(f"   {each}\n" for each in pages)
    return page


def write(folder: Path) -> None:
    """Write all pages into a folder."""
    folder.mkdir(exist_ok=True)
    names = public_names()
    constants: dict[str, list[Name]] = defaultdict(list)
    pages = {"index": index_page(names), "commands": commands_page(), "choices": page_of_choices()}
    for name in names:
        if name.is_data:
            constants[name.package].append(name)
        else:
            pages[name.page] = object_page(name)
    pages |= {f"{package}-constants": constants_page(package, its) for package, its in constants.items()}
    for page, text in pages.items():
        (folder / f"{page}.rst").write_text(text, encoding="utf-8")
