"""Everything public is documented: what it is, every parameter, an example that runs."""

import dataclasses
import doctest
import importlib
import inspect
import re
import runpy

import pytest
from conftest import TESTS

import fastbp
from fastbp.network.first_order import FirstOrder

NAMES = runpy.run_path(str(TESTS / "properties" / "test_public_names.py"))["NAMES"]
EXCEPTIONS = {
    name for name in fastbp.__all__ if inspect.isclass(v := getattr(fastbp, name)) and issubclass(v, Exception)
}
WITHOUT_EXAMPLE = {"MeasuringError"}  # only a process that ends raises it


def public_members(cls):
    for name, member in inspect.getmembers(cls):
        if not name.startswith("_") and (callable(member) or isinstance(member, property)):
            yield name, member


METHODS = [
    (cls, name, member)
    for cls in (getattr(fastbp, public) for public in fastbp.__all__)
    if inspect.isclass(cls)
    for name, member in public_members(cls)
    if cls.__name__ not in EXCEPTIONS
]


def parameters_of(function):
    return [p for p in inspect.signature(function).parameters if p not in ("self", "cls")]


def mentioned(parameter: str, text: str) -> bool:
    return re.search(rf"(?<![\w]){re.escape(parameter)}(?![\w])", text) is not None


def test_all_lists_existing_names_once():
    assert sorted(fastbp.__all__) == sorted(set(fastbp.__all__))
    for name in fastbp.__all__:
        assert getattr(fastbp, name).__module__.startswith("fastbp.")
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", fastbp.__version__)


@pytest.mark.parametrize("name", fastbp.__all__)
def test_every_public_name_says_what_it_is(name):
    text = inspect.getdoc(getattr(fastbp, name))
    assert text and len(text.splitlines()[0]) > 15
    assert text.splitlines()[0].rstrip().endswith((".", ":"))
    assert not text.startswith(f"{name}(")  # the docstring that dataclass writes if there is none


@pytest.mark.parametrize("package", NAMES)
def test_every_public_name_has_an_example(package):
    """Constants have none."""
    if package in ("fastbp.sklearn", "fastbp.tabular"):
        pytest.importorskip("sklearn", minversion="1.6", reason="scikit-learn 1.6 or newer is not installed")
    module = importlib.import_module(package)
    for name in set(NAMES[package].split()) - WITHOUT_EXAMPLE:
        if callable(public := getattr(module, name)):
            examples = doctest.DocTestParser().get_examples(inspect.getdoc(public))
            assert any(example.want for example in examples), name  # an example that shows its output


@pytest.mark.parametrize("name", sorted(set(fastbp.__all__) - EXCEPTIONS))
def test_every_parameter_is_in_the_docstring(name):
    public = getattr(fastbp, name)
    text = inspect.getdoc(public)
    hidden = {"whole_layer", "parameter"} if name in ("Activation", "Cost") else set()
    missing = [p for p in parameters_of(public) if not mentioned(p, text) and p not in hidden]
    if dataclasses.is_dataclass(public):
        given = [f.name for f in dataclasses.fields(public) if f.init]
        missing += [name for name in given if not mentioned(name, text) and name not in hidden]
    assert missing == []


@pytest.mark.parametrize(("cls", "name", "member"), METHODS, ids=[f"{c.__name__}.{n}" for c, n, _ in METHODS])
def test_every_public_method_is_documented(cls, name, member):
    text = member.__doc__  # the method's own docstring: `inspect.getdoc` would return that of a base class
    assert text and len(text) > 10
    if cls is fastbp.Network and not isinstance(member, property):
        assert [p for p in parameters_of(member) if not mentioned(p, text)] == []


def test_every_attribute_of_a_network_is_documented():
    net = fastbp.Network([2, 1])
    text = inspect.getdoc(fastbp.Network)
    for name in vars(net):
        assert name.startswith("_") or mentioned(name, text), name


@pytest.mark.parametrize("cls", [fastbp.Evaluation, fastbp.History])
def test_every_field_of_a_record_is_documented(cls):
    for field in dataclasses.fields(cls):
        assert mentioned(field.name, inspect.getdoc(cls))


def test_names_that_can_be_chosen_are_in_the_docstring_of_network():
    from fastbp.formulations import FORMULATIONS
    from fastbp.functions.activations import ACTIVATIONS
    from fastbp.functions.costs import COSTS
    from fastbp.functions.initializers import INITIALIZERS

    text = inspect.getdoc(fastbp.Network)
    for table in (ACTIVATIONS, COSTS, INITIALIZERS, FORMULATIONS):
        assert [name for name in table if not mentioned(name, text)] == []


def test_names_that_can_be_chosen_are_in_the_types():
    from typing import get_args

    from fastbp.formulations import FORMULATIONS
    from fastbp.network.network import FormulationName

    assert set(get_args(FormulationName)) == set(FORMULATIONS)


DERIVATIVES = [f"Network.{name}" for name in ("gradient", *vars(FirstOrder)) if not name.startswith("_")]


@pytest.mark.parametrize("name", ["SGD", "Momentum", "Nesterov", "Adam", "check_gradient", *DERIVATIVES])
def test_methods_from_papers_have_references(name):
    public = fastbp
    for part in name.split("."):
        public = getattr(public, part)
    assert "References" in inspect.getdoc(public)
