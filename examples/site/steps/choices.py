"""Writes the page of the names that stand for functions in arguments: each with its formula, or what it does.

The formulas of activations and costs are those that the page of one sample shows.
"""

import importlib
import inspect
import re
from pathlib import Path
from typing import Any

from fastbp.derivatives.explain import page, symbols
from fastbp.formulations import FORMULATIONS
from fastbp.functions import layer_activations
from fastbp.functions.activations import ACTIVATIONS
from fastbp.functions.costs import COSTS, PARAMETRIC
from fastbp.functions.initializers import INITIALIZERS
from fastbp.functions.layer_activations import LAYER_ACTIVATIONS
from fastbp.functions.sample_costs import PARAMETRIC_OF_SAMPLES, SAMPLE_COSTS
from fastbp.optimizers import BY_NAME
from fastbp.training import metrics

CHOICES: dict[str, dict[str, Any]] = {
    "activation": ACTIVATIONS | LAYER_ACTIVATIONS, "cost": COSTS | SAMPLE_COSTS, "initializer": INITIALIZERS,
    "formulation": FORMULATIONS, "optimizer": BY_NAME, "metric": metrics.METRICS,
}  # fmt: skip
ABOUT = {
    "activation": "a is σ(z). The last three are of a whole output layer.",
    "initializer": "N(0, s) is a normal distribution with the standard deviation s. Biases are 0 unless it says more.",
}
WITH_SOFTMAX = {"cross_entropy": " With softmax, C = −Σ_j y[j] log a[j]."}
OF_CLASSES = {"macro": "the mean over the classes", "binary": "of class 1"}
SCRIPT = Path(page.__file__).with_name("backpropagation.js")


def formulas() -> dict[str, str]:
    """Return the formula of each activation and cost in the script of the page of one sample."""
    tables = re.findall(r"const (?:ACTIVATIONS|COSTS) = {(.*?)\n};", SCRIPT.read_text("utf-8"), re.S)
    return {name: formula for table in tables for name, formula in re.findall(
        r'^  (\w+): {.*?formula: "(.*?)"', table, re.M | re.S)}  # fmt: skip


def first_sentence(text: str | None) -> str:
    """Return the first paragraph of a docstring, without "Return"; its first letter is large unless it is a symbol."""
    text = " ".join(inspect.cleandoc(text or "").split("\n\n")[0].split()).removeprefix("Return ")
    return text if re.match(r"\w_", text) else text[:1].upper() + text[1:]


def said(kind: str, name: str, thing: Any) -> str:
    """Return what a name stands for, in reStructuredText."""
    if kind == "activation" and not thing.whole_layer:
        return f"σ(z) = {formulas()[name]}; {symbols.sigma_prime(thing)}."
    if maker := (PARAMETRIC | PARAMETRIC_OF_SAMPLES).get(name):
        return f"{first_sentence(maker.__doc__)} With another parameter: :py:func:`fastbp.{maker.__name__}`."
    if kind == "cost":
        prime = symbols.cost_prime(thing, ACTIVATIONS["identity"])
        return f"C = {formulas()[name]}; ∂C/∂a = {prime}.{WITH_SOFTMAX.get(name, '')}"
    if kind == "initializer":
        return first_sentence(thing.draw.__doc__)
    if kind == "formulation":
        text = importlib.import_module(f"fastbp.formulations.{name}").__doc__ or ""
        return first_sentence(text.removeprefix(f"`{name}`: "))
    if kind == "optimizer":
        return f"{first_sentence(thing.__doc__)} See :py:class:`fastbp.{thing.__name__}`."
    of_class, _, classes = name.rpartition("_")
    if kind == "metric" and classes in OF_CLASSES:
        return f"{first_sentence(getattr(metrics, of_class).__doc__).removesuffix('.')}; {OF_CLASSES[classes]}."
    return first_sentence(thing.function.__doc__).replace("`MOST`", f"{layer_activations.MOST:g}")


def page_of_choices() -> str:
    """Return the page."""
    text = "Names in arguments\n==================\n\nWhat an argument can name by a text.\n"
    for kind, table in CHOICES.items():
        text += f"\n.. _choices-{kind}:\n\n{kind.capitalize()}\n{'-' * len(kind)}\n"
        text += f"\n{ABOUT[kind]}\n" if kind in ABOUT else ""
        for name, thing in table.items():
            words = said(kind, name, thing).replace("|", r"\|")
            text += f"\n.. _{kind}-{name.replace('_', '-')}:\n\n``{name}``\n   {words}\n"
    return text
