"""A model of a table as an ONNX graph: an input for each column, the features, and the networks."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastbp.files.layers import imported
from fastbp.files.onnx_file import IR_VERSION, OPSET, Graph
from fastbp.tables.codes import CLIP
from fastbp.tabular.bag import SMALLEST
from fastbp.tabular.described import Entering, entering, others_in_linear_model

ML_OPSET = 3  # of the operators ai.onnx.ml that OPSET came with


def model_proto(model: Any) -> Any:
    """Return the ONNX model. Raises ImportError, or ValueError for columns of dates."""
    columns = list(entering(model, "an ONNX file"))
    onnx = imported("onnx", "to_onnx needs", "`pip install 'fastbp[onnx]'`")
    helper, proto = onnx.helper, onnx.TensorProto
    numbers, nets = Graph(onnx, np.dtype(np.float64)), Graph(onnx, np.dtype(np.float32))
    nets.nodes, nets.constants = numbers.nodes, numbers.constants
    features: list[str] = []
    linear: list[str] = []
    for j, column in enumerate(columns):
        numbers.layer = j
        features += (
            _category(helper, numbers, column) if column.kind == "category" else _number(numbers, column, linear)
        )
    as_floats = [numbers.add("Cast", each, to=proto.FLOAT) for each in features]
    z = numbers.add("Concat", *as_floats, axis=1)
    nets.layer = len(columns)
    outputs = [numbers.add("Cast", nets.network(net._model, z), to=proto.DOUBLE) for net in model.population_]
    numbers.layer = nets.layer + 1
    share = numbers.constant("share", 1 / len(outputs) / getattr(model, "temperature_", 1.0))
    if hasattr(model, "classes_"):
        least = numbers.constant("least", SMALLEST)
        outputs = [numbers.add("Log", numbers.add("Max", each, least)) for each in outputs]
        y = numbers.add("Softmax", numbers.add("Mul", _sum(numbers, outputs), share), axis=-1)
    else:
        mean = numbers.add("Mul", _sum(numbers, outputs), share)
        y = numbers.add("Mul", mean, numbers.constant("scale", model.scale_))
        y = numbers.add("Add", y, numbers.constant("intercept", model.intercept_))
        if others := others_in_linear_model(model):
            coef = np.zeros((model.population_[0].sizes[0], 1))
            coef[[place for place, _ in others], 0] = [value for _, value in others]
            as_doubles = numbers.add("Cast", z, to=proto.DOUBLE)
            linear.append(numbers.add("MatMul", as_doubles, numbers.constant("coef", coef)))
        y = _sum(numbers, [y, *linear])
    numbers.add("Identity", y, output="Y")
    kinds = {column.name: proto.STRING if column.kind == "category" else proto.DOUBLE for column in columns}
    inputs = [helper.make_tensor_value_info(name, kind, ["n_samples", 1]) for name, kind in kinds.items()]
    n_out = model.population_[0].sizes[-1]
    ends = [helper.make_tensor_value_info("Y", proto.DOUBLE, ["n_samples", n_out])]
    return helper.make_model(
        helper.make_graph(numbers.nodes, "fastbp", inputs, ends, numbers.constants),
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)],
        ir_version=IR_VERSION,
        producer_name="fastbp",
    )


def _sum(graph: Graph, parts: list[str]) -> str:
    total, *rest = parts
    for part in rest:
        total = graph.add("Add", total, part)
    return total


def _number(graph: Graph, column: Entering, linear: list[str]) -> list[str]:
    """Add the features of a number, or of true and false; and to `linear` its term in the linear model."""
    zero, one, code = graph.constant("zero", 0.0), graph.constant("one", 1.0), column.code
    missing = graph.add("Or", graph.add("IsNaN", column.name), graph.add("IsInf", column.name))
    if column.kind == "boolean":  # 2x − 1
        value = graph.add("Sub", graph.add("Add", column.name, column.name), one)
        return [graph.add("Where", missing, zero, value)]
    center, factor = graph.constant("center", code["center"][0]), graph.constant("factor", code["factor"][0])
    s = graph.add("Mul", graph.add("Sub", graph.add("Where", missing, center, column.name), center), factor)
    found = []
    if column.coef:
        linear.append(graph.add("Mul", s, graph.constant("coef", column.coef)))
    if column.scaled:
        part = graph.add("Div", s, graph.constant("clip", CLIP))
        found.append(graph.add("Div", s, graph.add("Sqrt", graph.add("Add", one, graph.add("Mul", part, part)))))
    if column.n_bins:
        edges = np.array(code["edges"])
        widths = graph.constant("widths", np.diff(edges)[None])
        share = graph.add("Div", graph.add("Sub", column.name, graph.constant("edges", edges[None, :-1])), widths)
        found.append(graph.add("Where", missing, zero, graph.add("Min", graph.add("Max", share, zero), one)))
    if code["missing"]:
        found.append(graph.add("Where", missing, one, zero))
    return found


def _category(helper: Any, graph: Graph, column: Entering) -> list[str]:
    """Add the features of a category, by the numbers of its words."""
    words, n = column.code["levels"], len(column.code["levels"])
    one_feature = len(column.code["features"]) == 1
    missing = float(n + column.code["other"]) if column.code["missing"] else -1.0
    numbers = [-1.0, 1.0, 0.0] if one_feature else [*map(float, range(n)), missing]
    found = f"words.{graph.layer}"
    graph.nodes.append(
        helper.make_node(
            "LabelEncoder", [column.name], [found], domain="ai.onnx.ml", keys_strings=[*words, ""],
            values_floats=numbers, default_float=0.0 if one_feature else float(n) if column.code["other"] else -1.0,
        )
    )  # fmt: skip
    if one_feature:
        return [found]
    places = graph.constant("places", np.arange(len(column.code["features"]), dtype=float)[None])
    as_double = graph.add("Cast", found, to=11)  # TensorProto.DOUBLE
    return [graph.add("Equal", as_double, places)]
